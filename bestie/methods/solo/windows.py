"""Masks of kernels at the size of the photo, each in the window that holds it.

Probabilities are brought from the mask features to the network's image and from there to the photo,
bilinearly, and compared with the threshold there. Only the window in which a mask can lie is ever
made, so neither time nor memory grows with the size of the photo; the values are those of resizing
whole maps.

Shapes: K kernels, D channels; h, w size of the mask features. Sizes are (height, width).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from bestie.methods.solo.grids import mask_boxes
from bestie.methods.solo.kernels import FEATURE_STRIDE, chunk_length, mask_probabilities

__all__ = ["MaskWindow", "mask_windows"]


class MaskWindow(NamedTuple):
    """A mask that is False outside a window of the photo.

    Attributes:
        mask (np.ndarray): (height, width) bool, the window.
        top (int): row of the window's first row in the photo.
        left (int): column of its first column.
    """

    mask: np.ndarray
    top: int
    left: int


def mask_windows(
    kernels: Tensor,
    features: Tensor,
    image_size: tuple[int, int],
    output_size: tuple[int, int],
    threshold: float = 0.5,
) -> Iterator[MaskWindow]:
    """The mask of each kernel at the output size, one after the other.

    Args:
        kernels: (K, D) float32.
        features: (D, h, w) float32, of the padded image at a quarter of its size.
        image_size: size of the network's image within the padded one.
        output_size: size of the photo.
        threshold: a pixel belongs to a mask above this probability.

    Yields:
        K windows; that of a mask without a pixel is empty or False.
    """
    axes = [_Axis(*sides) for sides in zip(image_size, output_size, strict=True)]
    for part in kernels.split(chunk_length(features)):
        maps = mask_probabilities(part, features).cpu()
        occupied, boxes = mask_boxes(maps > threshold)
        for map_, is_occupied, box in zip(maps, occupied.tolist(), boxes.tolist(), strict=True):
            if is_occupied:
                yield _window(map_, box, axes, threshold)
            else:
                yield MaskWindow(np.zeros((0, 0), bool), 0, 0)


def _window(map_: Tensor, box: list[int], axes: list["_Axis"], threshold: float) -> MaskWindow:
    """Window of a (h, w) probability map that is above the threshold in ``box`` only."""
    # A feature pixel reaches 6 image pixels, and these one more: 2 feature pixels around the box.
    source = [slice(max(box[i] - 2, 0), box[i + 2] + 3) for i in (0, 1)]
    image = F.interpolate(
        map_[source[0], source[1]][None, None],
        scale_factor=FEATURE_STRIDE,
        mode="bilinear",
        align_corners=False,
    )
    parts = []
    for i, axis in enumerate(axes):
        begin = max(FEATURE_STRIDE * box[i] - 2, 0)
        end = min(FEATURE_STRIDE * box[i + 2] + 6, axis.image)
        parts.append(axis.part(begin, end, FEATURE_STRIDE * source[i].start))
    rows, columns = parts
    # Columns first, as torch does it, so that the values are the same to the last bit or nearly so.
    values = rows.interpolate(columns.interpolate(image[0, 0].numpy().T).T)
    return MaskWindow(values > threshold, rows.start, columns.start)


class _Axis:
    """Where the pixels of the photo lie on an axis of the network's image."""

    def __init__(self, image: int, output: int):
        self.image = image
        # In float32, as in torch's own resizing.
        position = np.arange(output, dtype=np.float32) + np.float32(0.5)
        position = position * np.float32(image / output) - np.float32(0.5)
        self.position = position.clip(min=0)
        self.resized = image != output

    def part(self, begin: int, end: int, offset: int) -> "_AxisPart":
        """The pixels of the photo whose value depends on the image's pixels [begin, end).

        Args:
            begin: first pixel of the image.
            end: one beyond the last; none if it is not above ``begin`` (in the padding).
            offset: pixel of the image at which the values to interpolate begin.
        """
        if not self.resized or end <= begin:
            return _AxisPart(begin, slice(begin - offset, max(begin, end) - offset))
        start, stop = np.searchsorted(self.position, [begin - 1, end])
        position = self.position[start:stop]
        first = position.astype(np.int64)
        second = np.minimum(first + 1, self.image - 1)
        return _AxisPart(int(start), first - offset, second - offset, position - first)


class _AxisPart(NamedTuple):
    """Bilinear interpolation along the first axis of a window, or a cut without weights."""

    start: int
    first: np.ndarray | slice
    second: np.ndarray | None = None
    weight: np.ndarray | None = None

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        if self.second is None or self.weight is None:
            return values[self.first]
        weight = self.weight.astype(np.float32)[:, None]
        result = values[self.first]
        result *= 1 - weight
        result += values[self.second] * weight
        return result
