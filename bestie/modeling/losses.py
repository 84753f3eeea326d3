"""Losses of BESTIE: hard-pixel cross-entropy, guided center and offset losses (paper, section 3.3).

Comes in: full-resolution predictions and dense targets. Goes out: scalar losses in float32. Called
by the BESTIE meta-architecture.
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


def guided_mse(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Squared error summed over guided pixels and channels, divided by the number of guided pixels.

    Args:
        prediction: (B, K, H, W) float32.
        target: (B, K, H, W) float32.
        weight: (B, 1, H, W) float32, guidance; pixels above 0 are guided. None guided: the loss is
            0.
    """
    error, weight, guided = _guided_error(prediction, target, weight)
    return (error.square() * weight).sum() / guided


def guided_l1(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Absolute error, summed and divided as in :func:`guided_mse`."""
    error, weight, guided = _guided_error(prediction, target, weight)
    return (error.abs() * weight).sum() / guided


def _guided_error(prediction: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, int]:
    """Error (P, K) and weight (P, 1) of the P guided pixels, and P, at least 1.

    Nothing of the size of the K dense maps is computed: with 80 classes these are the largest
    tensors of a training step, and few of their pixels are guided.
    """
    index = weight.reshape(-1).nonzero().squeeze(1)

    def rows(maps: Tensor) -> Tensor:  # a view, as long as the channels are the last in memory
        return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])[index]

    return rows(prediction) - rows(target), rows(weight), max(len(index), 1)
