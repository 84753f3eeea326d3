"""Segmentation network that learns from weak semantic maps; its predictions are better maps.

The maps that BESTIE reads in its paper (section 4.1) are such predictions, not refined activation
maps. Training takes images with weak maps and gives a loss; afterwards the network gives class
probabilities, restricted to the tags of an image, averaged over scales and the mirror image.

The decoder is that of Semantic FPN (Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR
2019), which Detectron2 ships, on the four maps of any backbone from a quarter of the image ("res2")
to its deepest one ("res5").

Shapes: B images, C foreground classes, K tags of an image, (H, W) the image.
"""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from detectron2.modeling.meta_arch.semantic_seg import SemSegFPNHead
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F

from bestie.backbones.norm import resolve_norm
from bestie.methods.pam.segmenter_loss import weak_map_loss

__all__ = ["WeakMapSegmenter"]

# The maps that the decoder reads.
FEATURES = ("res2", "res3", "res4", "res5")
# The decoder doubles the sides of the maps until they are those of the first one: the sides of
# images are multiples of this, pixels.
UNIT = 32


@META_ARCH_REGISTRY.register()
class WeakMapSegmenter(nn.Module):
    """Backbone, decoder of Semantic FPN, and a loss that tolerates wrong labels."""

    predicts = "semantic maps"
    pixel_mean: Tensor  # (3, 1, 1) float32
    pixel_std: Tensor

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        num_classes: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        channels: int = 256,
        norm: str = "BN",
        kept_share: float = 1.0,
        drop_start_iter: int = 0,
        symmetric_weight: float = 0.0,
    ):
        """
        Args:
            backbone: Detectron2 backbone with the maps "res2" to "res5".
            num_classes: C.
            pixel_mean: per channel, in the order of the input images.
            pixel_std: its standard deviation.
            channels: of the decoder.
            norm: normalization of the decoder, as Detectron2's ``get_norm`` takes it.
            kept_share, symmetric_weight: see :func:`weak_map_loss`.
            drop_start_iter: iteration of the training from which pixels are left out.

        Raises:
            ValueError: the backbone lacks a map, or there are no classes.
        """
        super().__init__()
        if num_classes < 1:
            raise ValueError(
                f"MODEL.SEMANTIC.NUM_CLASSES must be 1 or more here, got {num_classes}."
            )
        shapes = backbone.output_shape()
        if not set(FEATURES) <= set(shapes):
            raise ValueError(
                f"WeakMapSegmenter reads the feature maps {', '.join(FEATURES)}, the backbone "
                f"gives {', '.join(shapes)}; MODEL.BACKBONE.NAME build_timm_backbone has them."
            )
        self.backbone = backbone
        self.decoder = SemSegFPNHead(
            {name: shapes[name] for name in FEATURES},
            num_classes=num_classes + 1,
            conv_dims=channels,
            common_stride=shapes[FEATURES[0]].stride,
            norm=norm,
        )
        self.kept_share, self.drop_start_iter = kept_share, drop_start_iter
        self.symmetric_weight = symmetric_weight
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        node = cfg.MODEL.SEMANTIC
        return {
            "backbone": build_backbone(cfg),
            "num_classes": node.NUM_CLASSES,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "channels": node.CHANNELS,
            "norm": resolve_norm(cfg.MODEL.TIMM.NORM, cfg.MODEL.DEVICE),
            "kept_share": node.KEPT_SHARE,
            "drop_start_iter": node.DROP_START_ITER,
            "symmetric_weight": node.SYMMETRIC_WEIGHT,
        }

    @staticmethod
    def backbone_features(cfg: CfgNode) -> Sequence[str]:
        """The maps that the decoder reads, so that the backbone makes no others."""
        return FEATURES

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Loss of a training batch, or the class probabilities of each image.

        Args:
            batched_inputs: dicts with "image" (3, H, W), 0..255 in the order of INPUT.FORMAT, and
                in training "semantic_map" (H, W) uint8, 0 background, class + 1, 255 ignore; all of
                one size then.

        Returns:
            In training {"loss_semantic": scalar}; at inference one dict per image: "sem_seg"
            (C + 1, H, W) float32, background first.
        """
        if not self.training:
            return [{"sem_seg": self._class_probabilities(s["image"])} for s in batched_inputs]
        images = torch.stack([sample["image"] for sample in batched_inputs])
        target = torch.stack([sample["semantic_map"] for sample in batched_inputs])
        images = self._normalize(images).contiguous(memory_format=torch.channels_last)
        logits = self._logits(images)
        started = self.kept_share < 1 and get_event_storage().iter >= self.drop_start_iter
        with torch.autocast(self.device.type, enabled=False):
            size = target.shape[-2:]
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
            loss = weak_map_loss(
                logits,
                target.to(self.device),
                kept_share=self.kept_share if started else 1.0,
                symmetric_weight=self.symmetric_weight,
            )
        return {"loss_semantic": loss}

    @torch.no_grad()
    def tag_probabilities(
        self, image: Tensor, image_labels: Tensor, scales: Sequence[float]
    ) -> Tensor:
        """Probabilities of the background and the tagged classes, over scales and mirror images.

        Other classes are left out before the softmax and are never resized. Call it in evaluation
        mode.

        Args:
            image: (3, H, W) uint8, in the order of INPUT.FORMAT.
            image_labels: (C,) bool, K of them set.
            scales: factors by which the image is resized for the network, to multiples of 32.

        Returns:
            (K + 1, H, W) float32, summing to 1 in each pixel, the background first.
        """
        height, width = image.shape[-2:]
        channels = F.pad(image_labels.to(self.device), (1, 0), value=True)
        pixels = image.unsqueeze(0).to(self.device, torch.float32)
        total = pixels.new_zeros(int(channels.sum()), height, width)
        for scale in scales:
            sides = [max(1, round(side * scale / UNIT)) * UNIT for side in (height, width)]
            scaled = self._normalize(F.interpolate(pixels, sides, mode="bilinear", antialias=True))
            for is_mirrored in (False, True):
                logits = self._logits(scaled.flip(-1) if is_mirrored else scaled)
                probability = logits[:, channels].softmax(1)
                probability = F.interpolate(
                    probability, (height, width), mode="bilinear", align_corners=False
                )[0]
                total += probability.flip(-1) if is_mirrored else probability
        return total.div_(2 * len(scales))

    @torch.no_grad()
    def _class_probabilities(self, image: Tensor) -> Tensor:
        """(C + 1, H, W) of one image as it is."""
        size = image.shape[-2:]
        sides = [-(-side // UNIT) * UNIT for side in size]
        pixels = image.unsqueeze(0).to(self.device, torch.float32)
        pixels = F.interpolate(pixels, sides, mode="bilinear", align_corners=False)
        logits = self._logits(self._normalize(pixels))
        return F.interpolate(logits.softmax(1), size, mode="bilinear", align_corners=False)[0]

    def _logits(self, images: Tensor) -> Tensor:
        """(B, C + 1, h, w) float32 at the stride of "res2" of normalized images."""
        return self.decoder.layers(self.backbone(images)).float()

    def _normalize(self, images: Tensor) -> Tensor:
        return (images.to(self.device) - self.pixel_mean).div_(self.pixel_std)
