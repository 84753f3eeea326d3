"""Instances to targets: center heatmap, offset map and guidance weight (paper, section 3.2).

Comes in: for a whole batch, a map that says which instance a pixel belongs to, and each instance's
center. Goes out: dense targets on the same device. Called by the BESTIE meta-architecture for
pseudo labels and by ``refinement`` for refined ones.

Shapes: B images, C foreground classes, N instances of the whole batch, P points of the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["InstanceTargets", "draw_center_heatmap", "draw_targets", "pixel_grid"]


@dataclass(frozen=True)
class InstanceTargets:
    """Targets of the center and offset losses.

    Attributes:
        center (Tensor): (B, C, H, W) float32 in [0, 1], class-wise Gaussians.
        offset (Tensor): (B, 2, H, W) float32, pixels, (dy, dx) from pixel to center; 0 where no
            instance is.
        weight (Tensor): (B, 1, H, W) float32 in [0, 1], guidance: 1 for pseudo labels, the
            confidence for refined ones, 0 where no instance is.
        instances (Tensor): (B, H, W) int64, index of the pixel's instance in the batch, -1 none.
    """

    center: Tensor
    offset: Tensor
    weight: Tensor
    instances: Tensor


def pixel_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(H, 1) and (1, W) float32 pixel indices, y and x."""
    y = torch.arange(height, device=device, dtype=torch.float32).view(-1, 1)
    x = torch.arange(width, device=device, dtype=torch.float32).view(1, -1)
    return y, x


def draw_center_heatmap(
    image_index: Tensor,
    class_index: Tensor,
    centers: Tensor,
    shape: tuple[int, int, int, int],
    sigma: float,
    valid: Tensor | None = None,
) -> Tensor:
    """Draw a Gaussian at each center, in the plane of its class, maximum where they overlap.

    exp(-(dy^2 + dx^2) / (2 sigma^2)), cut to the square |dy|, |dx| <= 3 sigma + 1 and to the image.
    A center outside the image draws nothing.

    Args:
        image_index: (N,) int64 in [0, B).
        class_index: (N,) int64 in [0, C).
        centers: (N, 2) int64 (y, x), pixel indices.
        shape: (B, C, H, W).
        sigma: standard deviation, pixels.
        valid: (N,) bool; the others are not drawn. All, if omitted.

    Returns:
        (B, C, H, W) float32.
    """
    batch, num_classes, height, width = shape
    # Channels last in memory: the losses read all channels of a few pixels.
    heatmap = torch.zeros(batch, height, width, num_classes, device=centers.device)
    if len(centers) == 0:
        return heatmap.permute(0, 3, 1, 2)
    reach = int(3 * sigma + 1)
    step = torch.arange(-reach, reach + 1, device=centers.device)
    profile = torch.exp(-(step.float() ** 2) / (2 * sigma**2))
    gaussian = profile.view(1, -1, 1) * profile.view(1, 1, -1)
    y = (centers[:, 0:1] + step).unsqueeze(2)  # (N, S, 1)
    x = (centers[:, 1:2] + step).unsqueeze(1)  # (N, 1, S)
    drawn = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    on_image = (centers[:, 0] >= 0) & (centers[:, 0] < height)
    on_image = on_image & (centers[:, 1] >= 0) & (centers[:, 1] < width)
    if valid is not None:
        on_image = on_image & valid
    drawn = drawn & on_image.view(-1, 1, 1)
    # A value of 0 changes nothing under the maximum, so what is not drawn may land anywhere inside.
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    pixel = (image_index.view(-1, 1, 1) * height + y) * width + x
    index = pixel * num_classes + class_index.view(-1, 1, 1)
    heatmap.view(-1).scatter_reduce_(
        0, index.reshape(-1), (gaussian * drawn).reshape(-1), reduce="amax", include_self=True
    )
    return heatmap.permute(0, 3, 1, 2)


def draw_targets(
    instances: Tensor,
    centers: Tensor,
    confidence: Tensor,
    center_heatmap: Tensor,
) -> InstanceTargets:
    """Dense targets from the pixels and centers of N instances.

    Args:
        instances: (B, H, W) int64, index of the pixel's instance in [0, N), -1 none.
        centers: (N, 2) int64 (y, x).
        confidence: (N,) float32, guidance weight of each instance's pixels; instances of confidence
            0 or less contribute nothing.
        center_heatmap: (B, C, H, W) float32, see :func:`draw_center_heatmap`.
    """
    _, height, width = instances.shape
    # Row 0 of the padded tables stands for "no instance", so that -1 needs no branch.
    centers = torch.cat([centers.new_zeros(1, 2), centers]).float()
    confidence = torch.cat([confidence.new_zeros(1), confidence.clamp(min=0)])
    index = instances + 1
    weight = confidence[index]
    y, x = pixel_grid(height, width, instances.device)
    covered = (weight > 0).float()
    offset = torch.stack(
        [(centers[:, 0][index] - y) * covered, (centers[:, 1][index] - x) * covered], dim=1
    )
    instances = torch.where(weight > 0, instances, instances.new_full((), -1))
    return InstanceTargets(center_heatmap, offset, weight.unsqueeze(1), instances)
