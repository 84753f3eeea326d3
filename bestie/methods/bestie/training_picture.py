"""One training image with its labels and the network's view of it, as one picture.

Takes tensors of the current step (see :func:`training_picture`) and returns one uint8 RGB array,
which is written to TensorBoard from time to time.

Shapes: B images, C foreground classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bestie.methods.bestie.grouping import GroupedInstances
from bestie.methods.bestie.targets import InstanceTargets
from bestie.visualization.canvas import add_title, fit_size, resize_image, resize_nearest, tile
from bestie.visualization.draw import (
    dim,
    draw_heatmap,
    draw_instances,
    draw_offsets,
    draw_semantic_map,
    reference_length,
    split_instance_map,
)

__all__ = ["NetworkView", "draw_batch", "training_picture"]


@dataclass(frozen=True)
class NetworkView:
    """The outputs of the network for one image.

    Attributes:
        probabilities (Tensor): (C + 1, H, W) float, semantic probabilities or logits, background
            first.
        center (Tensor): (C, H, W) float, center map.
        offset (Tensor): (2, H, W) float, pixels, (dy, dx) from pixel to center.
        instances (Tensor): (H, W) int, grouped instances: 0 none, i + 1 = instance i.
    """

    probabilities: Tensor
    center: Tensor
    offset: Tensor
    instances: Tensor


def training_picture(
    image: Tensor,
    semantic_map: Tensor,
    pseudo: InstanceTargets,
    refined: InstanceTargets | None,
    prediction: NetworkView,
    index: int = 0,
    panel_side: int = 288,
) -> np.ndarray:
    """Draw one image of the batch.

    Columns: semantic map, instances, center heatmap (maximum over classes), offsets (color wheel;
    full brightness means the same length in all rows). Rows: the image itself with its pseudo
    labels, the given weak map with the refined labels, the prediction.

    Args:
        image: (3, H, W) uint8 RGB.
        semantic_map: (H, W) uint8, the given weak map: 0 background, class + 1, 255 ignore.
        pseudo: pseudo labels of the batch.
        refined: refined labels of the batch; None where refinement is off (its panels are left
            out).
        prediction: the network's outputs for this image.
        index: position of this image in the batch of ``pseudo`` and ``refined``.
        panel_side: longer side of a panel, pixels.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    photo = image.detach().cpu().numpy().transpose(1, 2, 0)
    size = fit_size(photo.shape[0], photo.shape[1], panel_side)
    brightness = _brightness(pseudo, refined, prediction, index)
    ground = resize_image(photo, size)
    weak_map = _resized(semantic_map, size)
    first = add_title(ground, "image")
    rows = [[first, *_target_panels("pseudo", ground, pseudo, index, brightness)]]
    second = add_title(draw_semantic_map(ground, weak_map), "weak map")
    if refined is None:
        rows.append([second])
    else:
        rows.append([second, *_target_panels("refined", ground, refined, index, brightness)])
    rows.append(_prediction_panels(ground, prediction, brightness))
    return tile(rows, gap=6)


def draw_batch(
    samples: Sequence[Mapping[str, Tensor]],
    pseudo: InstanceTargets,
    refined: InstanceTargets | None,
    outputs: Sequence[Tensor],
    instances: Sequence[GroupedInstances],
    *,
    image_format: str,
) -> list[np.ndarray]:
    """:func:`training_picture` of each image of a training batch.

    Args:
        samples: with "image" (3, H, W) uint8 and "semantic_map" (H, W) uint8.
        pseudo, refined: labels of the batch.
        outputs: of the network: probabilities, center and offset, each (B, ..., H, W).
        instances: of each image, grouped from the outputs.
        image_format: "RGB" or "BGR".
    """
    pictures = []
    for index, sample in enumerate(samples):
        image = sample["image"].flip(0) if image_format == "BGR" else sample["image"]
        probabilities, center, offset = (maps[index] for maps in outputs)
        view = NetworkView(probabilities, center, offset, instances[index].instance_map)
        pictures.append(
            training_picture(image, sample["semantic_map"], pseudo, refined, view, index=index)
        )
    return pictures


def _target_panels(
    name: str, ground: np.ndarray, targets: InstanceTargets, index: int, brightness: float
) -> list[np.ndarray]:
    size = ground.shape[:2]
    instances = _resized(targets.instances[index], size) + 1
    center = resize_image(_array(targets.center[index].amax(0)), size)
    offset = _resized(targets.offset[index], size)
    weight = _resized(targets.weight[index, 0], size)
    masks = split_instance_map(instances)
    return [
        add_title(draw_instances(dim(ground, 0.3), masks), f"{name}: {_count(masks)}"),
        add_title(draw_heatmap(center, ground), f"{name} centers"),
        add_title(draw_offsets(offset, weight, brightness), f"{name} offsets"),
    ]


def _prediction_panels(
    ground: np.ndarray, prediction: NetworkView, brightness: float
) -> list[np.ndarray]:
    size = ground.shape[:2]
    class_map = _resized(prediction.probabilities.argmax(0), size)
    masks = split_instance_map(_resized(prediction.instances, size))
    center = resize_image(_array(prediction.center.amax(0)), size)
    offset = _resized(prediction.offset, size)
    return [
        add_title(draw_semantic_map(ground, class_map), "predicted map"),
        add_title(draw_instances(dim(ground, 0.3), masks), f"predicted: {_count(masks)}"),
        add_title(draw_heatmap(center, ground), "predicted centers"),
        add_title(draw_offsets(offset, None, brightness), "predicted offsets"),
    ]


def _brightness(
    pseudo: InstanceTargets, refined: InstanceTargets | None, prediction: NetworkView, index: int
) -> float:
    """Offset length of full brightness: that of the labels, or else of the prediction."""
    for targets in (refined, pseudo):
        if targets is not None and bool((targets.weight[index] > 0).any()):
            return reference_length(
                _array(targets.offset[index]), _array(targets.weight[index, 0]) > 0
            )
    offset = _array(prediction.offset)
    return reference_length(offset, np.ones(offset.shape[1:], bool))


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if torch.is_floating_point(tensor) else tensor).numpy()


def _resized(tensor: Tensor, size: tuple[int, int]) -> np.ndarray:
    return resize_nearest(_array(tensor), size)


def _count(masks: np.ndarray) -> str:
    return f"{len(masks)} instance" + ("" if len(masks) == 1 else "s")
