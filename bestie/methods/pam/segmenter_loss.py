"""Loss of a segmentation network whose labels are weak semantic maps, wrong in many pixels.

Logits and maps become one scalar, with two defenses against wrong labels, each a switch. Pixels of
the highest loss can be left out: labels that the network contradicts most are wrong most often. And
the reverse cross-entropy of Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy
Labels" (ICCV 2019), can be added: it is bounded, so that no wrong label can outweigh the others.
"""

from torch import Tensor
from torch.nn import functional as F

from bestie.regions import IGNORE

__all__ = ["weak_map_loss"]

# The reverse cross-entropy needs a logarithm of 0: A of that paper's section 3.3, with its sign.
LOG_ZERO = 4.0


def weak_map_loss(
    logits: Tensor, target: Tensor, *, kept_share: float = 1.0, symmetric_weight: float = 0.0
) -> Tensor:
    """Mean over the labeled pixels of the batch, or over the easiest of them.

    Args:
        logits: (B, K, H, W) float32.
        target: (B, H, W) integers in [0, K), or 255 (ignore): such a pixel does not count.
        kept_share: share of the labeled pixels, those of the lowest loss, that count; in (0, 1].
        symmetric_weight: weight of the reverse cross-entropy beside the cross-entropy; 0 or more.

    Returns:
        () float32, 0 where no pixel is labeled.
    """
    losses = F.cross_entropy(logits, target.long(), ignore_index=IGNORE, reduction="none")
    losses = losses[target != IGNORE]
    if symmetric_weight > 0:
        # Of a pixel: LOG_ZERO times the probability of all classes that are not its label.
        losses = losses + symmetric_weight * LOG_ZERO * (1 - (-losses).exp())
    if kept_share < 1 and len(losses):
        losses = losses.topk(max(1, int(kept_share * len(losses))), largest=False, sorted=False)[0]
    return losses.sum() / max(1, len(losses))
