"""Copy-paste: a training image gets a trusted instance of another one.

Where objects of one class stand side by side, the weak map has one component with one cue, and no
label says where one ends. A pasted instance has a border that is known, whatever lies beside it
(Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation",
CVPR 2021).

Shapes: (H, W) the training image, P points, K components.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bestie.methods.bestie.batch_labels import component_tensors
from bestie.regions import IGNORE, component_of_points, renumber_components

__all__ = ["paste_instance"]


def paste_instance(
    sample: Mapping[str, Any],
    source: Mapping[str, Any],
    class_id: int | None = None,
    min_area: int = 50,
) -> dict[str, Any]:
    """Paste one trusted instance of a training sample on another one, at a random place.

    It lies over what was there, wholly inside the image, with its point. Only whole instances are
    pasted: accepted components that reach neither the border of their image nor that of the photo
    in it. Components whose point it covers are ignored from then on.

    Args:
        sample: training dict of ``BESTIEMapper``; it stays as it is.
        source: another one, with an image of the same size.
        class_id: the class that the instance is to have; None: any.
        min_area: pixels that it needs, and what is left of a component that it covers in part.

    Returns:
        A copy of ``sample`` with the instance, or without it where ``source`` has none.
    """
    whole = _whole_instances(source, class_id, min_area)
    if not len(whole):
        return dict(sample)
    chosen = int(np.random.choice(whole))
    new_class = int(source["component_classes"][chosen])
    cut = source["components"].numpy() == chosen + 1
    pasted, shift = _move_at_random(cut)
    is_covered = _are_on(sample["points"], pasted)
    ignored = _ignored_pixels(sample, is_covered, pasted)

    image = sample["image"].clone()
    image[:, torch.from_numpy(pasted)] = source["image"][:, torch.from_numpy(cut)]
    semantic_map = sample["semantic_map"].clone()
    semantic_map[torch.from_numpy(ignored)] = IGNORE
    semantic_map[torch.from_numpy(pasted)] = new_class + 1
    image_labels = sample["image_labels"].clone()
    image_labels[new_class] = True

    own = _are_on(source["points"], cut) & (source["point_classes"] == new_class)
    point = source["points"][own] + torch.from_numpy(shift).to(torch.float32)
    classes = [sample["point_classes"][~is_covered], source["point_classes"][own]]
    return {
        **sample,
        "image": image,
        "image_labels": image_labels,
        "semantic_map": semantic_map,
        "points": torch.cat([sample["points"][~is_covered], point]),
        "point_classes": torch.cat(classes),
        **_components(sample, pasted, ignored, new_class, min_area),
    }


def _whole_instances(source: Mapping[str, Any], class_id: int | None, min_area: int) -> np.ndarray:
    """Components that may be pasted."""
    components = source["components"].numpy()
    areas = np.bincount(components.ravel(), minlength=len(source["component_classes"]) + 1)[1:]
    suitable = (source["component_confidence"].numpy() > 0) & (areas >= min_area)
    suitable &= ~source["component_is_piece"].numpy()
    if class_id is not None:
        suitable &= source["component_classes"].numpy() == class_id
    if not suitable.any():
        return np.flatnonzero(suitable)
    # Outside of the photo the map is ignored.
    inside = _bounding_box(source["semantic_map"].numpy() != IGNORE)
    photo = components[inside]
    border = np.concatenate([photo[:1].ravel(), photo[-1:].ravel(), *photo[:, [0, -1]].T])
    suitable[border[border > 0].astype(np.int64) - 1] = False
    return np.flatnonzero(suitable)


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around an (H, W) mask; empty for an empty one."""
    on = [np.flatnonzero(mask.any(1 - axis)) for axis in (0, 1)]
    rows, columns = (slice(int(i[0]), int(i[-1]) + 1) if len(i) else slice(0, 0) for i in on)
    return rows, columns


def _move_at_random(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An (H, W) mask moved to a random place inside the image, and by how many pixels, (2,)."""
    box = _bounding_box(mask)
    start = np.array([side.start for side in box])
    length = np.array([side.stop for side in box]) - start
    new_start = np.random.randint(np.array(mask.shape) - length + 1)
    moved = np.zeros_like(mask)
    moved[tuple(map(slice, new_start, new_start + length))] = mask[box]
    return moved, new_start - start


def _are_on(points: Tensor, mask: np.ndarray) -> Tensor:
    """(P,) bool, which points (P, 2) inside the image lie on a mask."""
    y, x = points.numpy().astype(np.int64).T
    return torch.from_numpy(mask[y, x])


def _ignored_pixels(
    sample: Mapping[str, Any], is_covered: Tensor, pasted: np.ndarray
) -> np.ndarray:
    """(H, W) bool, what is visible of the components that hold a covered point of their class."""
    components = sample["components"].numpy()
    held = component_of_points(
        components,
        sample["component_classes"].numpy(),
        sample["points"][is_covered].numpy(),
        sample["point_classes"][is_covered].numpy(),
    )
    return np.isin(components, held[held >= 0] + 1) & ~pasted


def _components(
    sample: Mapping[str, Any],
    pasted: np.ndarray,
    ignored: np.ndarray,
    new_class: int,
    min_area: int,
) -> dict[str, Tensor]:
    """What is left of the components, and the pasted instance as a further one."""
    number = sample["components"].numpy().astype(np.int64) - 1
    number[ignored] = -1
    number[pasted] = len(sample["component_classes"])
    classes = np.append(sample["component_classes"].numpy(), new_class)
    components, kept = renumber_components(number, classes, min_area)
    confidence = np.append(sample["component_confidence"].numpy(), np.float32(1))
    is_piece = np.append(sample["component_is_piece"].numpy(), False)
    return component_tensors(components) | {
        "component_confidence": torch.from_numpy(confidence[kept]),
        "component_is_piece": torch.from_numpy(is_piece[kept]),
    }
