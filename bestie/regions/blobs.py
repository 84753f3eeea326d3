"""4-connected blobs of a mask, separately in each region, on the device of the mask.

On the CPU OpenCV finds them. On a GPU labels spread from pixel to pixel without waiting for the
device, in as many steps as the largest blob that matters has pixels; larger blobs are dropped.

Shapes: B images of (H, W).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from torch import Tensor

__all__ = ["blobs_as_on_a_gpu", "label_blobs"]

_gpu_algorithm_everywhere = False


@contextmanager
def blobs_as_on_a_gpu() -> Iterator[None]:
    """Use the GPU's algorithm on the CPU too, so that it can be examined there."""
    global _gpu_algorithm_everywhere
    _gpu_algorithm_everywhere = True
    try:
        yield
    finally:
        _gpu_algorithm_everywhere = False


def label_blobs(mask: Tensor, region_map: Tensor, max_area: int) -> Tensor:
    """Label the blobs by their first pixel.

    Args:
        mask: (B, H, W) bool.
        region_map: (B, H, W) int64; pixels of different regions are not connected.
        max_area: pixels; blobs up to this area are found, larger ones may be missing.

    Returns:
        (B, H, W) int64: flat index of the blob's first pixel; B*H*W outside all blobs.
    """
    if mask.device.type == "cpu" and not _gpu_algorithm_everywhere:
        return _label_blobs_cpu(mask, region_map)
    return _label_blobs_by_propagation(mask, region_map, max_area)


def _label_blobs_cpu(mask: Tensor, region_map: Tensor) -> Tensor:
    """One call of OpenCV for the whole batch.

    The image is drawn at twice its size, with a bridge wherever two neighboring pixels of the mask
    lie in the same region, so that blobs of touching regions stay apart:

        mask and regions      drawn
          a a b               a=a b .     = a bridge within a region
          . a .               . | . .     | the same, downwards
                              . a . .
    """
    batch, height, width = mask.shape
    mask_array, region_array = mask.numpy(), region_map.numpy()
    double = np.zeros((batch, 2 * height, 2 * width), np.uint8)
    double[:, ::2, ::2] = mask_array
    double[:, ::2, 1:-1:2] = (
        mask_array[:, :, 1:]
        & mask_array[:, :, :-1]
        & (region_array[:, :, 1:] == region_array[:, :, :-1])
    )
    double[:, 1:-1:2, ::2] = (
        mask_array[:, 1:] & mask_array[:, :-1] & (region_array[:, 1:] == region_array[:, :-1])
    )
    # The last row of each doubled image is empty: stacked images cannot touch.
    count, labels = cv2.connectedComponents(double.reshape(-1, 2 * width), connectivity=4)
    labels = labels[::2, ::2].reshape(-1)
    size = labels.size
    first = np.full(count, size, np.int64)
    inside = np.flatnonzero(labels)
    first[labels[inside[::-1]]] = inside[::-1]  # the last write, the smallest index, stays
    return torch.from_numpy(first[labels]).view_as(region_map)


def _label_blobs_by_propagation(mask: Tensor, region_map: Tensor, max_area: int) -> Tensor:
    """Spread the smallest flat index through each blob, without host synchronization.

    ``max_area`` steps settle every blob of up to that area. A larger blob may still hold several
    labels; these touch each other, and are removed.
    """
    size = mask.numel()
    nothing = region_map.new_full((), size)
    label = torch.where(mask, torch.arange(size, device=mask.device).view_as(region_map), nothing)
    down = mask[:, 1:] & mask[:, :-1] & (region_map[:, 1:] == region_map[:, :-1])
    right = mask[:, :, 1:] & mask[:, :, :-1] & (region_map[:, :, 1:] == region_map[:, :, :-1])
    pairs = [
        (down, (slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        (right, (slice(None), slice(None), slice(1, None)), (slice(None), slice(None), slice(-1))),
    ]
    for _ in range(max_area):
        for linked, a, b in pairs:
            least = torch.where(linked, torch.minimum(label[a], label[b]), nothing)
            label[a] = torch.minimum(label[a], least)
            label[b] = torch.minimum(label[b], least)
    unsettled = torch.zeros(size + 1, dtype=torch.bool, device=mask.device)
    for linked, a, b in pairs:
        torn = linked & (label[a] != label[b])
        unsettled.scatter_(0, torch.where(torn, label[a], nothing).reshape(-1), True)
        unsettled.scatter_(0, torch.where(torn, label[b], nothing).reshape(-1), True)
    return torch.where(unsettled[label], nothing, label)
