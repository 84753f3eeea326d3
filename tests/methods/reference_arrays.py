"""How the reference cases store masks."""

import numpy as np
import torch


def unpack_masks(bits, height, width):
    """(N, ceil(H W / 8)) uint8, first pixel in the highest bit, to (N, H, W) bool."""
    flat = np.unpackbits(bits, axis=1)[:, : height * width]
    return torch.from_numpy(flat.reshape(len(bits), height, width).astype(bool))
