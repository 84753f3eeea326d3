"""COCO as labels: ids, categories, and the one meaning of a click."""

from pathlib import Path

import pytest

from bestie.formats.labels.base import Labels, ReadOptions
from bestie.formats.labels.coco import parse_coco, points_of

POINT = {"point": [3, 4]}
SKELETON = {"keypoints": [2, 4, 2, 9, 9, 0, 6, 8, 1]}
BOX = {"bbox": [2, 4, 10, 20]}
SQUARE = {"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}


def coco(*annotations, names=("cat", "dog"), images=("s1/a.png", "c.png"), **category):
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(images, 1)],
        "categories": [{"id": i, "name": n, **category} for i, n in enumerate(names, 1)],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, **entry}
            for i, entry in enumerate(annotations, 1)
        ],
    }


def parse(content, clicks=None, masks=False, **options):
    """What was read, and the messages."""
    labels = Labels()
    found = parse_coco(
        content, Path("x.json"), labels, ReadOptions(**options), clicks=clicks, masks=masks
    )
    return found, [problem.message for problem in labels.problems]


# ---- the whole file


@pytest.mark.parametrize("ids", [(1, 2), ("1", "2"), (1.0, 2.0), (" 1 ", "2")])
def test_ids_are_the_same_as_number_and_as_text(ids):
    content = coco(POINT)
    for image, key in zip(content["images"], ids, strict=True):
        image["id"] = key
    found, problems = parse(content)
    assert problems == [] and list(found.images) == [1, 2] and found.objects[0].image == 1


def test_ids_may_be_any_text():
    content = coco(POINT | {"image_id": "x", "category_id": "b"})
    content["images"][0]["id"], content["categories"][1]["id"] = "x", "b"
    found, problems = parse(content)
    assert problems == [] and (found.objects[0].image, found.objects[0].category) == ("x", "b")
    assert list(found.categories) == [1, "b"]  # numbers first


def test_categories_are_in_the_order_of_their_ids_with_clean_names():
    content = coco(names=(" cat", "dog"))
    content["categories"][0]["id"] = 7
    assert parse(content)[0].categories == {2: "dog", 7: "cat"}


def test_crowds_are_annotations_but_no_objects():
    crowds = [POINT | {"iscrowd": flag} for flag in (1, "1")]
    objects = [POINT | {"iscrowd": flag} for flag in (0, "0", None, "")]
    found, problems = parse(coco(*crowds, *objects))
    assert problems == [] and len(found.annotations) == 6
    assert [item.name for item in found.objects] == [f"annotation {i}" for i in (3, 4, 5, 6)]


REFUSED = [
    (coco(SKELETON), "has 2 visible keypoints"),
    (coco({"keypoints": [1, 2]}), "its keypoints [1, 2] are not"),
    (coco({"keypoints": [1, 2, 3]}), "the visibility 3"),
    (coco({"keypoints": {"x": 1}}), 'its keypoints {"x": 1} are not'),
    (coco({"point": 5}), "its point 5 is not"),
    (coco({"point": [True, 1]}), "its point [true, 1] is not"),
    (coco({"points": [[1, 2, 3]]}), "is not [x, y]"),
    (coco({"point": [1, 2], "keypoints": [3, 4, 2]}), "one of them is expected"),
    (coco(POINT, BOX), "annotation 2 has neither keypoints nor a point"),
    (coco({"keypoints": [0, 0, 0]}), "no annotation has a visible keypoint"),
    (coco({**POINT, "iscrowd": "no"}), 'iscrowd "no" is not 0 or 1'),
    (coco({**POINT, "image_id": True}), "image_id true is not in the file"),
    (coco({**POINT, "category_id": 3}), "category_id 3 is not in the file"),
    (coco(POINT, images=("a.png", "./a.png")), "image file_name 'a.png' occurs 2 times"),
    (coco(POINT, names=(None, "dog")), "class name null is not text"),
    (coco(POINT, names=(5, "dog")), "class name 5 is not text"),
    (coco(POINT, names=("", "dog")), "class name is empty"),
    (coco(POINT, names=("a\nb", "dog")), "a line break"),
    (coco(POINT, names=("cat", "Cat")), "differ in blanks or case only"),
    (coco(POINT, names=("cat", "cat")), "categories 'cat' and 'cat' have the same name"),
    (coco(POINT, names=("c", "c")), "categories 'c' and 'c' have the same name"),
    (coco(POINT, images=("c.png", "c.png")), "file_name 'c.png' occurs 2 times"),
    (coco(POINT, images=("s1/a.png", "s1\\a.png")), "occurs 2 times"),
    (coco(POINT, images=(None, "c.png")), "file_name null is not a file name"),
    (coco(POINT, images=("a\0.png", "c.png")), "is not a file name"),
    (coco(POINT) | {"images": 5}, "images missing, empty or no list of objects"),
    (coco(POINT) | {"annotations": {"1": POINT}}, "annotations missing, empty or no list"),
    (coco(POINT) | {"images": [{"file_name": "a.png"}]}, "image number 1: id null is not an id"),
    (
        coco(POINT) | {"images": [{"id": i, "file_name": f"{i}"} for i in (1, "1")]},
        "image id 1 occ",
    ),
    ([POINT], "is a json list; an object is expected"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_coco_that_is_refused(content, message):
    problems = parse(content)[1]
    assert any(message in problem for problem in problems), problems


def test_all_mistakes_of_a_kind_are_reported():
    content = coco({"image_id": 9}, POINT, {"category_id": 9}, {"image_id": None})
    assert parse(content)[1] == [
        "annotation 1: image_id 9 is not in the file",
        "annotation 3: category_id 9 is not in the file",
        "annotation 4: image_id null is not in the file",
    ]


# ---- clicks


@pytest.mark.parametrize(
    ("annotation", "options", "click"),
    [
        ({"keypoints": [3.5, 4, 1]}, {}, (3.5, 4)),
        ({"keypoints": ["3.5", "4", "2"]}, {}, (3.5, 4)),
        ({"points": [3.5, 4]}, {}, (3.5, 4)),
        ({"points": [[3.5, 4]], **BOX}, {}, (3.5, 4)),
        ({"keypoints": [], "point": [3.5, 4]}, {}, (3.5, 4)),
        (SKELETON, {"keypoints": "first"}, (2, 4)),
        (SKELETON, {"keypoints": "mean"}, (4, 6)),
        (SKELETON, {"keypoints": "tail"}, (6, 8)),
        (SKELETON, {"keypoints": "ear"}, None),  # it has that keypoint, but nobody sees it
        ({"keypoints": [2, 4, 2, 0, 0, 0, 0, 0, 0]}, {"keypoints": "nose"}, (2, 4)),
        ({"keypoints": [2, 4, 2, 0, 0, 0, 0, 0, 0]}, {"keypoints": "tail"}, None),
        ({"points": [[2, 4], [4, 8]]}, {"keypoints": "mean"}, (3, 6)),
    ],
)
def test_the_click_of_an_object(annotation, options, click):
    content = coco(annotation, POINT, keypoints=["nose", "ear", "tail"])
    found, problems = parse(content, **options)
    assert problems == [] and found.objects[0].click == click
    assert not found.objects[0].is_box and found.unseen == (click is None)


def test_a_box_is_a_click_only_if_the_user_says_so():
    found, problems = parse(coco(BOX))
    assert problems == [] and not found.clicked and found.objects[0].click is None
    found, _ = parse(coco(BOX, POINT), boxes_as_clicks=True)
    assert [(item.click, item.is_box) for item in found.objects] == [
        ((7, 14), True),
        ((3, 4), False),
    ]
    for box in ([1, 2, 3], [1, 2, -3, 4], None):
        (problem,) = parse(coco({"bbox": box}), boxes_as_clicks=True)[1]
        assert problem.endswith("is not [x, y, width, height] of numbers")


@pytest.mark.parametrize(
    ("choice", "names"), [("tail", ["nose"]), ("x", ["a", "b", "c"]), ("a", ["a", "a", "b"])]
)
def test_a_keypoint_that_its_category_does_not_have(choice, names):
    (problem,) = parse(coco(SKELETON, keypoints=names), keypoints=choice)[1]
    assert (
        f"--keypoints {choice} is not a keypoint of its category; accepted: first, mean" in problem
    )


def test_clicks_are_read_if_any_object_has_one_unless_said_otherwise():
    assert not parse(coco(BOX))[0].clicked and parse(coco(POINT))[0].clicked
    assert parse(coco(POINT), clicks=False)[0].objects[0].click is None
    assert "neither keypoints nor a point" in parse(coco(BOX), clicks=True)[1][0]


def test_objects_with_a_mask_need_no_click_where_masks_are_read():
    content = coco(SQUARE, SQUARE | POINT)
    assert "annotation 1 has neither" in parse(content)[1][0]
    found, problems = parse(content, masks=True)
    assert problems == [] and [item.click for item in found.objects] == [None, (3, 4)]
    assert found.unseen == 0


def test_points_of_an_annotation():
    assert points_of({"segmentation": []}) is None and points_of({"keypoints": []}) is None
    assert points_of(SKELETON) == [(2, 4), None, (6, 8)]
    assert "one of them is expected" in points_of(SKELETON | POINT)
