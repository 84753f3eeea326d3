"""Instances to targets: center heatmap, offset map and guidance weight (paper, section 3.2).

From a map that says which instance a pixel belongs to, and each instance's center, for a whole
batch. The targets are sparse: the losses read the few pixels where an instance is, and only there
values are computed; dense maps are drawn for pictures and tests. The meta-architecture makes them
of pseudo labels, ``refinement`` makes refined ones.

Shapes: B images, C foreground classes, N instances and P pixels of the whole batch, T the most tags
of an image. Pixels are flat indices into (B, H, W).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bestie.regions import PointSet
from bestie.regions.gaussians import gaussian_profile, gaussian_reach

__all__ = ["CenterHeatmap", "InstanceTargets", "pixel_grid"]


def pixel_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(H, 1) and (1, W) float32 pixel indices, y and x."""
    y = torch.arange(height, device=device, dtype=torch.float32).view(-1, 1)
    x = torch.arange(width, device=device, dtype=torch.float32).view(1, -1)
    return y, x


@dataclass(frozen=True, kw_only=True)
class CenterHeatmap:
    """A Gaussian at each of K centers, in the plane of its class, maximum where they overlap.

    exp(-(dy^2 + dx^2) / (2 sigma^2)), cut to the square |dy|, |dx| <= 3 sigma + 1 and to the image.
    A center outside the image draws nothing. ``reference.draw_heatmap`` is the naive version.

    Attributes:
        centers (PointSet): K centers, in the planes of their classes.
        shape (tuple[int, int, int, int]): (B, C, H, W).
        sigma (float): standard deviation, pixels.
        valid (Tensor): (K,) bool; the others are not drawn.
        tags (Tensor): (B, T) int64 classes that centers of each image may have, filled up with C.
    """

    centers: PointSet
    shape: tuple[int, int, int, int]
    sigma: float
    valid: Tensor
    tags: Tensor

    def dense(self) -> Tensor:
        """(B, C, H, W) float32."""
        batch, num_classes, height, width = self.shape
        pixel, value = self._patches()
        heatmap = _draw(pixel, self.centers.classes, value, (batch * height * width, num_classes))
        return heatmap.view(batch, height, width, num_classes).permute(0, 3, 1, 2)

    def at(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The heatmap at some pixels, in the channels of the image's tags; it is 0 in all others.

        The dense heatmap has B x C x H x W values, of which the losses need P x T. So the patches
        of the Gaussians are drawn into a table of one row per wanted pixel and one column per tag::

            patch of a center      row of each pixel      table (P + 1, T)
            of class 7             in the table           tag 3  tag 7
              .1 .4 .1               2  2  2           0    0     .4      left pixel
              .4  1 .4               0  1  2           1    0      1      middle pixel
              .1 .4 .1               2  2  2           2    -      -      all others, dropped

        Here P = 2 pixels are wanted, the left and the middle one of the patch's second row.

        Args:
            pixels: (P,) int64, each once.

        Returns:
            (P, T) float32 values, and (P, T) int64 channels in [0, C). A channel may occur several
            times, with the value 0 all times but one.
        """
        batch, num_classes, height, width = self.shape
        # Row of each pixel of the batch; those that are not wanted share the last one.
        row = torch.full((batch * height * width,), len(pixels), device=pixels.device)
        row.scatter_(0, pixels, torch.arange(len(pixels), device=pixels.device))
        # Column of each class in each image; all centers are of tagged classes.
        column = self.tags.new_zeros(batch, num_classes + 1)
        numbers = torch.arange(self.tags.shape[1], device=pixels.device)
        column.scatter_(1, self.tags, numbers.expand_as(self.tags))
        cell = self.centers.images * (num_classes + 1) + self.centers.classes
        column = column.view(-1).index_select(0, cell)
        pixel, value = self._patches()
        row = row.index_select(0, pixel.view(-1)).view_as(pixel)
        values = _draw(row, column, value, (len(pixels) + 1, len(numbers)))[:-1]
        image = pixels // (height * width)
        return values, self.tags.clamp(max=num_classes - 1).index_select(0, image)

    def _patches(self) -> tuple[Tensor, Tensor]:
        """(K, S, S) int64 flat pixel indices around each center, and the Gaussian there."""
        _, _, height, width = self.shape
        reach = gaussian_reach(self.sigma)
        step = torch.arange(-reach, reach + 1, device=self.centers.yx.device)
        profile = gaussian_profile(step, self.sigma)
        gaussian = profile.view(1, -1, 1) * profile.view(1, 1, -1)
        center_y, center_x = self.centers.yx[:, 0:1], self.centers.yx[:, 1:2]
        y, x = (center_y + step).unsqueeze(2), (center_x + step).unsqueeze(1)
        drawn = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        on_image = (center_y >= 0) & (center_y < height) & (center_x >= 0) & (center_x < width)
        drawn = drawn & (on_image & self.valid.unsqueeze(1)).unsqueeze(2)
        # A value of 0 changes nothing under the maximum: what is not drawn may land anywhere.
        y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
        return (self.centers.images.view(-1, 1, 1) * height + y) * width + x, gaussian * drawn


def _draw(row: Tensor, column: Tensor, value: Tensor, shape: tuple[int, int]) -> Tensor:
    """Table of ``shape`` with the highest value of each cell, 0 where nothing is drawn.

    Args:
        row: (K, S, S) int64 row of each value.
        column: (K,) int64 column of each patch.
        value: (K, S, S) float32, not negative.
        shape: rows and columns of the table.
    """
    table = torch.zeros(shape[0] * shape[1], device=value.device)
    cell = row * shape[1] + column.view(-1, 1, 1)
    table.scatter_reduce_(0, cell.view(-1), value.view(-1), reduce="amax")
    return table.view(shape)


@dataclass(frozen=True, kw_only=True)
class InstanceTargets:
    """Targets of the center and offset losses: N instances, their pixels, centers and confidence.

    Attributes:
        pixel_owner (Tensor): (B, H, W) int64 instance of each pixel in [0, N), -1 none.
        centers (Tensor): (N, 2) int64 (y, x).
        confidence (Tensor): (N,) float32, guidance weight of each instance's pixels: of pseudo
            labels 1, or MODEL.BESTIE.SPLIT for pieces; an instance with 0 or less adds nothing.
        heatmap (CenterHeatmap): target of the center term.
        pixels (Tensor): (P,) int64 ascending; all pixels of instances with a confidence, and maybe
            of others.
    """

    pixel_owner: Tensor
    centers: Tensor
    confidence: Tensor
    heatmap: CenterHeatmap
    pixels: Tensor

    @property
    def center(self) -> Tensor:
        """(B, C, H, W) float32 in [0, 1], class-wise Gaussians."""
        return self.heatmap.dense()

    @property
    def weight(self) -> Tensor:
        """(B, 1, H, W) float32 in [0, 1], guidance; 0 where no instance is."""
        return self._weights(self.pixel_owner.view(-1)).view_as(self.pixel_owner).unsqueeze(1)

    @property
    def offset(self) -> Tensor:
        """(B, 2, H, W) float32, pixels, (dy, dx) from pixel to center; 0 where no instance is."""
        batch, height, width = self.pixel_owner.shape
        pixels = torch.arange(self.pixel_owner.numel(), device=self.pixel_owner.device)
        offset = self._offsets(pixels, self.pixel_owner.view(-1)) * (self.weight.view(-1, 1) > 0)
        return offset.view(batch, height, width, 2).permute(0, 3, 1, 2)

    @property
    def instances(self) -> Tensor:
        """(B, H, W) int64 instance of each pixel that has a confidence, -1 none."""
        return torch.where(self.weight.squeeze(1) > 0, self.pixel_owner, -1)

    def number(self) -> Tensor:
        """() int64, instances that have pixels and a confidence."""
        owners = self.instances.view(-1)
        found = torch.zeros(len(self.centers) + 1, dtype=torch.bool, device=owners.device)
        return found.index_fill_(0, owners + 1, True)[1:].sum()

    def weight_at_pixels(self) -> Tensor:
        """(P, 1) float32, ``weight`` at ``pixels``."""
        return self._weights(self.pixel_owner.view(-1).index_select(0, self.pixels)).unsqueeze(1)

    def offset_at_pixels(self) -> Tensor:
        """(P, 2) float32 from each of ``pixels`` to the center of its instance, pixels; of no
        meaning where the weight is 0."""
        return self._offsets(self.pixels, self.pixel_owner.view(-1).index_select(0, self.pixels))

    def _weights(self, owners: Tensor) -> Tensor:
        # Entry 0 of the padded tables stands for "no instance", so that -1 needs no branch.
        table = torch.cat([self.confidence.new_zeros(1), self.confidence.clamp(min=0)])
        return table.index_select(0, owners + 1)

    def _offsets(self, pixels: Tensor, owners: Tensor) -> Tensor:
        _, height, width = self.pixel_owner.shape
        table = torch.cat([self.centers.new_zeros(1, 2), self.centers])
        yx = torch.stack([pixels // width % height, pixels % width], dim=1)
        return (table.index_select(0, owners + 1) - yx).float()
