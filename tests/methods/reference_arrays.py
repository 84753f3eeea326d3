"""How the reference cases store masks and make them smaller."""

import cv2
import numpy as np
import torch


def unpack_masks(bits, height, width):
    """(N, ceil(H W / 8)) uint8, first pixel in the highest bit, to (N, H, W) bool."""
    flat = np.unpackbits(bits, axis=1)[:, : height * width]
    return torch.from_numpy(flat.reshape(len(bits), height, width).astype(bool))


def official_quarter(mask, feature):
    """The reference resizes the unpadded mask; with sides that are no multiple of 4 it is scaled
    by a little more or less than 4."""
    height, width = mask.shape
    size = (int(width / 4 + 0.5), int(height / 4 + 0.5))
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    placed = np.zeros(feature, bool)
    placed[: small.shape[0], : small.shape[1]] = small
    return placed


def masks_of_windows(windows, size):
    """(N, H, W) bool array of the masks that windows of a photo hold."""
    windows = list(windows)
    masks = np.zeros((len(windows), *size), bool)
    for mask, (inside, top, left) in zip(masks, windows, strict=True):
        mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return masks
