"""Steps of the inference around the network: averaging with the mirror image, and the result."""

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from bestie.formats import RLEMasks, encode_label_map
from bestie.methods.bestie.grouping import GroupedInstances

__all__ = ["average_with_mirrored", "to_instances"]


def average_with_mirrored(maps: Tensor, mirrored: Tensor) -> None:
    """Average maps (1, K, H, W) with those of the mirrored image, mirrored back, in place.

    A few rows at a time, which stay in the CPU's cache: these are the largest tensors at inference.
    """
    for part, other in zip(maps.split(32, dim=2), mirrored.split(32, dim=2), strict=True):
        part.add_(other.flip(3)).div_(2)


def to_instances(found: GroupedInstances, size: tuple[int, int] | None = None) -> Instances:
    """Detectron2's form of grouped instances.

    Args:
        found: instances on the grid of the network.
        size: height and width of the photo, which the masks are brought to; None: the grid's.

    Returns:
        Instances with pred_masks as ``RLEMasks`` and pred_boxes, scores, pred_classes on the device
        of ``found``. One that is too small for a pixel of the photo is left out.
    """
    if size is None:
        height, width = found.instance_map.shape
        size = (height, width)
    instance_map = found.instance_map.to(torch.int32).cpu().numpy()
    masks = RLEMasks(encode_label_map(instance_map, len(found.classes), size), size)
    instances = Instances(size)
    instances.pred_masks = masks
    instances.pred_boxes = Boxes(torch.from_numpy(masks.boxes()).to(found.scores.device))
    instances.scores = found.scores
    instances.pred_classes = found.classes
    return instances[torch.from_numpy(masks.areas() > 0).to(found.scores.device)]
