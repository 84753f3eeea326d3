"""PAM classifier: image tags in, activation maps out that cover objects evenly, one peak each.

Step 1 of the pipeline (paper, section 3.2). Images with tags give the tag loss in training, and
afterwards tag scores and class activation maps, from which the instance cues and the weak semantic
maps are made.

Shapes: B images, C classes, (H, W) the image, (h, w) the feature map.
"""

from collections.abc import Sequence

import fvcore.nn.weight_init as weight_init
import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from detectron2.structures import ImageList
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PAMClassifier", "PAMHead", "affinity_features", "peak_attention"]


def affinity_features(cfg: CfgNode) -> tuple[str, ...]:
    """Name of the feature map that the affinities of the maps are made of; empty without them."""
    options = cfg.MODEL.PAM.MAPS
    return (options.AFFINITY_FEATURE,) if options.AFFINITY_STEPS else ()


def peak_attention(x: Tensor, alpha: float) -> Tensor:
    """ReLU, then zero every value below ``alpha`` times its channel's spatial maximum.

    The peak attention module of the paper (section 3.2). The gradient passes through the kept
    positive values only, and none through the maximum.

    Args:
        x: (B, K, h, w).
        alpha: in [0, 1]; 0 is ReLU alone.

    Returns:
        (B, K, h, w), not negative.
    """
    x = F.relu(x)
    threshold = alpha * x.detach().amax(dim=(2, 3), keepdim=True)
    return x.masked_fill(x < threshold, 0.0)


class PAMHead(nn.Module):
    """Three 3x3 convolutions, each with peak attention, and a 1x1 convolution to the classes."""

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        channels: int = 512,
        alpha: float = 0.7,
        classifier_std: float = 0.01,
    ):
        """
        Args:
            in_channels: channels of the feature map.
            num_classes: C.
            channels: of the three convolutions.
            alpha: of the peak attention; 0 gives a plain CAM head.
            classifier_std: standard deviation of the initial weights of the 1x1 convolution; 0:
                sqrt(2 / channels).
        """
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"MODEL.PAM.ALPHA must lie in [0, 1], got {alpha}.")
        self.alpha = alpha
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels if index == 0 else channels, channels, 3, padding=1)
            for index in range(3)
        )
        for conv in self.convs:
            weight_init.c2_msra_fill(conv)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        std = classifier_std or (2 / channels) ** 0.5
        nn.init.normal_(self.classifier.weight, std=std)
        assert self.classifier.bias is not None
        nn.init.zeros_(self.classifier.bias)

    def forward(self, feature: Tensor, attend: bool = True) -> Tensor:
        """Class maps (B, C, h, w), of any sign; their spatial means are the tag logits.

        Args:
            feature: (B, K, h, w).
            attend: with the peak attention; else ReLU in its place.
        """
        for conv in self.convs:
            feature = peak_attention(conv(feature), self.alpha if attend else 0.0)
        return self.classifier(feature)


@META_ARCH_REGISTRY.register()
class PAMClassifier(nn.Module):
    """Multi-label classifier with peak attention on any backbone (its deepest feature map)."""

    predicts = "tags"
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
        head_channels: int = 512,
        alpha: float = 0.7,
        classifier_std: float = 0.01,
        start_iter: int = 0,
    ):
        """
        Args:
            backbone: Detectron2 backbone; of its maps the one of the largest stride is used.
            num_classes: C.
            pixel_mean: per channel, in the order of the input images.
            pixel_std: its standard deviation.
            head_channels: channels of the three extra convolutions.
            alpha: threshold of the peak attention, share of the channel's maximum.
            classifier_std: see :class:`PAMHead`.
            start_iter: iteration of the training from which there is peak attention.
        """
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"MODEL.PAM.NUM_CLASSES must be 1 or more here, got {num_classes}.")
        shapes = backbone.output_shape()
        # The last one of the largest stride: a dilated stage has the stride of the one before.
        self.in_feature = max(reversed(list(shapes)), key=lambda name: shapes[name].stride)
        self.start_iter = start_iter
        self.backbone = backbone
        self.head = PAMHead(
            shapes[self.in_feature].channels,
            num_classes=num_classes,
            channels=head_channels,
            alpha=alpha,
            classifier_std=classifier_std,
        )
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        return {
            "backbone": build_backbone(cfg),
            "num_classes": cfg.MODEL.PAM.NUM_CLASSES,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "head_channels": cfg.MODEL.PAM.HEAD_CHANNELS,
            "alpha": cfg.MODEL.PAM.ALPHA,
            "classifier_std": cfg.MODEL.PAM.CLASSIFIER_STD,
            "start_iter": cfg.MODEL.PAM.START_ITER,
        }

    @staticmethod
    def backbone_features(cfg: CfgNode) -> Sequence[str]:
        """The map that the head reads, and the one that affinities are made of, if they are."""
        return ("res5", *affinity_features(cfg))

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Loss of a training batch, or the tag scores of each image.

        Args:
            batched_inputs: dicts with "image" (3, H, W), 0..255 in the order of INPUT.FORMAT, and
                in training "image_labels" (C,) bool.

        Returns:
            In training {"loss_tags": multi-label soft margin loss}; at inference a dict an image:
            "tag_scores" (C,) float32, probabilities.
        """
        if not self.training:
            maps = [self.class_maps(sample["image"].unsqueeze(0))[0] for sample in batched_inputs]
            return [{"tag_scores": _tag_logits(map_).sigmoid()} for map_ in maps]
        images = [self._normalize(sample["image"]) for sample in batched_inputs]
        labels = torch.stack([sample["image_labels"] for sample in batched_inputs])
        attend = self.start_iter == 0 or get_event_storage().iter >= self.start_iter
        logits = _tag_logits(self._maps(ImageList.from_tensors(images).tensor, attend))
        return {"loss_tags": F.multilabel_soft_margin_loss(logits, labels.to(logits))}

    def class_maps(self, images: Tensor) -> Tensor:
        """Activation maps before any clean-up; their spatial means are the tag logits.

        Args:
            images: (B, 3, H, W), 0..255 in the order of INPUT.FORMAT, not normalised.

        Returns:
            (B, C, h, w) float32, of any sign.
        """
        return self._maps(self._normalize(images))

    @torch.no_grad()
    def activation_maps(
        self, images: Tensor, image_labels: Tensor, size: tuple[int, int], attend: bool = True
    ) -> Tensor:
        """Class activation maps of tagged images; 0 for the classes that are not tags.

        ReLU, resized bilinearly, divided by the maximum (+1e-5). Call it in evaluation mode.

        Args:
            images: (B, 3, H, W), 0..255 in the order of INPUT.FORMAT, not normalised.
            image_labels: (B, C) bool.
            size: height and width of the maps.
            attend: with the peak attention; else ReLU in its place, for maps that cover objects
                rather than their peaks.

        Returns:
            (B, C, H, W) of ``size``, float32 in [0, 1].
        """
        labels = image_labels.to(self.device)
        maps = self._maps(self._normalize(images), attend)
        full = maps.new_zeros((*labels.shape, *size))
        full[labels] = _fit_maps(maps[labels], size)
        return full

    @torch.no_grad()
    def tag_maps(
        self, image: Tensor, image_labels: Tensor, size: tuple[int, int], attend: bool = True
    ) -> Tensor:
        """The activation maps of one image's tags; maps of other classes are never resized.

        Args:
            image: (3, H, W), 0..255 in the order of INPUT.FORMAT, not normalised.
            image_labels: (C,) bool, K of them set.
            size, attend: see :meth:`activation_maps`.

        Returns:
            (K, H, W) of ``size``, float32 in [0, 1].
        """
        maps = self._maps(self._normalize(image.unsqueeze(0)), attend)[0]
        return _fit_maps(maps[image_labels.to(maps.device)], size)

    @torch.no_grad()
    def features(self, image: Tensor, name: str) -> Tensor:
        """A feature map of one image.

        Args:
            image: (3, H, W), 0..255 in the order of INPUT.FORMAT, not normalised.
            name: of a map that the backbone gives; see :meth:`backbone_features`.

        Returns:
            (D, h, w) float32.

        Raises:
            ValueError: the backbone has no such map.
        """
        fitted = self._fitted(self._normalize(image.unsqueeze(0)))
        maps = self.backbone(fitted)
        if name not in maps:
            raise ValueError(
                f"MODEL.PAM.MAPS.AFFINITY_FEATURE must be one of {', '.join(maps)}, got {name}."
            )
        return maps[name][0].float()

    def optimizer_parameters(self, cfg: CfgNode) -> list[dict]:
        """Parameter groups with their learning rates, for the optimizer.

        SOLVER.BASE_LR, times MODEL.PAM.BIAS_LR_FACTOR for biases, times MODEL.PAM.HEAD_LR_FACTOR
        for the layers after the backbone.
        """
        groups = []
        for module, factor in ((self.backbone, 1.0), (self.head, cfg.MODEL.PAM.HEAD_LR_FACTOR)):
            for is_bias in (False, True):
                params = [
                    parameter
                    for name, parameter in module.named_parameters()
                    if parameter.requires_grad and name.endswith("bias") == is_bias
                ]
                rate = cfg.SOLVER.BASE_LR * factor
                rate *= cfg.MODEL.PAM.BIAS_LR_FACTOR if is_bias else 1.0
                groups.append({"params": params, "lr": rate})
        return [group for group in groups if group["params"]]

    def _normalize(self, images: Tensor) -> Tensor:
        return (images.to(self.device) - self.pixel_mean).div_(self.pixel_std)

    def _maps(self, images: Tensor, attend: bool = True) -> Tensor:
        """Class maps of normalised images."""
        return self.head(self.backbone(self._fitted(images))[self.in_feature], attend).float()

    def _fitted(self, images: Tensor) -> Tensor:
        """Normalised images, resized to sides that the backbone takes."""
        unit = self.backbone.size_divisibility
        if not unit:
            return images
        sides = [-(-side // unit) * unit for side in images.shape[-2:]]
        return F.interpolate(images, sides, mode="bilinear", align_corners=False)


def _tag_logits(class_maps: Tensor) -> Tensor:
    """Global average pooling, (..., C, h, w) to (..., C)."""
    return class_maps.mean(dim=(-2, -1))


def _fit_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Positive part of class maps (K, h, w), resized to (K, *size), each with the maximum 1."""
    maps = F.relu(maps).unsqueeze(1)
    maps = F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False).squeeze(1)
    return maps.div_(maps.amax(dim=(1, 2), keepdim=True) + 1e-5)
