"""Mapper of BESTIE: image, weak semantic map with its components, and points.

Labels are shipped sparse: the components of the weak semantic map with class and centroid, how far
semantic knowledge transfer trusts them, and the points. Dense targets are drawn on the training
device.

Shapes: (H, W) the crop or image, C classes, P points, K components.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetFromList
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform
from torch import Tensor

from bestie.data.augmentation import (
    InferenceSize,
    augment,
)
from bestie.data.crop_augmentation import build_crop_augmentation
from bestie.data.mappers import (
    MAPPER_REGISTRY,
    ReadsImages,
    image_tensor,
    label_path,
    points_folder,
    read_sample_image,
    read_sample_map,
    required_path,
    required_tags,
    sample_identity,
)
from bestie.formats import DataError, Points, read_points
from bestie.formats.dataset_folder import CUES, MAPS, POINT_FOLDERS
from bestie.methods.bestie.batch_labels import component_tensors
from bestie.methods.bestie.copy_paste import paste_instance
from bestie.methods.bestie.pseudo_labels import accept_components
from bestie.regions.components import find_components
from bestie.regions.splitting import split_components

__all__ = ["BESTIEMapper"]


@MAPPER_REGISTRY.register()
class BESTIEMapper(ReadsImages):
    """Image, weak semantic map, its components and the points.

    In training returns, besides ``file_name``, ``image_id``, ``image_name``, ``height`` and
    ``width``:

    - ``image``: (3, H, W) uint8, channel order INPUT.FORMAT;
    - ``image_labels``: (C,) bool, tags of the whole image;
    - ``semantic_map``: (H, W) uint8, 0 background, class + 1, 255 ignore and outside the image;
    - ``points``: (P, 2) float32 (y, x), whole pixel indices; ``point_classes``: (P,) int64; the
      points above the confidence threshold, of tagged classes, inside the crop;
    - ``components``: (H, W) int16 (int32 from 2^15 components on), 0 none, k + 1 component k
      (tagged classes, 8-connected, but for what a pasted instance lies over);
    - ``component_classes``: (K,) int64; ``component_centroids``: (K, 2) int64 (y, x);
      ``component_confidence``: (K,) float32, 1 with exactly one point of its class (paper, section
      3.2), MODEL.BESTIE.SPLIT as a piece of one with several, else 0; ``component_is_piece``: (K,)
      bool.

    With MODEL.BESTIE.COPY_PASTE the labels are those of the image with the pasted instance.

    At inference: ``image`` as the network is to see it, ``grid_size`` (height, width) at which
    instances are grouped (absent if the photo keeps its size), ``height`` and ``width`` of the
    photo, which the masks get, ``image_labels`` and ``points`` (pixels of the grid),
    ``point_classes`` if the root has them.
    """

    trains_on = "folder"
    size_keys = "INPUT.CROP.SIZE"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        num_classes: int,
        augmentation: Sequence[T.Augmentation | Transform] = (),
        image_format: str = "RGB",
        points_dir: str = CUES,
        maps_dir: str = MAPS,
        point_score_thresh: float = 0.7,
        min_area: int = 50,
        split: float = 0.0,
        split_edge_cost: float = 0.3,
        copy_paste: float = 0.0,
        copy_paste_same_class: float = 0.5,
        points_required: bool = False,
        test_size: InferenceSize | None = None,
    ):
        """
        Args:
            is_train: augment and ship labels.
            num_classes: C.
            augmentation: joint augmentation of the training samples.
            image_format: "RGB" or "BGR".
            points_dir: folder of the points, under the data root or absolute.
            maps_dir: folder of the weak semantic maps, in the same way.
            point_score_thresh: points count above this confidence.
            min_area: smallest component, pixels.
            split: confidence of the pieces of components with several points; 0: none is cut.
            split_edge_cost: what edges of the image weigh there, see :func:`split_components`.
            copy_paste: probability that a training image is chosen for an instance of another one.
            copy_paste_same_class: how often that instance is to be of a class of the image's tags.
            points_required: at inference, a missing point file is an error.
            test_size: at inference, the size that photos are brought to; None: they keep theirs.
        """
        if num_classes < 1:
            raise ValueError(f"MODEL.BESTIE.NUM_CLASSES must be 1 or more, got {num_classes}.")
        self.is_train = is_train
        self.num_classes = num_classes
        self.augmentation = T.AugmentationList(augmentation)
        self.image_format = image_format
        self.points_dir = points_dir
        self.maps_dir = maps_dir
        self.point_score_thresh = point_score_thresh
        self.min_area = min_area
        self.split = split
        self.split_edge_cost = split_edge_cost
        self.copy_paste = copy_paste
        self.copy_paste_same_class = copy_paste_same_class
        self._sources: DatasetFromList | None = None
        self._sources_of_class: dict[int, np.ndarray] = {}
        self.points_required = points_required or is_train
        self.test_size = test_size or InferenceSize(0)

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        return {
            "is_train": is_train,
            "num_classes": cfg.MODEL.BESTIE.NUM_CLASSES,
            "augmentation": build_crop_augmentation(cfg) if is_train else (),
            "image_format": cfg.INPUT.FORMAT,
            "points_dir": points_folder(cfg),
            "maps_dir": cfg.INPUT.MAPS_DIR,
            "point_score_thresh": cfg.INPUT.POINT_SCORE_THRESH,
            "min_area": cfg.MODEL.BESTIE.MIN_AREA,
            "split": cfg.MODEL.BESTIE.SPLIT,
            "split_edge_cost": cfg.MODEL.BESTIE.SPLIT_EDGE_COST,
            "copy_paste": cfg.MODEL.BESTIE.COPY_PASTE,
            "copy_paste_same_class": cfg.MODEL.BESTIE.COPY_PASTE_SAME_CLASS,
            "points_required": cfg.MODEL.BESTIE.TEST.USE_CLICKS,
            "test_size": InferenceSize(
                cfg.INPUT.TEST_SIZE, cfg.INPUT.TEST_SIZE_KEPT, cfg.MODEL.BESTIE.TEST.SCALE
            ),
        }

    @classmethod
    def training_needs(cls, cfg: CfgNode) -> set[str]:
        return {"images", "tags", "maps", _points_needed(cfg)}

    @classmethod
    def testing_needs(cls, cfg: CfgNode) -> set[str]:
        test = cfg.MODEL.BESTIE.TEST
        optional = {"tags": test.USE_TAGS, _points_needed(cfg): test.USE_CLICKS}
        return {"images", *(need for need, used in optional.items() if used)}

    @classmethod
    def points_folder(cls, cfg: CfgNode) -> str:
        supervision = cfg.MODEL.BESTIE.SUPERVISION
        if supervision not in POINT_FOLDERS:
            raise ValueError(
                f"MODEL.BESTIE.SUPERVISION must be one of {', '.join(POINT_FOLDERS)}, "
                f"got '{supervision}'."
            )
        return POINT_FOLDERS[supervision]

    def samples(self, dicts: list[dict[str, Any]]) -> list[dict[str, Any]] | DatasetFromList:
        """The images as they are; with ``copy_paste`` they are kept, as sources of instances.

        Called by the training loader.
        """
        if not self.copy_paste:
            return dicts
        self._sources = DatasetFromList(dicts, copy=False)
        images_of: dict[int, list[int]] = {}
        for index, record in enumerate(dicts):
            for class_id in record.get("image_labels", ()):
                images_of.setdefault(class_id, []).append(index)
        self._sources_of_class = {c: np.array(images) for c, images in images_of.items()}
        return self._sources

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        if self.is_train:
            sample = self._training_sample(dataset_dict)
            if self._sources is not None and np.random.random() < self.copy_paste:
                sample = self._paste(sample, dataset_dict["image_labels"])
            return sample
        image = read_sample_image(dataset_dict, self.image_format)
        sample = sample_identity(dataset_dict)
        points = self.trusted_points(dataset_dict)
        if "image_labels" in dataset_dict:
            sample["image_labels"] = required_tags(dataset_dict, self.num_classes)
        sample.update(self._test_sample(image, points))
        return sample

    def _test_sample(self, image: np.ndarray, points: Points | None) -> dict[str, Any]:
        photo = image.shape[:2]
        sample: dict[str, Any] = dict(zip(("height", "width"), photo, strict=True))
        yx = np.zeros((0, 2)) if points is None else points.yx
        grid = self.test_size.grid(*photo)
        if grid is not None:
            sample["grid_size"] = grid
            image = self.test_size.resize(image, grid)
            yx = self.test_size.move_points(yx, photo, grid)
        sample["image"] = image_tensor(image)
        if points is not None:
            sample["points"] = torch.from_numpy(yx.astype(np.float32))
            sample["point_classes"] = torch.from_numpy(points.classes)
        return sample

    def _training_sample(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        image = read_sample_image(dataset_dict, self.image_format)
        sample = sample_identity(dataset_dict)
        points = self.trusted_points(dataset_dict)
        assert points is not None  # training requires them
        sample["image_labels"] = required_tags(dataset_dict, self.num_classes)
        tags = dataset_dict["image_labels"]
        semantic_map = read_sample_map(dataset_dict, self.maps_dir, image.shape[:2])
        tagged = np.isin(points.classes, tags)
        image, semantic_map, yx, kept = augment(
            self.augmentation, image, semantic_map, points.yx[tagged]
        )
        labels = self._sparse_labels(image, semantic_map, tags, yx, points.classes[tagged][kept])
        return sample | {"image": image_tensor(image), **labels}

    def _paste(self, sample: dict[str, Any], tags: Sequence[int]) -> dict[str, Any]:
        """Paste an instance of an image drawn at random, possibly this one, if its crop has one.

        Often it is of one of the image's tags: objects of one class beside each other are what the
        weak maps do not keep apart.
        """
        assert self._sources is not None  # it is asked before
        class_id, index = None, np.random.randint(len(self._sources))
        if len(tags) and np.random.random() < self.copy_paste_same_class:
            class_id = int(np.random.choice(tags))
            index = int(np.random.choice(self._sources_of_class[class_id]))
        source = self._training_sample(self._sources[index])
        return paste_instance(sample, source, class_id, self.min_area)

    def _sparse_labels(
        self,
        image: np.ndarray,
        semantic_map: np.ndarray,
        tags: Sequence[int],
        yx: np.ndarray,
        point_classes: np.ndarray,
    ) -> dict[str, Tensor]:
        """The map, its components and the points of tagged classes, as a training sample has them.

        Args:
            image: (H, W, 3) uint8, in the order of INPUT.FORMAT.
            semantic_map: (H, W) uint8.
            tags: classes of the image.
            yx: (P, 2) float32 (y, x), whole pixel indices.
            point_classes: (P,) int64.
        """
        components = find_components(semantic_map, tags, self.min_area)
        is_piece = np.zeros(len(components), bool)
        if self.split:
            rgb = image if self.image_format == "RGB" else image[:, :, ::-1]
            components, is_piece = split_components(
                components, rgb, yx, point_classes, self.min_area, self.split_edge_cost
            )
        accepted = accept_components(components, yx, point_classes)
        confidence = np.where(is_piece, self.split, accepted)
        return {
            "semantic_map": torch.from_numpy(semantic_map.copy()),
            "points": torch.from_numpy(yx),
            "point_classes": torch.from_numpy(point_classes),
            "component_confidence": torch.from_numpy(confidence.astype(np.float32)),
            "component_is_piece": torch.from_numpy(is_piece),
            **component_tensors(components),
        }

    def trusted_points(self, dataset_dict: dict[str, Any]) -> Points | None:
        """The points of an image above the confidence threshold.

        None if there is no file and none is required.

        Raises:
            DataError: a required file is missing, or a file is broken.
        """
        path = label_path(dataset_dict, self.points_dir, ".txt")
        if not self.points_required and (path is None or not os.path.isfile(path)):
            return None
        points = read_points(required_path(path, dataset_dict, "points"))
        assert points.lines is not None  # they are read from a file
        for class_id, line in zip(points.classes, points.lines, strict=True):
            if class_id >= self.num_classes:
                accepted = f"0..{self.num_classes - 1} are accepted"
                raise DataError(f"class {class_id}; {accepted}", path, int(line))
        kept = points.scores > self.point_score_thresh
        return Points(points.yx[kept], points.classes[kept], points.scores[kept])


def _points_needed(cfg: CfgNode) -> str:
    return "clicks" if cfg.MODEL.BESTIE.SUPERVISION == "clicks" else "peak_points"
