"""Instances of one image as run-length codes: what every metric here compares.

Comes in: Detectron2 ``Instances``, boolean arrays, or annotations of a COCO json. Goes out: a
:class:`LabelledMasks` (predictions, labels or objects of one image) and mask IoU. Called by all
modules of this package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from detectron2.structures import Instances
from pycocotools import mask as mask_util

from bestie.files import encode_mask, segmentation_rle

__all__ = ["LabelledMasks", "annotations_by_image", "mask_iou"]


@dataclass(frozen=True)
class LabelledMasks:
    """N instances of one image.

    Attributes:
        rles (list[dict]): N COCO run-length codes of one size.
        classes (np.ndarray): (N,) int64 in [0, C).
        scores (np.ndarray): (N,) float64.
        extra (dict[str, np.ndarray]): further values of each instance, (N,) or (N, ...) by name.
    """

    rles: list[dict]
    classes: np.ndarray
    scores: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert len(self.rles) == len(self.classes) == len(self.scores)

    def __len__(self) -> int:
        return len(self.rles)

    def select(self, keep: np.ndarray) -> "LabelledMasks":
        """The instances where ``keep``, (N,) bool, is True."""
        rles = [self.rles[index] for index in np.flatnonzero(keep)]
        extra = {name: values[keep] for name, values in self.extra.items()}
        return LabelledMasks(rles, self.classes[keep], self.scores[keep], extra)

    @classmethod
    def from_arrays(
        cls, masks: np.ndarray, classes: Sequence[int], scores: Sequence[float] | None = None
    ) -> "LabelledMasks":
        """Encode (N, H, W) bool masks; without ``scores`` each instance has 1."""
        scores = np.ones(len(classes)) if scores is None else scores
        return cls(
            [encode_mask(mask) for mask in masks],
            np.asarray(classes, dtype=np.int64).reshape(-1),
            np.asarray(scores, dtype=np.float64).reshape(-1),
        )

    @classmethod
    def from_instances(cls, instances: Instances) -> "LabelledMasks":
        """Encode a model's output (``pred_masks`` (N, H, W) bool, ``pred_classes``, ``scores``).

        ``extra`` takes what it says about the points of labels: ``points``, ``class_scores``.
        """
        encoded = cls.from_arrays(
            instances.pred_masks.cpu().numpy().astype(bool),
            instances.pred_classes.cpu().numpy(),
            instances.scores.cpu().numpy(),
        )
        for name in ("points", "class_scores"):
            if instances.has(name):
                encoded.extra[name] = instances.get(name).cpu().numpy().astype(np.float64)
        return encoded

    @classmethod
    def from_annotations(
        cls,
        annotations: Sequence[Mapping],
        size: tuple[int, int],
        class_of_category: Mapping[int, int],
    ) -> "LabelledMasks":
        """Take annotations of one image of a COCO json (any of its mask formats).

        Args:
            annotations: their "score", if any, is taken over.
            size: (height, width) of the image.
            class_of_category: category id -> class.
        """
        return cls(
            [segmentation_rle(a["segmentation"], *size) for a in annotations],
            np.array([class_of_category[a["category_id"]] for a in annotations], dtype=np.int64),
            np.array([a.get("score", 1.0) for a in annotations], dtype=np.float64),
        )


def annotations_by_image(coco: Mapping) -> dict[int, list[Mapping]]:
    """Sort the annotations of a COCO json by image id; crowd regions are left out."""
    by_image: dict[int, list[Mapping]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        if not annotation.get("iscrowd", 0):
            by_image[annotation["image_id"]].append(annotation)
    return by_image


def mask_iou(first: LabelledMasks, second: LabelledMasks) -> np.ndarray:
    """Intersection over union of all pairs, (N, M) float64, whatever their classes.

    Raises:
        ValueError: the masks are of different sizes.
    """
    sizes = {tuple(rle["size"]) for masks in (first, second) for rle in masks.rles}
    if len(sizes) > 1:
        raise ValueError(f"masks of one image must have one size (height, width), got {sizes}")
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    return mask_util.iou(first.rles, second.rles, [0] * len(second))
