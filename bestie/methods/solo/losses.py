"""Losses of SOLO: dice for masks, focal loss for classes (SOLOv2, section 3.2).

Shapes: K pairs of an instance and a cell of a batch, B images, C classes, D channels.
"""

from collections.abc import Sequence

import torch
from fvcore.nn import sigmoid_focal_loss
from torch import Tensor
from torch.nn import functional as F

__all__ = ["class_loss", "dice_loss", "mask_loss"]


def dice_loss(probability: Tensor, target: Tensor, epsilon: float = 0.001) -> Tensor:
    """1 - 2 sum(pt) / (sum p^2 + sum t^2 + 2 epsilon) of each mask.

    Args:
        probability: (K, P) float32 over P pixels.
        target: (K, P) bool.
        epsilon: keeps empty masks finite.

    Returns:
        (K,) float32.
    """
    target = target.to(probability.dtype)
    overlap = (probability * target).sum(1)
    total = probability.square().sum(1) + target.sum(1) + 2 * epsilon
    return 1 - 2 * overlap / total


def mask_loss(
    kernels: Tensor, features: Tensor, pair_images: Tensor, pair_cells: Tensor, targets: Tensor
) -> Tensor:
    """Mean dice loss over all pairs of the batch; 0, with a gradient of 0, if there are none.

    Args:
        kernels: (B, cells, D) float32.
        features: (B, D, h, w) float32.
        pair_images: (K,) int64 in [0, B).
        pair_cells: (K,) int64.
        targets: (K, h, w) bool, mask of the instance of each pair.
    """
    # Touches all outputs, so that every process of a distributed training has their gradient.
    losses = [kernels[:, :1].sum() * 0 + features[..., :1].sum() * 0]
    for image, of_image in enumerate(features):
        mine = (pair_images == image).nonzero().squeeze(1)
        logits = kernels[image, pair_cells[mine]] @ of_image.flatten(1)
        losses.append(dice_loss(logits.sigmoid(), targets[mine].flatten(1)).sum())
    return torch.stack(losses).sum() / max(1, len(pair_images))


def class_loss(
    class_logits: Sequence[Tensor], targets: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Sigmoid focal loss over all cells and classes / (positive cells + 1).

    Args:
        class_logits: (B, C, S, S) float32 of each level.
        targets: (B, cells) int64 in [0, C], C is background.
        alpha: weight of positive classes.
        gamma: how little well-classified cells count.
    """
    logits = torch.cat([level.flatten(2) for level in class_logits], dim=2).transpose(1, 2)
    num_classes = logits.shape[2]
    one_hot = F.one_hot(targets, num_classes + 1)[..., :num_classes].to(logits.dtype)
    loss = sigmoid_focal_loss(logits, one_hot, alpha=alpha, gamma=gamma, reduction="sum")
    return loss / ((targets < num_classes).sum() + 1)
