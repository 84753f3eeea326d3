"""Mapper of Mask R-CNN and the other models of Detectron2."""

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetMapper

from bestie.data.augmentation import build_turn_augmentation, inference_augmentation
from bestie.data.mappers import MAPPER_REGISTRY, ReadsImages
from bestie.formats import DataError

__all__ = ["InstanceMapper"]


@MAPPER_REGISTRY.register()
class InstanceMapper(DatasetMapper, ReadsImages):
    """Detectron2's mapper (Mask R-CNN and its other models), with INPUT.RANDOM_ROTATE90.

    At inference INPUT.TEST_SIZE, if it is set, replaces INPUT.MIN_SIZE_TEST and MAX_SIZE_TEST; the
    check of the configuration refuses it for models that do not take it (``takes_test_size``).

    In training, annotations with a ``score`` (labels that a model has made) train only from
    MODEL.MASK_RCNN.LABEL_SCORE_THRESH on; with WEIGHT_BY_SCORE the instances get it as
    ``gt_weights``, (N,) float32.
    """

    trains_on = "coco"
    size_keys = "INPUT.MIN_SIZE_TRAIN and INPUT.MAX_SIZE_TRAIN"

    @configurable
    def __init__(
        self, is_train: bool, *, score_thresh: float = 0.0, weighted: bool = False, **arguments: Any
    ):
        """
        Args:
            is_train: see ``DatasetMapper``, also for the other arguments.
            score_thresh: labels with a lower score do not train.
            weighted: labels have their score as weight.
        """
        super().__init__(is_train, **arguments)
        self.score_thresh, self.weighted = score_thresh, weighted

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        arguments = super().from_config(cfg, is_train)
        arguments["score_thresh"] = cfg.MODEL.MASK_RCNN.LABEL_SCORE_THRESH
        arguments["weighted"] = cfg.MODEL.MASK_RCNN.WEIGHT_BY_SCORE
        if is_train:
            arguments["augmentations"] += build_turn_augmentation(cfg)
        elif cfg.INPUT.TEST_SIZE:
            arguments["augmentations"] = inference_augmentation(cfg)
        return arguments

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        if self.is_train and "annotations" not in dataset_dict:
            raise DataError(
                "comes without instance annotations; InstanceMapper trains on data sets named "
                "coco:JSON:IMAGE_DIR",
                dataset_dict["file_name"],
            )
        if self.is_train and self.weighted:
            return self._weighted_sample(dataset_dict)
        return super().__call__(dataset_dict)

    def _weighted_sample(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """A training sample whose instances have their weights.

        Detectron2 leaves out instances that the augmentation has made empty. So that one can see
        which are left, the number of each stands in for its class.
        """
        labels = [e for e in dataset_dict["annotations"] if not e.get("iscrowd", 0)]
        numbered = [entry | {"category_id": number} for number, entry in enumerate(labels)]
        sample = super().__call__(dataset_dict | {"annotations": numbered})
        instances = sample["instances"]
        left = instances.gt_classes
        classes = [entry["category_id"] for entry in labels]
        weights = [float(entry.get("score", 1.0)) for entry in labels]
        instances.gt_classes = torch.tensor(classes, dtype=torch.int64)[left]
        instances.gt_weights = torch.tensor(weights, dtype=torch.float32)[left]
        return sample

    def samples(self, dicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The images to train on, without the labels below the score threshold.

        An image that has labels below it only is left out.

        Raises:
            ValueError: no image is left.
        """
        if not self.score_thresh:
            return dicts
        kept = []
        for record in dicts:
            labels = record.get("annotations", [])
            above = [entry for entry in labels if entry.get("score", 1.0) >= self.score_thresh]
            if above or not labels:
                kept.append(record | {"annotations": above})
        if not any(record["annotations"] for record in kept):
            raise ValueError(
                f"MODEL.MASK_RCNN.LABEL_SCORE_THRESH {self.score_thresh}: no label has such a score"
            )
        return kept
