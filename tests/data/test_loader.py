"""Loaders: a sample depends on seed and position, and on nothing else."""

import itertools
import random

import numpy as np
import pytest
import torch
from detectron2.utils import comm

from bestie.data import (
    PositionSampler,
    build_mapper,
    build_test_loader,
    build_train_loader,
    seeded,
)
from bestie.data.loader import BatchLoader, _pack
from bestie.formats import read_coco, write_coco


def take(iterable, number):
    return list(itertools.islice(iterable, number))


def batches(cfg, number, start=0, workers=0):
    cfg.DATALOADER.NUM_WORKERS = workers
    loader, sampler = build_train_loader(cfg, build_mapper(cfg, True))
    sampler.set_start(start * cfg.SOLVER.IMS_PER_BATCH)
    return take(loader, number)


def assert_same(first, second):
    assert len(first) == len(second)
    for sample, other in zip(itertools.chain(*first), itertools.chain(*second), strict=True):
        assert sample.keys() == other.keys()
        for key, value in sample.items():
            np.testing.assert_array_equal(value, other[key], err_msg=key)


def test_each_epoch_is_a_permutation_and_epochs_differ():
    pairs = take(PositionSampler(10, seed=1), 30)
    assert [position for position, _ in pairs] == list(range(30))
    epochs = [[index for _, index in pairs[i : i + 10]] for i in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_seed_decides_the_order():
    orders = [take(PositionSampler(10, seed=seed), 10) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_sampler_without_shuffling_counts():
    assert [index for _, index in take(PositionSampler(3, 0, shuffle=False), 5)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("start", [0, 4, 10, 36])
def test_start_continues_the_sequence(start):
    assert (
        take(PositionSampler(10, 1, start=start), 9) == take(PositionSampler(10, 1), 99)[start:][:9]
    )


def test_processes_share_the_positions_of_one_process():
    alone = take(PositionSampler(7, 3, start=6), 24)
    together = [take(PositionSampler(7, 3, rank=r, world_size=3, start=6), 8) for r in range(3)]
    assert sorted(itertools.chain(*together)) == alone


def test_empty_data_set_is_an_error():
    with pytest.raises(ValueError, match="at least 1 image"):
        PositionSampler(0, 1)


def test_seeding_is_reproducible_and_leaves_the_outer_state_alone():
    def draw():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    outer = draw()
    with seeded(5, 6):
        first = draw()
    after = draw()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    assert (draw(), draw()) == (outer, after)
    with pytest.raises(KeyError), seeded(5, 6):
        assert draw() == first
        raise KeyError
    with seeded(5, 7):
        assert draw() != first


@pytest.mark.parametrize("mapper", ["BESTIEMapper", "PAMMapper"])
def test_samples_do_not_depend_on_the_workers(cfg, mapper):
    cfg.INPUT.DATASET_MAPPER_NAME = mapper
    cfg.SOLVER.IMS_PER_BATCH = 3
    alone = batches(cfg, 6)
    for workers in (1, 2):
        assert_same(alone, batches(cfg, 6, workers=workers))


def test_resumed_loader_continues_the_uninterrupted_one(cfg):
    whole = batches(cfg, 7)
    assert_same(whole[3:], batches(cfg, 4, start=3))
    assert_same(whole[3:], batches(cfg, 4, start=3, workers=2))


def test_samples_do_not_depend_on_what_ran_before(cfg):
    first = batches(cfg, 2)
    random.seed(123)
    np.random.seed(123)
    torch.manual_seed(123)
    assert_same(first, batches(cfg, 2))


def test_repeated_images_are_augmented_anew(cfg):
    samples = list(itertools.chain(*batches(cfg, 8)))
    images = [sample["image"].numpy().tobytes() for sample in samples]
    assert len({sample["image_id"] for sample in samples}) == 4 and len(set(images)) == 16


def test_processes_share_each_batch_of_one_process(cfg, monkeypatch):
    cfg.SOLVER.IMS_PER_BATCH = 4
    alone = batches(cfg, 3, start=1)
    shares = []
    monkeypatch.setattr(comm, "get_world_size", lambda: 2)
    monkeypatch.setattr("detectron2.data.build.get_world_size", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        shares.append(batches(cfg, 3, start=1))
    merged = [[a[0], b[0], a[1], b[1]] for a, b in zip(*shares, strict=True)]
    assert_same(alone, merged)


@pytest.mark.parametrize("images", [0, 3])
def test_batch_must_be_a_multiple_of_the_processes(cfg, monkeypatch, images):
    monkeypatch.setattr(comm, "get_world_size", lambda: 2)
    cfg.SOLVER.IMS_PER_BATCH = images
    with pytest.raises(ValueError, match=f"multiple of the 2 process.*got {images}"):
        build_train_loader(cfg, build_mapper(cfg, True))


def test_images_without_annotations_are_left_out_on_demand(cfg, root):
    name = f"coco:{root}/annotations/instances_train.json:{root}/JPEGImages"
    cfg.DATASETS.TRAIN = (name,)
    cfg.INPUT.DATASET_MAPPER_NAME, cfg.INPUT.MASK_FORMAT = "InstanceMapper", "bitmask"
    cfg.INPUT.CROP.ENABLED, cfg.MODEL.MASK_ON = False, True
    for keep, expected in ((True, {10, 20, 30}), (False, {10, 20, 30, 40})):
        cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = keep
        samples = itertools.chain(*batches(cfg, 4))
        assert {sample["image_id"] for sample in samples} == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_image_left_is_named(cfg, root):
    path = root / "annotations" / "instances_train.json"
    coco = read_coco(path)
    coco["annotations"] = []
    write_coco(path, coco)
    cfg.DATASETS.TRAIN = (f"coco:{path}:{root}/JPEGImages",)
    with pytest.raises(
        ValueError, match="DATASETS.TRAIN: No valid data found in coco:.*crowd regions"
    ):
        build_train_loader(cfg, build_mapper(cfg, True))


def test_test_loader_gives_each_image_once_in_order(cfg):
    loader = build_test_loader(cfg, cfg.DATASETS.TEST[0], build_mapper(cfg, False))
    assert [[sample["image_name"] for sample in batch] for batch in loader] == [[i] for i in "abcd"]


def test_packed_batches_come_out_as_they_went_in():
    batch = [
        {"image": torch.arange(6, dtype=torch.uint8).view(1, 2, 3), "name": "a"},
        {
            "image": torch.randn(2, 5)[:, ::2],
            "points": torch.zeros(0, 2),
            "accepted": torch.tensor([True, False, True]),
            "number": torch.tensor(7),
            "one": torch.tensor(3).expand(1),
        },
    ]
    (unpacked,) = BatchLoader([_pack(batch)])
    assert [list(sample) for sample in unpacked] == [list(sample) for sample in batch]
    assert unpacked[0]["name"] == "a"
    for given, found in zip(batch, unpacked, strict=True):
        for key, value in given.items():
            if key != "name":
                assert found[key].dtype == value.dtype and torch.equal(found[key], value)
