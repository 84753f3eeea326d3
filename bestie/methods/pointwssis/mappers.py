"""Mappers of PointWSSIS: clicks and known objects for the teacher, crops for the refiner.

Points of a data set come from files of the folder contract (``Center_points``) or from the field
``point`` [x, y] of each annotation of a COCO JSON; they are never derived from masks here. Mappers
return points as (y, x) pixel indices.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import detection_utils
from detectron2.data import transforms as T
from detectron2.structures import Instances
from pycocotools import mask as mask_util
from torch import Tensor

from bestie.data.augmentation import ResizeLongerSide, inference_augmentation
from bestie.data.mappers import (
    MAPPER_REGISTRY,
    ReadsImages,
    image_tensor,
    read_sample_image,
    sample_identity,
)
from bestie.data.registration import POINT_FOLDERS
from bestie.formats import DataError, RLEMasks, read_points, segmentation_rle
from bestie.methods.pointwssis.crops import (
    crop_images,
    crop_masks,
    loose_crops,
    points_in_crops,
)
from bestie.methods.pointwssis.hold_out import held_out_images
from bestie.methods.pointwssis.rough_masks import masks_at_size
from bestie.methods.solo.grids import mask_boxes, mask_centers

__all__ = ["PromptMapper", "RefinerMapper"]


@MAPPER_REGISTRY.register()
class PromptMapper(ReadsImages):
    """Image, and the prompts that MODEL.POINTWSSIS.PROMPT and LEVEL need; inference only.

    Returns ``image`` (3, H, W) uint8 as the network is to see it, ``height`` and ``width`` of the
    photo, which the masks get; for points and filter ``points`` (P, 2) float32 (y, x) in pixels of
    ``image`` and ``point_classes`` (P,) int64; for sizes and the oracle level ``instances`` with
    gt_boxes, gt_classes and gt_masks in it.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        prompt: str,
        level: str = "selected",
        num_classes: int,
        augmentation: list[T.Augmentation],
        image_format: str = "RGB",
        points_dir: str = POINT_FOLDERS["clicks"],
    ):
        """
        Args:
            is_train: must be False.
            prompt: MODEL.POINTWSSIS.PROMPT.
            level: MODEL.POINTWSSIS.LEVEL.
            num_classes: C.
            augmentation: resizes the image.
            image_format: "RGB" or "BGR".
            points_dir: folder of the points, under the data root or absolute.

        Raises:
            ValueError: for a training, or without a prompt.
        """
        if is_train:
            raise ValueError(
                "INPUT.DATASET_MAPPER_NAME: PromptMapper is for inference; train with "
                "InstanceMapper."
            )
        if prompt == "none":
            raise ValueError("PromptMapper needs MODEL.POINTWSSIS.PROMPT points, sizes or filter.")
        self.needs_points = prompt != "sizes"
        self.needs_objects = prompt == "sizes" or (prompt == "points" and level == "oracle")
        self.num_classes = num_classes
        self.augmentation = T.AugmentationList(augmentation)
        self.image_format = image_format
        self.points_dir = points_dir

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = False) -> dict[str, Any]:
        return {
            "is_train": is_train,
            "prompt": cfg.MODEL.POINTWSSIS.PROMPT,
            "level": cfg.MODEL.POINTWSSIS.LEVEL,
            "num_classes": cfg.MODEL.SOLO.NUM_CLASSES,
            "augmentation": inference_augmentation(cfg),
            "image_format": cfg.INPUT.FORMAT,
            "points_dir": cfg.INPUT.POINTS_DIR or POINT_FOLDERS["clicks"],
        }

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        photo = read_sample_image(dataset_dict, self.image_format)
        sample = sample_identity(dataset_dict)
        sample["height"], sample["width"] = photo.shape[:2]
        data = T.AugInput(photo)
        transform = self.augmentation(data)
        sample["image"] = image_tensor(data.image)
        if self.needs_points:
            yx, classes = self._read_points(dataset_dict)
            centers_xy = transform.apply_coords(yx[:, ::-1] + 0.5)  # of pixels, continuous
            points = np.ascontiguousarray(centers_xy[:, ::-1] - 0.5, dtype=np.float32)
            sample["points"] = torch.from_numpy(points)
            sample["point_classes"] = torch.from_numpy(classes)
        if self.needs_objects:
            size = data.image.shape[:2]
            objects = [
                detection_utils.transform_instance_annotations(dict(entry), transform, size)
                for entry in _annotations(dataset_dict, "masks of known objects")
            ]
            sample["instances"] = detection_utils.annotations_to_instances(
                objects, size, mask_format="bitmask"
            )
        return sample

    def _read_points(self, dataset_dict: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """(P, 2) float64 (y, x) pixel indices of the image file, and (P,) int64 classes."""
        if "root" in dataset_dict:
            name = f"{dataset_dict['image_name']}.txt"
            path = os.path.join(dataset_dict["root"], self.points_dir, name)
            points = read_points(path)
            if (points.classes >= self.num_classes).any():
                accepted = f"0..{self.num_classes - 1} are accepted"
                raise DataError(f"class {points.classes.max()}; {accepted}", path)
            return points.yx.astype(np.float64), points.classes
        annotations = _annotations(dataset_dict, "clicks")
        without = sum("point" not in entry for entry in annotations)
        if without:
            raise DataError(
                f"{without} of its {len(annotations)} annotations have no 'point' [x, y]; clicks "
                "are never taken from masks",
                dataset_dict["file_name"],
            )
        xy = np.array([entry["point"] for entry in annotations], np.float64).reshape(-1, 2)
        classes = np.array([entry["category_id"] for entry in annotations], np.int64)
        return xy[:, ::-1], classes


@MAPPER_REGISTRY.register()
class RefinerMapper(ReadsImages):
    """In training a crop with rough and true mask, at inference an image with rough masks.

    Trains on a COCO JSON whose annotations hold the true mask as ``segmentation`` and the rough one
    as ``rough``, an annotation per pair; one pair is one sample. At inference ``segmentation`` is
    the rough mask and ``point`` its point. Crops are cut out of the photo at INPUT.TEST_SIZE, in
    training, too, so that both see objects alike. See ``MaskRefiner`` for what is returned.
    """

    trains_on = "coco"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        size: int,
        scales: tuple[float, float],
        flip: bool = True,
        min_area: int = 1,
        test_size: int = 0,
        test_size_kept: Sequence[int] = (0, 0),
        hold_out: float = 0.0,
        seed: int = 0,
        image_format: str = "RGB",
    ):
        """
        Args:
            is_train: crops with targets instead of images with rough masks.
            size: S, side of a crop.
            scales: range of the crop scale in training.
            flip: mirror half of the crops.
            min_area: pairs with a smaller rough mask do not train, pixels of the photo.
            test_size: longer side of the network's image, pixels; 0: that of the photo.
            test_size_kept: photos whose longer side lies between these two keep their size.
            hold_out: share of the images whose pairs do not train.
            seed: of the draw of these images.
            image_format: "RGB" or "BGR".
        """
        self.is_train = is_train
        self.size, self.scales, self.flip = size, scales, flip
        self.min_area = max(1, min_area)
        self.augmentation = ResizeLongerSide(test_size, test_size_kept)
        self.hold_out, self.seed = hold_out, seed
        self.image_format = image_format

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        node = cfg.MODEL.REFINER
        return {
            "is_train": is_train,
            "size": node.SIZE,
            "scales": tuple(node.CROP_SCALE_TRAIN),
            "flip": cfg.INPUT.RANDOM_FLIP == "horizontal",
            "min_area": node.MIN_AREA,
            "test_size": cfg.INPUT.TEST_SIZE,
            "test_size_kept": cfg.INPUT.TEST_SIZE_KEPT,
            "hold_out": node.HOLD_OUT,
            "seed": cfg.SEED,
            "image_format": cfg.INPUT.FORMAT,
        }

    def samples(self, dicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One dict per pair that trains, with one annotation each; called by the training loader.

        Raises:
            DataError: annotations without a rough mask, or no pair at all.
        """
        pairs, held_out = self._pairs(dicts)
        return [pair for pair in pairs if pair["file_name"] not in held_out]

    def held_out(self, dicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The other ones: pairs of images that MODEL.REFINER.HOLD_OUT leaves out."""
        pairs, held_out = self._pairs(dicts)
        return [pair for pair in pairs if pair["file_name"] in held_out]

    def _pairs(self, dicts: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], frozenset[str]]:
        """All pairs, and the file names of the images that are held out."""
        found = []
        for record in dicts:
            for entry in _annotations(record, "pairs of rough and true masks"):
                if "rough" not in entry:
                    raise DataError("an annotation has no 'rough' mask", record["file_name"])
                rough, truth = _rle(entry["rough"], record), _rle(entry["segmentation"], record)
                if mask_util.area(rough) >= self.min_area and mask_util.area(truth) > 0:
                    found.append(record | {"annotations": [entry]})
        if not found:
            raise DataError("the refiner has no pair to train on", "DATASETS.TRAIN")
        names = {pair["file_name"] for pair in found}
        return found, held_out_images(names, self.hold_out, self.seed)

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        photo = read_sample_image(dataset_dict, self.image_format)
        sample = sample_identity(dataset_dict)
        image = image_tensor(self.augmentation.get_transform(photo).apply_image(photo))
        annotations = _annotations(dataset_dict, "rough masks")
        if self.is_train:
            return sample | self._training_sample(image, annotations[0], dataset_dict)
        sample["image"] = image
        sample["instances"] = _rough_instances(annotations, dataset_dict)
        return sample

    def _training_sample(
        self, image: Tensor, annotation: dict[str, Any], record: dict[str, Any]
    ) -> dict[str, Tensor]:
        size = (image.shape[1], image.shape[2])
        codes = [_rle(annotation[key], record) for key in ("rough", "segmentation")]
        rough, truth = masks_at_size(codes, size).split(1)
        points = mask_centers(truth)[1]
        scale = np.random.uniform(*self.scales)
        crops = loose_crops(mask_boxes(rough)[1], points, scale, size)
        index = torch.zeros(1, dtype=torch.int64)
        crop = crop_images(image[None].float(), index, crops, self.size)[0]
        rough, target = (crop_masks(mask, crops, self.size)[0] for mask in (rough, truth))
        point = points_in_crops(points, crops, self.size)[0]
        if self.flip and np.random.rand() < 0.5:
            crop, rough, target = (tensor.flip(-1) for tensor in (crop, rough, target))
            point[1] = self.size - 1 - point[1]
        return {
            "crop": crop,
            "rough": rough,
            "target": target,
            "point": point,
            "point_class": torch.tensor(annotation["category_id"]),
        }


def _annotations(record: dict[str, Any], what: str) -> list[dict[str, Any]]:
    if "annotations" not in record:
        raise DataError(
            f"comes without {what}; a data set named coco:JSON:IMAGE_DIR is expected",
            record["file_name"],
        )
    return [entry for entry in record["annotations"] if not entry.get("iscrowd", 0)]


def _rough_instances(annotations: list[dict[str, Any]], record: dict[str, Any]) -> Instances:
    """The labels of an image as a model's instances."""
    without = sum("point" not in entry for entry in annotations)
    if without:
        raise DataError(
            f"{without} of its {len(annotations)} labels have no 'point' [x, y]; the refiner takes "
            "the labels of PromptedSOLO",
            record["file_name"],
        )
    size = (record["height"], record["width"])
    instances = Instances(size)
    instances.pred_masks = RLEMasks([_rle(e["segmentation"], record) for e in annotations], size)
    instances.pred_classes = torch.tensor(
        [entry["category_id"] for entry in annotations], dtype=torch.int64
    )
    points = [entry["point"][::-1] for entry in annotations]
    instances.points = torch.tensor(points, dtype=torch.float64).view(-1, 2)
    for field, key in (("scores", "score"), ("class_scores", "class_score")):
        values = [entry.get(key, 1.0) for entry in annotations]
        setattr(instances, field, torch.tensor(values, dtype=torch.float32))
    return instances


def _rle(segmentation: Any, record: dict[str, Any]) -> dict:
    """Compressed run-length code whose counts are text, ready for json."""
    rle = segmentation_rle(segmentation, record["height"], record["width"])
    counts = rle["counts"]
    return {**rle, "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}
