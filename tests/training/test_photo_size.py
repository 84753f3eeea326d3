"""Cues and maps of a scene do not depend on the size of its photo."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import nn
from torch.nn import functional as F

from bestie.data.augmentation import ResizeLongerSide
from bestie.methods.pam.classifier import PAMClassifier
from bestie.methods.pam.cues import image_cues
from bestie.methods.pam.mapper import PAMMapper
from bestie.methods.pam.maps import image_scores
from bestie.methods.pam.semantic_maps import label_pixels
from bestie.training.setup import default_config

LARGEST = (3024, 4032)
# Class, center (y, x) and radii as shares of the sides.
OBJECTS = [(0, 0.31, 0.23, 0.17), (0, 0.72, 0.58, 0.13), (1, 0.28, 0.77, 0.15)]
COLORS = [(230, 40, 40), (40, 40, 230)]


class RedAndBlue(Backbone):
    """How red and how blue an image is, averaged over 8x8 pixels."""

    def forward(self, images):
        red, green, blue = images.unbind(1)
        channels = torch.stack([red - (green + blue) / 2, blue - (green + red) / 2], dim=1)
        return {"res": F.avg_pool2d(F.relu(channels), 8, ceil_mode=True) / 255}

    def output_shape(self):
        return {"res": ShapeSpec(channels=2, stride=8)}


@pytest.fixture(scope="module")
def model():
    given = {"num_classes": 2, "pixel_mean": [0.0] * 3, "pixel_std": [1.0] * 3}
    model = PAMClassifier(backbone=RedAndBlue(), head_channels=2, alpha=0.2, **given)
    for conv in [*model.head.convs, model.head.classifier]:
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    return model.eval()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Longer side -> file of the scene: shaded ellipses on noise that only large photos show."""
    height, width = LARGEST
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    x = (np.arange(width, dtype=np.float32)[None] + 0.5) / width
    noise = np.random.default_rng(0).integers(-40, 41, (height, width, 1), np.int8)
    scene = np.full((height, width, 3), 110, np.int16) + noise
    for class_, center_y, center_x, radius in OBJECTS:
        distance = np.hypot(y - center_y, x - center_x) / radius
        inside = distance < 1
        shade = 1 - 0.4 * distance[inside, None] ** 2
        scene[inside] = 60 + shade * (np.array(COLORS[class_]) - 60)
    scene = scene.clip(0, 255).astype(np.uint8)
    folder = tmp_path_factory.mktemp("photos")
    files = {}
    for side in (500, 1000, 2016, 4032):
        size = (side, side * height // width)
        files[side] = str(folder / f"{side}.jpg")
        photo = cv2.resize(scene, size, interpolation=cv2.INTER_AREA)
        cv2.imwrite(files[side], photo[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return files


def test_cues_and_maps_do_not_depend_on_the_size_of_the_photo(model, photos):
    options = default_config().MODEL.PAM
    options.MAPS.SCALES = [0.5, 1.0]
    mapper = PAMMapper(
        is_train=False, num_classes=2, augmentation=[ResizeLongerSide(320)], image_format="RGB"
    )
    cues, maps = {}, {}
    for side, file in photos.items():
        sample = mapper({"file_name": file, "image_labels": [0, 1]})
        given = model, sample["image"], sample["image_labels"]
        size = sample["height"], sample["width"]
        assert max(size) == side and sample["image"].shape == (3, 240, 320)
        cues[side] = image_cues(*given, options.CUES, size)
        scores = image_scores(*given, options.MAPS)[1]
        map_ = label_pixels(scores, torch.arange(2), options.MAPS.IGNORE_MARGIN, size).numpy()
        assert map_.shape == size
        maps[side] = cv2.resize(map_, (500, 375), interpolation=cv2.INTER_NEAREST)
    expected = sorted((class_, y, x) for class_, y, x, _ in OBJECTS)
    for side, points in cues.items():
        # The network's pixels are 8 of 321 wide, which bounds how well it knows a center.
        np.testing.assert_allclose(places(points, side), expected, atol=8 / 321)
        np.testing.assert_allclose(places(points, side), places(cues[500], 500), atol=0.005)
        for class_ in (1, 2):
            one, other = maps[side] == class_, maps[500] == class_
            assert (one & other).sum() > 0.95 * (one | other).sum()


def places(points, side):
    """Class and (y, x) as shares of the sides, of each cue, sorted."""
    shares = (points.yx + 0.5) / np.array([side * 3 // 4, side])
    return sorted((int(c), *share) for c, share in zip(points.classes, shares, strict=True))
