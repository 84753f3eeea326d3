import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie import formats
from bestie.cli import split_labels
from bestie.formats import DatasetFolder
from bestie.formats.instances import coco_annotations, coco_categories

IDS = [f"image{number}" for number in range(10)]


@pytest.fixture
def root(tmp_path):
    """Ten images of 12 x 16, two rectangles each."""
    DatasetFolder(tmp_path).write_class_names(["a", "b"])
    DatasetFolder(tmp_path).write_split("train", IDS)
    images, annotations = [], []
    instance_map = np.zeros((12, 16), np.uint8)
    instance_map[1:5, 2:8], instance_map[6:11, 4:12] = 1, 2
    for number, name in enumerate(IDS, 1):
        images.append({"id": number, "file_name": f"{name}.jpg", "height": 12, "width": 16})
        annotations += coco_annotations(
            instance_map, np.array([0, 1]), number, len(annotations) + 1
        )
    coco = {"images": images, "annotations": annotations}
    coco["categories"] = coco_categories(["a", "b"])
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train.json").write_text(json.dumps(coco))
    return tmp_path


def test_splits_jsons_and_clicks_are_written(root):
    numbers = split_labels.split_labels(root, "train", 30, seed=1, clicks="centroid")
    assert numbers == {"strong images": 3, "weak images": 7, "clicks made": 14}
    strong, weak = (formats.read_split(root, f"train_{kind}") for kind in "sw")
    assert sorted(strong + weak) == sorted(IDS)
    for kind, ids in (("s", strong), ("w", weak)):
        coco = formats.read_coco(root / f"annotations/instances_train_{kind}.json")
        assert sorted(Path(image["file_name"]).stem for image in coco["images"]) == sorted(ids)
        assert len(coco["annotations"]) == 2 * len(ids)
    points = formats.read_points(root / f"Center_points/{weak[0]}.txt")
    assert points.yx.tolist() == [[2.5, 4.5], [8.0, 7.5]] and points.classes.tolist() == [0, 1]
    assert not (root / f"Center_points/{strong[0]}.txt").exists()


def test_clicks_are_written_to_the_json_of_the_weak_images_too(root):
    split_labels.split_labels(root, "train", 30, seed=1, clicks="centroid")
    weak = formats.read_coco(root / "annotations/instances_train_w.json")
    assert [entry["point"] for entry in weak["annotations"]] == [[4.5, 2.5], [7.5, 8.0]] * 7
    strong = formats.read_coco(root / "annotations/instances_train_s.json")
    assert not any("point" in entry for entry in strong["annotations"])


def points_of_weak(root):
    """Annotation id -> point, of the json of the weak images."""
    weak = formats.read_coco(root / "annotations/instances_train_w.json")
    return {entry["id"]: entry.get("point") for entry in weak["annotations"]}


@pytest.mark.parametrize("kind", ["nearest", None])
def test_a_second_split_finds_the_clicks_of_the_first_one(root, kind):
    split_labels.split_labels(root, "train", 30, clicks="nearest")
    before = points_of_weak(root)
    numbers = split_labels.split_labels(root, "train", 50, overwrite=True)
    assert numbers["clicks made"] == 0 and numbers["clicks kept"] == 10
    assert numbers["of them on no object of their class"] == 0
    after = points_of_weak(root)
    assert len(after) == 10 and None not in after.values() and after.items() <= before.items()
    # Kept clicks and new ones of images that were strong before.
    for name in ("train_s", "train_w"):
        (root / f"ImageSets/Segmentation/{name}.txt").unlink()
    numbers = split_labels.split_labels(root, "train", 10, clicks=kind)
    assert numbers["clicks made"] == (4 if kind else 0) and numbers["clicks kept"] == 14
    assert sum(point is not None for point in points_of_weak(root).values()) == 14 + 4 * bool(kind)


def with_annotations(root, change):
    """Change the json of the split train by a function of its content."""
    path = root / "annotations/instances_train.json"
    coco = json.loads(path.read_text())
    change(coco)
    path.write_text(json.dumps(coco))


def ring_around_a_box(coco):
    """Two objects of one class: the box lies on the centroid of the ring, but not at its own."""
    ring, box = np.zeros((2, 12, 16), np.uint8)
    ring[1:10, 2:13] = 1
    ring[3:8, 4:11] = 0
    box[4:7, 5:9] = 1
    for entry in coco["annotations"]:
        mask = ring if entry["object_id"] == 1 else box
        (found,) = coco_annotations(mask, np.array([0]), entry["image_id"], entry["id"])
        entry |= found


def test_centroids_stay_with_their_objects_in_a_second_split(root):
    with_annotations(root, ring_around_a_box)
    split_labels.split_labels(root, "train", 30, clicks="centroid")
    before = points_of_weak(root)
    assert list(before.values())[:2] == [[7.0, 5.0], [6.5, 5.0]]
    numbers = split_labels.split_labels(root, "train", 50, overwrite=True)
    assert numbers["clicks kept"] == 10 and numbers["of them on no object of their class"] == 0
    after = points_of_weak(root)
    assert len(after) == 10 and after.items() <= before.items()


def test_a_point_of_the_divided_json_is_kept_where_it_is_a_click_of_the_class(root):
    (root / "Center_points").mkdir()
    for name in IDS:
        (root / f"Center_points/{name}.txt").write_text("14 1 0 1.0\n15 2 0 1.0\n4 2 0 1.0\n")

    def add_points(coco):
        # Neither of the others is a click: of another class, and at another place.
        coco["annotations"][0]["point"] = [14.00000001, 1]
        coco["annotations"][3]["point"] = [15, 2]
        coco["annotations"][4]["point"] = [13, 1]

    with_annotations(root, add_points)
    ids = [*IDS[:3], "unknown"]
    assert split_labels._match_clicks(
        root, "train", ids, formats.read_coco(root / "annotations/instances_train.json")
    ) == (
        {
            "image0": [(1, (1.0, 14.0))],
            "image1": [(3, (2.0, 4.0))],
            "image2": [(5, (2.0, 4.0))],
        },
        6,
    )


def test_points_of_other_annotations_with_the_same_ids_are_not_taken(root):
    with_annotations(root, ring_around_a_box)
    split_labels.split_labels(root, "train", 30, clicks="centroid")
    with_annotations(root, lambda coco: [e.update(id=100 - e["id"]) for e in coco["annotations"]])
    split_labels.split_labels(root, "train", 30, overwrite=True)
    of_boxes = [point for number, point in points_of_weak(root).items() if number % 2 == 0]
    # By masks: the centroid that is nearest to that of the box is its own; the other lies on none.
    assert of_boxes == [[6.5, 5.0]] * 7 and list(points_of_weak(root).values()).count(None) == 7
    (root / "annotations/instances_train_w.json").write_text("broken")
    numbers = split_labels.split_labels(root, "train", 30, overwrite=True)
    assert numbers["of them on no object of their class"] == 7


def test_clicks_of_images_that_the_json_lacks_are_counted(root):
    split_labels.split_labels(root, "train", 30, clicks="nearest")
    weak = formats.read_split(root, "train_w")[0]

    def remove(coco):
        (image,) = (i for i in coco["images"] if i["file_name"] == f"{weak}.jpg")
        coco["images"].remove(image)
        coco["annotations"] = [e for e in coco["annotations"] if e["image_id"] != image["id"]]

    with_annotations(root, remove)
    numbers = split_labels.split_labels(root, "train", 30, overwrite=True)
    assert numbers["clicks kept"] == 14
    assert numbers["of them on no object of their class"] == 2


def test_only_masks_with_a_click_of_their_class_in_their_box_are_decoded(root, monkeypatch):
    (root / "Center_points").mkdir()
    (root / "Center_points/image0.txt").write_text("4 2 0 1.0\n5 8 0 1.0\n14 1 1 1.0\n")
    coco = formats.read_coco(root / "annotations/instances_train.json")
    decoded, decode = [], split_labels.coco_mask.decode
    monkeypatch.setattr(
        split_labels.coco_mask, "decode", lambda code: (decoded.append(code), decode(code))[1]
    )
    found, unmatched = split_labels._match_clicks(root, "train", IDS, coco)
    assert found == {"image0": [(1, (2.0, 4.0))]} and unmatched == 2
    assert decoded == [coco["annotations"][0]["segmentation"]]


def test_clicks_without_an_object_under_them_are_counted(root):
    for name in IDS:  # of the class of the other object, and beside both
        (root / "Center_points").mkdir(exist_ok=True)
        lines = "4 2 0 1.0\n4 2 1 1.0\n14 1 0 1.0\n"
        (root / f"Center_points/{name}.txt").write_text(lines)
    numbers = split_labels.split_labels(root, "train", 30)
    assert (numbers["clicks kept"], numbers["of them on no object of their class"]) == (21, 14)
    assert sorted(map(str, points_of_weak(root).values())) == ["None"] * 7 + ["[4.0, 2.0]"] * 7


def test_existing_splits_and_clicks_stay_unless_overwritten(root):
    split_labels.split_labels(root, "train", 30, clicks="nearest")
    with pytest.raises(formats.DataError, match="train_s exists already"):
        split_labels.split_labels(root, "train", 30)
    weak = formats.read_split(root, "train_w")[0]
    (root / f"Center_points/{weak}.txt").write_text("1 1 0 1.0\n")
    split_labels.split_labels(root, "train", 30, overwrite=True)
    assert len(formats.read_points(root / f"Center_points/{weak}.txt")) == 1
    split_labels.split_labels(root, "train", 30, clicks="nearest", overwrite=True)
    assert len(formats.read_points(root / f"Center_points/{weak}.txt")) == 2


def test_strong_images_without_masks_are_found_before_anything_is_written(root):
    (root / "annotations/instances_train.json").unlink()
    with pytest.raises(formats.DataError, match="images need masks but have none"):
        split_labels.split_labels(root, "train", 30)
    assert formats.list_splits(root) == ["train"]


@pytest.mark.parametrize("percent", [0, 100, 4, -5])
def test_both_kinds_need_an_image(percent):
    with pytest.raises(ValueError, match="at least one strong and one weak"):
        split_labels.split_ids(IDS, percent, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 98), st.integers(1, 98), st.integers(0, 5), st.randoms())
def test_splits_are_nested_seeded_and_do_not_depend_on_the_order(first, second, seed, random):
    ids = [f"i{number}" for number in range(100)]
    small, large = sorted((first, second))
    strong, weak = split_labels.split_ids(ids, small, seed)
    assert set(strong) <= set(split_labels.split_ids(ids, large, seed)[0])
    assert sorted(strong + weak) == sorted(ids) and len(strong) == small
    random.shuffle(ids)
    assert split_labels.split_ids(ids, small, seed)[0] == strong


@pytest.mark.parametrize("kind", split_labels.CLICKS)
def test_clicks_of_a_ring(kind):
    mask = np.ones((5, 5), bool)
    mask[1:4, 1:4] = False
    y, x = split_labels.click_of(mask, kind, np.random.default_rng(0))
    if kind == "centroid":
        assert (y, x) == (2.0, 2.0)  # not on the ring: the paper's click
    else:
        assert mask[int(y), int(x)]


@pytest.mark.parametrize(
    ("percent", "seed", "message"),
    [(float("nan"), 0, "--percent must lie"), (-5, 0, "--percent"), (50, -1, "--seed must be 0")],
)
def test_numbers_out_of_range_are_named(percent, seed, message):
    with pytest.raises(ValueError, match=message):
        split_labels.split_ids(["a", "b", "c", "d"], percent, seed)
