"""COCO json: masks, reading and writing, and what is refused."""

import json

import numpy as np
import pytest
from detectron2.data.datasets import load_coco_json
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bestie.formats import (
    DataError,
    check_coco_dict,
    decode_mask,
    encode_mask,
    read_coco,
    write_coco,
    write_coco_stream,
)


def coco_of(mask):
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    top, left = int(rows.min()), int(columns.min())
    box = [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]
    return {
        "images": [{"id": 4, "file_name": "x.jpg", "height": height, "width": width}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 4,
                "category_id": 1,
                "bbox": box,
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": encode_mask(mask),
            }
        ],
    }


@pytest.fixture
def coco():
    return coco_of(np.array([[0, 1, 1], [0, 1, 0]], bool))


@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_mask_round_trip(mask):
    rle = json.loads(json.dumps(encode_mask(mask)))
    np.testing.assert_array_equal(decode_mask(rle, *mask.shape), mask)


def test_polygons_and_uncompressed_rle_decode():
    square = np.zeros((4, 4), bool)
    square[1:3, 1:3] = True
    np.testing.assert_array_equal(decode_mask([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4), square)
    np.testing.assert_array_equal(
        decode_mask([[0, 0, 4, 4], [1, 1, 3, 1, 3, 3, 1, 3]], 4, 4), square, err_msg="no box"
    )
    counts = {"size": [4, 4], "counts": [5, 2, 2, 2, 5]}
    np.testing.assert_array_equal(decode_mask(counts, 4, 4), square)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_written_json_loads_in_detectron2(tmp_path, coco):
    write_coco(tmp_path / "x.json", coco)
    assert read_coco(tmp_path / "x.json") == coco
    (record,) = load_coco_json(str(tmp_path / "x.json"), "images")
    np.testing.assert_array_equal(
        decode_mask(record["annotations"][0]["segmentation"], 2, 3), [[0, 1, 1], [0, 1, 0]]
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("images",), [], "'images' is empty"),
        (("categories",), None, "'categories' is not a list"),
        (("images", 0, "height"), None, "image 4 has no 'height'"),
        (("annotations", 0, "image_id"), 5, "image_id 5 is not in 'images'"),
        (("annotations", 0, "category_id"), 2, "category_id 2 is not in 'categories'"),
        (("annotations", 0, "bbox"), [1, 2], "bbox"),
        (("annotations", 0, "bbox"), [0, 0, 2, 2], "its mask has area 3, bbox"),
        (("annotations", 0, "area"), 4, "area 4"),
        (("annotations", 0, "area"), None, "annotation 1 has no 'area'"),
        (("annotations", 0, "area"), -1, "area -1 is not a number of pixels"),
        (("annotations", 0, "iscrowd"), None, "annotation 1 has no 'iscrowd'"),
        (("annotations", 0, "segmentation"), [[0, 0, 1, 1]], "at least 3 points"),
        (("annotations", 0, "segmentation", "size"), [3, 2], "size"),
        (("annotations", 0, "ignore"), 1, "'ignore'"),
        (("annotations", 0, "score"), float("nan"), "score nan is not a finite number"),
    ],
)
def test_nothing_is_written_that_others_would_reject(tmp_path, coco, path, value, message):
    node = coco
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(DataError, match=message):
        write_coco(tmp_path / "x.json", coco)
    assert list(tmp_path.iterdir()) == []


def streamed(coco):
    """Arguments of write_coco_stream: head, images, annotations of each image."""
    head = {"info": {}, "licenses": [], "categories": coco["categories"]}
    of_images = [
        [entry for entry in coco["annotations"] if entry["image_id"] == image["id"]]
        for image in coco["images"]
    ]
    return head, coco["images"], of_images


def test_streamed_json_has_the_same_bytes(tmp_path, coco):
    without_annotations = coco["images"][0] | {"id": 3, "file_name": "y.jpg"}
    coco["images"].insert(0, without_annotations)
    second = coco["annotations"][0] | {"id": 2}
    coco["annotations"].append(second)
    head, images, of_images = streamed(coco)
    write_coco_stream(tmp_path / "a.json", head, images, iter(of_images))
    whole = head | {"images": images, "annotations": coco["annotations"]}
    write_coco(tmp_path / "b.json", whole)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("area", 4, "annotation 1: area 4"),
        ("category_id", 2, "category_id 2 is not in 'categories'"),
        ("bbox", None, "annotation 1 has no 'bbox'"),
    ],
)
def test_nothing_is_streamed_that_others_would_reject(tmp_path, coco, key, value, message):
    (tmp_path / "x.json").write_text("kept")
    coco["annotations"][0][key] = value
    with pytest.raises(DataError, match=message):
        write_coco_stream(tmp_path / "x.json", *streamed(coco))
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert (tmp_path / "x.json").read_text() == "kept"


def test_repeated_ids_and_names_are_found(coco):
    for key in ("images", "categories", "annotations"):
        coco[key] = coco[key] * 2
    kinds = {message.rsplit(" occurs", 1)[0].rsplit(" ", 1)[0] for message in check_coco_dict(coco)}
    named = {"image file_name", "category name"}
    assert kinds == {"image id", "category id", "annotation id"} | named


def test_broken_json_names_the_line(tmp_path):
    (tmp_path / "x.json").write_text('{"images": [],\n "annotations": [}\n')
    with pytest.raises(DataError, match="x.json, line 2: is not well-formed json"):
        read_coco(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(DataError, match="is a json list"):
        read_coco(tmp_path / "x.json")
