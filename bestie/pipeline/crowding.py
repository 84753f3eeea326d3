"""Whether objects lie closer together than a network is set to tell them apart.

A network that finds one center in each window of its map finds one object where two clicks lie in
one window, without a word.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from detectron2.config import CfgNode

from bestie.data.augmentation import InferenceSize
from bestie.formats import DataError, Points, find_image, read_image_size, read_points
from bestie.pipeline.source import Source

__all__ = ["distances_between_clicks", "too_large_window"]

# Images whose clicks are read.
SAMPLE = 300
# From this share of close clicks on, the window is said to be too large; one that fits has few.
MANY, FEW = 0.1, 0.05


def too_large_window(source: Source, cfg: CfgNode, key: str, score_thresh: float) -> list[str]:
    """What to say about a window that holds several clicks of one class too often.

    Args:
        source: the data of a run, with clicks.
        cfg: of the training.
        key: the side of the window in which it finds one center, pixels of the network's grid.
        score_thresh: confidence above which points train.
    """
    window = _value(cfg, key)
    distances = distances_between_clicks(source, cfg, score_thresh)
    share = float(np.mean(distances <= window // 2)) if len(distances) else 0.0
    if share < MANY:
        return []
    # Odd, and half of it below the distance.
    fitting = max(3, 2 * ceil(np.quantile(distances, FEW, method="lower")) - 1)
    return [
        f"{share:.0%} of the clicks lie within {window // 2} pixels of another one of their class, "
        f"as the network sees the images: {key} {window} finds one object for both of them. "
        f"{key} {fitting} would do so for {FEW:.0%}. Other lengths in that config (pixels) may be "
        "too large, too; or enlarge the images: INPUT.TEST_SIZE."
    ]


def distances_between_clicks(source: Source, cfg: CfgNode, score_thresh: float) -> np.ndarray:
    """(P,) pixels from each click to the next one of its class, as the network sees the images.

    Infinite for a click without another one; the larger of both axes, as in a square window. Files
    with mistakes are skipped: the check stage reports them.
    """
    assert source.points is not None  # it is asked before
    ids = source.ids[source.pointed]
    nearest = [np.zeros(0)]
    for image_id in ids[:: max(1, len(ids) // SAMPLE)]:
        path = find_image(source.root, image_id)
        try:
            points = read_points(source.points / f"{image_id}.txt")
            photo = read_image_size(path) if path else None
        except DataError:
            continue
        if photo is not None:
            nearest.append(_nearest(points, photo, cfg, score_thresh))
    return np.concatenate(nearest)


def _nearest(points: Points, photo: Sequence[int], cfg: CfgNode, score_thresh: float) -> np.ndarray:
    """(P,) distance of each trusted point to the next one of its class on the network's grid."""
    height, width = photo
    kept = points.scores > score_thresh
    yx, classes = points.yx[kept].astype(np.float64), points.classes[kept]
    size = InferenceSize(cfg.INPUT.TEST_SIZE, cfg.INPUT.TEST_SIZE_KEPT)
    grid = size.grid(height, width)
    if grid is not None:
        yx = yx * (np.array(grid) / (height, width))
    distance = np.abs(yx[:, None] - yx[None]).max(axis=2)
    distance[classes[:, None] != classes[None]] = np.inf
    np.fill_diagonal(distance, np.inf)
    return distance.min(axis=1, initial=np.inf)


def _value(cfg: CfgNode, key: str) -> int:
    for name in key.split("."):
        cfg = cfg[name]
    return int(cfg)
