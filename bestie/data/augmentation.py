"""Joint augmentation of image, semantic map and points.

Every augmentation is one random transform that is applied to the image, its semantic map and its
points, all in (y, x). It is built from Detectron2's augmentations where they exist, so coordinates
inside are Detectron2's: (x, y), continuous, with (0.5, 0.5) in the middle of the first pixel.

Random numbers come from Python's, numpy's and torch's global generators, which the loader seeds per
sample (``data.loader``).
"""

from collections.abc import Sequence
from typing import overload

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from detectron2.data.detection_utils import build_augmentation
from fvcore.transforms.transform import NoOpTransform, Transform
from PIL import Image
from torchvision.transforms import ColorJitter
from torchvision.transforms import functional as TF

from bestie.regions import IGNORE

__all__ = [
    "CropOnCanvas",
    "RandomColorJitter",
    "RandomQuarterTurn",
    "ResizeAndScale",
    "ResizeLongerSide",
    "InferenceSize",
    "augment",
    "build_turn_augmentation",
    "inference_augmentation",
]

GRID = 32
# Photometric distortion of the reference implementation, in values of 0..255 and in half degrees;
# it does not change the saturation.
DISTORTION = {"brightness_delta": 16, "saturation_low": 1, "saturation_high": 1, "hue_delta": 18}


def build_turn_augmentation(cfg: CfgNode) -> list[T.Augmentation]:
    """Quarter turns and vertical flips if INPUT.RANDOM_ROTATE90, else nothing."""
    if not cfg.INPUT.RANDOM_ROTATE90:
        return []
    return [RandomQuarterTurn(), T.RandomFlip(horizontal=False, vertical=True)]


@overload
def augment(
    augmentation: T.AugmentationList,
    image: np.ndarray,
    semantic_map: np.ndarray,
    points: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]: ...


@overload
def augment(
    augmentation: T.AugmentationList,
    image: np.ndarray,
    semantic_map: np.ndarray | None = None,
    points: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]: ...


def augment(
    augmentation: T.AugmentationList,
    image: np.ndarray,
    semantic_map: np.ndarray | None = None,
    points: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Apply one random transform to all three.

    A point stands for the pixel that holds it: its center is transformed, and the pixel on which it
    comes to lie is the result.

    Args:
        augmentation: what to draw the transform from.
        image: (H, W, 3) uint8.
        semantic_map: (H, W) uint8.
        points: (P, 2) (y, x), pixel indices; fractions are cut off.

    Returns:
        image, semantic map, points (P', 2) float32 (y, x) whole pixel indices inside the new
        image, and kept (P,) bool, which of the points these are. The last three are None if not
        given.
    """
    data = T.AugInput(image, sem_seg=semantic_map)
    transform = augmentation(data)
    if points is None:
        return data.image, data.sem_seg, None, None
    centers_xy = np.floor(points[:, ::-1].astype(np.float64)) + 0.5
    yx = np.floor(transform.apply_coords(centers_xy)[:, ::-1])
    kept = ((yx >= 0) & (yx < data.image.shape[:2])).all(axis=1)
    return data.image, data.sem_seg, yx[kept].astype(np.float32), kept


class ResizeAndScale(T.Augmentation):
    """Resize to a base size on the grid "multiple of 32, plus one", times a random scale.

    Args:
        base_size: bound of the longer side, pixels; 0: the image's own size.
        scales: factors, one of which is drawn.
    """

    def __init__(self, base_size: int, scales: Sequence[float]):
        super().__init__()
        self.base_size, self.scales = base_size, tuple(scales)

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        scale = self.scales[np.random.randint(len(self.scales))]
        sides = self.base_sides(height, width)
        new_height, new_width = (max(1, round(side * scale)) for side in sides)
        if (new_height, new_width) == (height, width):
            return NoOpTransform()
        return T.ResizeTransform(height, width, new_height, new_width)

    def base_sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width before the random scale."""
        if not self.base_size:
            return height, width
        longest = self.base_size - (self.base_size - 1) % GRID
        factor = longest / max(height, width)
        height, width = int(height * factor), int(width * factor)
        return height + (1 - height) % GRID, width + (1 - width) % GRID


class ResizeLongerSide(T.Augmentation):
    """Give the longer side a fixed length and keep the aspect ratio, as at inference.

    Shrinking averages (PIL's bilinear filter, as in training), so that large and small photos of a
    scene look the same.

    Args: as for :class:`InferenceSize`.
    """

    def __init__(self, length: int, kept: Sequence[int] = (0, 0)):
        super().__init__()
        self.size = InferenceSize(length, kept)

    def get_transform(self, image: np.ndarray) -> Transform:
        photo = image.shape[:2]
        grid = self.size.grid(*photo)
        return NoOpTransform() if grid in (None, photo) else T.ResizeTransform(*photo, *grid)


def inference_augmentation(cfg: CfgNode) -> list[T.Augmentation]:
    """How a photo becomes the network's image at inference, for models with a bound of its size.

    INPUT.TEST_SIZE, if it is set; else Detectron2's INPUT.MIN_SIZE_TEST and MAX_SIZE_TEST.
    """
    if cfg.INPUT.TEST_SIZE:
        return [ResizeLongerSide(cfg.INPUT.TEST_SIZE, cfg.INPUT.TEST_SIZE_KEPT)]
    return build_augmentation(cfg, is_train=False)


class RandomQuarterTurn(T.Augmentation):
    """Turn by 0, 90, 180 or 270 degrees, counter-clockwise, each as likely."""

    def get_transform(self, image: np.ndarray) -> Transform:
        turns = np.random.randint(4)
        return QuarterTurn(image.shape[0], image.shape[1], turns) if turns else NoOpTransform()


class QuarterTurn(Transform):
    """Turn an image of (height, width) pixels by ``turns`` x 90 degrees counter-clockwise."""

    def __init__(self, height: int, width: int, turns: int):
        super().__init__()
        self.height, self.width, self.turns = height, width, turns

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(img, self.turns))

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        x, y = coords[:, 0], coords[:, 1]
        turned = {
            0: (x, y),
            1: (y, self.width - x),
            2: (self.width - x, self.height - y),
            3: (self.height - y, x),
        }
        return np.stack(turned[self.turns % 4], axis=1)


class CropOnCanvas(T.Augmentation):
    """Random crop of a fixed size; along a side that is too short, a random place on a canvas.

    Args:
        size: (height, width) of the crop.
        canvas: value of each channel of the image where nothing is; the map is 255 there.
    """

    def __init__(self, size: tuple[int, int], canvas: Sequence[float]):
        super().__init__()
        self.size, self.canvas = size, tuple(canvas)

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = self.size
        top = _random_start(image.shape[0], height)
        left = _random_start(image.shape[1], width)
        return CanvasCrop(top, left, self.size, self.canvas)


class CanvasCrop(Transform):
    """The window of ``size`` that starts at pixel (top, left), which may lie outside the image."""

    def __init__(self, top: int, left: int, size: tuple[int, int], canvas: Sequence[float]):
        super().__init__()
        self.top, self.left, self.size, self.canvas = top, left, size, canvas

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return self._cut(img, np.round(self.canvas))

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return self._cut(segmentation, IGNORE)

    def _cut(self, array: np.ndarray, canvas: int | np.ndarray) -> np.ndarray:
        rows, window_rows = _overlap(self.top, self.size[0], array.shape[0])
        columns, window_columns = _overlap(self.left, self.size[1], array.shape[1])
        inside = array[rows, columns]
        if inside.shape[:2] == self.size:
            return inside
        window = np.empty((*self.size, *array.shape[2:]), array.dtype)
        window[:] = canvas
        window[window_rows, window_columns] = inside
        return window

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords - (self.left, self.top)


def _random_start(old: int, new: int) -> int:
    """Where a window of ``new`` pixels starts in ``old``; negative if it is the larger one."""
    return np.random.randint(old - new + 1) if old >= new else -np.random.randint(new - old + 1)


def _overlap(start: int, new: int, old: int) -> tuple[slice, slice]:
    """Overlap of the window [start, start + new) with [0, old): in the old and in the new array."""
    first, last = max(start, 0), min(start + new, old)
    return slice(first, last), slice(first - start, last - start)


class RandomColorJitter(T.Augmentation):
    """Brightness, contrast, saturation and hue, in random order, as torchvision's ColorJitter.

    Args:
        strengths: of the four; factors are drawn from [1 - s, 1 + s], the hue shift from [-s, s].
        image_format: "RGB" or "BGR".
    """

    def __init__(self, strengths: Sequence[float], image_format: str):
        super().__init__()
        self.jitter = ColorJitter(*strengths)
        self.image_format = image_format

    def get_transform(self, image: np.ndarray) -> Transform:
        order, *factors = ColorJitter.get_params(
            self.jitter.brightness, self.jitter.contrast, self.jitter.saturation, self.jitter.hue
        )
        return ColorJitterTransform(order.tolist(), factors, self.image_format)


class ColorJitterTransform(Transform):
    """Adjust brightness, contrast, saturation and hue by ``factors`` (None: not) in ``order``."""

    ADJUST = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)

    def __init__(self, order: list[int], factors: list[float | None], image_format: str):
        super().__init__()
        self.order, self.factors, self.image_format = order, factors, image_format

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        step = 1 if self.image_format == "RGB" else -1
        picture = Image.fromarray(np.ascontiguousarray(img[:, :, ::step]))
        for index in self.order:
            if self.factors[index] is not None:
                picture = self.ADJUST[index](picture, self.factors[index])
        return np.asarray(picture)[:, :, ::step]

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return segmentation


class InferenceSize:
    """Brings a photo and its points to the size at which a network sees it.

    Instances are grouped on a grid whose longer side is ``length``, in whose pixels all lengths of
    the method are counted. The network sees that grid, enlarged by ``scale``; both are made from
    the photo in one step, so that no detail is lost.

    Args:
        length: INPUT.TEST_SIZE, pixels; 0: photos keep their size.
        kept: INPUT.TEST_SIZE_KEPT, shortest and longest longer side of photos that keep their size.
        scale: side of what the network sees, in sides of the grid.
    """

    def __init__(self, length: int, kept: Sequence[int] = (0, 0), scale: float = 1.0):
        self.length, self.kept, self.scale = length, tuple(kept), scale

    def grid(self, height: int, width: int) -> tuple[int, int] | None:
        """Height and width of the grid; None for a photo that keeps its size."""
        longer = max(height, width)
        if not self.length or self.kept[0] <= longer <= self.kept[1]:
            return None
        new_height, new_width = (max(1, round(n * self.length / longer)) for n in (height, width))
        return new_height, new_width

    def resize(self, image: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
        """The (H, W, 3) uint8 photo as the network sees it."""
        size = tuple(max(1, round(side * self.scale)) for side in grid)
        if size == image.shape[:2]:
            return image
        return T.ResizeTransform(*image.shape[:2], *size).apply_image(image)

    @staticmethod
    def move_points(yx: np.ndarray, photo: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
        """Pixels (P, 2) (y, x) of the grid that hold the centers of pixels of the photo."""
        factor = np.array(grid) / np.array(photo)
        return np.floor((np.floor(yx.astype(np.float64)) + 0.5) * factor)


def absolute_crop(cfg: CfgNode) -> tuple[int, int]:
    crop = cfg.INPUT.CROP
    if not crop.ENABLED or crop.TYPE != "absolute" or len(crop.SIZE) != 2 or min(crop.SIZE) < 1:
        raise ValueError(
            f"{cfg.INPUT.DATASET_MAPPER_NAME} trains on crops: INPUT.CROP must be ENABLED, of TYPE "
            f"absolute and SIZE (height, width) in pixels; got ENABLED {crop.ENABLED}, "
            f"TYPE {crop.TYPE}, SIZE {tuple(crop.SIZE)}."
        )
    height, width = crop.SIZE
    return int(height), int(width)


def horizontal_flip(cfg: CfgNode) -> T.Augmentation:
    horizontal = cfg.INPUT.RANDOM_FLIP == "horizontal"
    return T.RandomFlip(horizontal=horizontal, vertical=not horizontal)
