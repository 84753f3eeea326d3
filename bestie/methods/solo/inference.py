"""From the outputs of SOLO's heads to the instances of one image.

Candidates are cells with a class and a value. Those of plain inference come from the class scores;
other methods bring their own (clicks, known objects). What follows is the same for all: masks that
are too small go, mask confidence enters the score, duplicates are suppressed.

Shapes: K candidates, C classes, D channels; cells are numbered as in ``grids``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bestie.methods.solo.grids import cell_levels
from bestie.methods.solo.kernels import MaskMeasures, mask_probabilities, measure_masks
from bestie.methods.solo.suppression import greedy_nms, matrix_nms, overlaps, point_nms

__all__ = ["Candidates", "HeadOutputs", "RankSettings", "Ranked", "plain_candidates", "rank"]

NMS = ("matrix", "mask", "none")


class HeadOutputs(NamedTuple):
    """What the heads say about one image, float32.

    Attributes:
        class_logits (list[Tensor]): (C, S, S) of each level.
        kernels (Tensor): (cells, D) of all levels.
        features (Tensor): (D, h, w) mask features, a quarter of the padded image.
    """

    class_logits: Sequence[Tensor]
    kernels: Tensor
    features: Tensor

    def class_probability(self, cells: Tensor, classes: Tensor) -> Tensor:
        """Class probability of cells, float32.

        Args:
            cells: int64 cell numbers, of any shape.
            classes: int64 in [0, C), of the same shape or one that expands to it.
        """
        logits = torch.cat([level.flatten(1) for level in self.class_logits], dim=1)
        return logits[classes, cells].sigmoid()

    @property
    def grids(self) -> list[int]:
        """Cells along a side of each level."""
        return [logits.shape[-1] for logits in self.class_logits]


class Candidates(NamedTuple):
    """Cells that may become instances.

    Attributes:
        cells (Tensor): (K,) int64.
        classes (Tensor): (K,) int64 in [0, C).
        values (Tensor): (K,) float32, the score before mask confidence enters it.
    """

    cells: Tensor
    classes: Tensor
    values: Tensor


@dataclass(frozen=True)
class Ranked:
    """Candidates that are left, best first: ``index`` (N,) int64 into them, scores (N,) float32."""

    index: Tensor
    scores: Tensor


@dataclass(frozen=True)
class RankSettings:
    """Inference (MODEL.SOLO.TEST.*, MODEL.SOLO.STRIDES, TEST.DETECTIONS_PER_IMAGE).

    Attributes:
        strides: masks need more feature pixels than the stride of their level.
        mask_thresh: a pixel belongs to a mask above this probability.
        top_k: candidates that enter the suppression.
        nms: "matrix", "mask" (greedy) or "none".
        nms_kernel: of matrix NMS, "gaussian" or "linear".
        nms_sigma: of the Gaussian kernel.
        nms_iou: of mask NMS: a mask goes if its IoU with a better one is above this.
        update_thresh: matrix NMS: score that is needed after it.
        max_instances: most instances of one image.
    """

    strides: Sequence[int] = (8, 8, 16, 32, 32)
    mask_thresh: float = 0.5
    top_k: int = 500
    nms: str = "matrix"
    nms_kernel: str = "gaussian"
    nms_sigma: float = 2.0
    nms_iou: float = 0.5
    update_thresh: float = 0.05
    max_instances: int = 100

    def __post_init__(self) -> None:
        if self.nms not in NMS:
            raise ValueError(f"MODEL.SOLO.TEST.NMS must be one of {', '.join(NMS)}, got {self.nms}")


def plain_candidates(class_logits: Sequence[Tensor], threshold: float = 0.1) -> Candidates:
    """Cells whose class score is above the threshold and the maximum of their neighborhood.

    Args:
        class_logits: (C, S, S) of each level.
        threshold: on the class probability.
    """
    probability = torch.cat(
        [point_nms(logits.sigmoid().unsqueeze(0))[0].flatten(1).T for logits in class_logits]
    )
    cells, classes = (probability > threshold).nonzero(as_tuple=True)
    return Candidates(cells, classes, probability[cells, classes])


def rank(
    candidates: Candidates,
    outputs: HeadOutputs,
    settings: RankSettings,
    measures: MaskMeasures | None = None,
) -> Ranked:
    """Score candidates by value x maskness, drop small masks, suppress duplicates.

    Args:
        candidates: of one image.
        outputs: of the heads for this image.
        settings: of the inference.
        measures: of the candidates' masks, (K,), where they are known already.
    """
    kernels = outputs.kernels[candidates.cells]
    if measures is None:
        measures = measure_masks(kernels, outputs.features, settings.mask_thresh)
    levels = cell_levels(outputs.grids, kernels.device)[candidates.cells]
    strides = torch.tensor(settings.strides, device=kernels.device)[levels]
    scores = candidates.values * measures.maskness

    index = (measures.areas > strides).nonzero().squeeze(1)
    index = index[scores[index].argsort(descending=True, stable=True)][: settings.top_k]
    scores = scores[index]
    if settings.nms != "none" and len(index):
        masks = mask_probabilities(kernels[index], outputs.features) > settings.mask_thresh
        iou = overlaps(masks, candidates.classes[index])
        if settings.nms == "matrix":
            scores = matrix_nms(iou, scores, settings.nms_kernel, settings.nms_sigma)
            keep = scores >= settings.update_thresh
        else:
            keep = greedy_nms(iou, settings.nms_iou)
        index, scores = index[keep], scores[keep]
    order = scores.argsort(descending=True, stable=True)[: settings.max_instances]
    return Ranked(index[order], scores[order])
