"""Crops of an image for the refiner, and pasting its output back (PointWSSIS, section 3.2).

An instance is seen through a loose crop around its rough mask and its point, squeezed to a square:
the image, the rough mask, and a Gaussian at the point in the plane of its class. Training and
inference share this encoder (the official ones differ in aspect, antialiasing and the last row).

Shapes: N instances of B images, C classes, S side of the square. Boxes are (y0, x0, y1, x1), last
row and column included; points are (y, x) in pixels of the image.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from bestie.methods.solo.windows import MaskWindow
from bestie.regions.gaussians import gaussian_profile

__all__ = [
    "crop_images",
    "crop_masks",
    "gaussian_maps",
    "loose_crops",
    "paste_windows",
    "point_planes",
    "points_in_crops",
]


def loose_crops(
    boxes: Tensor, points: Tensor, scale: float | Tensor, image_size: tuple[int, int]
) -> Tensor:
    """Boxes scaled about their middle, extended to points that lie outside, cut to the image.

    A side beyond which the point lies moves to half a scaled box beyond the point.

    Args:
        boxes: (N, 4) int64 of the rough masks.
        points: (N, 2) float inside the image.
        scale: factor on the side length, or (N,) factors.
        image_size: height and width.

    Returns:
        (N, 4) int64, inside the image.
    """
    scale = torch.as_tensor(scale, device=boxes.device, dtype=torch.float64).view(-1, 1)
    first, last = boxes[:, :2].double(), boxes[:, 2:].double()
    limit = torch.tensor(image_size, device=boxes.device) - 1
    middle, reach = (first + last) / 2, (last - first) / 2 * scale

    def inside(position: Tensor) -> Tensor:
        return torch.minimum(position.clamp(min=0).long(), limit)

    points = points.double()
    first, last = inside(middle - reach), inside(middle + reach)
    first = torch.where(points < first, inside(points - reach), first)
    last = torch.where(points > last, inside(points + reach), last)
    return torch.cat([first, last], dim=1)


def crop_images(images: Tensor, index: Tensor, crops: Tensor, size: int) -> Tensor:
    """Crops squeezed to squares, bilinearly, without antialiasing.

    Args:
        images: (B, K, H, W) float32.
        index: (N,) int64 in [0, B), the image of each crop.
        crops: (N, 4) int64.
        size: S.

    Returns:
        (N, K, S, S) float32.
    """
    y0, y1, wy = _linear(crops[:, 0], crops[:, 2], size)
    x0, x1, wx = _linear(crops[:, 1], crops[:, 3], size)
    wy, wx = wy[:, None, :, None], wx[:, None, None, :]

    def pick(y: Tensor, x: Tensor) -> Tensor:
        # Advanced indices around a slice put the picked axes first: (N, S, S, K).
        picked = images[index[:, None, None], :, y[:, :, None], x[:, None, :]]
        return picked.permute(0, 3, 1, 2)

    upper = pick(y0, x0) * (1 - wx) + pick(y0, x1) * wx
    lower = pick(y1, x0) * (1 - wx) + pick(y1, x1) * wx
    return upper * (1 - wy) + lower * wy


def crop_masks(masks: Tensor, crops: Tensor, size: int) -> Tensor:
    """Crops of masks (N, H, W) bool squeezed to (N, S, S) bool, nearest neighbor."""
    step = torch.arange(size, device=crops.device, dtype=torch.float32)

    def nearest(first: Tensor, last: Tensor) -> Tensor:
        length = (last - first + 1).unsqueeze(1)
        offset = (step * _quotient(length, size)).floor().long()
        return first.unsqueeze(1) + torch.minimum(offset, length - 1)

    rows, columns = nearest(crops[:, 0], crops[:, 2]), nearest(crops[:, 1], crops[:, 3])
    number = torch.arange(len(masks), device=masks.device)
    return masks[number[:, None, None], rows[:, :, None], columns[:, None, :]]


def points_in_crops(points: Tensor, crops: Tensor, size: int) -> Tensor:
    """(N, 2) int64 pixel of each point in its squeezed crop; outside [0, S) if it is not in it."""
    length = (crops[:, 2:] - crops[:, :2] + 1).double()
    return ((points.double() - crops[:, :2]) / length * size).floor().long()


def gaussian_maps(points: Tensor, size: int, sigma: float) -> Tensor:
    """A Gaussian at each point, value 1 there, cut to |dy|, |dx| <= 3 sigma + 1.

    Args:
        points: (N, 2) int64 pixels; a point outside [0, S) draws nothing.
        size: S.
        sigma: standard deviation, pixels.

    Returns:
        (N, S, S) float32.
    """
    distance = torch.arange(size, device=points.device) - points.unsqueeze(2)  # (N, 2, S)
    value = gaussian_profile(distance, sigma)
    inside = ((points >= 0) & (points < size)).all(dim=1)
    return value[:, 0, :, None] * value[:, 1, None, :] * inside[:, None, None]


def point_planes(maps: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """Maps (N, S, S) in the plane of their class, (N, C + 1, S, S) float32; plane 0 stays empty.

    Class + 1 both in training and at inference (the official code trains plane ``class``).
    """
    planes = maps.new_zeros(len(maps), num_classes + 1, *maps.shape[1:])
    planes[torch.arange(len(maps), device=maps.device), classes + 1] = maps
    return planes


def paste_windows(
    logits: Tensor, crops: Tensor, image_size: tuple[int, int], output_size: tuple[int, int]
) -> Iterator[MaskWindow]:
    """The refiner's answers as masks of the photo, one after the other.

    Args:
        logits: (N, 2, S, S) float32, background and foreground.
        crops: (N, 4) int64, in the network's image.
        image_size: height and width of the network's image.
        output_size: height and width of the photo.

    Yields:
        N windows: the pixels of the photo whose centers lie in the crop.
    """
    probability = logits.softmax(dim=1).cpu()
    margins = probability[:, 1] - probability[:, 0]  # above 0: foreground
    for margin, (y0, x0, y1, x1) in zip(margins, crops.tolist(), strict=True):
        index = torch.arange(margin.shape[0], device=margin.device)  # the windows are square
        rows, top = _spread(y0, y1, image_size[0], output_size[0], index)
        columns, left = _spread(x0, x1, image_size[1], output_size[1], index)
        yield MaskWindow((rows @ margin @ columns.T > 0).numpy(), top, left)


def _linear(first: Tensor, last: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbors (N, S) int64 within [first, last], and the weight (N, S) of the second one."""
    length = (last - first + 1).unsqueeze(1)
    step = torch.arange(size, device=first.device, dtype=torch.float32) + 0.5
    position = (step * _quotient(length, size) - 0.5).clamp(min=0)
    before = torch.minimum(position.floor().long(), length - 1)
    after = torch.minimum(before + 1, length - 1)
    first = first.unsqueeze(1)
    return first + before, first + after, position - before


def _quotient(length: Tensor, size: int) -> Tensor:
    """length / size in float32, rounded alike on all devices.

    CUDA divides by a Python number as by its reciprocal, which moves a position by up to 1e-5
    pixels.
    """
    length = length.float()
    return length / length.new_full((), size)


def _spread(first: int, last: int, image: int, output: int, index: Tensor) -> tuple[Tensor, int]:
    """How S values spread over the image's pixels [first, last] make pixels of the photo.

    Args:
        index: (S,) the indices of the values, 0 to S - 1.

    Returns:
        (pixels, S) float32, the shares that each pixel of the photo takes, bilinearly, and the
        first of these pixels; their centers lie in [first, last + 1) in the image.
    """
    center = (torch.arange(output, device=index.device) + 0.5) * (image / output) - first
    length = last - first + 1
    inside = ((center >= 0) & (center < length)).nonzero().squeeze(1)
    position = center[inside] * (len(index) / length) - 0.5
    position = position.clamp(min=0, max=len(index) - 1)
    # A triangle of width 1 around the position: bilinear weights of its two neighbors.
    shares = 1 - (position.unsqueeze(1) - index).abs()
    return shares.clamp(min=0), int(inside[0]) if len(inside) else 0
