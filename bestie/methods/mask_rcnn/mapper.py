"""Mapper of Mask R-CNN and the other models of Detectron2."""

from typing import Any

from detectron2.config import CfgNode
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
    """

    trains_on = "coco"
    size_keys = "INPUT.MIN_SIZE_TRAIN and INPUT.MAX_SIZE_TRAIN"

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        arguments = super().from_config(cfg, is_train)
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
        return super().__call__(dataset_dict)
