"""The method written naively, one component, one center and one window at a time.

Slow and obviously right: the yardstick for the batched code in ``bestie.methods.bestie``, in tests
and in the benchmark. It follows the prose of the paper and of the reference cases, and shares no
code with it.
"""

import cv2
import numpy as np


def softmax(logits):
    """(K, H, W) float64 probabilities."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(0, keepdims=True))
    return shifted / shifted.sum(0, keepdims=True)


def components_of(mask, min_area):
    """Masks of the 8-connected components of at least ``min_area`` pixels."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    masks = [labels == index for index in range(1, count)]
    return [component for component in masks if component.sum() >= min_area]


def local_maxima(value, threshold, kernel):
    """(y, x) of the pixels above the threshold that equal the maximum of their window."""
    reach = kernel // 2
    found = []
    for y, x in np.argwhere(value > threshold):
        window = value[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        if value[y, x] == window.max():
            found.append((int(y), int(x)))
    return found


def centers_of_component(mask, center, offset, threshold, kernel, cluster):
    """Centers of one component, and its center map with the added ones set to 1."""
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


def assign(mask, offset, centers):
    """(H, W) number of the center nearest to pixel + offset, from 1; 0 outside the mask."""
    owner = np.zeros(mask.shape, np.int64)
    for y, x in np.argwhere(mask):
        target = np.float32([y, x]) + offset[:, y, x].astype(np.float32)
        distance = [float(((np.float32(center) - target) ** 2).sum()) for center in centers]
        owner[y, x] = int(np.argmin(distance)) + 1
    return owner


def draw_gaussian(plane, y, x, sigma):
    """Maximum of a plane and a Gaussian cut to 3 sigma + 1."""
    reach = int(3 * sigma + 1)
    for py in range(max(0, y - reach), min(plane.shape[0], y + reach + 1)):
        for px in range(max(0, x - reach), min(plane.shape[1], x + reach + 1)):
            value = np.exp(-((py - y) ** 2 + (px - x) ** 2) / (2 * sigma**2))
            plane[py, px] = max(plane[py, px], value)


def refine(
    logits,
    center,
    offset,
    semantic_map,
    labels,
    *,
    threshold,
    kernel,
    max_instances,
    sigma,
    min_area,
    cluster,
):
    """Refined (center (C, H, W), offset (2, H, W), weight (H, W)) of one image."""
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
            owner = assign(mask, offset, centers)
            if owner.max() > max_instances:
                continue
            for number in np.unique(owner[mask]):
                pixels = owner == number
                score = probability[class_id + 1][pixels].mean()
                masked = np.where(pixels, value, -np.inf)
                y, x = np.unravel_index(masked.argmax(), masked.shape)
                if masked[y, x] < threshold:
                    ys, xs = np.nonzero(mask)
                    y, x, confidence = int(ys.mean()), int(xs.mean()), score
                else:
                    confidence = masked[y, x] * score
                draw_gaussian(out_center[class_id], int(y), int(x), sigma)
                confidence = min(max(confidence, 0), 1)
                out_weight[pixels] = confidence
                if confidence > 0:
                    for py, px in np.argwhere(pixels):
                        out_offset[:, py, px] = (y - py, x - px)
    return out_center, out_offset, out_weight


def group(probability, center, offset, *, threshold, kernel, min_area, cluster, keep_centerless):
    """List of (class, score, mask) of one image."""
    class_map = probability.argmax(0)
    found = []
    for class_id in range(len(center)):
        for mask in components_of(class_map == class_id + 1, min_area):
            centers, value = centers_of_component(
                mask, center[class_id], offset, threshold, kernel, cluster
            )
            if not centers and not keep_centerless:
                continue
            owner = assign(mask, offset, centers) if centers else mask.astype(np.int64)
            for number in np.unique(owner[mask]):
                pixels = owner == number
                score = probability[class_id + 1][pixels].astype(np.float64).mean()
                peak = value[pixels].max()
                found.append(
                    (class_id, min(max((score if peak >= 1 else peak) * score, 0), 1), pixels)
                )
    return found
