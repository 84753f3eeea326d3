"""Masks as polygons, for files that cannot hold run-length codes.

A polygon here is one list x, y, x, y, ..., pixels; the pixel (x, y) covers x..x + 1, y..y + 1. The
outlines run a quarter of a pixel inside the pixels of the mask. So a program that fills the pixels
whose middle is inside draws exactly the mask (pycocotools), and so does one that rounds coordinates
down and fills the outline, too (``cv2.fillPoly``).
"""

import cv2
import numpy as np
from pycocotools import mask as coco_mask

__all__ = ["has_holes", "join_polygons", "mask_polygons"]

# A simplified outline is used only if its mask has this IoU with the true one.
MIN_IOU = 0.9


def mask_polygons(mask: np.ndarray, tolerance: float = 0.0) -> list[list[float]]:
    """Outlines of the parts of a mask; parts that touch at corners only are one part.

    A polygon has no holes: a part with holes is cut along a line of no width from each hole to the
    outline, so that the polygon runs around the hole and back.

    Args:
        mask: (H, W) bool.
        tolerance: outlines may leave the exact ones by this, pixels, to have fewer corners; where
            this would change the mask much (IoU below 0.9), they stay exact.

    Returns:
        One polygon per part.
    """
    exact = _outlines(mask, 0.0)
    if tolerance <= 0 or not exact:
        return exact
    simple = _outlines(mask, tolerance)
    drawn = coco_mask.frPyObjects(simple, *mask.shape)
    true = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    iou = coco_mask.iou([coco_mask.merge(drawn)], [true], [0])[0, 0]
    return simple if iou >= MIN_IOU else exact


def join_polygons(polygons: list[list[float]]) -> list[float]:
    """One polygon from one or more: their outlines, joined by lines of no width."""
    joined, *others = (np.array(polygon).reshape(-1, 2) for polygon in polygons)
    for ring in others:
        joined = _join(joined, ring)
    return joined.reshape(-1).tolist()


def has_holes(mask: np.ndarray) -> bool:
    """Whether background is enclosed by an (H, W) bool mask."""
    hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[1]
    return hierarchy is not None and bool((hierarchy[0, :, 3] >= 0).any())


def _outlines(mask: np.ndarray, tolerance: float) -> list[list[float]]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return []
    top, left = rows[0], columns[0]
    window = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    # At twice the size even a single pixel has an area.
    doubled = np.repeat(np.repeat(window.astype(np.uint8), 2, 0), 2, 1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [_simplify((ring[:, 0] + 0.5) / 2, tolerance) + (left, top) for ring in contours]
    holes: dict[int, list[np.ndarray]] = {
        index: [] for index, parent in enumerate(hierarchy[0, :, 3]) if parent < 0
    }
    for ring, parent in zip(rings, hierarchy[0, :, 3].tolist(), strict=True):
        if parent >= 0:
            holes[parent].append(ring)
    polygons = []
    for index, of_part in holes.items():
        joined = rings[index]
        for hole in sorted(of_part, key=lambda ring: ring.min(0).tolist()):
            joined = _join(joined, hole)
        polygons.append(joined.reshape(-1).tolist())
    return polygons


def _simplify(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """(P, 2) ring with fewer corners, three at least."""
    if tolerance <= 0:
        return ring
    simple = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, True)[:, 0]
    return simple.astype(np.float64) if len(simple) >= 3 else ring


def _join(ring: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A ring that takes the way along another one, (P, 2) and (Q, 2) to (P + Q + 2, 2)."""
    start = int(np.argmin(other[:, 0]))
    nearest = int(((ring - other[start]) ** 2).sum(1).argmin())
    around = np.concatenate([other[start:], other[: start + 1]])
    return np.concatenate([ring[: nearest + 1], around, ring[nearest:]])
