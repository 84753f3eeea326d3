"""Settings of the BESTIE meta-architecture, in groups, and how a config gives them.

The defaults are the paper's. Settings of a pure module stand there: ``centers.ClusterSettings``,
``refinement.RefineSettings``.
"""

from dataclasses import dataclass

from detectron2.config import CfgNode

from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.refinement import RefineSettings

__all__ = [
    "InferenceSettings",
    "LossSettings",
    "cluster_settings",
    "inference_settings",
    "loss_settings",
    "refine_settings",
]


@dataclass(frozen=True)
class LossSettings:
    """Weights of the loss terms; ``iag``: instance-aware guidance (MODEL.BESTIE.*)."""

    semantic_weight: float = 1.0
    center_weight: float = 200.0
    offset_weight: float = 0.01
    semantic_top_k: float = 0.2
    iag: bool = True


@dataclass(frozen=True)
class InferenceSettings:
    """Inference (MODEL.BESTIE.TEST.*)."""

    center_thresh: float = 0.1
    kernel: int = 41
    flip: bool = False
    use_tags: bool = False
    use_clicks: bool = False
    keep_centerless: bool = True
    size_divisibility: int = 32
    fit: str = "pad"
    scale: float = 1.0


def loss_settings(cfg: CfgNode) -> LossSettings:
    """Settings of the losses."""
    node = cfg.MODEL.BESTIE
    return LossSettings(
        semantic_weight=node.SEMANTIC_WEIGHT,
        center_weight=node.CENTER_WEIGHT,
        offset_weight=node.OFFSET_WEIGHT,
        semantic_top_k=node.SEMANTIC_TOP_K,
        iag=node.IAG,
    )


def refine_settings(cfg: CfgNode) -> RefineSettings | None:
    """Settings of the self-refinement, None where it is switched off."""
    node = cfg.MODEL.BESTIE.REFINE
    if not node.ENABLED:
        return None
    return RefineSettings(
        start_iter=node.START_ITER,
        center_thresh=node.CENTER_THRESH,
        kernel=node.KERNEL,
        max_instances=node.MAX_INSTANCES,
        guide_centers=node.GUIDE_CENTERS,
    )


def cluster_settings(cfg: CfgNode) -> ClusterSettings | None:
    """Settings of center clustering, None where it is switched off."""
    node = cfg.MODEL.BESTIE.CLUSTER
    if not node.ENABLED:
        return None
    return ClusterSettings(
        offset_thresh=node.OFFSET_THRESH,
        area=node.AREA,
        beta=node.BETA,
        center_thresh=node.CENTER_THRESH,
        min_distance=node.MIN_DISTANCE,
    )


def inference_settings(cfg: CfgNode) -> InferenceSettings:
    """Settings of the inference."""
    node = cfg.MODEL.BESTIE.TEST
    return InferenceSettings(
        center_thresh=node.CENTER_THRESH,
        kernel=node.KERNEL,
        flip=node.FLIP,
        use_tags=node.USE_TAGS,
        use_clicks=node.USE_CLICKS,
        keep_centerless=node.KEEP_CENTERLESS,
        size_divisibility=node.SIZE_DIVISIBILITY,
        fit=node.FIT,
        scale=node.SCALE,
    )
