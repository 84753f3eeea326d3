"""Small masks of all kinds: noise with holes, lines, frames, single pixels, full images."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def masks(draw, size=None):
    """(H, W) bool, not empty; ``size``: (H, W), or None for any."""
    height, width = size or (draw(st.integers(1, 14)), draw(st.integers(1, 18)))
    mask = np.zeros((height, width), bool)
    kind = draw(st.sampled_from(["noise", "pixel", "row", "column", "frame", "full", "diagonal"]))
    y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    if kind == "noise":
        seed, share = draw(st.integers(0, 10**6)), draw(st.floats(0.05, 0.95))
        mask = np.random.default_rng(seed).random((height, width)) < share
    mask[y, x] = True
    mask[y] |= kind == "row"
    mask[:, x] |= kind == "column"
    mask |= kind in ("frame", "full")
    if kind == "frame":
        mask[1:-1, 1:-1] = False
    if kind == "diagonal":
        np.fill_diagonal(mask, True)
    return mask
