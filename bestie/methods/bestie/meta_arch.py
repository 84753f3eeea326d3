"""BESTIE: semantic map, class-wise centers and offsets, trained on pseudo and refined labels.

It takes the dicts of ``BESTIEMapper`` and gives losses in training, instances at inference.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, build_backbone
from detectron2.utils.events import EventStorage, get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F

from bestie.methods.bestie.batch_labels import BatchLabels, collate_labels
from bestie.methods.bestie.centers import ClusterSettings, flat_indices
from bestie.methods.bestie.grouping import GroupedInstances, group_pixels, group_pixels_by_points
from bestie.methods.bestie.heads import build_bestie_head, read_features
from bestie.methods.bestie.inference import average_with_mirrored, to_instances
from bestie.methods.bestie.losses import guided_l1, guided_mse, hard_pixel_cross_entropy
from bestie.methods.bestie.refinement import (
    RefineSettings,
    refine_labels,
    refine_labels_with_points,
)
from bestie.methods.bestie.settings import (
    InferenceSettings,
    LossSettings,
    cluster_settings,
    inference_settings,
    loss_settings,
    refine_settings,
)
from bestie.methods.bestie.targets import CenterHeatmap, InstanceTargets
from bestie.methods.bestie.training_picture import draw_batch
from bestie.training.optimizer import parameter_groups

__all__ = ["BESTIE", "Outputs", "average_with_mirrored", "to_instances"]

# Steps between two writes of the shares of guided pixels to the event storage, as the writers'
# period.
LOG_PERIOD = 20


class Outputs(NamedTuple):
    """Class logits or probabilities (B, C + 1, H, W), center (B, C, H, W), offset (B, 2, H, W)."""

    semantic: Tensor
    center: Tensor
    offset: Tensor


@META_ARCH_REGISTRY.register()
class BESTIE(nn.Module):
    """Weakly supervised instance segmentation by semantic knowledge transfer and self-refinement.

    Kim et al., "Beyond Semantic to Instance Segmentation", CVPR 2022.
    """

    pixel_mean: Tensor  # (3, 1, 1) float32
    pixel_std: Tensor

    @configurable
    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        supervision: str = "tags",
        min_area: int = 50,
        sigma: float = 6.0,
        loss: LossSettings | None = None,
        refine: RefineSettings | None = None,
        cluster: ClusterSettings | None = None,
        inference: InferenceSettings | None = None,
    ):
        """
        Args:
            backbone: images (B, 3, H, W) to a dict of feature maps.
            head: (features, output size) to class logits, center and offset maps of that size.
            pixel_mean: per channel, in the order of the input images.
            pixel_std: per channel, in the same order.
            supervision: "tags" or "clicks", what the points are.
            min_area: components under this are skipped at inference, pixels.
            sigma: of the Gaussians of the center heatmap, pixels.
            loss: weights of the loss; defaults of the paper.
            refine: self-refinement; None switches it off.
            cluster: center clustering; None switches it off.
            inference: settings of the inference; defaults of the paper.
        """
        super().__init__()
        if supervision not in ("tags", "clicks"):
            raise ValueError(
                f"MODEL.BESTIE.SUPERVISION must be tags or clicks, got {supervision!r}."
            )
        self.backbone = backbone
        self.head = head
        self.supervision = supervision
        self.min_area = min_area
        self.sigma = sigma
        self.loss_settings = loss or LossSettings()
        self.refine_settings = refine
        self.cluster_settings = cluster
        self.inference_settings = inference or InferenceSettings()
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone,
            "head": build_bestie_head(cfg, backbone.output_shape()),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "supervision": cfg.MODEL.BESTIE.SUPERVISION,
            "min_area": cfg.MODEL.BESTIE.MIN_AREA,
            "sigma": cfg.MODEL.BESTIE.SIGMA,
            "loss": loss_settings(cfg),
            "refine": refine_settings(cfg),
            "cluster": cluster_settings(cfg),
            "inference": inference_settings(cfg),
        }

    @staticmethod
    def backbone_features(cfg: CfgNode) -> Sequence[str]:
        """The maps that the head reads, so that the backbone makes no others."""
        return read_features(cfg)

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses of a training batch, or the instances of each image.

        Args:
            batched_inputs: dicts of ``BESTIEMapper``; at inference "image" (3, H, W) suffices, with
                "image_labels" (C,) bool for ``use_tags`` and "points", "point_classes" for
                ``use_clicks``. "height" and "width" give the size of the masks, (H, W) if absent.
                "grid_size": height and width at which instances are grouped and that points refer
                to, of an image that the mapper brought to the network's size; if absent (H, W),
                and the image is scaled by ``scale``.

        Returns:
            In training: dict of scalar losses. At inference, one dict per image: "instances"
            (Instances with pred_masks as ``RLEMasks``, pred_boxes, scores, pred_classes) and
            "sem_seg", class probabilities (C + 1, h, w) of the grid size, background first.
        """
        if not self.training:
            return [self._inference_single(sample) for sample in batched_inputs]
        outputs = self._predict(self._preprocess(batched_inputs))
        with torch.autocast(self.device.type, enabled=False):  # labels and losses are float32
            return self._losses_of_batch(batched_inputs, outputs)

    def _losses_of_batch(self, batched_inputs: list[dict], outputs: Outputs) -> dict[str, Tensor]:
        labels = collate_labels(batched_inputs, self.device)
        log_probability = outputs.semantic.log_softmax(1)
        pseudo = self.pseudo_targets(labels, outputs.center.shape)
        refined = None
        storage = get_event_storage()
        if self.refine_settings and storage.iter >= self.refine_settings.start_iter:
            refined = self.refined_targets(labels, log_probability, outputs, pseudo)
        if storage.iter % LOG_PERIOD == 0:
            _log_guidance(storage, pseudo, refined)
        return self.losses(labels, log_probability, outputs, pseudo, refined)

    def optimizer_parameters(self, cfg: CfgNode) -> list[dict]:
        """Parameter groups with their learning rates, for the optimizer.

        SOLVER.BASE_LR, times MODEL.BESTIE.HEAD_LR_FACTOR for the head, and that times
        MODEL.BESTIE.OFFSET_LR_FACTOR for the layer that gives the offsets.
        """
        head, offset = cfg.MODEL.BESTIE.HEAD_LR_FACTOR, cfg.MODEL.BESTIE.OFFSET_LR_FACTOR
        factors: dict[nn.Module, float] = {self: 1.0, self.head: head}
        if offset != 1:
            predictor = getattr(self.head, "offset_predictor", None)
            if not isinstance(predictor, nn.Module):
                raise ValueError(
                    "MODEL.BESTIE.OFFSET_LR_FACTOR needs a head with an offset_predictor; "
                    f"{type(self.head).__name__} has none."
                )
            factors[predictor] = head * offset
        return parameter_groups(cfg, factors)

    def _preprocess(self, batched_inputs: list[dict]) -> Tensor:
        """Normalised (B, 3, H, W) float32 images of one size."""
        sizes = {tuple(sample["image"].shape[-2:]) for sample in batched_inputs}
        if len(sizes) != 1:
            raise ValueError(
                f"Training images must have one size, got {sorted(sizes)}; set INPUT.CROP.SIZE."
            )
        images = torch.stack([sample["image"] for sample in batched_inputs])
        images = images.to(self.device, non_blocking=True)
        images = (images - self.pixel_mean) / self.pixel_std
        return images.contiguous(memory_format=torch.channels_last)

    def _predict(self, images: Tensor, size: Sequence[int] | None = None) -> Outputs:
        """Outputs of ``size``, (height, width); None: that of the images."""
        outputs = self.head(self.backbone(images), images.shape[-2:] if size is None else size)
        return Outputs(*(output.float() for output in outputs))

    def pseudo_targets(self, labels: BatchLabels, shape: torch.Size) -> InstanceTargets:
        """Targets of semantic knowledge transfer (paper, section 3.2).

        Args:
            labels: of the batch.
            shape: (B, C, H, W).
        """
        regions = labels.regions
        if self.supervision == "tags":
            centers, valid = regions.centroid_points(), regions.accepted
        else:  # every click is a center, whether its component is accepted or not
            centers = labels.points
            valid = torch.ones_like(centers.classes, dtype=torch.bool)
        batch, num_classes, height, width = shape
        heatmap = CenterHeatmap(
            centers=centers,
            shape=(batch, num_classes, height, width),
            sigma=self.sigma,
            valid=valid,
            tags=labels.tags,
        )
        accepted = torch.cat([regions.accepted.new_zeros(1), regions.accepted])
        guided = accepted.index_select(0, regions.map.view(-1))
        return InstanceTargets(
            pixel_owner=regions.map - 1,
            centers=regions.centroids,
            confidence=regions.confidence,
            heatmap=heatmap,
            pixels=flat_indices(guided, labels.accepted_pixels),
        )

    def refined_targets(
        self,
        labels: BatchLabels,
        log_probability: Tensor,
        outputs: Outputs,
        pseudo: InstanceTargets,
    ) -> InstanceTargets:
        """Targets of self-refinement (paper, section 3.4), without gradient."""
        if self.supervision == "clicks":
            return refine_labels_with_points(
                outputs.offset.detach(),
                labels.semantic_map,
                labels.image_labels,
                labels.points,
                pseudo.heatmap,
            )
        assert self.refine_settings is not None  # it is asked before
        return refine_labels(
            log_probability.detach(),
            outputs.center.detach(),
            outputs.offset.detach(),
            labels.regions,
            labels.tags,
            self.refine_settings,
            sigma=self.sigma,
            cluster=self.cluster_settings,
        )

    def losses(
        self,
        labels: BatchLabels,
        log_probability: Tensor,
        outputs: Outputs,
        pseudo: InstanceTargets,
        refined: InstanceTargets | None,
    ) -> dict[str, Tensor]:
        settings = self.loss_settings
        losses = {
            "loss_semantic": settings.semantic_weight
            * hard_pixel_cross_entropy(
                log_probability, labels.semantic_map, settings.semantic_top_k
            )
        }
        terms = {"pseudo": pseudo} if refined is None else {"pseudo": pseudo, "refined": refined}
        for name, targets in terms.items():
            center, offset = self._instance_losses(outputs, targets, pseudo)
            losses[f"loss_center_{name}"] = settings.center_weight * center / len(terms)
            losses[f"loss_offset_{name}"] = settings.offset_weight * offset / len(terms)
        return losses

    def _instance_losses(
        self, outputs: Outputs, targets: InstanceTargets, pseudo: InstanceTargets
    ) -> tuple[Tensor, Tensor]:
        if self.loss_settings.iag:
            guide = targets
            if self.supervision == "clicks" and not (
                self.refine_settings and self.refine_settings.guide_centers
            ):
                guide = pseudo
            heatmap, channels = targets.heatmap.at(guide.pixels)
            weight = guide.weight_at_pixels()
            center = guided_mse(outputs.center, heatmap, channels, weight, guide.pixels)
            offset, weight = targets.offset_at_pixels(), targets.weight_at_pixels()
            return center, guided_l1(outputs.offset, offset, weight, targets.pixels)
        return (
            F.mse_loss(outputs.center, targets.center),
            F.l1_loss(outputs.offset, targets.offset),
        )

    def training_pictures(
        self, batched_inputs: list[dict], iteration: int, image_format: str
    ) -> list[np.ndarray]:
        """One (height, width, 3) uint8 RGB picture per image of a training batch.

        Args:
            batched_inputs, iteration: as for :meth:`describe`.
            image_format: "RGB" or "BGR", of the images.
        """
        described = self.describe(batched_inputs, iteration)
        return draw_batch(batched_inputs, *described, image_format=image_format)

    @torch.no_grad()
    def describe(
        self, batched_inputs: list[dict], iteration: int
    ) -> tuple[InstanceTargets, InstanceTargets | None, Outputs, list[GroupedInstances]]:
        """What a training batch looks like to the model: targets, outputs and instances, for
        pictures.

        Args:
            batched_inputs: training dicts of ``BESTIEMapper``.
            iteration: of the training.

        Returns:
            Pseudo targets, refined targets (None before refinement starts), outputs with
            probabilities in place of logits, and the grouped instances of each image.
        """
        outputs = self._predict(self._preprocess(batched_inputs))
        labels = collate_labels(batched_inputs, self.device)
        log_probability = outputs.semantic.log_softmax(1)
        pseudo = self.pseudo_targets(labels, outputs.center.shape)
        refined = None
        if self.refine_settings and iteration >= self.refine_settings.start_iter:
            refined = self.refined_targets(labels, log_probability, outputs, pseudo)
        outputs = Outputs(log_probability.exp(), outputs.center, outputs.offset)
        return pseudo, refined, outputs, [self._group(*maps) for maps in zip(*outputs, strict=True)]

    def _group(self, probability: Tensor, center: Tensor, offset: Tensor) -> GroupedInstances:
        settings = self.inference_settings
        return group_pixels(
            probability,
            center,
            offset,
            threshold=settings.center_thresh,
            kernel=settings.kernel,
            min_area=self.min_area,
            cluster=self.cluster_settings,
            keep_centerless=settings.keep_centerless,
        )

    def _inference_single(self, sample: dict) -> dict:
        height, width = sample["image"].shape[-2:]
        grid, scale = sample.get("grid_size"), 1.0
        if grid is None:
            grid, scale = (height, width), self.inference_settings.scale
        outputs = self.predict_image(sample["image"], grid, scale)
        probability = outputs.semantic
        settings = self.inference_settings
        if settings.use_tags or settings.use_clicks:
            tags = sample["image_labels"].to(self.device)
            probability = torch.cat([probability[:1], probability[1:] * tags.view(-1, 1, 1)])
        if settings.use_clicks:
            found = group_pixels_by_points(
                probability,
                outputs.offset,
                sample["points"].to(self.device),
                sample["point_classes"].to(self.device),
            )
        else:
            found = self._group(probability, outputs.center, outputs.offset)
        size = (sample.get("height", grid[0]), sample.get("width", grid[1]))
        return {"instances": to_instances(found, size), "sem_seg": probability}

    @torch.no_grad()
    def predict_image(self, image: Tensor, size: tuple[int, int], scale: float = 1.0) -> Outputs:
        """Class probabilities, center and offset maps of one image at the output size.

        The offsets are those of the unmirrored pass: mirrored ones would need the same instance to
        be found twice.

        Args:
            image: (3, H, W), 0..255.
            size: height and width of the outputs.
            scale: factor by which the image is resized before the network sees it.

        Returns:
            Outputs without the batch dimension, probabilities in place of logits.
        """
        image = ((image.to(self.device) - self.pixel_mean) / self.pixel_std).unsqueeze(0)
        semantic, center, offset = self._predict_fitted(image, size, scale)
        probability = semantic.softmax(1)
        if self.inference_settings.flip:
            mirrored = self._predict_fitted(image.flip(3), size, scale)
            average_with_mirrored(probability, mirrored.semantic.softmax(1))
            average_with_mirrored(center, mirrored.center)
        return Outputs(probability[0], center[0], offset[0])

    def _predict_fitted(self, image: Tensor, size: tuple[int, int], scale: float) -> Outputs:
        """Scale, fit the sides to multiples of the divisibility, predict, and bring the outputs to
        ``size``.

        Offsets are lengths: they grow and shrink with the image (the reference implementation
        leaves them as they are).
        """
        if scale != 1:
            scaled = [round(side * scale) for side in image.shape[-2:]]
            image = F.interpolate(image, scaled, mode="bilinear", align_corners=False)
        height, width = image.shape[-2:]
        unit = self.inference_settings.size_divisibility
        fitted = (-(-height // unit) * unit, -(-width // unit) * unit)
        if self.inference_settings.fit == "pad":
            image = F.pad(image, (0, fitted[1] - width, 0, fitted[0] - height))
            outputs = Outputs(*(map_[..., :height, :width] for map_ in self._predict(image)))
            have = (height, width)
            if have != tuple(size):
                outputs = Outputs(
                    *(
                        F.interpolate(map_, size, mode="bilinear", align_corners=False)
                        for map_ in outputs
                    )
                )
        else:
            have = fitted
            image = F.interpolate(image, fitted, mode="bilinear", align_corners=False)
            outputs = self._predict(image, size)
        if have == tuple(size):
            return outputs
        shrink = outputs.offset.new_tensor([size[0] / have[0], size[1] / have[1]])
        return outputs._replace(offset=outputs.offset * shrink.view(1, 2, 1, 1))


def _log_guidance(
    storage: EventStorage, pseudo: InstanceTargets, refined: InstanceTargets | None
) -> None:
    """Share of guided pixels, and refined instances per image; waits once for the device."""
    numbers = {"guided_pixels/pseudo": (pseudo.weight > 0).float().mean()}
    if refined is not None:
        numbers["guided_pixels/refined"] = (refined.weight > 0).float().mean()
        numbers["refined_instances_per_image"] = refined.number() / len(refined.pixel_owner)
    values = torch.stack(list(numbers.values())).tolist()
    storage.put_scalars(**dict(zip(numbers, values, strict=True)))
