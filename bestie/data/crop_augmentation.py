"""Training transform of image, semantic map and points together, from the configuration.

After the reference implementation: resize so that the longer side is
the largest "multiple of 32, plus one" within INPUT.BASE_SIZE (480 gives 449), the shorter side
keeping the aspect ratio and rounded up to such a number; a random scale; photometric distortion;
a random crop, small images being placed at random on a mean-colored canvas; a horizontal flip.

Differences: base size and scale make one resize instead of two; it averages when it shrinks, and
its nearest-neighbor map and its points are aligned to the pixel centers of the image; the
distortion comes after the resize, where it costs the same for images of any size; the canvas around
the map is "ignore" (255), not background.
"""

from detectron2.config import CfgNode
from detectron2.data import transforms as T
from detectron2.projects.point_rend import ColorAugSSDTransform
from fvcore.transforms.transform import Transform

from bestie.data.augmentation import (
    DISTORTION,
    GRID,
    CropOnCanvas,
    ResizeAndScale,
    absolute_crop,
    build_turn_augmentation,
    horizontal_flip,
)

__all__ = ["build_crop_augmentation"]


def build_crop_augmentation(cfg: CfgNode) -> list[T.Augmentation | Transform]:
    """The training augmentation (see the module's docstring) from INPUT and MODEL.PIXEL_MEAN.

    Raises:
        ValueError: INPUT.CROP is not an absolute crop, or a number out of range.
    """
    crop_size = absolute_crop(cfg)
    if not cfg.INPUT.SCALES or min(cfg.INPUT.SCALES) <= 0:
        raise ValueError(f"INPUT.SCALES must be positive numbers, got {cfg.INPUT.SCALES}.")
    if cfg.INPUT.BASE_SIZE and cfg.INPUT.BASE_SIZE <= GRID:
        raise ValueError(f"INPUT.BASE_SIZE must be 0 or above {GRID}, got {cfg.INPUT.BASE_SIZE}.")
    augmentation: list = [ResizeAndScale(cfg.INPUT.BASE_SIZE, cfg.INPUT.SCALES)]
    if cfg.INPUT.COLOR_AUG:
        augmentation.append(ColorAugSSDTransform(cfg.INPUT.FORMAT, **DISTORTION))
    augmentation += build_turn_augmentation(cfg)
    augmentation.append(CropOnCanvas(crop_size, cfg.MODEL.PIXEL_MEAN))
    if cfg.INPUT.RANDOM_FLIP != "none":
        augmentation.append(horizontal_flip(cfg))
    return augmentation
