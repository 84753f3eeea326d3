"""MaskRefiner as a Detectron2 meta-architecture: rough masks become better ones.

In training it takes crops of ``RefinerMapper`` and returns the dice loss; at inference it takes
whole images with rough masks and points and returns refined instances.
"""

import logging
from collections.abc import Iterator, Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetCatalog, MapDataset
from detectron2.engine import HookBase
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from bestie.backbones.norm import resolve_norm
from bestie.formats import RLEMasks, encode_window
from bestie.methods.pointwssis.crops import (
    crop_images,
    crop_masks,
    gaussian_maps,
    loose_crops,
    paste_windows,
    point_planes,
    points_in_crops,
)
from bestie.methods.pointwssis.hold_out import ChooseCheckpoint, mask_iou
from bestie.methods.pointwssis.losses import two_class_dice
from bestie.methods.pointwssis.mappers import RefinerMapper
from bestie.methods.pointwssis.prompts import scale_points
from bestie.methods.pointwssis.refiner_network import RefinerNetwork, load_encoder_weights
from bestie.methods.pointwssis.rough_masks import masks_at_size
from bestie.methods.solo.grids import mask_boxes

__all__ = ["MaskRefiner"]

logger = logging.getLogger(__name__)


@META_ARCH_REGISTRY.register()
class MaskRefiner(nn.Module):
    """MaskRefineNet of PointWSSIS (Kim et al., CVPR 2023), section 3.2."""

    pixel_mean: Tensor
    pixel_std: Tensor

    @configurable
    def __init__(
        self,
        *,
        network: nn.Module,
        num_classes: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        size: int = 256,
        sigma: float = 6.0,
        crop_scale: float = 2.0,
        inputs: Sequence[str] = ("image", "mask", "point"),
        min_area: int = 1,
        batch_size: int = 16,
    ):
        """
        Args:
            network: crops (N, channels, S, S) to logits (N, 2, S, S).
            num_classes: C.
            pixel_mean: per channel, in the order of the input images.
            pixel_std: its standard deviation.
            size: S.
            sigma: of the Gaussian at the point, pixels of the crop.
            crop_scale: side of the crop as a multiple of the rough mask's box, at inference.
            inputs: some of "image", "mask", "point": what the network sees.
            min_area: smaller rough masks stay as they are, pixels of the network's image.
            batch_size: crops that are refined at once.
        """
        super().__init__()
        self.network = network
        self.num_classes = num_classes
        self.size, self.sigma, self.crop_scale = size, sigma, crop_scale
        self.inputs = frozenset(inputs)
        self.min_area, self.batch_size = min_area, batch_size
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        node = cfg.MODEL.REFINER
        channels = {"image": len(cfg.MODEL.PIXEL_MEAN), "mask": 1, "point": node.NUM_CLASSES + 1}
        network = RefinerNetwork(
            node.BACKBONE,
            in_channels=sum(channels[name] for name in set(node.INPUTS)),
            aspp_channels=node.ASPP_CHANNELS,
            dilations=tuple(node.ASPP_DILATIONS),
            decoder_channels=tuple(map(tuple, node.DECODER_CHANNELS)),
            norm=resolve_norm(node.NORM, cfg.MODEL.DEVICE),
        )
        if node.WEIGHTS:
            load_encoder_weights(network.encoder, node.BACKBONE, node.WEIGHTS)
        return {
            "network": network,
            "num_classes": node.NUM_CLASSES,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "size": node.SIZE,
            "sigma": node.SIGMA,
            "crop_scale": node.CROP_SCALE,
            "inputs": node.INPUTS,
            "min_area": node.MIN_AREA,
            "batch_size": node.BATCH_SIZE,
        }

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """The loss of a training batch, or the refined instances of each image.

        Args:
            batched_inputs: in training, dicts of ``RefinerMapper``: "crop" (K, S, S), "rough" and
                "target" (S, S) bool, "point" (2,) int64 and "point_class" () int64. At inference
                "image" (K, H, W), the photo at the network's size, and "instances" of the photo
                with pred_masks as ``RLEMasks``, pred_classes and points (N, 2) (y, x).

        Returns:
            In training: dict with the loss. At inference, one dict per image: "instances" of the
            photo with refined pred_masks (``RLEMasks``) and pred_boxes, and ``refined`` (N,) bool,
            False where the rough mask stayed; all other fields as given.
        """
        if not self.training:
            return [{"instances": self.refine(sample)} for sample in batched_inputs]
        logits, _, target = self._predict_samples(batched_inputs)
        return {"loss_dice": two_class_dice(logits, target)}

    def training_hooks(self, cfg: CfgNode) -> list[HookBase]:
        """The choice of the checkpoint by MODEL.REFINER.HOLD_OUT; none if that is 0."""
        if not cfg.MODEL.REFINER.HOLD_OUT:
            return []
        mapper = RefinerMapper(cfg, is_train=True)
        scale = cfg.MODEL.REFINER.CROP_SCALE
        mapper.scales, mapper.flip = (scale, scale), False  # crops as at inference
        dicts = [record for name in cfg.DATASETS.TRAIN for record in DatasetCatalog.get(name)]
        held_out = mapper.held_out(dicts)
        if not held_out:
            logger.warning("Only one image has pairs: none is held out, the last weights count.")
            return []
        hook = ChooseCheckpoint(
            MapDataset(held_out, mapper),
            self.overlaps,
            period=cfg.SOLVER.CHECKPOINT_PERIOD,
            batch_size=cfg.MODEL.REFINER.BATCH_SIZE,
            output_dir=cfg.OUTPUT_DIR,
        )
        return [hook]

    def overlaps(self, samples: list[dict]) -> tuple[Tensor, Tensor]:
        """IoU of refined and of rough masks with the true ones, within their crops.

        Args:
            samples: N training samples; see :meth:`forward`.

        Returns:
            (N,) float32 each; an empty answer counts as the rough mask, which stays then.
        """
        logits, rough, target = self._predict_samples(samples)
        refined = logits[:, 1] > logits[:, 0]
        refined = torch.where(refined.flatten(1).any(1)[:, None, None], refined, rough)
        return mask_iou(refined, target), mask_iou(rough, target)

    def _predict_samples(self, samples: list[dict]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, 2, S, S), rough and true masks (N, S, S) of training samples."""
        crops, rough, points, classes, target = (
            torch.stack([sample[key] for sample in samples]).to(self.device)
            for key in ("crop", "rough", "point", "point_class", "target")
        )
        return self._predict(self._normalized(crops), rough, points, classes), rough, target

    @torch.no_grad()
    def refine(self, sample: dict) -> Instances:
        """Refined instances of one image; see :meth:`forward`."""
        instances = sample["instances"].to(self.device)
        codes = list(instances.pred_masks.rles)
        refined = torch.zeros(len(codes), dtype=torch.bool)
        image = self._normalized(sample["image"].to(self.device)).unsqueeze(0)
        for part in torch.arange(len(codes)).split(self.batch_size):
            for index, code in self._refine_part(image, instances, part):
                codes[index], refined[index] = code, True
        # Copied field by field: Instances has no shallow copy.
        result = Instances(instances.image_size, **instances.get_fields())
        result.pred_masks = RLEMasks(codes, instances.image_size)
        result.pred_boxes = Boxes(torch.from_numpy(result.pred_masks.boxes()).to(self.device))
        result.refined = refined.to(self.device)
        return result

    def _refine_part(
        self, image: Tensor, instances: Instances, part: Tensor
    ) -> Iterator[tuple[int, dict]]:
        """Number and new code of the instances of ``part`` that get another mask."""
        size, photo = (image.shape[-2], image.shape[-1]), instances.image_size
        rough = masks_at_size([instances.pred_masks.rles[index] for index in part], size)
        areas = rough.view(torch.uint8).sum(dim=(1, 2))
        large = (areas >= max(1, self.min_area)).nonzero().squeeze(1)
        if not len(large):
            return
        part, rough = part[large], rough[large].to(self.device)
        points = scale_points(instances.points[part], photo, size)
        crops = loose_crops(mask_boxes(rough)[1], points, self.crop_scale, size)
        first = torch.zeros(len(part), dtype=torch.int64, device=self.device)
        logits = self._predict(
            crop_images(image, first, crops, self.size),
            crop_masks(rough, crops, self.size),
            points_in_crops(points, crops, self.size),
            instances.pred_classes[part],
        )
        for index, window in zip(
            part.tolist(), paste_windows(logits, crops, size, photo), strict=True
        ):
            if window.mask.any():
                yield index, encode_window(window.mask, window.top, window.left, photo)

    def _predict(self, crops: Tensor, rough: Tensor, points: Tensor, classes: Tensor) -> Tensor:
        """Logits (N, 2, S, S) float32."""
        seen = []
        if "image" in self.inputs:
            seen.append(crops)
        if "point" in self.inputs:
            maps = gaussian_maps(points, self.size, self.sigma)
            seen.append(point_planes(maps, classes, self.num_classes))
        if "mask" in self.inputs:
            seen.append(rough.unsqueeze(1).to(crops.dtype))
        stacked = torch.cat(seen, dim=1).contiguous(memory_format=torch.channels_last)
        return self.network(stacked).float()

    def _normalized(self, images: Tensor) -> Tensor:
        return (images - self.pixel_mean) / self.pixel_std
