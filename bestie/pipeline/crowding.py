"""Whether objects lie closer together than a network is set to tell them apart.

A network that finds one center in each window of its map can find one object only where two that
touch lie in one window, without a word.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from detectron2.config import CfgNode

from bestie.data.augmentation import InferenceSize
from bestie.formats import DataError, Points, find_image, read_image_size, read_points
from bestie.pipeline.check_stage import filled_config
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.recipe import Training
from bestie.pipeline.source import Source
from bestie.training.accepted_values import value_of

__all__ = ["distances_between_clicks", "too_close_clicks", "too_large_window"]

# Images whose clicks are read, at most.
SAMPLE = 300
# From this share of close clicks on, the window is said to be too large; one that fits has few.
MANY, FEW = 0.1, 0.05
# A smaller window is none.
SMALLEST = 3


def too_close_clicks(configs: TrainingConfigs, training: Training) -> list[str]:
    """What to say about the window of a training of a run; nothing without clicks.

    Cues are what the classifier keeps apart, not objects.
    """
    if configs.request.supervision != "clicks" or not training.window_key:
        return []
    cfg = filled_config(configs, training.name)
    found = too_large_window(configs.source, cfg, training, configs.point_threshold)
    if training.size_key and value_of(configs.cfg[training.name], training.size_key):
        found = [f"{line} These are lengths with {training.size_key} 0." for line in found]
    return found


def too_large_window(
    source: Source, cfg: CfgNode, training: Training, score_thresh: float
) -> list[str]:
    """What to say about a window that holds several clicks of one class too often.

    Args:
        source: the data of a run, with clicks.
        cfg: of the training.
        training: with the keys of the window and of the objects' size, above 0 where the window
            will follow objects of which there is no map yet.
        score_thresh: confidence above which points train.
    """
    key = training.window_key
    if training.size_key and value_of(cfg, training.size_key):
        return []
    window = value_of(cfg, key)
    distances = distances_between_clicks(source, cfg, score_thresh)
    share = float(np.mean(distances <= window // 2)) if len(distances) else 0.0
    if share < MANY:
        return []
    text = (
        f"{share:.0%} of the clicks lie {window // 2} pixels or less from another one of their "
        f"class, as the network sees the images: {key} {window} can find one object only where "
        "two such objects touch."
    )
    # The largest odd window half of which is shorter than all but the shortest distances.
    fitting = 2 * ceil(np.quantile(distances, FEW, method="lower")) - 1
    if fitting >= SMALLEST:
        left = np.mean(distances <= fitting // 2)
        text += f" {key} {fitting} leaves {left:.0%}; other lengths beside it may be too large."
    return [f"{text} Larger images help: INPUT.TEST_SIZE."]


def distances_between_clicks(source: Source, cfg: CfgNode, score_thresh: float) -> np.ndarray:
    """(P,) float64 pixels from each click to the nearest other one of its class.

    Pixels of the image as the network sees it, the larger of both axes, as in a square window;
    infinite for a click without another one. Files with mistakes are skipped: the check stage
    reports them.
    """
    assert source.points is not None  # it is asked before
    ids = source.ids[source.pointed]
    nearest = [np.zeros(0)]
    for image_id in ids[:: ceil(len(ids) / SAMPLE) or 1]:
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
    """(P,) pixels of the network's grid from each trusted point to the nearest of its class."""
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
