"""Statistics of weak semantic maps, and whether they look like pseudo labels.

Works on the maps of a data set, from ``tools/make_semantic_maps.py`` or any other method, and the
tags of their images.

Maps that train BESTIE are made for images whose tags are known: a map restricted to the tags, in
which every tag has pixels, compact regions, and uncertain pixels left out. Predictions of a network
for unseen images are not that; training on them works worse, and no other check would notice it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import cv2
import numpy as np
from tabulate import tabulate

from bestie.evaluation.semantic_iou import class_iou
from bestie.regions import IGNORE

__all__ = ["MapReport", "MapStatistics", "measure_map", "report_maps"]

# From here on a share counts as a sign that the maps are not pseudo labels.
MAX_UNTAGGED = 0.01
MAX_TAGS_WITHOUT_PIXELS = 0.1
MAX_HOLES = 0.05
MAX_IGNORED = 0.5


@dataclass(frozen=True)
class MapStatistics:
    """Counts of a map, or sums over maps.

    Attributes:
        pixels (int): of the map.
        foreground (int): pixels of classes.
        ignored (int): pixels 255.
        holes (int): number of background regions (4-connected) enclosed by something else.
        hole_pixels (int): their pixels.
        tags (int): tags of the image; 0 if they are not known, and so are the next two.
        tags_without_pixels (int): tags that no pixel has.
        untagged (int): pixels of classes that are not tags.
    """

    pixels: int = 0
    foreground: int = 0
    ignored: int = 0
    holes: int = 0
    hole_pixels: int = 0
    tags: int = 0
    tags_without_pixels: int = 0
    untagged: int = 0

    def __add__(self, other: "MapStatistics") -> "MapStatistics":
        mine, others = asdict(self), asdict(other)
        return MapStatistics(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True)
class MapReport:
    """Numbers of the maps of a data set.

    Attributes:
        class_names (list[str]): C names.
        images (int): number of maps.
        statistics (MapStatistics): sums over all maps.
        confusions (dict[str, np.ndarray]): stage ("as written", ...) to confusion matrix; empty
            without ground truth.
    """

    class_names: list[str]
    images: int
    statistics: MapStatistics
    confusions: dict[str, np.ndarray] = field(default_factory=dict)

    def mean_iou(self) -> dict[str, float]:
        """Stage -> mean IoU in percent, over the background and the classes that occur."""
        return {name: float(np.nanmean(class_iou(c)) * 100) for name, c in self.confusions.items()}

    def findings(self) -> list[str]:
        """Why the maps look like predictions rather than pseudo labels; empty if they do not."""
        sums = self.statistics
        untagged = sums.untagged / max(sums.foreground, 1)
        without = sums.tags_without_pixels / max(sums.tags, 1)
        holes = sums.hole_pixels / max(sums.foreground, 1)
        ignored = sums.ignored / max(sums.pixels, 1)
        signs = [
            (
                untagged > MAX_UNTAGGED,
                f"{untagged:.1%} of the foreground is of classes that are not tags of the image; "
                "pseudo labels are restricted to the tags",
            ),
            (
                without > MAX_TAGS_WITHOUT_PIXELS,
                f"{sums.tags_without_pixels} of {sums.tags} tags have no pixel; pseudo labels show "
                "every tag",
            ),
            (
                holes > MAX_HOLES,
                f"{sums.holes} holes, {holes:.1%} of the foreground; refined labels are compact",
            ),
            (sums.foreground == 0, "no pixel is of any class"),
            (sums.ignored == 0, "no pixel is ignored (255); pseudo labels leave doubts out"),
            (ignored > MAX_IGNORED, f"{ignored:.1%} of the pixels are ignored (255)"),
        ]
        return [text for present, text in signs if present]

    def as_dict(self) -> dict:
        """Ready for json; IoU in percent, null for classes that do not occur."""
        names = ["background", *self.class_names]
        iou = {
            stage: {
                name: None if np.isnan(value) else float(value * 100)
                for name, value in zip(names, class_iou(confusion), strict=True)
            }
            for stage, confusion in self.confusions.items()
        }
        return {
            "images": self.images,
            "statistics": asdict(self.statistics),
            "findings": self.findings(),
            "mIoU": self.mean_iou(),
            "IoU": iou,
        }

    def table(self) -> str:
        """Text for people."""
        sums = self.statistics
        parts = [
            f"{self.images} maps: {sums.foreground / max(sums.pixels, 1):.1%} foreground, "
            f"{sums.ignored / max(sums.pixels, 1):.1%} ignored"
        ]
        if self.confusions:
            rows = list(self.mean_iou().items())
            parts.append(tabulate(rows, ["maps", "mIoU"], tablefmt="pipe", floatfmt=".1f"))
        findings = self.findings()
        if findings:
            signs = "\n".join(f"- {finding}" for finding in findings)
            parts.append(f"Signs that these maps are not pseudo labels:\n{signs}")
        else:
            parts.append("They look like pseudo labels: no sign to the contrary.")
        return "\n\n".join(parts)


def measure_map(semantic_map: np.ndarray, tags: Sequence[int] | None) -> MapStatistics:
    """Count the signs that distinguish pseudo labels from predictions.

    Args:
        semantic_map: (H, W) uint8: 0 background, class + 1, 255 ignore.
        tags: classes of the image; None if they are not known.
    """
    holes, hole_pixels = _find_holes(semantic_map)
    pixels_of = np.bincount(semantic_map.ravel(), minlength=256)
    foreground = int(pixels_of[1:IGNORE].sum())
    tagged = pixels_of[np.array(tags, np.int64) + 1] if tags is not None else np.zeros(0, np.int64)
    return MapStatistics(
        pixels=semantic_map.size,
        foreground=foreground,
        ignored=int(pixels_of[IGNORE]),
        holes=holes,
        hole_pixels=hole_pixels,
        tags=len(tagged),
        tags_without_pixels=int((tagged == 0).sum()),
        untagged=0 if tags is None else foreground - int(tagged.sum()),
    )


def report_maps(
    maps: Iterable[tuple[np.ndarray, Sequence[int] | None]],
    class_names: Sequence[str],
    confusions: dict[str, np.ndarray] | None = None,
) -> MapReport:
    """Measure the maps of a data set, each with the tags of its image (None: not known)."""
    count, sums = 0, MapStatistics()
    for semantic_map, tags in maps:
        count, sums = count + 1, sums + measure_map(semantic_map, tags)
    return MapReport(list(class_names), count, sums, confusions or {})


def _find_holes(semantic_map: np.ndarray) -> tuple[int, int]:
    """Number and pixels of the background regions that do not touch the border of the map."""
    height, width = semantic_map.shape
    background = (semantic_map == 0).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(background, connectivity=4)
    left, top, box_width, box_height, area = stats[1:].T
    inside = (left > 0) & (top > 0) & (left + box_width < width) & (top + box_height < height)
    return int(inside.sum()), int(area[inside].sum())
