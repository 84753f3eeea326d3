"""SOLO with prompts at inference: one label for every click (PointWSSIS, section 3.1).

The meta-architecture ``PromptedSOLO`` is a SOLO and loads its checkpoints; MODEL.POINTWSSIS.PROMPT
selects its input. Its instances have, in addition to the fields of SOLO, ``points`` (N, 2) float
(y, x) in pixels of the output and ``class_scores`` (N,); ``scores`` is the mask confidence. With
PROMPT points they also have ``clicks`` (N,) int64: clicks of one cell that the label stands for.
"""

from dataclasses import replace
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor

from bestie.methods.pointwssis.config import LEVELS, NMS_BETWEEN, PROMPTS
from bestie.methods.pointwssis.prompts import (
    candidates_of_cells,
    candidates_of_points,
    filter_by_points,
    first_of_cells,
    levels_of_sizes,
    scale_points,
)
from bestie.methods.solo.grids import assign_cells, mask_centers
from bestie.methods.solo.inference import HeadOutputs
from bestie.methods.solo.meta_arch import SOLO, padded_masks

__all__ = ["PromptedSOLO"]


@META_ARCH_REGISTRY.register()
class PromptedSOLO(SOLO):
    """SOLO whose instances come from clicks or from known objects."""

    @configurable
    def __init__(
        self,
        *,
        prompt: str = "none",
        level: str = "selected",
        nms_between: str = "cell",
        **solo: Any,
    ):
        """
        Args:
            prompt: "none", "points", "sizes" or "filter" (MODEL.POINTWSSIS.PROMPT).
            level: "selected", "oracle" or one of ``in_features``.
            nms_between: "cell", "class" or "none".
            **solo: arguments of :class:`SOLO`.
        """
        super().__init__(**solo)
        for name, value, accepted in (
            ("PROMPT", prompt, PROMPTS),
            ("LEVEL", level, (*LEVELS, *self.in_features)),
            ("NMS_BETWEEN", nms_between, NMS_BETWEEN),
        ):
            if value not in accepted:
                raise ValueError(
                    f"MODEL.POINTWSSIS.{name} must be one of {', '.join(accepted)}, got {value!r}."
                )
        self.prompt, self.level, self.nms_between = prompt, level, nms_between

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        node = cfg.MODEL.POINTWSSIS
        prompts = {"prompt": node.PROMPT, "level": node.LEVEL, "nms_between": node.NMS_BETWEEN}
        return super().from_config(cfg) | prompts

    def find(
        self,
        sample: dict,
        outputs: HeadOutputs,
        image_size: tuple[int, int],
        padded_size: tuple[int, int],
    ) -> Instances:
        """Instances of one image, from its prompts.

        Args:
            sample: dict of ``PromptMapper``: "points" (P, 2) float32 (y, x) in pixels of "image"
                and "point_classes" (P,) int64; for sizes and oracle "instances" with gt_boxes,
                gt_classes and gt_masks.
            outputs: of the heads for this image.
            image_size: height and width of the image within the padded one.
            padded_size: height and width of the network's input.
        """
        if self.prompt == "none":
            return super().find(sample, outputs, image_size, padded_size)
        if self.prompt == "filter":
            found = super().find(sample, outputs, image_size, padded_size)
            return self._filter(sample, found, image_size)
        if self.prompt == "sizes":
            return self._from_objects(sample, outputs, image_size, padded_size)
        return self._from_points(sample, outputs, image_size, padded_size)

    def _from_points(
        self,
        sample: dict,
        outputs: HeadOutputs,
        image_size: tuple[int, int],
        padded_size: tuple[int, int],
    ) -> Instances:
        points, classes = self._points(sample)
        found = candidates_of_points(
            points,
            classes,
            outputs,
            padded_size,
            self.rank_settings.mask_thresh,
            self._levels(sample, len(points)),
        )
        clicks = torch.ones_like(found.points)
        if self.nms_between == "cell":
            first, clicks = first_of_cells(found.candidates)
            found = found.select(first)
        settings = replace(
            self.rank_settings,
            nms="mask" if self.nms_between == "class" else "none",
            # No click is dropped because an image has many of them.
            top_k=len(points),
            max_instances=len(points),
        )
        instances, index = self.masks_of(
            sample, outputs, image_size, found.candidates, settings, found.measures
        )
        scores = found.class_scores[index]
        instances.clicks = clicks[index]
        return _with_points(instances, points[found.points[index]], scores, image_size)

    def _from_objects(
        self,
        sample: dict,
        outputs: HeadOutputs,
        image_size: tuple[int, int],
        padded_size: tuple[int, int],
    ) -> Instances:
        objects = sample["instances"].to(self.device)
        areas, centers = mask_centers(padded_masks(objects, padded_size))
        sizes = torch.where(areas[:, None] > 0, _sizes(objects), 0)
        positives = assign_cells(
            centers, sizes, padded_size, self.grids, self.ranges, self.loss_settings.sigma
        )
        candidates, owners = candidates_of_cells(positives, objects.gt_classes)
        settings = replace(self.rank_settings, nms="mask")
        instances, index = self.masks_of(sample, outputs, image_size, candidates, settings)
        probability = outputs.class_probability(candidates.cells, candidates.classes)
        return _with_points(instances, centers[owners[index]], probability[index], image_size)

    def _filter(self, sample: dict, found: Instances, image_size: tuple[int, int]) -> Instances:
        points, classes = self._points(sample)
        on_output = scale_points(points, image_size, found.image_size)
        limit = torch.tensor(found.image_size, device=self.device) - 1
        on_output = torch.minimum(on_output.round().clamp(min=0), limit)
        chosen = filter_by_points(
            found.pred_masks, found.pred_classes, found.scores, on_output, classes
        )
        index = chosen[chosen >= 0]
        instances = found[index]
        scores = instances.scores
        return _with_points(instances, points[chosen >= 0], scores, image_size)

    def _points(self, sample: dict) -> tuple[Tensor, Tensor]:
        return sample["points"].to(self.device), sample["point_classes"].to(self.device)

    def _levels(self, sample: dict, number: int) -> Tensor | None:
        """(P,) int64 levels that are given instead of selected."""
        if self.level == "selected":
            return None
        if self.level == "oracle":
            return levels_of_sizes(_sizes(sample["instances"].to(self.device)), self.ranges)
        level = self.in_features.index(self.level)
        return torch.full((number,), level, device=self.device)


def _sizes(objects: Instances) -> Tensor:
    boxes = objects.gt_boxes.tensor
    return torch.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], dim=1)


def _with_points(
    instances: Instances, points: Tensor, class_scores: Tensor, image_size: tuple[int, int]
) -> Instances:
    instances.points = scale_points(points, image_size, instances.image_size)
    instances.class_scores = class_scores
    return instances
