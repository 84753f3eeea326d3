"""YOLO's text files: by hand after Ultralytics' documentation, and as supervision writes them."""

import json

import numpy as np
import pytest

from tests.formats.labels.reading import box_mask, drawn, mistakes, read


@pytest.fixture
def write(tmp_path):
    """Files of labels beside a data.yaml, or a classes.txt if there is no yaml."""

    def write(yaml=(), names=("cat", "dog"), **files):
        for name, lines in files.items():
            path = tmp_path / "labels" / f"{name}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(lines)
        if yaml is None:
            (tmp_path / "classes.txt").write_text("\n".join(names))
        else:
            (tmp_path / "data.yaml").write_text(json.dumps({"names": list(names), **dict(yaml)}))
        return tmp_path

    return write


def test_boxes_are_tags_or_their_middles(write):
    path = write(a="1 0.5 0.25 0.2 0.1\n0 .1 .1 .2 .2\n", b="")
    assert read(path) == [("a", ("dog",), "object", None), ("a", ("cat",), "object", None)]
    assert read(path, boxes_as_clicks=True)[0] == ("a", ("dog",), "click", (0.5, 0.25))


def test_outlines_are_masks(write):
    path = write(a="1 0.25 0.1 0.75 0.1 0.75 0.5 0.25 0.5\n0 0 0 1 0 1 1\n")
    (name, mask), _ = drawn(path, 10, 20)
    assert name == "dog"
    np.testing.assert_array_equal(mask, box_mask(10, 20, 5, 1, 15, 5))


def test_keypoints_are_clicks(write):
    path = write({"kpt_shape": [1, 3]}, a="1 .5 .5 .2 .2 .4 .45 2\n0 .5 .5 .2 .2 0 0 0\n")
    assert read(path) == [("a", ("dog",), "click", (0.4, 0.45)), ("a", ("cat",), "object", None)]
    path = write({"kpt_shape": [2, 2]}, a="1 .5 .5 .2 .2 .4 .4 .6 .6\n")
    assert "has 2 points; a click is one point" in mistakes(path)[0]
    assert read(path, keypoints="mean")[0][3] == (0.5, 0.5)


def test_what_could_be_outlines_or_keypoints_or_turned_boxes_is_asked(write):
    corners = "0 .1 .1 .5 .1 .5 .5 .1 .5\n"
    path = write(a=corners)
    asked = "(--format yolo-segment) or oriented boxes (--format yolo-obb) or keypoints?"
    (mistake,) = mistakes(path)
    assert asked in mistake
    assert read(path, "yolo-segment")[0][2] == "mask"
    assert read(path, objects_as="tags")[0][1] == ("cat",)  # which are read in any case
    assert read(path, "yolo-obb", boxes_as_clicks=True) == [("a", ("cat",), "click", (0.3, 0.3))]
    (mistake,) = mistakes(write(a=f"{corners}0 .5 .5 .1 .1\n"))
    assert "each object that is no box has 8 numbers" in mistake


@pytest.mark.parametrize("yaml", [None, ()])
def test_without_kpt_shape_keypoints_cannot_be_known(write, yaml):
    path = write(yaml, a="0 .1 .1 .5 .1 .5 .5\n" * 3)
    asked = "has 6 numbers after its class: outlines (--format yolo-segment) or keypoints? Those"
    (mistake,) = mistakes(path)
    assert asked in mistake
    assert read(path, "yolo-segment")[0][2] == "mask"
    path = write(yaml, a="0 .5 .5 .2 .2 .4 .45 2\n" * 3)
    (mistake,) = mistakes(path)
    assert mistake.endswith(
        "7 numbers after its class: keypoints? Those need the data.yaml with kpt_shape"
    )


def test_kpt_shape_and_another_format_contradict_each_other(write):
    path = write({"kpt_shape": [1, 2]}, a="0 .5 .5 .2 .2 .4 .45\n")
    assert "its kpt_shape states keypoints" in mistakes(path, "yolo-segment")[0]


@pytest.mark.parametrize("file", ["labels/a.txt", "labels", ""])
@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("0 0,5 0,5 0,1 0,1", "; decimals have a point"),
        ("0 nan .5 .1 .1", ""),
        ("0 .5 .5 ? ?", ""),
    ],
)
def test_numbers_of_the_first_line_that_are_none_are_named(write, file, line, advice):
    path = write(a=f"{line}\n0 .5 .5 .1 .1\n") / file
    if "?" in line and file.endswith(".txt"):
        return  # could be a table
    (mistake,) = mistakes(path)
    assert mistake.endswith(f"a.txt, line 1: '{line}' is not a class id and numbers{advice}")


def test_a_byte_order_mark_is_no_mistake(write):
    assert len(read(write(a="\ufeff0 .5 .5 .1 .1\n"))) == 1


def test_folders_become_folders_of_the_images(write, tmp_path):
    path = write(a="0 .5 .5 .1 .1\n")
    (tmp_path / "labels" / "day1").mkdir()
    (tmp_path / "labels" / "a.txt").rename(tmp_path / "labels" / "day1" / "a.txt")
    (tmp_path / "train.txt").write_text("images/day1/a.jpg\n")
    assert read(path) == [("day1/a", ("cat",), "object", None)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 .5 .5 .1 .1", "class 2 is not in"),
        ("x .5 .5 .1 .1", "is not a class id and numbers"),
        ("-1 .5 .5 .1 .1", "is not a class id and numbers"),
        ("0 .5 .5 .1", "3 numbers after the class"),
        ("0 .5 .5 .1 x", "is not a class id and numbers"),
        ("0 320 240 10 10", "is outside [0, 1]: shares of the image"),
        ("0 .5 .5 -.1 .1", "a negative width or height"),
        ("0 .5 .5 .1 .1 .1 .1 2", "7 numbers after the class"),
    ],
)
def test_lines_that_are_refused(write, line, message):
    path = write(a=f"0 .5 .5 .1 .1\n{line}\n")
    (found,) = mistakes(path, "yolo")
    assert "a.txt, line 2" in found and message in found


def test_names_must_be_there(tmp_path):
    (tmp_path / "x" / "y" / "z").mkdir(parents=True)
    (tmp_path / "x" / "y" / "z" / "a.txt").write_text("0 .5 .5 .1 .1\n")
    assert "names of the classes are missing" in mistakes(tmp_path / "x" / "y" / "z")[0]


@pytest.mark.parametrize("folder", ["", "labels", "images/day1"])
def test_files_of_names_must_agree(write, tmp_path, folder):
    path = write(a="1 .5 .5 .1 .1\n")
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "classes.txt").write_text("dog\ncat\n")
    (found,) = mistakes(path)
    assert "classes ['" in found and "differ from" in found and "data.yaml" in found
    (tmp_path / folder / "classes.txt").write_text("cat \ndog\n\n")
    assert read(path) == [("a", ("dog",), "object", None)]
    (tmp_path / "dataset.yaml").write_text("path: elsewhere\n")  # of another tool
    assert len(read(path)) == 1
    (tmp_path / "dataset.yaml").write_text("names: [cat, dog]\nnc: 3\n")
    assert "its nc 3 is not" in mistakes(path)[0]


def test_the_number_of_names_must_be_the_stated_one(write):
    found = mistakes(write({"nc": 3}, a="1 .5 .5 .1 .1\n"))
    assert len(found) == 1 and "its nc 3 is not the number of its names, 2" in found[0]
    assert len(read(write({"nc": 2}, a="1 .5 .5 .1 .1\n"))) == 1


def test_files_of_supervision(tmp_path):
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    cv2 = pytest.importorskip("cv2")
    image, file = np.zeros((30, 40, 3), np.uint8), str(tmp_path / "a.png")
    cv2.imwrite(file, image)
    mask = box_mask(30, 40, 5, 6, 15, 12)
    mask[6:9, 5:9] = False
    detections = sv.Detections(
        xyxy=np.array([[5, 6, 15, 12.0]]), mask=mask[None], class_id=np.array([1])
    )
    dataset = sv.DetectionDataset(["cat", "dog"], images=[file], annotations={file: detections})
    dataset.as_yolo(
        annotations_directory_path=str(tmp_path / "labels"),
        data_yaml_path=str(tmp_path / "data.yaml"),
    )
    ((name, found),) = drawn(tmp_path, 30, 40, format="yolo-segment")
    # supervision's outlines pass through the middles of the outer pixels.
    assert name == "dog" and (found & mask).sum() / (found | mask).sum() > 0.6
    boxes = sv.Detections(xyxy=detections.xyxy, class_id=detections.class_id)
    dataset = sv.DetectionDataset(["cat", "dog"], images=[file], annotations={file: boxes})
    dataset.as_yolo(annotations_directory_path=str(tmp_path / "labels"))
    ((_, _, _, (x, y)),) = read(tmp_path, boxes_as_clicks=True)
    assert (x * 40, y * 30) == pytest.approx((10, 9), abs=1e-3)
