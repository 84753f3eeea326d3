"""ROI heads whose losses are weighted by the scores of the labels.

Detectron2 hands the field ``gt_weights`` of the targets to the regions that are matched with them.
A region's class, box and mask losses are multiplied with it and averaged over the same numbers as
without weights, so weights of 1 give Detectron2's losses.
"""

from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import (
    ROI_HEADS_REGISTRY,
    ROI_MASK_HEAD_REGISTRY,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
    StandardROIHeads,
)
from detectron2.structures import Instances
from fvcore.nn import smooth_l1_loss
from torch import Tensor
from torch.nn import functional as F

__all__ = ["WeightedMaskHead", "WeightedOutputLayers", "WeightedROIHeads", "weighted_heads"]


def weighted_heads(cfg: CfgNode) -> CfgNode:
    """The config with these heads in place of Detectron2's, if MODEL.MASK_RCNN.WEIGHT_BY_SCORE."""
    if not cfg.MODEL.MASK_RCNN.WEIGHT_BY_SCORE:
        return cfg
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.ROI_HEADS.NAME = "WeightedROIHeads"
    cfg.MODEL.ROI_MASK_HEAD.NAME = "WeightedMaskHead"
    return cfg


def _weights(proposals: list[Instances], foreground: Tensor) -> Tensor:
    """(R,) float32 weight of each region; 1 for background, and in images without labels."""
    each = [
        p.gt_weights if p.has("gt_weights") else p.gt_classes.new_ones(len(p), dtype=torch.float32)
        for p in proposals
    ]
    weights = torch.cat(each) if each else foreground.new_ones(0, dtype=torch.float32)
    return torch.where(foreground, weights, torch.ones_like(weights))


class WeightedOutputLayers(FastRCNNOutputLayers):
    """Class and box losses, weighted."""

    def losses(
        self, predictions: tuple[Tensor, Tensor], proposals: list[Instances]
    ) -> dict[str, Tensor]:
        """See ``FastRCNNOutputLayers.losses``; proposals have ``gt_weights`` where there are
        labels."""
        scores, deltas = predictions
        if not len(scores):
            return {"loss_cls": scores.sum() * 0, "loss_box_reg": deltas.sum() * 0}
        classes = torch.cat([p.gt_classes for p in proposals])
        foreground = (classes >= 0) & (classes < self.num_classes)
        weights = _weights(proposals, foreground)
        losses = {
            "loss_cls": (F.cross_entropy(scores, classes, reduction="none") * weights).mean(),
            "loss_box_reg": self._box_loss(proposals, deltas, classes, foreground, weights),
        }
        return {name: loss * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}

    def _box_loss(
        self,
        proposals: list[Instances],
        deltas: Tensor,
        classes: Tensor,
        foreground: Tensor,
        weights: Tensor,
    ) -> Tensor:
        """Smooth L1 over the foreground, by the number of all regions."""
        boxes = torch.cat([p.proposal_boxes.tensor for p in proposals])[foreground]
        # Images without labels have background only; their boxes stand for nothing.
        truth = torch.cat(
            [(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals]
        )[foreground]
        own = deltas[foreground]
        if own.shape[1] != boxes.shape[1]:  # one box per class
            own = own.view(len(own), self.num_classes, boxes.shape[1])
            own = own[torch.arange(len(own), device=own.device), classes[foreground]]
        wanted = self.box2box_transform.get_deltas(boxes, truth)
        loss = smooth_l1_loss(own, wanted, self.smooth_l1_beta, reduction="none").sum(1)
        return (loss * weights[foreground]).sum() / len(classes)


@ROI_MASK_HEAD_REGISTRY.register()
class WeightedMaskHead(MaskRCNNConvUpsampleHead):
    """Mask loss, weighted."""

    def forward(self, x: Tensor, instances: list[Instances]) -> Any:
        """See ``BaseMaskRCNNHead.forward``."""
        if not self.training:
            return super().forward(x, instances)
        logits = self.layers(x)
        with_regions = [found for found in instances if len(found)]
        if not with_regions:
            return {"loss_mask": logits.sum() * 0}
        classes = torch.cat([found.gt_classes for found in with_regions])
        if logits.shape[1] > 1:
            logits = logits[torch.arange(len(logits), device=logits.device), classes][:, None]
        side = logits.shape[-1]
        masks = torch.cat(
            [f.gt_masks.crop_and_resize(f.proposal_boxes.tensor, side) for f in with_regions]
        )
        loss = F.binary_cross_entropy_with_logits(
            logits[:, 0], masks.to(logits.dtype), reduction="none"
        )
        weights = _weights(with_regions, torch.ones_like(classes, dtype=torch.bool))
        return {"loss_mask": self.loss_weight * (loss.mean((1, 2)) * weights).mean()}


@ROI_HEADS_REGISTRY.register()
class WeightedROIHeads(StandardROIHeads):
    """Detectron2's ROI heads with weighted losses of classes and boxes."""

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        parts = super()._init_box_head(cfg, input_shape)
        parts["box_predictor"] = WeightedOutputLayers(cfg, parts["box_head"].output_shape)
        return parts
