"""Mapper of the segmentation network that learns from weak maps: image and map.

Shapes: (H, W) the crop or image, C classes.
"""

from typing import Any

import torch
from detectron2.config import CfgNode, configurable

from bestie.data.augmentation import augment
from bestie.data.crop_augmentation import build_crop_augmentation
from bestie.data.mappers import (
    MAPPER_REGISTRY,
    image_tensor,
    read_sample_image,
    read_sample_map,
    sample_identity,
)
from bestie.formats.dataset_folder import MAPS
from bestie.methods.pam.mapper import PAMMapper

__all__ = ["WeakMapMapper"]


@MAPPER_REGISTRY.register()
class WeakMapMapper(PAMMapper):
    """In training image and weak map; at inference what the classifier gets, image and tags.

    A training sample holds ``image`` (3, H, W) uint8 and ``semantic_map`` (H, W) uint8, 0
    background, class + 1, 255 ignore and outside the image; (H, W) is INPUT.CROP.SIZE.
    """

    trains_on = "folder"

    @configurable
    def __init__(self, is_train: bool, *, maps_dir: str = MAPS, **settings: Any):
        """
        Args:
            is_train: augment; maps are required.
            maps_dir: folder of the weak semantic maps, under the data root or absolute.
            settings: of :class:`PAMMapper`.
        """
        super().__init__(is_train, **settings)
        self.maps_dir = maps_dir

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        settings = super().from_config(cfg, is_train=False)
        settings |= {"is_train": is_train, "maps_dir": cfg.INPUT.MAPS_DIR}
        if is_train:
            settings["augmentation"] = build_crop_augmentation(cfg)
        return settings

    @classmethod
    def training_needs(cls, cfg: CfgNode) -> set[str]:
        return {"images", "maps"}

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        if not self.is_train:
            return super().__call__(dataset_dict)
        image = read_sample_image(dataset_dict, self.image_format)
        semantic_map = read_sample_map(dataset_dict, self.maps_dir, image.shape[:2])
        image, augmented, *_ = augment(self.augmentation, image, semantic_map)
        assert augmented is not None  # a map was given
        return sample_identity(dataset_dict) | {
            "image": image_tensor(image),
            "semantic_map": torch.from_numpy(augmented.copy()),
        }
