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
from bestie.regions.components import renumber_components

__all__ = ["paste_instance"]

# Side of a square with as many pixels as an instance needs to be pasted.
LEAST_SIDE = 20
# An instance of which less than this share stays visible is no longer trusted.
LEAST_VISIBLE = 0.3


def paste_instance(
    sample: Mapping[str, Any], source: Mapping[str, Any], class_id: int | None = None
) -> dict[str, Any]:
    """Paste one trusted instance of a training sample on another one, at a random place.

    It lies over what was there, wholly inside the image, with its point. Points and pixels that it
    covers are gone. Only accepted components that do not reach the border of their image are
    pasted; pieces of those that were cut are not.

    Args:
        sample: training dict of ``BESTIEMapper``; it stays as it is.
        source: another one, with an image of the same size.
        class_id: the class that the instance is to have; None: any.

    Returns:
        A copy of ``sample`` with the instance, or without it where ``source`` has none.
    """
    whole = _whole_instances(source, class_id)
    if not len(whole):
        return dict(sample)
    chosen = int(np.random.choice(whole))
    new_class = int(source["component_classes"][chosen])
    cut = source["components"].numpy() == chosen + 1
    pasted, shift = _move_at_random(cut)

    image = sample["image"].clone()
    image[:, torch.from_numpy(pasted)] = source["image"][:, torch.from_numpy(cut)]
    semantic_map = sample["semantic_map"].clone()
    semantic_map[torch.from_numpy(pasted)] = new_class + 1
    image_labels = sample["image_labels"].clone()
    image_labels[new_class] = True
    return {
        **sample,
        "image": image,
        "semantic_map": semantic_map,
        "image_labels": image_labels,
        **_points(sample, source, cut, pasted, shift, new_class),
        **_components(sample, pasted, new_class),
    }


def _whole_instances(source: Mapping[str, Any], class_id: int | None) -> np.ndarray:
    """Components that may be pasted."""
    components = source["components"].numpy()
    border = np.concatenate([components[0], components[-1], components[:, 0], components[:, -1]])
    areas = np.bincount(components.ravel(), minlength=len(source["component_classes"]) + 1)[1:]
    suitable = (source["component_confidence"].numpy() == 1) & (areas >= LEAST_SIDE**2)
    suitable[border[border > 0].astype(np.int64) - 1] = False
    if class_id is not None:
        suitable &= source["component_classes"].numpy() == class_id
    return np.flatnonzero(suitable)


def _move_at_random(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An (H, W) mask moved to a random place inside the image, and by how many pixels, (2,)."""
    shift, box, target = [], [], []
    for axis in (0, 1):
        on = np.flatnonzero(mask.any(1 - axis))
        start, length = int(on[0]), int(on[-1] - on[0] + 1)
        new_start = np.random.randint(mask.shape[axis] - length + 1)
        shift.append(new_start - start)
        box.append(slice(start, start + length))
        target.append(slice(new_start, new_start + length))
    moved = np.zeros_like(mask)
    moved[tuple(target)] = mask[tuple(box)]
    return moved, np.array(shift)


def _points(
    sample: Mapping[str, Any],
    source: Mapping[str, Any],
    cut: np.ndarray,
    pasted: np.ndarray,
    shift: np.ndarray,
    new_class: int,
) -> dict[str, Tensor]:
    """The points that are not covered, and that of the pasted instance."""
    y, x = sample["points"].numpy().astype(np.int64).T
    visible = torch.from_numpy(~pasted[y, x])
    y, x = source["points"].numpy().astype(np.int64).T
    own = torch.from_numpy(cut[y, x]) & (source["point_classes"] == new_class)
    moved = source["points"][own] + torch.from_numpy(shift).to(torch.float32)
    return {
        "points": torch.cat([sample["points"][visible], moved]),
        "point_classes": torch.cat(
            [sample["point_classes"][visible], source["point_classes"][own]]
        ),
    }


def _components(sample: Mapping[str, Any], pasted: np.ndarray, new_class: int) -> dict[str, Tensor]:
    """The components with the pasted instance as a further one."""
    before = sample["components"].numpy().astype(np.int64) - 1
    count = len(sample["component_classes"])
    numbers = np.where(pasted, count, before)
    classes = np.append(sample["component_classes"].numpy(), new_class)
    components, kept = renumber_components(numbers, classes)
    areas = np.bincount(before[before >= 0], minlength=count)
    least = np.append(LEAST_VISIBLE * areas, 0)[kept]
    confidence = np.append(sample["component_confidence"].numpy(), np.float32(1))[kept]
    return component_tensors(components) | {
        "component_confidence": torch.from_numpy(
            np.where(components.areas >= least, confidence, np.float32(0))
        )
    }
