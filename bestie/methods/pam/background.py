"""The background score of an image, chosen without any ground truth.

A class wins a pixel where its activation exceeds the background score. A score that suits the image
draws the same border on all of its passes, scales and mirror images alike, and one that cuts
through a slope or through noise does not. So the score is taken at which the passes agree best,
beyond what they would by chance: where nearly everything or nothing is background, any two maps
agree.

Shapes: P passes of an image, K tagged classes, (h, w) the maps.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["CANDIDATES", "agreed_background"]

# Scores to choose from.
CANDIDATES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def agreed_background(passes: Tensor, candidates: Sequence[float] = CANDIDATES) -> float:
    """The candidate at which the passes agree best; the lowest of equals.

    Args:
        passes: (P, K, h, w) float in [0, 1], activation maps of the tagged classes, mirrored ones
            mirrored back; P is 2 or more, K 1 or more.
        candidates: background scores.
    """
    agreement = []
    for score in candidates:
        background = torch.full_like(passes[:, :1], score)
        labels = torch.cat([background, passes], dim=1).argmax(dim=1).flatten(1)
        shares = F.one_hot(labels, passes.shape[1] + 1).double().mean(dim=1)
        pairs = [
            _kappa(labels[a], labels[b], shares[a], shares[b])
            for a, b in combinations(range(len(passes)), 2)
        ]
        agreement.append(torch.stack(pairs).mean())
    return float(candidates[int(torch.stack(agreement).argmax())])


def _kappa(labels: Tensor, others: Tensor, shares: Tensor, other_shares: Tensor) -> Tensor:
    """Agreement of two maps beyond chance (Cohen, 1960); 0 where both are of one class throughout.

    Args:
        labels, others: (N,) int64.
        shares, other_shares: (K + 1,) float64 shares of the labels.
    """
    expected = (shares * other_shares).sum()
    observed = (labels == others).double().mean()
    chance = 1 - expected
    return torch.where(chance > 0, (observed - expected) / chance.clamp(min=1e-12), 0.0 * chance)
