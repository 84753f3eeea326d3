import importlib.util

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from bestie.methods.pam import semantic_maps
from bestie.methods.pam.semantic_maps import class_scores, dense_crf, label_pixels, refine_scores


def random_scores(seed: int, channels: int = 3, height: int = 9, width: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(channels, height, width, generator=generator).softmax(dim=0)


def neighbours(values: torch.Tensor, dilations: list[int]):
    height, width = values.shape[-2:]
    for dilation in dilations:
        padded = F.pad(values[None], (dilation,) * 4, mode="replicate")[0]
        for y in (0, dilation, 2 * dilation):
            for x in (0, dilation, 2 * dilation):
                if (y, x) != (dilation, dilation):
                    yield padded[:, y : y + height, x : x + width]


def refine_naively(scores, image, dilations, iterations):
    """The definition, with every neighbour of every pixel in memory."""
    around = torch.stack([image, *neighbours(image, dilations)])
    scale = 0.1 * around.var(dim=0, correction=0).sqrt() + 1e-8
    affinity = (-((image - around[1:]).abs() / scale).mean(dim=1)).softmax(dim=0)
    for _ in range(iterations):
        scores = (affinity.unsqueeze(1) * torch.stack(list(neighbours(scores, dilations)))).sum(0)
    return scores


def random_image(seed: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("dilations, iterations", [([1], 1), ([2, 1], 5), ([1, 2, 4, 8], 3)])
def test_refinement_is_that_of_the_definition(dilations, iterations):
    scores, image = random_scores(1, 4, 23, 31), random_image(2, 23, 31)
    given = dilations, iterations
    expected = refine_naively(scores.double(), image.double(), *given).float()
    torch.testing.assert_close(refine_scores(scores, image, *given), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 20, 33, 40])
@pytest.mark.parametrize("block", [1, 13 * 5])
def test_strips_give_what_the_whole_image_gives(monkeypatch, rows, block):
    scores, image = random_scores(1, 4, 41, 13), random_image(2, 41, 13)
    dilations = [1, 2, 4]
    expected = refine_scores(scores, image, dilations, 5)
    shapes = []

    def watched(image, dilations, made=semantic_maps._affinities):
        shapes.append(image.shape[1])
        return made(image, dilations)

    monkeypatch.setattr(semantic_maps, "_affinities", watched)
    monkeypatch.setattr(semantic_maps, "STRIP_WEIGHTS", 24 * 13 * rows)
    monkeypatch.setattr(semantic_maps, "BLOCK_PIXELS", block)
    found = refine_scores(scores, image, dilations, 5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert len(shapes) > 1 and max(shapes) <= max(rows, 4 * 4)


def test_background_wins_where_no_class_exceeds_its_score():
    maps = torch.tensor([[[0.0, 0.29, 0.31, 0.9]], [[0.0, 0.1, 0.2, 0.95]]])
    scores = class_scores(maps, 0.3)
    torch.testing.assert_close(scores.sum(dim=0), torch.ones(1, 4))
    assert label_pixels(scores, torch.tensor([4, 7])).tolist() == [[0, 0, 5, 8]]


def test_an_image_without_tags_is_background():
    scores = class_scores(torch.zeros(0, 3, 4), 0.3)
    refined = refine_scores(scores, torch.rand(3, 3, 4), [1], 2)
    map_ = label_pixels(refined, torch.zeros(0, dtype=torch.int64), ignore_margin=0.1)
    assert map_.shape == (3, 4) and map_.dtype == torch.uint8 and not map_.any()


def test_close_decisions_are_ignored():
    scores = torch.tensor([[[0.52, 0.6, 0.3]], [[0.48, 0.4, 0.7]]])
    assert label_pixels(scores, torch.tensor([0]), 0.1).tolist() == [[255, 0, 1]]
    assert label_pixels(scores, torch.tensor([0])).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("size", [(18, 24), (61, 47), (5, 7), (9, 12)])
@pytest.mark.parametrize("strip", [1, 2**22])
def test_scores_are_scaled_to_the_size_of_the_map(monkeypatch, size, strip):
    monkeypatch.setattr(semantic_maps, "STRIP_SCORES", strip)
    scores, classes = random_scores(0), torch.tensor([4, 7])
    scaled = F.interpolate(scores[None], size, mode="bilinear", align_corners=False)[0]
    best = scaled.topk(2, dim=0)
    expected = torch.tensor([0, 5, 8], dtype=torch.uint8)[best.indices[0]]
    expected[best.values[0] - best.values[1] < 0.1] = 255
    assert torch.equal(label_pixels(scores, classes, 0.1, size), expected)


def test_a_constant_image_gives_the_plain_mean_of_the_neighbours():
    scores = random_scores(0)
    refined = refine_scores(scores, torch.full((3, 9, 12), 7.0), [1], 1)
    padded = F.pad(scores[None], (1, 1, 1, 1), mode="replicate")[0]
    expected = (9 * F.avg_pool2d(padded, 3, stride=1) - scores) / 8
    torch.testing.assert_close(refined, expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([[1], [1, 2], [1, 4, 24]]), st.integers(0, 4))
def test_scores_stay_in_range_and_keep_their_sums(seed, dilations, iterations):
    scores = random_scores(seed)
    image = 255 * torch.rand(3, 9, 12, generator=torch.Generator().manual_seed(seed + 1))
    refined = refine_scores(scores, image, dilations, iterations)
    torch.testing.assert_close(refined.sum(dim=0), torch.ones(9, 12))
    low, high = scores.amin(dim=(1, 2)) - 1e-5, scores.amax(dim=(1, 2)) + 1e-5
    assert (refined >= low[:, None, None]).all() and (refined <= high[:, None, None]).all()


def test_refinement_moves_the_border_to_the_edge_of_the_image():
    image = torch.zeros(3, 24, 40)
    image[:, :, 16:] = 200.0
    maps = torch.zeros(1, 24, 40)
    maps[:, :, 20:] = 1.0  # the activation stops 4 pixels short of the object's edge
    scores = class_scores(maps, 0.3)
    refined = refine_scores(scores, image, [1, 2, 4], 20)
    assert (label_pixels(scores, torch.tensor([0]))[:, 16:20] == 0).all()
    found = label_pixels(refined, torch.tensor([0]))
    assert (found[:, :16] == 0).all() and (found[:, 16:] == 1).all()
    torch.testing.assert_close(refined[1, :, :12], torch.zeros(24, 12), rtol=0, atol=1e-4)


def test_refinement_is_mirrored_with_the_image():
    scores, image = random_scores(3), 255 * torch.rand(3, 9, 12)
    refined = refine_scores(scores, image, [1, 3], 3)
    mirrored = refine_scores(scores.flip(-1), image.flip(-1), [1, 3], 3)
    torch.testing.assert_close(mirrored.flip(-1), refined, rtol=0, atol=1e-4)


def test_the_crf_names_its_package_or_keeps_the_sums():
    scores = random_scores(0)
    image = torch.zeros(3, 9, 12, dtype=torch.uint8)
    if importlib.util.find_spec("pydensecrf") is None:
        with pytest.raises(ValueError, match="pydensecrf2"):
            dense_crf(scores, image)
    else:
        torch.testing.assert_close(dense_crf(scores, image).sum(dim=0), torch.ones(9, 12))
