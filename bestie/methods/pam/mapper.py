"""Mapper of the classifier: image and tags.

Shapes: (H, W) the crop or image, C classes.
"""

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform

from bestie.data.augmentation import ResizeLongerSide, augment
from bestie.data.mappers import (
    MAPPER_REGISTRY,
    ReadsImages,
    image_tensor,
    read_sample_image,
    required_tags,
    sample_identity,
)
from bestie.methods.pam.augmentation import build_pam_augmentation

__all__ = ["PAMMapper"]


@MAPPER_REGISTRY.register()
class PAMMapper(ReadsImages):
    """Image and tags, for the classifier: ``image`` (3, H, W) uint8 and ``image_labels`` (C,) bool.

    In training a crop of INPUT.CROP.SIZE; at inference the image with INPUT.TEST_SIZE as its longer
    side, and the tags if the root has them. ``height`` and ``width`` are those of the photo.
    """

    size_keys = "INPUT.CROP.SIZE"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        num_classes: int,
        augmentation: Sequence[T.Augmentation | Transform] = (),
        image_format: str = "RGB",
    ):
        """
        Args:
            is_train: augment; tags are required.
            num_classes: C.
            augmentation: of the images; random in training.
            image_format: "RGB" or "BGR".
        """
        if num_classes < 1:
            raise ValueError(f"MODEL.PAM.NUM_CLASSES must be 1 or more, got {num_classes}.")
        self.is_train = is_train
        self.num_classes = num_classes
        self.augmentation = T.AugmentationList(augmentation)
        self.image_format = image_format

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        return {
            "is_train": is_train,
            "num_classes": cfg.MODEL.PAM.NUM_CLASSES,
            "augmentation": (
                build_pam_augmentation(cfg)
                if is_train
                else [ResizeLongerSide(cfg.INPUT.TEST_SIZE, cfg.INPUT.TEST_SIZE_KEPT)]
            ),
            "image_format": cfg.INPUT.FORMAT,
        }

    @classmethod
    def training_needs(cls, cfg: CfgNode) -> set[str]:
        return {"images", "tags"}

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        image = read_sample_image(dataset_dict, self.image_format)
        sample = sample_identity(dataset_dict)
        sample["height"], sample["width"] = image.shape[:2]
        if self.is_train or "image_labels" in dataset_dict:
            sample["image_labels"] = required_tags(dataset_dict, self.num_classes)
        image, *_ = augment(self.augmentation, image)
        sample["image"] = image_tensor(image)
        return sample
