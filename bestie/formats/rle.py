"""Masks as COCO run-length codes, made without a picture of every mask.

A 12-megapixel photo with 150 instances would need 1.7 GiB as boolean masks. Here each mask is coded
from the window that holds it, so memory is bounded by one mask, whatever the number of instances.
Called by the models (their output), the ground truth and the labels.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from scipy.ndimage import find_objects

__all__ = ["RLEMasks", "encode_label_map", "encode_mask", "encode_window"]

# Sample positions are moved up and left by this, source pixels, so that a position exactly between
# two instances belongs to one of them.
TIE = 1e-4


class RLEMasks:
    """N masks of one image as run-length codes; ``pred_masks`` of Detectron2's ``Instances``.

    Iterating, or ``np.asarray``, gives pictures, for code that expects (N, H, W) masks; iteration
    decodes one mask at a time.

    Attributes:
        rles (list[dict]): N COCO run-length codes ``{"size": [H, W], "counts": str}``.
        size (tuple[int, int]): H and W, pixels of the photo.
    """

    def __init__(self, rles: Sequence[dict[str, Any]], size: tuple[int, int]):
        """
        Args:
            rles: N run-length codes.
            size: their height and width.

        Raises:
            ValueError: a code of another size.
        """
        self.rles, self.size = list(rles), (int(size[0]), int(size[1]))
        wrong = {tuple(rle["size"]) for rle in self.rles} - {self.size}
        if wrong:
            raise ValueError(f"masks of one image must have its size {self.size}, got {wrong}")

    def __len__(self) -> int:
        return len(self.rles)

    def __getitem__(self, item: Any) -> "RLEMasks":
        """A part of the masks: an index, a slice, N booleans or a list of indices (any device)."""
        if isinstance(item, slice):
            return RLEMasks(self.rles[item], self.size)
        if hasattr(item, "cpu"):
            item = item.cpu()
        chosen = np.arange(len(self))[np.asarray(item)]
        return RLEMasks([self.rles[index] for index in np.atleast_1d(chosen)], self.size)

    def __iter__(self) -> Iterator[np.ndarray]:
        """(H, W) bool masks, one after the other."""
        for rle in self.rles:
            yield coco_mask.decode(rle).astype(bool)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """(N, H, W) bool; only for images whose masks fit into memory."""
        masks = np.zeros((len(self), *self.size), bool if dtype is None else dtype)
        for target, mask in zip(masks, self, strict=True):
            target[:] = mask
        return masks

    def to(self, *args: Any, **kwargs: Any) -> "RLEMasks":
        """The same: run-length codes have no device. ``Instances.to`` calls it."""
        return self

    def areas(self) -> np.ndarray:
        """(N,) int64, pixels."""
        return np.array([int(coco_mask.area(rle)) for rle in self.rles], np.int64)

    def boxes(self) -> np.ndarray:
        """(N, 4) float32 x0, y0, x1, y1 (ends exclusive) of each mask; zeros for an empty one."""
        if not self.rles:
            return np.zeros((0, 4), np.float32)
        boxes = coco_mask.toBbox(self.rles).astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        return boxes


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool mask -> COCO RLE ``{"size": [H, W], "counts": str}``, ready for json."""
    return _as_text(coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8)))


def encode_window(window: np.ndarray, top: int, left: int, size: tuple[int, int]) -> dict[str, Any]:
    """Code of a mask that is False outside a window; the same as that of the whole mask.

    Args:
        window: (h, w) bool.
        top: row of the window's first row in the image.
        left: column of the window's first column in the image.
        size: height and width of the image.
    """
    height, width = size
    # A code counts pixels down the columns. Every run of a column begins and ends with a change of
    # value, because the rows above and below the window are False. Only the window is read, so that
    # the cost does not depend on the size of the photo.
    columns = np.zeros((window.shape[1], window.shape[0] + 2), bool)
    columns[:, 1:-1] = window.T
    column, row = np.nonzero(columns[:, 1:] != columns[:, :-1])
    changes = (left + column.astype(np.int64)) * height + top + row
    # A run that reaches the last row of the image continues in the first row of the next column:
    # its end and the start of the next run are the same place, so both changes are removed.
    if top + window.shape[0] == height:
        continued = np.flatnonzero(changes[1:] == changes[:-1])
        changes = np.delete(changes, np.concatenate([continued, continued + 1]))
    edges = np.concatenate([[0], changes, [height * width]])
    counts = edges[1:] - edges[:-1]
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    code = {"size": [height, width], "counts": counts}
    return _as_text(coco_mask.frPyObjects(code, height, width))


def encode_label_map(
    label_map: np.ndarray, number: int, size: tuple[int, int] | None = None
) -> list[dict[str, Any]]:
    """Codes of the masks ``label_map == 1 ... number``, brought to another size one by one.

    A pixel belongs to a mask whose bilinear interpolation (pixel centers aligned, as
    ``align_corners=False``) exceeds one half there, so masks that do not overlap do not overlap at
    the new size either, and outlines have no stairs.

    Args:
        label_map: (h, w) integers, 0 none.
        number: N.
        size: height and width of the codes; None: (h, w).

    Returns:
        N codes; that of a value that does not occur, or is too small for a pixel, is empty.
    """
    size = label_map.shape if size is None else (int(size[0]), int(size[1]))
    windows = find_objects(label_map, max_label=number) if number else []
    resized = None if size == label_map.shape else _Resizer(label_map.shape, size)
    codes = []
    for index, window in enumerate(windows, 1):
        if window is None:
            codes.append(encode_window(np.zeros((0, 0), bool), 0, 0, size))
        elif resized is None:
            rows, columns = window
            mask = label_map[window] == index
            codes.append(encode_window(mask, rows.start, columns.start, size))
        else:
            codes.append(encode_window(*resized(label_map, index, window), size))
    return codes


class _Resizer:
    """Bilinear interpolation of the masks of an (h, w) label map, window by window."""

    def __init__(self, old: tuple[int, int], new: tuple[int, int]):
        self.axes = [_Axis(*sides) for sides in zip(old, new, strict=True)]

    def __call__(
        self, label_map: np.ndarray, index: int, window: tuple[slice, slice]
    ) -> tuple[np.ndarray, int, int]:
        """Mask of a label in its window of the new size, and that window's top and left."""
        rows, columns = (axis.around(part) for axis, part in zip(self.axes, window, strict=True))
        mask = (label_map[rows.source, columns.source] == index).astype(np.float32)
        mask = rows.interpolate(mask)
        # The second axis as the first one of the transposed mask, whose rows are contiguous.
        mask = columns.interpolate(np.ascontiguousarray(mask.T))
        return (mask > 0.5).T, rows.start, columns.start


class _Axis:
    """Where the pixels of a new axis lie on an old one."""

    def __init__(self, old: int, new: int):
        position = (np.arange(new) + 0.5) * (old / new) - 0.5
        self.position = (position - TIE).clip(0, old - 1)
        self.old = old

    def around(self, part: slice) -> "_AxisPart":
        """The new pixels whose value depends on the old pixels ``part``."""
        start, stop = np.searchsorted(self.position, [part.start - 1, part.stop])
        position = self.position[start:stop]
        source = slice(max(part.start - 1, 0), min(part.stop + 1, self.old))
        low = np.floor(position).astype(np.int64)
        return _AxisPart(int(start), source, low - source.start, (position - low))


class _AxisPart:
    """Interpolation along the first axis of a window."""

    def __init__(self, start: int, source: slice, low: np.ndarray, weight: np.ndarray):
        self.start, self.source, self.low = start, source, low
        self.weight = weight.astype(np.float32)[:, None]

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        step = np.zeros_like(values)
        step[:-1] = values[1:] - values[:-1]
        result = step[self.low]
        result *= self.weight
        result += values[self.low]
        return result


def _as_text(rle: dict[str, Any]) -> dict[str, Any]:
    """The code with plain integers and text, ready for json."""
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
