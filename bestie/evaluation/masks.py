"""The instances of one image as run-length codes: the input of every metric here.

A :class:`LabelledMasks` (predictions, labels or objects of one image) is made from Detectron2
``Instances``, boolean arrays, or annotations of a COCO JSON; mask IoU is computed between two of
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from detectron2.structures import Instances
from pycocotools import mask as mask_util
from torch import Tensor

from bestie.formats import RLEMasks, encode_label_map, encode_mask, segmentation_rle

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

    def areas(self) -> np.ndarray:
        """(N,) int64, pixels: of the run-length codes, which takes no pictures of masks."""
        return np.array([int(mask_util.area(rle)) for rle in self.rles], np.int64)

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
        return cls(
            [encode_mask(mask) for mask in masks],
            np.asarray(classes, dtype=np.int64).reshape(-1),
            _scores(scores, len(classes)),
        )

    @classmethod
    def from_label_map(
        cls,
        label_map: np.ndarray,
        classes: Sequence[int] | np.ndarray,
        scores: Sequence[float] | None = None,
    ) -> "LabelledMasks":
        """Encode an (H, W) map of integers, 0 none, i + 1 instance i; see :meth:`from_arrays`."""
        return cls(
            encode_label_map(label_map, len(classes)),
            np.asarray(classes, dtype=np.int64).reshape(-1),
            _scores(scores, len(classes)),
        )

    @classmethod
    def from_instances(cls, instances: Instances, keep: Tensor | None = None) -> "LabelledMasks":
        """Encode a model's output, one mask at a time.

        ``extra`` takes what the model says about the points of labels: ``points``,
        ``class_scores``, ``clicks``.

        Args:
            instances: N with ``pred_masks`` (``RLEMasks``, or (N, H, W) bool of any other
                Detectron2 model), ``pred_classes``, ``scores``.
            keep: (N,) bool, those to take; None: all.
        """
        chosen = range(len(instances)) if keep is None else keep.nonzero()[:, 0].tolist()
        masks = instances.pred_masks
        if isinstance(masks, RLEMasks):
            rles = [masks.rles[index] for index in chosen]
        else:
            rles = [encode_mask(masks[index].cpu().numpy().astype(bool)) for index in chosen]
        classes = instances.pred_classes.cpu().numpy()[list(chosen)]
        scores = instances.scores.cpu().numpy()[list(chosen)]
        extra = {
            name: instances.get(name).cpu().numpy().astype(np.float64)[list(chosen)]
            for name in ("points", "class_scores", "clicks")
            if instances.has(name)
        }
        return cls(rles, classes.astype(np.int64), scores.astype(np.float64), extra)

    @classmethod
    def from_annotations(
        cls,
        annotations: Sequence[Mapping],
        size: tuple[int, int],
        class_of_category: Mapping[int, int],
    ) -> "LabelledMasks":
        """Take annotations of one image of a COCO JSON (any of its mask formats).

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
    """Sort the annotations of a COCO JSON by image id; crowd regions are left out."""
    by_image: dict[int, list[Mapping]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        if not annotation.get("iscrowd", 0):
            by_image[annotation["image_id"]].append(annotation)
    return by_image


def mask_iou(first: LabelledMasks, second: LabelledMasks) -> np.ndarray:
    """Intersection over union of all pairs, (N, M) float64, whether or not the classes agree.

    Raises:
        ValueError: the masks are of different sizes.
    """
    sizes = {tuple(rle["size"]) for masks in (first, second) for rle in masks.rles}
    if len(sizes) > 1:
        raise ValueError(f"masks of one image must have one size (height, width), got {sizes}")
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    return mask_util.iou(first.rles, second.rles, [0] * len(second))


def _scores(scores: Sequence[float] | None, number: int) -> np.ndarray:
    """(N,) float64; 1 for each of ``number`` instances without scores."""
    if scores is None:
        return np.ones(number)
    return np.asarray(scores, dtype=np.float64).reshape(-1)
