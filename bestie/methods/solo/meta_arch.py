"""SOLO as a Detectron2 meta-architecture: trains on instance masks, finds instances.

In training it takes the dicts of Detectron2's (or this project's) instance mapper and returns
losses; at inference it returns ``Instances``. A subclass may bring other candidates than those of
the class scores: override :meth:`SOLO.find`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from detectron2.structures import BitMasks, Boxes, ImageList, Instances
from torch import Tensor, nn

from bestie.formats import RLEMasks, encode_window
from bestie.methods.solo.grids import (
    assign_cells,
    class_targets,
    mask_centers,
    quarter_masks,
)
from bestie.methods.solo.heads import GridHead, MaskBranch, pyramid_channels
from bestie.methods.solo.inference import (
    Candidates,
    HeadOutputs,
    RankSettings,
    plain_candidates,
    rank,
)
from bestie.methods.solo.kernels import MaskMeasures
from bestie.methods.solo.losses import class_loss, mask_loss
from bestie.methods.solo.windows import mask_windows

__all__ = ["SOLO", "LossSettings", "Targets", "padded_masks"]


@dataclass(frozen=True)
class LossSettings:
    """Losses and targets (MODEL.SOLO.*); see ``config``."""

    dice_weight: float = 3.0
    focal_weight: float = 1.0
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    sigma: float = 0.2


@dataclass(frozen=True)
class Targets:
    """What a batch of B images trains, with N instances and K pairs of an instance and a cell.

    Attributes:
        pair_images (Tensor): (K,) int64 in [0, B).
        pair_cells (Tensor): (K,) int64.
        pair_masks (Tensor): (K, h, w) bool at the size of the mask features.
        cell_classes (Tensor): (B, cells) int64 in [0, C], C is background.
    """

    pair_images: Tensor
    pair_cells: Tensor
    pair_masks: Tensor
    cell_classes: Tensor


@META_ARCH_REGISTRY.register()
class SOLO(nn.Module):
    """Instance segmentation by kernels at grid cells.

    Wang et al., "SOLOv2: Dynamic and Fast Instance Segmentation", NeurIPS 2020.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    # MODEL.WEIGHTS may be a file with Detectron2's ImageNet weights of the backbone alone.
    starts_from_backbone = True
    # INPUT.TEST_SIZE, where it is set, decides the size of the network's image.
    takes_test_size = True

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        grid_head: nn.Module,
        mask_branch: nn.Module,
        num_classes: int,
        grids: Sequence[int],
        ranges: Sequence[tuple[float, float]],
        in_features: Sequence[str],
        mask_features: Sequence[str],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        loss: LossSettings | None = None,
        inference: RankSettings | None = None,
        score_thresh: float = 0.1,
    ):
        """
        Args:
            backbone: images (B, 3, H, W) to a dict of pyramid levels.
            grid_head: levels to class logits and kernels.
            mask_branch: levels to mask features, a quarter of the image.
            num_classes: C.
            grids: cells along a side of each level.
            ranges: bounds of sqrt(box area) of each level, pixels.
            in_features: levels of the grid head, finest first.
            mask_features: levels of the mask branch, finest first.
            pixel_mean: per channel, in the order of the input images.
            pixel_std: its standard deviation.
            loss: weights of the losses; defaults of the paper.
            inference: settings of the inference; defaults of the paper.
            score_thresh: class probability above which a cell is a candidate.
        """
        super().__init__()
        self.backbone = backbone
        self.grid_head = grid_head
        self.mask_branch = mask_branch
        self.num_classes = num_classes
        self.grids, self.ranges = tuple(grids), [(low, high) for low, high in ranges]
        self.in_features, self.mask_features = tuple(in_features), tuple(mask_features)
        self.loss_settings = loss or LossSettings()
        self.rank_settings = inference or RankSettings()
        self.score_thresh = score_thresh
        strides = backbone.output_shape()
        self.divisibility = max(
            backbone.size_divisibility, *(strides[name].stride for name in mask_features)
        )
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        node = cfg.MODEL.SOLO
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        heads = {"norm_groups": node.NORM_GROUPS, "init": node.INIT}
        return {
            "backbone": backbone,
            "grid_head": GridHead(
                pyramid_channels(shapes, node.IN_FEATURES, "MODEL.SOLO.IN_FEATURES"),
                num_classes=node.NUM_CLASSES,
                grids=node.GRIDS,
                channels=node.CHANNELS,
                num_convs=node.NUM_CONVS,
                kernel_channels=node.KERNEL_CHANNELS,
                prior=node.PRIOR,
                **heads,
            ),
            "mask_branch": MaskBranch(
                pyramid_channels(shapes, node.MASK_FEATURES, "MODEL.SOLO.MASK_FEATURES"),
                num_levels=len(node.MASK_FEATURES),
                channels=node.MASK_CHANNELS,
                out_channels=node.KERNEL_CHANNELS,
                **heads,
            ),
            "num_classes": node.NUM_CLASSES,
            "grids": node.GRIDS,
            "ranges": node.SCALE_RANGES,
            "in_features": node.IN_FEATURES,
            "mask_features": node.MASK_FEATURES,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "loss": loss_settings(cfg),
            "inference": rank_settings(cfg),
            "score_thresh": node.TEST.SCORE_THRESH,
        }

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses of a training batch, or the instances of each image.

        Args:
            batched_inputs: dicts with "image" (3, H, W); in training "instances" with gt_boxes,
                gt_classes and gt_masks (BitMasks). "height" and "width" give the size of the
                photo, which the masks get; the size of "image" if absent.

        Returns:
            In training: dict of scalar losses. At inference, one dict per image: "instances"
            (Instances with pred_masks as ``RLEMasks``, pred_boxes, scores, pred_classes).
        """
        images = self._preprocess(batched_inputs)
        if not self.training:
            return self._inference(batched_inputs, images)
        outputs = self._predict(images.tensor)
        instances = [sample["instances"].to(self.device) for sample in batched_inputs]
        return self.losses(*outputs, self.targets(instances, tuple(images.tensor.shape[-2:])))

    @torch.no_grad()
    def _inference(self, batched_inputs: list[dict], images: ImageList) -> list[dict]:
        class_logits, kernels, features = self._predict(images.tensor)
        results = []
        for index, sample in enumerate(batched_inputs):
            outputs = HeadOutputs(
                [level[index] for level in class_logits], kernels[index], features[index]
            )
            size = images.image_sizes[index]
            found = self.find(sample, outputs, size, tuple(images.tensor.shape[-2:]))
            results.append({"instances": found})
        return results

    def _preprocess(self, batched_inputs: list[dict]) -> ImageList:
        """Normalized images, padded to one size that all levels divide."""
        images = [
            (sample["image"].to(self.device, non_blocking=True) - self.pixel_mean) / self.pixel_std
            for sample in batched_inputs
        ]
        return ImageList.from_tensors(images, self.divisibility)

    def _predict(self, images: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Class logits (B, C, S, S) of each level, kernels (B, cells, D), features (B, D, h, w)."""
        pyramid = self.backbone(images.contiguous(memory_format=torch.channels_last))
        class_logits, kernels = self.grid_head([pyramid[name] for name in self.in_features])
        features = self.mask_branch([pyramid[name] for name in self.mask_features])
        kernels = torch.cat([level.flatten(2) for level in kernels], dim=2).transpose(1, 2)
        return [level.float() for level in class_logits], kernels.float(), features.float()

    @torch.no_grad()
    def targets(self, instances: list[Instances], padded_size: tuple[int, int]) -> Targets:
        """Targets of a batch.

        Args:
            instances: of each image, on the device of the model.
            padded_size: height and width of the batch.
        """
        masks = torch.cat([padded_masks(of_image, padded_size) for of_image in instances])
        boxes = torch.cat([of_image.gt_boxes.tensor for of_image in instances])
        classes = torch.cat([of_image.gt_classes for of_image in instances])
        counts = torch.tensor([len(of_image) for of_image in instances], device=self.device)
        images = torch.arange(len(instances), device=self.device).repeat_interleave(counts)
        areas, centers = mask_centers(masks)
        sizes = torch.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], dim=1)
        sizes = torch.where(areas[:, None] > 0, sizes, 0)  # a mask cropped away trains nothing
        positives = assign_cells(
            centers, sizes, padded_size, self.grids, self.ranges, self.loss_settings.sigma
        )
        num_cells = sum(side**2 for side in self.grids)
        return Targets(
            images[positives.instances],
            positives.cells,
            quarter_masks(masks)[positives.instances],
            class_targets(positives, images, classes, len(instances), num_cells, self.num_classes),
        )

    def losses(
        self, class_logits: list[Tensor], kernels: Tensor, features: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Weighted losses of the outputs of :meth:`_predict`."""
        settings = self.loss_settings
        of_masks = mask_loss(
            kernels, features, targets.pair_images, targets.pair_cells, targets.pair_masks
        )
        of_classes = class_loss(
            class_logits, targets.cell_classes, settings.focal_alpha, settings.focal_gamma
        )
        return {
            "loss_mask": settings.dice_weight * of_masks,
            "loss_class": settings.focal_weight * of_classes,
        }

    def find(
        self,
        sample: dict,
        outputs: HeadOutputs,
        image_size: tuple[int, int],
        padded_size: tuple[int, int],
    ) -> Instances:
        """Instances of one image, from its class scores.

        Args:
            sample: the input dict.
            outputs: of the heads for this image.
            image_size: height and width of the image within the padded one.
            padded_size: height and width of the network's input.
        """
        candidates = plain_candidates(outputs.class_logits, self.score_thresh)
        return self.masks_of(sample, outputs, image_size, candidates, self.rank_settings)[0]

    def masks_of(
        self,
        sample: dict,
        outputs: HeadOutputs,
        image_size: tuple[int, int],
        candidates: Candidates,
        settings: RankSettings,
        measures: MaskMeasures | None = None,
    ) -> tuple[Instances, Tensor]:
        """Instances of the candidates that stay, at the output size, best first.

        Args:
            sample: the input dict.
            outputs: of the heads for this image.
            image_size: height and width of the image within the padded one.
            candidates: of this image.
            settings: of the suppression.
            measures: of the candidates' masks, where they are known already.

        Returns:
            Instances, and (N,) int64 the candidate of each. Masks without a pixel are left out.
        """
        ranked = rank(candidates, outputs, settings, measures)
        size = (sample.get("height", image_size[0]), sample.get("width", image_size[1]))
        kernels = outputs.kernels[candidates.cells[ranked.index]]
        windows = mask_windows(kernels, outputs.features, image_size, size, settings.mask_thresh)
        codes = [encode_window(mask, top, left, size) for mask, top, left in windows]
        masks = RLEMasks(codes, size)
        kept = torch.from_numpy(masks.areas() > 0).to(self.device)
        index = ranked.index[kept]
        instances = Instances(size)
        instances.pred_masks = masks[kept]
        instances.pred_boxes = Boxes(torch.from_numpy(instances.pred_masks.boxes()).to(self.device))
        instances.scores = ranked.scores[kept]
        instances.pred_classes = candidates.classes[index]
        return instances, index


def loss_settings(cfg: CfgNode) -> LossSettings:
    """Settings of the losses and targets."""
    node = cfg.MODEL.SOLO
    return LossSettings(
        dice_weight=node.DICE_WEIGHT,
        focal_weight=node.FOCAL_WEIGHT,
        focal_alpha=node.FOCAL_ALPHA,
        focal_gamma=node.FOCAL_GAMMA,
        sigma=node.SIGMA,
    )


def rank_settings(cfg: CfgNode) -> RankSettings:
    """Settings of the inference."""
    node = cfg.MODEL.SOLO
    return RankSettings(
        strides=node.STRIDES,
        mask_thresh=node.TEST.MASK_THRESH,
        top_k=node.TEST.TOP_K,
        nms=node.TEST.NMS,
        nms_kernel=node.TEST.NMS_KERNEL,
        nms_sigma=node.TEST.NMS_SIGMA,
        nms_iou=node.TEST.NMS_IOU,
        update_thresh=node.TEST.UPDATE_THRESH,
        max_instances=cfg.TEST.DETECTIONS_PER_IMAGE,
    )


def padded_masks(instances: Instances, padded_size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool masks of one image, placed top left in the padded size.

    Raises:
        ValueError: no masks, or masks that are not bitmasks.
    """
    if not instances.has("gt_masks"):  # Detectron2 leaves them out for images without objects
        if len(instances):
            raise ValueError("SOLO trains on masks, but the mapper gave none: set MODEL.MASK_ON.")
        return torch.zeros(0, *padded_size, dtype=torch.bool, device=instances.gt_boxes.device)
    masks = instances.gt_masks
    if not isinstance(masks, BitMasks):
        raise ValueError(
            f"SOLO trains on bitmasks: INPUT.MASK_FORMAT must be bitmask, "
            f"got masks of the type {type(masks).__name__}."
        )
    height, width = masks.tensor.shape[1:]
    padding = (0, padded_size[1] - width, 0, padded_size[0] - height)
    return nn.functional.pad(masks.tensor.bool(), padding)
