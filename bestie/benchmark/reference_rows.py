"""Rows about the naive version: refinement and grouping of ``methods.bestie.reference``.

They show how much the fast version gains.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bestie.benchmark.label_rows import label_model, scenes_of
from bestie.benchmark.rows import Bench, Row
from bestie.benchmark.timing import measure
from bestie.methods.bestie import reference
from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.grouping import group_pixels
from bestie.methods.bestie.meta_arch import Outputs

__all__ = ["reference_rows"]

REFINE: dict[str, Any] = {
    "threshold": 0.3,
    "kernel": 41,
    "max_instances": 5,
    "sigma": 6.0,
    "min_area": 50,
}
GROUP: dict[str, Any] = {"threshold": 0.1, "kernel": 41, "min_area": 50, "keep_centerless": True}


def reference_rows(bench: Bench) -> Iterator[Row]:
    """Time of one medium image by both ways; tests compare their results."""
    scenes = scenes_of(bench, "medium", bench.class_numbers[0], 1)
    model, labels = label_model("tags", bench.device), scenes.labels(bench.device)
    log_probability = scenes.logits.log_softmax(1)
    outputs = Outputs(scenes.logits, scenes.center, scenes.offset)
    pseudo = model.pseudo_targets(labels, scenes.center.shape)
    probability = log_probability[0].exp()
    logits, center, offset = (
        maps[0].cpu().numpy() for maps in (scenes.logits, scenes.center, scenes.offset)
    )
    tags = np.flatnonzero(scenes.samples[0]["image_labels"])
    weak_map = scenes.samples[0]["semantic_map"].numpy()
    cluster = ClusterSettings()
    pairs = {
        "self-refinement, tags": (
            lambda: model.refined_targets(labels, log_probability, outputs, pseudo),
            lambda: reference.refine(
                logits, center, offset, weak_map, tags, **REFINE, cluster=cluster
            ),
        ),
        "grouping": (
            lambda: group_pixels(probability, *outputs_of_one(outputs), cluster=cluster),
            lambda: reference.group(
                probability.cpu().numpy(), center, offset, **GROUP, cluster=cluster
            ),
        ),
    }
    for name, (fast, naive) in pairs.items():
        here = measure(fast, bench.device, bench.repeat)
        there = measure(naive, bench.device, 1, warm_up=0)
        setting = f"medium, C 20, {bench.side}x{bench.side}"
        factor = there.median / here.median
        yield bench.row(
            f"naive {name}", setting, there, value=f"x {factor:.0f} of the fast version"
        )


def outputs_of_one(outputs: Outputs) -> tuple:
    """Center and offset maps of a batch's only image."""
    return outputs.center[0], outputs.offset[0]
