"""The method written naively: one component, one center and one window at a time.

Slow and easy to check against the paper: tests compare the batched code of ``centers``,
``grouping``, ``refinement`` and ``targets`` with it, the benchmark times both. It shares no code
with them.

Shapes: C foreground classes, (H, W) one image. All arrays are of one image unless the docstring
says otherwise.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from bestie.methods.bestie.centers import ClusterSettings

__all__ = ["assign", "draw_heatmap", "group", "local_maxima", "refine"]

Array = np.ndarray


def softmax(logits: Array) -> Array:
    """(K, H, W) float64 probabilities."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(0, keepdims=True))
    return shifted / shifted.sum(0, keepdims=True)


def components_of(mask: Array, min_area: int) -> list[Array]:
    """Masks (H, W) bool of the 8-connected components of at least ``min_area`` pixels."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    masks = [labels == index for index in range(1, count)]
    return [component for component in masks if component.sum() >= min_area]


def local_maxima(value: Array, threshold: float, kernel: int) -> list[tuple[int, int]]:
    """(y, x) of the pixels above the threshold that equal the maximum of their window."""
    reach = kernel // 2
    found = []
    for y, x in np.argwhere(value > threshold):
        window = value[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        if value[y, x] == window.max():
            found.append((int(y), int(x)))
    return found


def centers_of_component(
    mask: Array,
    center: Array,
    offset: Array,
    threshold: float,
    kernel: int,
    cluster: ClusterSettings | None,
) -> tuple[list[tuple[int, int]], Array]:
    """Centers (y, x) of one component, and its center map with the added ones set to 1.

    Args:
        mask: (H, W) bool.
        center: (H, W) float32, of the component's class.
        offset: (2, H, W) float32 (dy, dx), pixels.
        threshold, kernel, cluster: as for ``centers.find_centers``.
    """
    value = np.where(mask, center, 0).astype(np.float32)
    peaks = local_maxima(value, threshold, kernel)
    added = []
    if cluster is not None and cluster.beta > 0:
        length = np.sqrt((offset.astype(np.float32) ** 2).sum(0))
        short = mask & (length < np.float32(cluster.offset_thresh))
        count, labels = cv2.connectedComponents(short.astype(np.uint8), connectivity=4)
        for index in range(1, count):
            ys, xs = np.nonzero(labels == index)
            if not cluster.area - cluster.beta < len(ys) < cluster.area + cluster.beta:
                continue
            y, x = int(ys.mean()), int(xs.mean())
            far = all((y - py) ** 2 + (x - px) ** 2 > cluster.min_distance**2 for py, px in peaks)
            if value[y, x] > cluster.center_thresh and far:
                added.append((y, x))
    for y, x in added:
        value[y, x] = 1.0
    return peaks + added, value


def assign(mask: Array, offset: Array, centers: Sequence[tuple[int, int]]) -> Array:
    """(H, W) number of the center nearest to pixel + offset, from 1; 0 outside the mask."""
    pixel_owner = np.zeros(mask.shape, np.int64)
    for y, x in np.argwhere(mask):
        target = np.array([y, x], np.float32) + offset[:, y, x].astype(np.float32)
        distance = [((np.array(center, np.float32) - target) ** 2).sum() for center in centers]
        pixel_owner[y, x] = int(np.argmin(distance)) + 1
    return pixel_owner


def draw_gaussian(plane: Array, y: int, x: int, sigma: float) -> None:
    """Maximum of a plane and a Gaussian cut to 3 sigma + 1, in place."""
    reach = int(3 * sigma + 1)
    for py in range(max(0, y - reach), min(plane.shape[0], y + reach + 1)):
        for px in range(max(0, x - reach), min(plane.shape[1], x + reach + 1)):
            value = np.exp(-((py - y) ** 2 + (px - x) ** 2) / (2 * sigma**2))
            plane[py, px] = max(plane[py, px], value)


def draw_heatmap(
    images: Array,
    classes: Array,
    yx: Array,
    valid: Sequence[bool],
    shape: tuple[int, int, int, int],
    sigma: float,
) -> Array:
    """(B, C, H, W) float32 heatmap of K centers of a batch; those outside draw nothing."""
    heatmap = np.zeros(shape, np.float32)
    for image, class_id, (y, x), drawn in zip(images, classes, yx, valid, strict=True):
        if drawn and 0 <= y < shape[2] and 0 <= x < shape[3]:
            draw_gaussian(heatmap[image, class_id], int(y), int(x), sigma)
    return heatmap


def refine(
    logits: Array,
    center: Array,
    offset: Array,
    semantic_map: Array,
    labels: Iterable[int],
    *,
    threshold: float,
    kernel: int,
    max_instances: int,
    sigma: float,
    min_area: int,
    cluster: ClusterSettings | None,
) -> tuple[Array, Array, Array]:
    """Refined targets of one image, float32: center (C, H, W), offset (2, H, W), weight (H, W).

    Args:
        logits: (C + 1, H, W) float32, background first.
        center: (C, H, W) float32.
        offset: (2, H, W) float32 (dy, dx), pixels.
        semantic_map: (H, W) uint8: 0 background, class + 1, 255 ignore.
        labels: tagged classes.
        threshold, kernel, max_instances: ``center_thresh``, ``kernel``, ``max_instances`` of
            ``refinement.RefineSettings``.
        sigma: of the drawn Gaussians, pixels.
        min_area: pixels that a component needs.
        cluster: center clustering; None switches it off.
    """
    probability = softmax(logits)
    out_center = np.zeros(center.shape, np.float32)
    out_offset = np.zeros((2, *semantic_map.shape), np.float32)
    out_weight = np.zeros(semantic_map.shape, np.float32)
    for class_id in labels:
        for mask in components_of(semantic_map == class_id + 1, min_area):
            centers, value = centers_of_component(
                mask, center[class_id], offset, threshold, kernel, cluster
            )
            if not centers:
                continue
            pixel_owner = assign(mask, offset, centers)
            if pixel_owner.max() > max_instances:
                continue
            for number in np.unique(pixel_owner[mask]):
                pixels = pixel_owner == number
                score = probability[class_id + 1][pixels].mean()
                masked = np.where(pixels, value, -np.inf)
                y, x = map(int, np.unravel_index(np.argmax(masked), masked.shape))
                if masked[y, x] < threshold:
                    ys, xs = np.nonzero(mask)
                    y, x, confidence = int(ys.mean()), int(xs.mean()), score
                else:
                    confidence = masked[y, x] * score
                draw_gaussian(out_center[class_id], y, x, sigma)
                confidence = min(max(confidence, 0), 1)
                out_weight[pixels] = confidence
                if confidence > 0:
                    for py, px in np.argwhere(pixels):
                        out_offset[:, py, px] = (y - py, x - px)
    return out_center, out_offset, out_weight


def group(
    probability: Array,
    center: Array,
    offset: Array,
    *,
    threshold: float,
    kernel: int,
    min_area: int,
    cluster: ClusterSettings | None,
    keep_centerless: bool,
) -> list[tuple[int, float, Array]]:
    """(class, score, mask (H, W) bool) of each instance. Args: as for ``grouping.group_pixels``."""
    class_map = probability.argmax(0)
    found = []
    for class_id in range(len(center)):
        for mask in components_of(class_map == class_id + 1, min_area):
            centers, value = centers_of_component(
                mask, center[class_id], offset, threshold, kernel, cluster
            )
            if not centers and not keep_centerless:
                continue
            pixel_owner = assign(mask, offset, centers) if centers else mask.astype(np.int64)
            for number in np.unique(pixel_owner[mask]):
                pixels = pixel_owner == number
                score = probability[class_id + 1][pixels].astype(np.float64).mean()
                peak = value[pixels].max()
                found.append(
                    (class_id, min(max((score if peak >= 1 else peak) * score, 0), 1), pixels)
                )
    return found
