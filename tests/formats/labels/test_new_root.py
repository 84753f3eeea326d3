"""Splits of a new root: drawn by the seed, strong and weak images apart."""

from pathlib import Path

import pytest

from bestie.formats.labels.new_root import Item, draw_splits

CODE = {"size": [1, 1], "counts": "01"}


def items(number, masked=()):
    return {
        f"i{n:02}": Item(Path(f"{n}.png"), (1, 1), masks=[(CODE, "cat")] if n in masked else [])
        for n in range(number)
    }


@pytest.mark.parametrize("kind", ["tags", "clicks", "masks"])
def test_split_is_drawn_by_the_seed(kind):
    images = items(20, masked=range(20))
    splits = draw_splits(images, kind, 0.25, 3)
    assert len(splits["val"]) == 5 and sorted(splits["train"] + splits["val"]) == sorted(images)
    assert splits == draw_splits(images, kind, 0.25, 3)
    assert splits != draw_splits(images, kind, 0.25, 4)
    assert len(draw_splits(items(2), kind, 0.01, 0)["val"]) == 1
    assert "val" not in draw_splits(items(2), kind, 0, 0)


def test_strong_and_weak_images_are_apart():
    splits = draw_splits(items(10, masked={1, 3, 5, 7}), "masks+clicks", 0.25, 0)
    assert splits["train_w"] == ["i00", "i02", "i04", "i06", "i08", "i09"]
    assert len(splits["val"]) == 1
    assert sorted(splits["train_s"] + splits["val"]) == ["i01", "i03", "i05", "i07"]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [0.01, 0.9])
def test_both_splits_show_objects(seed, share):
    splits = draw_splits(items(10, masked={2, 7}), "masks", share, seed)
    assert sorted(splits["train"] + splits["val"]) == sorted(items(10))
    assert len(splits["val"]) == (1 if share < 0.5 else 9)
    for ids in splits.values():
        assert {"i02", "i07"} & set(ids)


def test_a_single_image_with_objects_stays_where_it_is_drawn():
    splits = draw_splits(items(10, masked={2}), "masks", 0.1, 0)
    assert len(splits["val"]) == 1 and len(splits["train"]) == 9
