"""Local maxima of maps: pixels that no other pixel of a square window around them exceeds.

Equal pixels do not exceed each other, so a plateau is a maximum as a whole. With a region map only
pixels of the same region compete.

Comparing every pixel with its whole window would cost H x W x kernel^2. Two steps avoid that: the
eight neighbors leave few candidates, and only these are compared with their windows.

    value        beat_neighbors    beat_window (kernel 5)
    1 2 1 0 0      . x . . .         . . . . .    2 loses to the 5 in its window
    1 1 0 5 0      . . . x .         . . . x .
    0 0 0 0 0      . . . . .         . . . . .

Shapes: B maps of (H, W), N candidates.
"""

import torch
from torch import Tensor

__all__ = ["beat_neighbors", "beat_window"]

# Candidates whose windows are compared at once: bounds the memory where a map is all noise.
CANDIDATES_AT_ONCE = 4096


def beat_neighbors(
    value: Tensor, candidates: Tensor, region_map: Tensor | None = None, *, kernel: int
) -> Tensor:
    """Candidates that none of their eight neighbors exceeds.

    Args:
        value: (B, H, W) float.
        candidates: (B, H, W) bool, pixels that may be maxima.
        region_map: (B, H, W) integers, pixels of different values do not compete; None: all do.
        kernel: side of the window that the maxima are wanted in; 1 compares nothing.

    Returns:
        (B, H, W) bool.

    Raises:
        ValueError: ``kernel`` is not an odd positive number.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"The window of the local maxima must be odd and positive, got {kernel}.")
    _, height, width = value.shape
    best = candidates.clone()
    # Each pair of neighbors is looked at once: right, lower left, below, lower right.
    shifts = [(0, 1), (1, -1), (1, 0), (1, 1)] if kernel > 1 else []
    for dy, dx in shifts:
        a = (slice(None), slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        b = (slice(None), slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        b_exceeds, a_exceeds = value[b] > value[a], value[a] > value[b]
        if region_map is not None:
            same = region_map[a] == region_map[b]
            b_exceeds &= same
            a_exceeds &= same
        best[a] &= ~b_exceeds
        best[b] &= ~a_exceeds
    return best


def beat_window(
    candidates: Tensor, value: Tensor, region_map: Tensor | None = None, *, kernel: int
) -> Tensor:
    """Whether no pixel of the window around a candidate exceeds it.

    Args:
        candidates: (N,) int64 flat indices into (B, H, W).
        value: (B, H, W) float.
        region_map: as for :func:`beat_neighbors`.
        kernel: side of the window, pixels, odd.

    Returns:
        (N,) bool.
    """
    _, height, width = value.shape
    reach = kernel // 2
    step = torch.arange(-reach, reach + 1, device=value.device)
    flat_value = value.reshape(-1)
    kept = [candidates.new_zeros(0, dtype=torch.bool)]
    for block in candidates.split(CANDIDATES_AT_ONCE):
        image, y, x = block // (height * width), block // width % height, block % width
        # Clamping repeats border pixels, which changes no maximum.
        rows = (y.unsqueeze(1) + step).clamp(0, height - 1)
        columns = (x.unsqueeze(1) + step).clamp(0, width - 1)
        window = (image.unsqueeze(1) * height + rows).unsqueeze(2) * width + columns.unsqueeze(1)
        window = window.view(-1)
        # index_select is several times as fast on the CPU as indexing.
        rival = flat_value.index_select(0, window).view(len(block), kernel**2)
        rival = rival > flat_value.index_select(0, block).unsqueeze(1)
        if region_map is not None:
            flat_region = region_map.view(-1)
            same = flat_region.index_select(0, window).view(len(block), kernel**2)
            rival &= same == flat_region.index_select(0, block).unsqueeze(1)
        kept.append(~rival.any(1))
    return torch.cat(kept)
