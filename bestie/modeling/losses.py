"""Losses of BESTIE: hard-pixel cross-entropy, guided center and offset losses (paper, section 3.3).

Comes in: full-resolution predictions and dense targets. Goes out: scalar losses in float32. Called
by the BESTIE meta-architecture.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["guided_l1", "guided_mse", "hard_pixel_cross_entropy"]


def hard_pixel_cross_entropy(log_probability: Tensor, target: Tensor, top_k: float = 0.2) -> Tensor:
    """Cross-entropy averaged over the hardest pixels of the batch.

    Args:
        log_probability: (B, K, H, W) float32, log-softmax over K classes.
        target: (B, H, W) integers in [0, K), or 255: loss 0, counted among the pixels.
        top_k: share of the B x H x W pixels to average over, in (0, 1].
    """
    losses = F.nll_loss(log_probability, target.long(), ignore_index=255, reduction="none").view(-1)
    if top_k < 1:
        losses = losses.topk(int(top_k * losses.numel()), sorted=False).values
    return losses.mean()


def guided_mse(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Squared error summed over guided pixels and channels, divided by the number of guided pixels.

    Args:
        prediction: (B, K, H, W) float32.
        target: (B, K, H, W) float32.
        weight: (B, 1, H, W) float32, guidance; pixels above 0 are guided. None guided: the loss is
            0.
    """
    return _per_guided_pixel((prediction - target).square(), weight)


def guided_l1(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Absolute error, summed and divided as in :func:`guided_mse`."""
    return _per_guided_pixel((prediction - target).abs(), weight)


def _per_guided_pixel(error: Tensor, weight: Tensor) -> Tensor:
    guided = torch.count_nonzero(weight > 0).clamp(min=1)
    return (error * weight).sum() / guided
