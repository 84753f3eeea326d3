import json

import numpy as np
import pytest

from bestie.formats import DataError, decode_mask, encode_mask, read_coco
from bestie.formats.supervision import LabelKind
from bestie.methods.pointwssis.label_files import merge_labels, pair_labels

SIZE = (8, 10)


def annotation(number, image_id, category, box, **more):
    top, left, bottom, right = box
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "segmentation": encode_mask(mask),
        "area": int(mask.sum()),
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        **more,
    }


def coco_of(path, names, annotations, categories=("a", "b"), first=1):
    images = [
        {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
        for number, name in enumerate(names, first)
    ]
    kinds = [{"id": number, "name": name} for number, name in enumerate(categories, 1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": kinds}))
    return path


def test_pairs_take_the_nearest_object_of_image_and_class(tmp_path):
    truth = coco_of(
        tmp_path / "truth.json",
        ["x.jpg", "y.jpg"],
        [
            annotation(1, 1, 1, (0, 0, 2, 2)),
            annotation(2, 1, 1, (4, 4, 8, 8)),
            annotation(3, 2, 2, (0, 0, 4, 4)),
        ],
    )
    rough = [
        annotation(1, 7, 2, (1, 1, 3, 3), point=[1.0, 2.0], score=0.5),  # y.jpg
        annotation(2, 8, 1, (5, 5, 7, 7), point=[6.0, 5.0], score=0.5),
        annotation(3, 8, 1, (3, 3, 6, 6), point=[5.0, 6.0], score=0.5),
        annotation(4, 8, 2, (5, 5, 7, 7), point=[6.0, 6.0], score=0.5),  # no such class there
    ]
    rough = coco_of(tmp_path / "rough.json", ["y.jpg", "x.jpg"], rough, first=7)
    assert pair_labels([rough, rough], truth, tmp_path / "pairs.json") == 6
    pairs = read_coco(tmp_path / "pairs.json")
    assert [(pair["image_id"], pair["category_id"]) for pair in pairs["annotations"][:3]] == [
        (2, 2),
        (1, 1),
        (1, 1),
    ]
    assert [pair["id"] for pair in pairs["annotations"]] == [1, 2, 3, 4, 5, 6]
    second = pairs["annotations"][1]
    assert decode_mask(second["segmentation"], *SIZE)[4:8, 4:8].all()
    assert decode_mask(second["rough"], *SIZE).sum() == 4


def test_labels_without_points_and_strange_images_are_refused(tmp_path):
    truth = coco_of(tmp_path / "truth.json", ["x.jpg"], [annotation(1, 1, 1, (0, 0, 2, 2))])
    without = coco_of(tmp_path / "a.json", ["x.jpg"], [annotation(1, 1, 1, (0, 0, 2, 2))])
    with pytest.raises(DataError, match="label 1 of x.jpg has no 'point'"):
        pair_labels([without], truth, tmp_path / "pairs.json")
    strange = coco_of(tmp_path / "b.json", ["z.jpg"], [])
    with pytest.raises(DataError, match="z.jpg is not an image of"):
        pair_labels([strange], truth, tmp_path / "pairs.json")
    nothing = coco_of(tmp_path / "c.json", ["x.jpg"], [])
    with pytest.raises(DataError, match="no rough mask has a true instance"):
        pair_labels([nothing], truth, tmp_path / "pairs.json")
    assert not (tmp_path / "pairs.json").exists()


def test_merged_json_has_all_images_and_new_numbers(tmp_path):
    strong = coco_of(tmp_path / "s.json", ["x.jpg"], [annotation(5, 1, 1, (0, 0, 2, 2))])
    labels = [annotation(5, 2, 2, (4, 4, 8, 8), score=0.5, point=[5.0, 5.0])]
    weak = coco_of(tmp_path / "w.json", ["y.jpg", "z.jpg"], labels)
    assert merge_labels(strong, weak, tmp_path / "sw.json") == (1, 1)
    merged = read_coco(tmp_path / "sw.json")
    assert [(i["id"], i["file_name"]) for i in merged["images"]] == [
        (1, "x.jpg"),
        (2, "y.jpg"),
        (3, "z.jpg"),
    ]
    found = [(a["id"], a["image_id"], a["category_id"]) for a in merged["annotations"]]
    assert found == [(1, 1, 1), (2, 3, 2)]
    assert merged["annotations"][1]["point"] == [5.0, 5.0]
    assert [image["supervision"] for image in merged["images"]] == ["masks", "clicks", "clicks"]


def test_detections_without_clicks_are_not_counted_as_clicks(tmp_path):
    strong = coco_of(tmp_path / "s.json", ["x.jpg"], [annotation(5, 1, 1, (0, 0, 2, 2))])
    weak = coco_of(tmp_path / "w.json", ["y.jpg"], [annotation(5, 1, 2, (4, 4, 8, 8), score=0.5)])
    merge_labels(strong, weak, tmp_path / "sw.json", LabelKind.NONE)
    images = read_coco(tmp_path / "sw.json")["images"]
    assert [image["supervision"] for image in images] == ["masks", "none"]


def test_an_image_in_both_and_other_categories_are_refused(tmp_path):
    strong = coco_of(tmp_path / "s.json", ["x.jpg"], [])
    with pytest.raises(DataError, match="1 images of .*s.json, too, the first being x.jpg"):
        merge_labels(strong, coco_of(tmp_path / "w.json", ["x.jpg"], []), tmp_path / "sw.json")
    other = coco_of(tmp_path / "o.json", ["y.jpg"], [], categories=("b", "a"))
    with pytest.raises(DataError, match="categories"):
        merge_labels(strong, other, tmp_path / "sw.json")
