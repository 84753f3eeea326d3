"""The refiner's loss: dice of foreground and background (PointWSSIS, section 3.2)."""

from torch import Tensor

__all__ = ["two_class_dice"]


def two_class_dice(logits: Tensor, target: Tensor, epsilon: float = 1e-7) -> Tensor:
    """1 - the mean over both classes of 2 sum(pt) / (sum p + sum t), sums over batch and pixels.

    Divergence: the official code sums over batch and rows only, one dice for every column.

    Args:
        logits: (N, 2, H, W) float32, background and foreground.
        target: (N, H, W) bool.
        epsilon: keeps a class that is nowhere finite.

    Returns:
        Scalar; 0 for an empty batch, with a gradient of 0.
    """
    if not len(logits):
        return logits.sum()
    probability = logits.softmax(dim=1)
    scores = []
    for p, t in ((probability[:, 0], ~target), (probability[:, 1], target)):
        t = t.to(p.dtype)
        scores.append(2 * (p * t).sum() / (p.sum() + t.sum() + epsilon))
    return 1 - (scores[0] + scores[1]) / 2
