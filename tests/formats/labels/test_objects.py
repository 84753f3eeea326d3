"""Points, boxes and masks become clicks, masks or tags, in the same way for every format."""

import json

import numpy as np
import pytest
from PIL import Image

from bestie import formats
from bestie.cli.split_labels import split_labels
from bestie.data import survey_data
from bestie.formats import DatasetFolder
from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.importer import import_labels
from bestie.methods.pointwssis import label_files
from tests.formats.labels.reading import box_mask

SQUARE = [[5, 6], [15, 6], [15, 12], [5, 12]]
POINT = {"shape_type": "point", "points": [[3.5, 4]]}
MASK = {"shape_type": "polygon", "points": SQUARE}
BOX = {"shape_type": "rectangle", "points": [[1, 2], [9, 8]]}


@pytest.fixture
def make(tmp_path):
    """Import LabelMe's files: name of each image -> shapes."""

    def make(val_share=0, flags=None, classes=("cat",), **images):
        for number, (name, shapes) in enumerate(images.items()):
            path = tmp_path / "photos" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (40, 30), (9, 9 * number, 9)).save(path)
            shapes = [
                {"label": classes[i % len(classes)], **shape} for i, shape in enumerate(shapes)
            ]
            content = {"imagePath": path.name, "shapes": shapes, "flags": flags or {}}
            path.with_suffix(".json").write_text(json.dumps(content))
        return import_labels(
            tmp_path / "photos",
            tmp_path / "photos",
            tmp_path / "root",
            val_share=val_share,
            options=make.read,
        )

    make.read = ReadOptions()
    return make


def refused(make, **images):
    with pytest.raises(formats.DataError) as caught:
        make(**images)
    return str(caught.value)


def masks_of(root, split, name):
    """Class and pixels of each true mask of an image."""
    coco = formats.read_coco(DatasetFolder(root).ground_truth_json(split))
    (image,) = (i for i in coco["images"] if i["file_name"] == f"{name}.png")
    return [
        (a["category_id"], formats.decode_mask(a["segmentation"], image["height"], image["width"]))
        for a in coco["annotations"]
        if a["image_id"] == image["id"]
    ]


def test_masks_become_the_true_masks_of_the_splits(make, tmp_path):
    made = make(val_share=0.3, classes=("dog", "cat"), a=[MASK, MASK], b=[MASK], c=[])
    assert made.kind == "masks" and set(made.splits) == {"train", "val"}
    assert made.masks_per_class == {"dog": 2, "cat": 1}
    assert formats.read_class_names(tmp_path / "root") == ["cat", "dog"]
    split = next(split for split, ids in made.splits.items() if "a" in ids)
    (first, mask), (second, _) = masks_of(tmp_path / "root", split, "a")
    assert (first, second) == (2, 1)
    np.testing.assert_array_equal(mask, box_mask(30, 40, 5, 6, 15, 12))
    tags = formats.read_image_labels(tmp_path / "root", ["cat", "dog"])
    assert tags == {"a": [0, 1], "b": [1], "c": []}
    reports = survey_data(str(tmp_path / "root"))
    assert all(report.count("error") == 0 for report in reports.values())


def test_imported_masks_can_be_split_into_strong_and_weak(make, tmp_path):
    make(a=[MASK], b=[MASK], c=[MASK, MASK], d=[MASK])
    numbers = split_labels(tmp_path / "root", "train", 50, clicks="nearest")
    assert numbers["strong images"] == 2 and numbers["clicks made"] >= 2


def test_images_with_masks_and_images_with_clicks_become_strong_and_weak(make, tmp_path):
    made = make(a=[MASK], b=[POINT], c=[POINT, POINT], d=[])
    assert made.kind == "masks+clicks"
    assert made.splits == {"train_s": ["a"], "train_w": ["b", "c", "d"]}
    assert len(masks_of(tmp_path / "root", "train_s", "a")) == 1
    folder = DatasetFolder(tmp_path / "root")
    assert folder.read_points("b").yx.tolist() == [[4, 3.5]]
    assert len(folder.read_points("d")) == 0
    # What the stages that join strong and weak images read.
    assert label_files._by_image(formats.read_coco(folder.ground_truth_json("train_s")))


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        ([POINT, MASK], "1 clicks and 1 masks; objects of one kind are expected"),
        ([POINT, BOX], "--boxes-as-clicks takes the middles of boxes"),
        ([MASK, BOX, BOX], "1 masks and 2 boxes"),
    ],
)
def test_an_image_is_of_one_kind(make, shapes, found):
    assert found in refused(make, a=shapes)


def test_boxes_beside_clicks_of_other_images_are_a_mistake(make):
    assert "'b.png' has 1 boxes (or objects with a class only) only" in refused(
        make, a=[POINT], b=[BOX]
    )


def test_boxes_are_tags_with_a_note_or_clicks(make, tmp_path):
    made = make(a=[BOX], b=[])
    assert made.kind == "tags" and "1 objects without point or mask" in made.notes[0]


def test_boxes_as_clicks(make):
    make.read = ReadOptions(boxes_as_clicks=True)
    made = make(a=[BOX, POINT])
    assert made.kind == "clicks" and made.clicks_per_class == {"cat": 2}


def test_objects_as_tags(make):
    make.read = ReadOptions(objects_as="tags")
    made = make(a=[BOX, POINT, MASK])
    assert made.kind == "tags" and made.notes == []


def test_a_tag_without_an_object_contradicts_the_clicks(make):
    make.read = ReadOptions(flags_are_tags=True)
    found = refused(make, flags={"blurred": True}, a=[POINT])
    assert "has the tag 'blurred', but no object of this class" in found


def test_tags_are_left_out_if_the_user_says_what_objects_become(make):
    make.read = ReadOptions(flags_are_tags=True, objects_as="clicks")
    made = make(flags={"blurred": True}, a=[POINT])
    assert made.images_per_class == {"cat": 1}
    assert "tags of 1 images are not used (--as clicks)" in made.notes


def test_masks_without_a_pixel_are_left_out_with_a_note(make):
    speck = {"shape_type": "polygon", "points": [[5.1, 6.1], [5.2, 6.1], [5.2, 6.2]]}
    made = make(a=[MASK, speck])
    assert made.masks_per_class == {"cat": 1}
    (note,) = made.notes
    assert "1 masks cover no pixel and are left out, the first being shape 2 of a.json" in note


def test_labels_of_which_none_is_left_are_a_mistake(make):
    speck = {"shape_type": "polygon", "points": [[5.1, 6.1], [5.2, 6.1], [5.2, 6.2]]}
    found = refused(make, a=[speck])
    assert "no label is left, nothing can be learned: 1 masks cover no pixel" in found


def test_an_outline_outside_its_image_is_a_mistake(make):
    far = {"shape_type": "polygon", "points": [[5, 6], [60, 6], [15, 12]]}
    found = refused(make, a=[far])
    assert "shape 1 of 'a.png': the vertex x 60, y 6 of its outline lies outside" in found
