"""Copy-paste: what a training sample looks like with an instance of another one on it."""

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from hypothesis import given
from hypothesis import strategies as st

from bestie.data import build_mapper, build_train_loader, seeded
from bestie.formats import write_semantic_map
from bestie.methods.bestie.copy_paste import paste_instance

HEIGHT, WIDTH = 40, 56


def sample_with(*instances, gray=0, confidence=None):
    """A training dict of rectangles (class, top, left, bottom, right), each with a point inside."""
    components = np.zeros((HEIGHT, WIDTH), np.int16)
    for number, (_, top, left, bottom, right) in enumerate(instances, start=1):
        components[top:bottom, left:right] = number
    classes = np.array([instance[0] for instance in instances], np.int64)
    of_pixel = np.append(0, classes + 1).astype(np.uint8)
    points = [(top + 1, left + 2) for _, top, left, _, _ in instances]
    middles = [((t + b - 1) // 2, (le + r - 1) // 2) for _, t, le, b, r in instances]
    confidence = np.ones(len(instances)) if confidence is None else confidence
    return {
        "image_id": gray,
        "image": torch.full((3, HEIGHT, WIDTH), gray, dtype=torch.uint8),
        "image_labels": torch.tensor([class_id in classes for class_id in range(3)]),
        "semantic_map": torch.from_numpy(of_pixel[components]),
        "points": torch.tensor(points, dtype=torch.float32).view(-1, 2),
        "point_classes": torch.from_numpy(classes),
        "components": torch.from_numpy(components),
        "component_classes": torch.from_numpy(classes),
        "component_centroids": torch.tensor(middles).view(-1, 2),
        "component_confidence": torch.tensor(confidence, dtype=torch.float32),
        "component_is_piece": torch.zeros(len(instances), dtype=torch.bool),
    }


def at_the_edge_of_the_photo(sample):
    """The photo ends where the instance does, in the middle of the crop."""
    sample["semantic_map"][:, 40:] = 255
    return sample


def equal(one, other):
    return all(
        torch.equal(one[key], other[key]) if torch.is_tensor(one[key]) else one[key] == other[key]
        for key in one
    )


def test_the_instance_comes_with_its_pixels_its_point_and_its_border():
    source = sample_with((1, 10, 20, 30, 42), gray=200)
    sample = sample_with((1, 0, 0, 40, 56), gray=50)
    with seeded(0):
        pasted = paste_instance(sample, source)
    on = pasted["components"] == 2
    rows, columns = on.any(1).nonzero(), on.any(0).nonzero()
    top, left = int(rows[0]), int(columns[0])
    assert (len(rows), len(columns), int(on.sum())) == (20, 22, 440)
    assert (top, left) != (10, 20)
    assert (pasted["image"][:, on] == 200).all() and (pasted["image"][:, ~on] == 50).all()
    # Both are of class 1 and touch; they stay two.
    assert (pasted["semantic_map"] == 2).all()
    assert pasted["component_classes"].tolist() == [1, 1]
    assert pasted["component_confidence"].tolist() == [1, 1]
    assert pasted["component_centroids"][1].tolist() == [top + 9, left + 10]
    assert pasted["points"].tolist() == [[1, 2], [top + 1, left + 2]]
    assert pasted["image_id"] == 50


def test_another_class_becomes_a_tag_and_keeps_the_order_of_the_classes():
    sample = sample_with((1, 0, 0, 5, 5), (2, 35, 50, 40, 56))
    with seeded(1):
        pasted = paste_instance(sample, sample_with((0, 10, 20, 30, 42)), min_area=1)
    assert pasted["image_labels"].tolist() == [True, True, True]
    assert pasted["component_classes"].tolist() == [0, 1, 2]
    assert sorted(pasted["point_classes"].tolist()) == [0, 1, 2]
    assert pasted["components"][0, 0] == 2 and pasted["semantic_map"][0, 0] == 2


def paste_at(monkeypatch, top, left):
    monkeypatch.setattr(np.random, "randint", lambda high: np.array([top, left]))


def test_a_component_whose_point_is_covered_is_ignored(monkeypatch):
    """The instance covers rows 11 to 30, columns 12 to 41: the first point, not the second one."""
    sample = sample_with((1, 10, 10, 20, 50), (1, 30, 10, 40, 50))  # points (11, 12), (31, 12)
    paste_at(monkeypatch, 11, 12)
    pasted = paste_instance(sample, sample_with((1, 5, 5, 25, 35)))
    assert pasted["component_classes"].tolist() == [1, 1]
    assert pasted["component_confidence"].tolist() == [1, 1]
    assert pasted["points"].tolist() == [[31, 12], [12, 14]]
    components, semantic_map = pasted["components"], pasted["semantic_map"]
    assert (components[10] == 0).all() and (semantic_map[10, 10:50] == 255).all()
    assert (components[11:31, 12:42] == 2).all() and (components[31:40, 10:50] == 1).all()


def test_points_of_other_classes_do_not_count(monkeypatch):
    """Neither one that is covered nor one on the instance that is pasted."""
    sample = sample_with((1, 10, 10, 20, 50))
    sample["points"] = torch.tensor([[11.0, 12.0], [15.0, 45.0]])
    sample["point_classes"] = torch.tensor([1, 2])
    source = sample_with((0, 5, 5, 25, 35))
    source["points"] = torch.tensor([[6.0, 7.0], [8.0, 8.0]])
    source["point_classes"] = torch.tensor([0, 2])
    paste_at(monkeypatch, 12, 20)
    pasted = paste_instance(sample, source)
    assert pasted["component_classes"].tolist() == [0, 1]
    assert pasted["point_classes"].tolist() == [1, 0]
    assert pasted["points"].tolist() == [[11, 12], [13, 22]]


def test_what_is_left_of_a_component_needs_the_least_area(monkeypatch):
    """10 of its 40 columns stay visible, with its point; then 2 of them."""
    source = sample_with((0, 5, 5, 35, 50))
    paste_at(monkeypatch, 5, 11)
    sample = sample_with((2, 10, 1, 14, 50))  # its point is at (11, 3)
    pasted = paste_instance(sample, source, min_area=40)
    assert pasted["component_classes"].tolist() == [0, 2]
    assert int((pasted["components"] == 2).sum()) == 40
    assert pasted["component_confidence"].tolist() == [1, 1]
    pasted = paste_instance(sample, source, min_area=41)
    assert pasted["component_classes"].tolist() == [0]
    assert (pasted["semantic_map"][10:14, 1:11] == 3).all(), "the class of these pixels is known"


@pytest.mark.parametrize(
    "source",
    [
        sample_with(),
        sample_with((0, 0, 10, 30, 40)),  # at the border
        sample_with((0, 10, 10, 39, 56)),
        sample_with((0, 10, 10, 17, 17)),  # 49 pixels
        sample_with((0, 10, 10, 35, 40), confidence=[0]),
        sample_with((0, 10, 10, 35, 40)) | {"component_is_piece": torch.tensor([True])},
        at_the_edge_of_the_photo(sample_with((0, 10, 10, 35, 40))),
    ],
)
def test_only_whole_trusted_instances_are_pasted(source):
    sample = sample_with((1, 5, 5, 20, 20), gray=9)
    assert equal(paste_instance(sample, source), sample)


def test_a_class_can_be_asked_for():
    source = sample_with((0, 2, 2, 22, 24), (2, 2, 30, 24, 54), gray=7)
    sample = sample_with((1, 5, 5, 20, 20))
    with seeded(0):
        pasted = [paste_instance(sample, source, class_id=2) for _ in range(8)]
    assert all(2 in p["point_classes"] and 0 not in p["point_classes"] for p in pasted)
    assert equal(paste_instance(sample, source, class_id=1), sample)


@given(st.integers(0, 10**6))
def test_labels_fit_each_other_and_the_samples_stay_as_they_are(seed):
    generator = np.random.default_rng(seed)

    # Side by side, so that none lies over another one.
    classes = sorted(generator.integers(0, 3, generator.integers(0, 4)).tolist())
    columns = [14 * i + int(generator.integers(0, 6)) for i in range(len(classes))]
    tops = generator.integers(0, 30, len(classes)).tolist()
    rectangles = [
        (class_id, top, left, 40, left + 8)
        for class_id, top, left in zip(classes, tops, columns, strict=True)
    ]
    one = (1, 3, 3, 30, 30)
    sample, source = sample_with(*rectangles, gray=1), sample_with(one, gray=2)
    before = {key: value.clone() for key, value in sample.items() if torch.is_tensor(value)}
    with seeded(seed):
        pasted = paste_instance(sample, source, min_area=1)
    assert all(torch.equal(sample[key], value) for key, value in before.items())
    numbers = pasted["components"].long()
    classes = pasted["component_classes"]
    assert int(numbers.max()) == len(classes)
    assert (classes[1:] >= classes[:-1]).all()
    for number, centroid in enumerate(pasted["component_centroids"], start=1):
        on = numbers == number
        assert (pasted["semantic_map"][on] == classes[number - 1] + 1).all()
        assert torch.equal(centroid, on.nonzero().float().mean(0).floor().long())
    y, x = pasted["points"].long().T
    assert (numbers[y, x] > 0).all()
    assert (classes[numbers[y, x] - 1] == pasted["point_classes"]).all()
    assert pasted["image_labels"][pasted["point_classes"]].all()


@pytest.fixture
def whole(cfg, root):
    """Config of crops of whole images, from which instances are pasted; one image has a large one.

    It is at (5, 5) to (30, 30) of image "a".
    """
    cfg.INPUT.SCALES, cfg.INPUT.CROP.SIZE = [1.0], [40, 56]
    cfg.INPUT.COLOR_AUG, cfg.INPUT.RANDOM_FLIP = False, "none"
    cfg.MODEL.BESTIE.COPY_PASTE = 1.0
    semantic_map = np.zeros((40, 56), np.uint8)
    semantic_map[5:30, 5:30] = 1
    write_semantic_map(root / "WSSS_maps" / "a.png", semantic_map)
    return cfg


def test_the_loader_pastes_and_a_sample_depends_on_its_position_alone(whole):
    def first(workers):
        whole.DATALOADER.NUM_WORKERS = workers
        whole.SOLVER.IMS_PER_BATCH = 4
        batches = iter(build_train_loader(whole, build_mapper(whole, True))[0])
        return [sample for _ in range(6) for sample in next(batches)]

    alone, with_workers = first(0), first(2)
    assert all(equal(*pair) for pair in zip(alone, with_workers, strict=True))
    pasted = [s for s in alone if (s["component_classes"] == 0).sum() == 2]
    assert pasted, "the instance of image a beside another one of its class"


def test_without_the_other_images_nothing_is_pasted(whole):
    dicts = DatasetCatalog.get(whole.DATASETS.TRAIN[0])
    mapper = build_mapper(whole, True)
    with seeded(0):
        alone = mapper(dicts[0])
    whole.MODEL.BESTIE.COPY_PASTE = 0.0
    with seeded(0):
        assert equal(build_mapper(whole, True)(dicts[0]), alone)


def test_instances_are_pasted_by_the_settings_of_the_mapper(whole):
    """Of image a comes one of class 0; the others have smaller ones."""
    dicts = DatasetCatalog.get(whole.DATASETS.TRAIN[0])

    def pasted_classes():
        mapper = build_mapper(whole, True)
        mapper.samples(dicts)
        before = mapper._training_sample(dicts[0])["component_classes"].tolist()
        found = []
        for seed in range(8):
            with seeded(seed):
                after = mapper(dicts[0])["component_classes"].tolist()
            found += [c for c in (0, 1, 2) if after.count(c) > before.count(c)]
        return found

    whole.MODEL.BESTIE.COPY_PASTE_SAME_CLASS = 1.0
    assert set(pasted_classes()) <= set(dicts[0]["image_labels"])
    assert 0 in pasted_classes()
    whole.MODEL.BESTIE.MIN_AREA = 1000
    assert pasted_classes() == []
