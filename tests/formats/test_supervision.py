import pytest

from bestie.formats.ledger import entry_of_images
from bestie.formats.supervision import (
    LabelKind,
    Supervision,
    count_images,
    describe_images,
    mark_images,
)

MASKS, CLICKS = LabelKind.MASKS, LabelKind.CLICKS
IDS = {"few": ["a", "b"], "rest": ["c", "d", "e"]}


def test_each_image_has_the_kind_of_its_split():
    mixed = Supervision({"few": MASKS, "rest": CLICKS})
    assert mixed.of_images(IDS) == {"a": MASKS, "b": MASKS, "c": CLICKS, "d": CLICKS, "e": CLICKS}
    assert mixed.count(IDS) == {MASKS: 2, CLICKS: 3}
    assert Supervision({"rest": CLICKS}).count(IDS) == {CLICKS: 3}


def test_an_image_of_two_splits_counts_once():
    mixed = Supervision({"few": MASKS, "rest": CLICKS})
    assert mixed.count({"few": ["a"], "rest": ["a", "b"]}) == {MASKS: 1, CLICKS: 1}


def test_counts_in_words():
    assert describe_images({MASKS: 100, CLICKS: 300}) == "masks of 100 images, clicks of 300 images"
    assert describe_images({MASKS: 1}) == "masks of 1 image"
    assert describe_images({}) == ""


def test_images_of_a_json_carry_their_kind():
    images = mark_images([{"id": 1}], MASKS) + mark_images([{"id": 2}, {"id": 3}], CLICKS)
    assert count_images({"images": [*images, {"id": 4}]}) == {MASKS: 1, CLICKS: 2}
    with pytest.raises(ValueError, match="kind of labels 'mask'; accepted are masks, boxes"):
        count_images({"images": [{"id": 1, "supervision": "mask"}]})


def test_the_entry_of_the_ledger_counts_images_of_each_kind():
    origins = {MASKS: "ROOT, split few", CLICKS: "ROOT, split rest"}
    entry = entry_of_images("Merge", {MASKS: 2, CLICKS: 3}, origins)
    first = {"kind": "masks", "labels": "masks of 2 images", "images": 2}
    assert entry["stage"] == "Merge"
    assert entry["consumed"][0] == first | {"origin": "ROOT, split few"}
    assert [part["kind"] for part in entry["consumed"]] == ["masks", "clicks"]
