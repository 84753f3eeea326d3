"""Regions of a batch of semantic maps, as the mapper and the collation make them."""

import torch

from bestie.regions import Regions, find_components


def regions_of_maps(semantic_maps, classes_of_images, min_area=50) -> Regions:
    """Components of the given classes; none is accepted."""
    found = [
        find_components(semantic_map, classes, min_area)
        for semantic_map, classes in zip(semantic_maps, classes_of_images, strict=True)
    ]
    return Regions.join(
        maps=[torch.from_numpy(components.map) for components in found],
        classes=[torch.from_numpy(components.classes) for components in found],
        centroids=[torch.from_numpy(components.centroids) for components in found],
        confidence=[torch.zeros(len(components)) for components in found],
    )
