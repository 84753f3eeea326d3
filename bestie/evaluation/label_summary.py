"""What a file of labels holds, in numbers.

Comes in: a COCO dict of labels. Goes out: labels per class, images without labels, instances per
image, a score histogram. Called after an export; ``tools/export_pseudo_labels.py`` prints it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

__all__ = ["LabelSummary", "summarize_labels"]

SCORE_BINS = 10
# Instances per image, the last bin being open.
COUNT_EDGES = (0, 1, 2, 3, 4, 6, 11, 21, 51, 101)


@dataclass(frozen=True)
class LabelSummary:
    """Numbers of a file of labels.

    Attributes:
        images (int): number of images.
        images_without_labels (int): how many of them have none.
        labels_per_class (dict[str, int]): every class of the file.
        instances_per_image (dict[str, int]): number of images per range of label counts.
        mean_instances (float): labels an image.
        max_instances (int): most labels of an image.
        scores (list[int]): labels with scores in [0, 0.1), ..., [0.9, 1].
    """

    images: int
    images_without_labels: int
    labels_per_class: dict[str, int]
    instances_per_image: dict[str, int]
    mean_instances: float
    max_instances: int
    scores: list[int]

    @property
    def labels(self) -> int:
        """Number of labels."""
        return sum(self.labels_per_class.values())

    def table(self) -> str:
        """Text tables for people."""
        per_class = [[name, count] for name, count in self.labels_per_class.items() if count]
        absent = len(self.labels_per_class) - len(per_class)
        if absent:
            per_class.append([f"({absent} other classes)", 0])
        per_class.append(["total", self.labels])
        counts = [[name, count] for name, count in self.instances_per_image.items()]
        scores = [
            [f"{bin_ / SCORE_BINS:.1f}-{(bin_ + 1) / SCORE_BINS:.1f}", count]
            for bin_, count in enumerate(self.scores)
        ]
        head = (
            f"{self.labels} labels on {self.images} images; {self.images_without_labels} images "
            f"without labels; {self.mean_instances:.2f} labels an image, at most "
            f"{self.max_instances}"
        )
        tables = [
            tabulate(per_class, ["class", "labels"], tablefmt="pipe"),
            tabulate(counts, ["labels an image", "images"], tablefmt="pipe"),
            tabulate(scores, ["score", "labels"], tablefmt="pipe"),
        ]
        return "\n\n".join([head, *tables])


def summarize_labels(coco: Mapping) -> LabelSummary:
    """Count the labels of a COCO dict; a label without "score" counts as 1."""
    annotations = coco["annotations"]
    per_image = dict.fromkeys((image["id"] for image in coco["images"]), 0)
    per_category = dict.fromkeys((category["id"] for category in coco["categories"]), 0)
    for annotation in annotations:
        per_image[annotation["image_id"]] += 1
        per_category[annotation["category_id"]] += 1
    counts = np.array(list(per_image.values()))
    edges = [*COUNT_EDGES, max(COUNT_EDGES[-1], counts.max()) + 1]
    histogram, _ = np.histogram(counts, edges)
    scores = np.array([annotation.get("score", 1.0) for annotation in annotations])
    score_histogram, _ = np.histogram(scores, SCORE_BINS, range=(0, 1))
    return LabelSummary(
        images=len(counts),
        images_without_labels=int((counts == 0).sum()),
        labels_per_class={c["name"]: per_category[c["id"]] for c in coco["categories"]},
        instances_per_image=dict(zip(_range_names(), histogram.tolist(), strict=True)),
        mean_instances=float(counts.mean()),
        max_instances=int(counts.max()),
        scores=score_histogram.tolist(),
    )


def _range_names() -> list[str]:
    names = [
        str(low) if high == low + 1 else f"{low}-{high - 1}"
        for low, high in zip(COUNT_EDGES[:-1], COUNT_EDGES[1:], strict=True)
    ]
    return [*names, f"{COUNT_EDGES[-1]}+"]
