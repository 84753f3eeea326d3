"""The files of one image: photograph, map, points, masks; each oddity once, at its place."""

import pickle

import numpy as np
import pytest
from PIL import Image

from bestie.data.checks.images import ImageChecker, ImageFindings, Problem, size_mismatch
from bestie.data.file_findings import FileFindings
from bestie.formats import DataError, write_semantic_map
from tests.data.conftest import CLASSES, HEIGHT, WIDTH

MAP, CLICKS, CUES = "WSSS_maps", "Center_points", "Peak_points"


@pytest.fixture
def check(root):
    """Findings of the image "a" of the tiny root: a disc (class 0) and a square (class 1)."""

    def check(image_id="a", **settings):
        values = {
            "root": str(root),
            "class_names": CLASSES,
            "decode": True,
            "folders": {"maps": MAP, "clicks": CLICKS},
            "tags": {"a": [0, 1]},
            "masks": "required",
            "json_file": "truth.json",
            "listed": {},
            "score_thresh": 0.7,
            "files": FileFindings(),
        }
        return ImageChecker(**values | settings)(image_id)

    return check


def said(root, findings):
    """Severity, place and message of each problem."""
    return [
        (p.severity, p.file.removeprefix(f"{root}/"), p.line, p.message) for p in findings.problems
    ]


def write_clicks(root, *lines, folder=CLICKS):
    (root / folder / "a.txt").write_text("".join(f"{line}\n" for line in lines))


def test_a_sound_image_gives_its_counts(check):
    found = check()
    assert found.problems == []
    assert found.map_pixels.shape == (256,)
    assert found.map_pixels[:4].tolist() == [HEIGHT * WIDTH - 100 - 144, 100, 144, 0]
    assert found.points_per_class[CLICKS].tolist() == [1, 1, 0]
    assert found.trusted_points == {CLICKS: 2}
    assert found.objects_per_class.tolist() == [1, 1, 0]


# ---- the photograph


def test_a_photograph_that_is_missing_or_of_another_size_than_the_json_says(root, check):
    assert said(root, check("none"))[0][1:3] == ("JPEGImages/none", None)
    listed = {"a": (HEIGHT, WIDTH + 1)}
    ((severity, file, _, message),) = said(root, check(listed=listed))
    assert (severity, file) == ("error", "truth.json")
    assert message == (
        "its image 'a' is of 40 x 57 pixels (height x width), the image itself of 40 x 56"
    )


def test_a_missing_folder_of_photographs_is_not_repeated_for_every_image(root, check):
    (root / "JPEGImages").rename(root / "away")
    assert said(root, check()) == []


@pytest.mark.parametrize("decode", [True, False])
def test_only_decoding_finds_a_truncated_photograph(root, check, decode):
    path = root / "JPEGImages/a.png"
    path.write_bytes(path.read_bytes()[:-300])
    found = said(root, check(decode=decode))
    assert [message[:17] for *_, message in found] == ["cannot be decoded"] * decode


def test_a_second_file_of_the_same_id_is_not_used(root, check):
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "JPEGImages/a.jpg")
    assert said(root, check()) == [
        ("warning", "JPEGImages/a.png", None, "is not used: a.jpg is the image of this id")
    ]


@pytest.mark.parametrize(("side", "warned"), [(15, True), (16, False)])
def test_tiny_photographs_are_warned_of(root, check, side, warned):
    Image.new("RGB", (side, 40)).save(root / "JPEGImages/b.png")
    found = said(root, check("b", folders={}, masks=""))
    assert [severity for severity, *_ in found] == ["warning"] * warned
    assert all("is of 40 x 15 pixels (height x width)" in message for *_, message in found)


# ---- the map


def write_map(root, *rows):
    """Rows of pixels fill the map from the top, the rest is background."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, value in enumerate(rows):
        values[number] = value
    write_semantic_map(root / MAP / "a.png", values)


def test_map_values_that_are_no_class(root, check):
    write_map(root, 1, 2, 4, 9, 255)
    ((severity, file, _, message),) = said(root, check())
    assert (severity, file) == ("error", f"{MAP}/a.png")
    assert (
        message == "has the values [4, 9]; accepted: 0 (background), 1..3 (class + 1), 255 (ignore)"
    )


def test_maps_and_tags_that_disagree(root, check):
    write_map(root, 3, 2, 255)
    assert [(severity, message) for severity, _, _, message in said(root, check())] == [
        ("warning", "no pixel has the tag class 0 (disc)"),
        ("warning", "has pixels of class 2 (cross), no tag of the image"),
    ]
    assert check(tags=None).problems == [] == check(tags={"b": [0]}).problems


def test_a_map_of_another_size(root, check):
    write_semantic_map(root / MAP / "a.png", np.ones((HEIGHT, WIDTH - 1), np.uint8))
    ((_, _, _, message),) = said(root, check(tags=None))
    assert message == "is of 40 x 55 pixels (height x width), its image of 40 x 56"


# ---- points


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        *(("0 0", True), ("55.9 39.9", True), ("56 10", False), ("10 40", False)),
        *(("-0.1 10", False), ("10 -0.1", False)),
    ],
)
def test_points_lie_on_pixels_of_the_image(root, check, point, inside):
    """Pixel i covers i to i + 1."""
    write_clicks(root, f"{point} 0 1", "30 30 1 1")
    found = said(root, check())
    assert [line for _, _, line, _ in found] == [] if inside else [1]
    assert all("lies outside the image of 56 x 40 (width x height)" in found[0][3] for _ in found)


def test_points_on_one_pixel_of_one_class_are_the_same(root, check):
    write_clicks(root, "9 9 0 1", "9.9 9.1 0 1", "9 9 1 1", "10 9 0 1")
    assert said(root, check()) == [("warning", f"{CLICKS}/a.txt", 2, "is the same point as line 1")]


def test_classes_and_confidences_of_clicks(root, check):
    write_clicks(root, "1 1 3 1", "2 2 2 1", "3 3 0 0.5")
    assert said(root, check()) == [
        ("error", f"{CLICKS}/a.txt", 1, "class 3; 0..2 are accepted"),
        ("warning", f"{CLICKS}/a.txt", 2, "class 2 (cross) is not a tag of the image"),
        ("warning", f"{CLICKS}/a.txt", 3, "confidence 0.5; clicks have 1.0"),
        ("warning", f"{CLICKS}/a.txt", None, "no click has the tag class 1 (square)"),
    ]
    assert check().points_per_class[CLICKS].tolist() == [1, 0, 1]


def test_cues_may_be_unsure_and_need_not_find_every_tag(root, check):
    write_clicks(root, "3 3 0 0.7", "4 4 0 0.71", folder=CUES)
    found = check(folders={"peak_points": CUES})
    assert found.problems == []
    assert found.trusted_points == {CUES: 1}  # above the threshold, not at it


def test_lines_that_cannot_be_read_hide_no_other_mistake_and_no_tag_is_missed(root, check):
    write_clicks(root, "1 2 0", "99 9 0 1")
    assert [(line, message[:14]) for _, _, line, message in said(root, check())] == [
        (1, "'1 2 0': 3 fie"),
        (2, "x 99, y 9 lies"),
    ]


# ---- masks


def test_masks_are_needed_or_looked_at_or_not(root, check):
    (root / "SegmentationClass/a.png").unlink()
    ((severity, file, _, message),) = said(root, check())
    assert (severity, file) == ("error", "SegmentationClass/a.png") and "not exist" in message
    assert check(masks="optional").problems == [] == check(masks="").problems
    assert np.sum(check(masks="").objects_per_class) == 0


def test_masks_of_unknown_classes_and_another_size(root, check):
    values = np.zeros((HEIGHT, WIDTH - 1), np.uint8)
    values[:2] = 7
    for folder in ("SegmentationObject", "SegmentationClass"):
        write_semantic_map(root / folder / "a.png", values)
    found = check(masks="optional")
    assert [(file, message) for _, file, _, message in said(root, found)] == [
        (
            "SegmentationObject/a.png",
            "is of 40 x 55 pixels (height x width), its image of 40 x 56",
        ),
        ("SegmentationClass/a.png", "has the values [7]; accepted: 0..3, 255"),
    ]
    assert found.objects_per_class.tolist() == [0, 0, 0]


def test_without_class_names_classes_are_not_checked(root, check):
    write_map(root, 9)
    write_clicks(root, "1 1 5 1")
    assert check(class_names=[], tags=None).problems == []


# ---- problems


def test_a_problem_is_one_line_with_its_place():
    assert str(Problem("error", "a.txt", 3, "is odd")) == "error: a.txt, line 3: is odd"
    assert str(Problem("warning", "a.txt", None, "is odd")) == "warning: a.txt: is odd"
    error = pickle.loads(pickle.dumps(DataError("is odd", "a.txt", 3)))
    assert Problem.from_error(error) == Problem("error", "a.txt", 3, "is odd")
    assert Problem.from_error(DataError("is odd")).file == ""


def test_only_mistakes_in_the_data_become_problems():
    def fail(error):
        raise error

    found = ImageFindings()
    assert found.attempt(abs, -2) == 2
    assert found.attempt(fail, DataError("is odd", "a.txt")) is None
    assert found.problems == [Problem("error", "a.txt", None, "is odd")]
    with pytest.raises(ValueError, match="a bug"):
        found.attempt(fail, ValueError("a bug"))


def test_sizes_are_height_x_width():
    assert size_mismatch((4, 5), "its image", (6, 7)) == (
        "is of 4 x 5 pixels (height x width), its image of 6 x 7"
    )
