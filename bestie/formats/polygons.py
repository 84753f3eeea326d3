"""Masks as polygons, for tools that cannot read run-length codes."""

import cv2
import numpy as np

__all__ = ["mask_polygons"]


def mask_polygons(mask: np.ndarray) -> list[list[float]]:
    """Outlines of a mask's parts as COCO polygons; holes, which COCO polygons lack, are filled.

    The outlines are drawn in a mask of twice the size, so that the part of a single pixel has an
    area, too.

    Args:
        mask: (H, W) bool.

    Returns:
        One list x, y, x, y, ... per part, pixels; a pixel (x, y) covers x..x + 1, y..y + 1.
    """
    doubled = np.repeat(np.repeat(mask.astype(np.uint8), 2, 0), 2, 1)
    outlines, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [((outline.reshape(-1) + 0.5) / 2).tolist() for outline in outlines]
