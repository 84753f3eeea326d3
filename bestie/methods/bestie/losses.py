"""Losses of BESTIE: hard-pixel cross-entropy, guided center and offset losses (paper, section 3.3).

Full-resolution predictions and targets become scalar losses in float32.
"""

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


def guided_mse(
    prediction: Tensor, target: Tensor, channels: Tensor, weight: Tensor, pixels: Tensor
) -> Tensor:
    """Squared error summed over guided pixels and channels, divided by the number of guided pixels.

    Nothing of the size of the K dense maps is computed: with 80 classes these are the largest
    tensors of a training step, few of their pixels are guided, and few channels have a target.

    Args:
        prediction: (B, K, H, W) float32, best with channels last in memory.
        target: (P, T) float32 at ``pixels``, in ``channels``; 0 in all others.
        channels: (P, T) int64 in [0, K); one that occurs several times has the sum as its target.
        weight: (P, 1) float32, guidance; pixels above 0 are guided. None guided: the loss is 0.
        pixels: (P,) int64 flat indices into (B, H, W) of all guided pixels, and maybe of others.
    """
    error = _at_pixels(prediction, pixels).scatter_add_(1, channels, -target)
    # 0 at pixels that are not guided, whatever is predicted there.
    error = error.masked_fill_(weight <= 0, 0.0)
    return (error.square() * weight).sum() / _number_guided(weight)


def guided_l1(prediction: Tensor, target: Tensor, weight: Tensor, pixels: Tensor) -> Tensor:
    """Absolute error, summed and divided as in :func:`guided_mse`; ``target``: (P, K) float32."""
    error = (_at_pixels(prediction, pixels) - target).masked_fill(weight <= 0, 0.0)
    return (error.abs() * weight).sum() / _number_guided(weight)


def _at_pixels(maps: Tensor, pixels: Tensor) -> Tensor:
    """(P, K) values of (B, K, H, W) maps."""
    rows = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])  # a view, channels last in memory
    return rows.index_select(0, pixels)


def _number_guided(weight: Tensor) -> Tensor:
    return (weight > 0).sum().clamp(min=1)
