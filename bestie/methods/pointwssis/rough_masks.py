"""Masks of a photo, given as run-length codes, at the size of the network's image.

They are decoded one after the other, so that memory does not grow with the photo and its objects.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import torch
from pycocotools import mask as mask_util
from torch import Tensor

__all__ = ["masks_at_size"]


def masks_at_size(rles: Sequence[dict[str, Any]], size: tuple[int, int]) -> Tensor:
    """Decoded masks.

    Args:
        rles: N COCO run-length codes of one photo.
        size: height and width of the network's image.

    Returns:
        (N, height, width) bool; a pixel that is smaller or larger than those of the photo is set if
        the mask covers more than half of it (if the photo is twice as large: half or more).
    """
    masks = torch.zeros(len(rles), *size, dtype=torch.bool)
    for target, rle in zip(masks.numpy(), rles, strict=True):
        mask = mask_util.decode(rle)
        if mask.shape == tuple(size):
            target[:] = mask
        else:  # transposed, as pycocotools decodes columns: resizing rows would copy the picture
            shrinks = mask.size > size[0] * size[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            target[:] = cv2.resize(mask.T, size, interpolation=how).T
    return masks
