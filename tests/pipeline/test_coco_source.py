import json

import numpy as np
import pytest
from PIL import Image

from bestie.data.checks.dataset import check_dataset
from bestie.formats import DataError, read_class_names, read_image_labels, read_points, read_split
from bestie.formats.labels.base import ReadOptions
from bestie.formats.ledger import read_ledger
from bestie.pipeline.coco_source import BOXES, KEYPOINTS, convert_coco, empty_images_note

BOXES_TOO = ReadOptions(boxes_as_clicks=True)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a 1.jpg", "sub/b.png", "c.png"):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / name)
    return folder


def coco(masks=False, **extra):
    square = [[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]
    more = {"segmentation": square, "area": 100, "iscrowd": 0} if masks else {}
    box = [2.0, 2.0, 10.0, 10.0]
    names = ("a 1.jpg", "sub/b.png", "c.png")
    return {
        "images": [
            {"id": 7 * n, "file_name": name, "height": 20, "width": 30}
            for n, name in enumerate(names)
        ],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 9, "bbox": box, **more},
            {"id": 2, "image_id": 0, "category_id": 4, "bbox": box, **more},
            {"id": 3, "image_id": 7, "category_id": 9, "bbox": box, **more, **extra},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
    }


def convert(tmp_path, images, content, clicks=False, name="train"):
    (tmp_path / f"{name}.json").write_text(json.dumps(content))
    source = {name: f"coco:{tmp_path / name}.json:{images}"}
    convert_coco(source, tmp_path / "root", clicks=clicks, options=BOXES_TOO)
    return tmp_path / "root"


def test_tags_come_from_the_categories(tmp_path, images):
    root = convert(tmp_path, images, coco())
    assert read_class_names(root) == ["cat", "dog"]
    assert read_split(root, "train") == ["a_1", "b", "c"]
    assert read_image_labels(root, ["cat", "dog"]) == {"a_1": [0, 1], "b": [1], "c": []}
    assert check_dataset(root, "train", needs={"images", "tags"}) == []
    assert not (root / "annotations").exists() and not (root / "Center_points").exists()


def test_clicks_are_visible_keypoints_or_else_the_middle_of_the_box(tmp_path, images):
    content = coco(keypoints=[1, 1, 0, 5.0, 6.0, 2])
    root = convert(tmp_path, images, content, clicks=True)
    assert read_points(root / "Center_points/a_1.txt").yx.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert read_points(root / "Center_points/b.txt").yx.tolist() == [[6.0, 5.0]]
    assert len(read_points(root / "Center_points/c.txt")) == 0
    consumed = read_ledger(root / "Center_points")["train"]["consumed"]
    assert consumed == [
        {"kind": "clicks", "labels": KEYPOINTS, "objects": 1},
        {"kind": "boxes", "labels": BOXES, "objects": 2},
    ]


def test_masks_of_the_json_are_kept_for_the_evaluation(tmp_path, images):
    root = convert(tmp_path, images, coco(masks=True))
    assert check_dataset(root, "train", needs={"images", "tags", "ground_truth"}) == []
    kept = json.loads((root / "annotations/instances_train.json").read_text())
    assert [entry["category_id"] for entry in kept["annotations"]] == [2, 1, 2]


def test_a_root_is_made_again_only_if_its_source_changed(tmp_path, images):
    root = convert(tmp_path, images, coco())
    (root / "mark").touch()
    convert(tmp_path, images, coco())
    assert (root / "mark").exists()
    convert(tmp_path, images, coco(note="changed"))
    assert not (root / "mark").exists()


def test_images_of_one_name_in_both_sets_get_names_of_their_own(tmp_path, images):
    for name in ("train", "val"):
        (tmp_path / f"{name}.json").write_text(json.dumps(coco()))
    names = {name: f"coco:{tmp_path / name}.json:{images}" for name in ("train", "val")}
    convert_coco(names, tmp_path / "root", clicks=False)
    assert read_split(tmp_path / "root", "val") == ["val_a_1", "val_b", "val_c"]
    assert len(list((tmp_path / "root/JPEGImages").iterdir())) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "images missing, empty or no list"),
        (lambda c: c.update(categories=[]), "categories missing, empty or no list"),
        (
            lambda c: c["annotations"][1].pop("category_id"),
            "category_id null is not in",
        ),
        (lambda c: c["annotations"][1].update(category_id=5), "category_id 5 is not in the file"),
        (lambda c: c["annotations"][1].update(image_id=5), "image_id 5 is not in the file"),
        (
            lambda c: c["annotations"][1].pop("bbox"),
            "json: annotation 2: its bbox null",
        ),
        (
            lambda c: c["annotations"][1].update(bbox=[1, 2, "x", 4]),
            'its bbox .1, 2, "x", 4. is not',
        ),
        (lambda c: c["annotations"][1].update(image_id=[7]), "image_id .7. is not in the file"),
        (
            lambda c: c["categories"][1].update(name=4),
            "number 2: class name 4 is not text",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, images, change, message):
    content = coco()
    change(content)
    with pytest.raises(ValueError, match=message):
        convert(tmp_path, images, content, clicks=True)
    assert not (tmp_path / "root").exists()


def test_missing_and_broken_files_are_named(tmp_path, images):
    with pytest.raises(ValueError, match="no.json: file does not exist"):
        convert_coco({"train": f"coco:{tmp_path}/no.json:{images}"}, tmp_path / "r", clicks=False)
    (tmp_path / "bad.json").write_text('{"images": [\n')
    with pytest.raises(ValueError, match="bad.json, line 2: is not well-formed json"):
        convert_coco({"train": f"coco:{tmp_path}/bad.json:{images}"}, tmp_path / "r", clicks=False)
    with pytest.raises(ValueError, match="folder of the images does not exist"):
        convert_coco({"t": f"coco:{tmp_path}/bad.json:{tmp_path}/x"}, tmp_path / "r", clicks=False)


def test_both_sets_have_the_same_categories(tmp_path, images):
    other = coco()
    other["categories"][0]["name"] = "wolf"
    for name, content in (("train", coco()), ("val", other)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    names = {name: f"coco:{tmp_path / name}.json:{images}" for name in ("train", "val")}
    with pytest.raises(ValueError, match="val.json: has the categories .*wolf"):
        convert_coco(names, tmp_path / "root", clicks=False)


@pytest.mark.parametrize("size", [{"width": 60}, {"height": "40", "width": "60"}])
def test_images_have_the_size_that_the_json_states(tmp_path, images, size):
    content = coco()
    content["images"][1] = {"id": 7, "file_name": "sub/b.png"} | size
    with pytest.raises(ValueError, match="train.json: image 'sub/b.png' has 20 x 30 .* x 60"):
        convert(tmp_path, images, content, clicks=True)
    assert not (tmp_path / "root").exists()


def test_sizes_of_the_truth_are_numbers(tmp_path, images):
    content = coco(masks=True)
    content["images"][0] |= {"height": "20", "width": None}
    root = convert(tmp_path, images, content)
    kept = json.loads((root / "annotations/instances_train.json").read_text())
    assert {(image["height"], image["width"]) for image in kept["images"]} == {(20, 30)}


def test_images_without_any_object_are_counted(tmp_path, images):
    root = convert(tmp_path, images, coco())
    (note,) = empty_images_note(root, "train", f"coco:{tmp_path}/train.json:{images}")
    assert note.startswith(f"1 of 3 images have no object in {tmp_path}/train.json; they count as")
    content = coco()
    del content["images"][2]
    root = convert(tmp_path, images, content)
    assert empty_images_note(root, "train", "coco:a:b") == []


def test_a_click_in_shares_of_the_image_is_refused(tmp_path, images):
    content = coco(keypoints=[0.25, 0.5, 2])
    content["annotations"] = content["annotations"][2:]
    with pytest.raises(ValueError, match="annotation 3: x 0.25, y 0.5: all coordinates lie in"):
        convert(tmp_path, images, content, clicks=True)


def test_masks_that_cannot_be_read_name_the_json_of_the_user(images, tmp_path):
    path = tmp_path / "user.json"
    path.write_text(json.dumps(coco(masks=True, segmentation=[[1, 1, 2, 2]])))
    with pytest.raises(DataError, match="annotation 3: segmentation is neither") as error:
        convert_coco({"train": f"coco:{path}:{images}"}, tmp_path / "root", clicks=False)
    assert error.value.file == str(path)
