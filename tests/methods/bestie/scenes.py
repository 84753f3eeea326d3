"""Random scenes with the corners that matter: touching classes, plateaus, empty maps, converging
offsets."""

import numpy as np


def random_scene(seed, size=(48, 56), num_classes=4):
    """Simulated network outputs and a weak map for one small image.

    Returns:
        dict: logits (C + 1, H, W), center (C, H, W), offset (2, H, W), all float32; semantic_map
            (H, W)
        uint8; labels, list of tagged classes.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    yy, xx = np.mgrid[:height, :width]
    semantic_map = np.zeros(size, np.uint8)
    center = rng.normal(0, 0.02, (num_classes, height, width)).astype(np.float32)
    offset = rng.normal(0, 1.5, (2, height, width)).astype(np.float32)
    for _ in range(rng.integers(0, 7)):
        class_id = int(rng.integers(num_classes))
        y, x = rng.integers(0, height), rng.integers(0, width)
        ry, rx = rng.uniform(3, 14, 2)
        inside = ((yy - y) / ry) ** 2 + ((xx - x) / rx) ** 2 <= 1
        semantic_map[inside] = class_id + 1
        noise = rng.choice([0.05, 0.5, 2.0])
        offset[:, inside] = (np.stack([y - yy, x - xx]) + rng.normal(0, noise, (2, *size)))[
            :, inside
        ]
        bump = rng.choice([0.03, 0.08, 0.2, 0.5, 0.9, 1.1]) * np.exp(
            -((yy - y) ** 2 + (xx - x) ** 2) / (2 * 6.0**2)
        )
        center[class_id] = np.maximum(center[class_id], bump)
    if rng.random() < 0.3:  # plateaus: equal neighbouring maxima
        center = np.round(center, 1)
    if rng.random() < 0.3:  # whole pixels: centers at equal distances
        offset = np.round(offset)
    semantic_map[rng.random(size) < rng.choice([0, 0.02])] = 255
    logits = rng.normal(0, 1, (num_classes + 1, height, width)).astype(np.float32)
    for value in range(num_classes + 1):
        logits[value][semantic_map == value] += 3
    tagged = [c for c in range(num_classes) if (semantic_map == c + 1).any() and rng.random() < 0.9]
    return {
        "logits": logits,
        "center": center.astype(np.float32),
        "offset": offset.astype(np.float32),
        "semantic_map": semantic_map,
        "labels": tagged,
    }
