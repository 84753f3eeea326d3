"""Statistics of a file of labels.

Counts labels per class, images without labels and labels per image, and makes a score histogram,
from a COCO dict or image by image during the export.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

__all__ = ["LabelCounter", "LabelSummary", "summarize_labels"]

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
        mean_instances (float): labels per image.
        max_instances (int): largest number of labels of one image.
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
            f"without labels; {self.mean_instances:.2f} labels per image, at most "
            f"{self.max_instances}"
        )
        tables = [
            tabulate(per_class, ["class", "labels"], tablefmt="pipe"),
            tabulate(counts, ["labels per image", "images"], tablefmt="pipe"),
            tabulate(scores, ["score", "labels"], tablefmt="pipe"),
        ]
        return "\n\n".join([head, *tables])


class LabelCounter:
    """Counts labels image by image, in memory that does not grow."""

    def __init__(self, categories: Sequence[Mapping]):
        """
        Args:
            categories: "categories" of a COCO dict.
        """
        self._names = {category["id"]: category["name"] for category in categories}
        self._per_category: Counter = Counter()
        self._images_per_count: Counter = Counter()
        self._scores = np.zeros(SCORE_BINS, np.int64)

    def add_image(self, annotations: Sequence[Mapping]) -> None:
        """Count the annotations of one image; one without "score" counts as 1."""
        self._images_per_count[len(annotations)] += 1
        self._per_category.update(annotation["category_id"] for annotation in annotations)
        scores = [annotation.get("score", 1.0) for annotation in annotations]
        self._scores += np.histogram(scores, SCORE_BINS, range=(0, 1))[0]

    def summary(self) -> LabelSummary:
        """What was counted; of one image or more."""
        counts = np.array(sorted(self._images_per_count.items()))
        edges = [*COUNT_EDGES, max(COUNT_EDGES[-1], counts[-1, 0]) + 1]
        histogram, _ = np.histogram(counts[:, 0], edges, weights=counts[:, 1])
        images = int(counts[:, 1].sum())
        return LabelSummary(
            images=images,
            images_without_labels=self._images_per_count[0],
            labels_per_class={name: self._per_category[id] for id, name in self._names.items()},
            instances_per_image=dict(zip(_range_names(), histogram.tolist(), strict=True)),
            mean_instances=float(counts.prod(axis=1).sum() / images),
            max_instances=int(counts[-1, 0]),
            scores=self._scores.tolist(),
        )


def summarize_labels(coco: Mapping) -> LabelSummary:
    """Count the labels of a COCO dict."""
    by_image: dict[int, list] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    counter = LabelCounter(coco["categories"])
    for annotations in by_image.values():
        counter.add_image(annotations)
    return counter.summary()


def _range_names() -> list[str]:
    names = [
        str(low) if high == low + 1 else f"{low}-{high - 1}"
        for low, high in zip(COUNT_EDGES[:-1], COUNT_EDGES[1:], strict=True)
    ]
    return [*names, f"{COUNT_EDGES[-1]}+"]
