"""Training transform of the classifier, from the configuration."""

from detectron2.config import CfgNode
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform

from bestie.data.augmentation import (
    CropOnCanvas,
    RandomColorJitter,
    absolute_crop,
    build_turn_augmentation,
    horizontal_flip,
)

__all__ = ["build_pam_augmentation"]


def build_pam_augmentation(cfg: CfgNode) -> list[T.Augmentation | Transform]:
    """The classifier's training augmentation: resize to a square of BASE_SIZE, flip, jitter, crop.

    Raises:
        ValueError: INPUT.CROP is not an absolute crop, or INPUT.COLOR_JITTER is not four numbers.
    """
    crop_size = absolute_crop(cfg)
    if len(cfg.INPUT.COLOR_JITTER) != 4 or min(cfg.INPUT.COLOR_JITTER) < 0:
        raise ValueError(
            "INPUT.COLOR_JITTER must be 4 numbers of 0 or more (brightness, contrast, saturation, "
            f"hue), got {cfg.INPUT.COLOR_JITTER}."
        )
    augmentation: list = []
    if cfg.INPUT.BASE_SIZE:
        augmentation.append(T.Resize((cfg.INPUT.BASE_SIZE, cfg.INPUT.BASE_SIZE)))
    augmentation += build_turn_augmentation(cfg)
    if cfg.INPUT.RANDOM_FLIP != "none":
        augmentation.append(horizontal_flip(cfg))
    if any(cfg.INPUT.COLOR_JITTER):
        augmentation.append(RandomColorJitter(cfg.INPUT.COLOR_JITTER, cfg.INPUT.FORMAT))
    augmentation.append(CropOnCanvas(crop_size, cfg.MODEL.PIXEL_MEAN))
    return augmentation
