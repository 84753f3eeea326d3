"""A survey checks what is there, and what a training would need."""

import json

import pytest

from bestie.data import survey_data
from bestie.formats import DataError
from tests.data.checks.planting import JSON, remove
from tests.data.conftest import write_lines


@pytest.fixture
def two_splits(root):
    write_lines(root / "ImageSets/Segmentation/val.txt", "d")
    return root


def messages(reports):
    return [str(problem) for report in reports.values() for problem in report.problems]


def test_every_split_of_a_root_is_checked(two_splits):
    reports = survey_data(str(two_splits))
    assert list(reports) == ["train", "val"]
    assert [report.num_images for report in reports.values()] == [4, 1]
    assert reports["train"].objects_per_class.tolist() == [1, 2, 2]
    assert reports["train"].count("error") == 0


def test_only_training_splits_need_labels(two_splits):
    remove("image_labels.txt")(two_splits)
    remove("Center_points")(two_splits)
    for split, missing in (("train", 2), ("val", 0)):
        found = messages({"": survey_data(str(two_splits), supervision="clicks")[split]})
        assert sum("does not exist" in message for message in found) == missing
    found = messages(survey_data(str(two_splits), ["val"], "clicks"))
    assert sum("does not exist" in message for message in found) == 2


def test_what_some_images_have_all_need(root):
    remove("WSSS_maps/b.png")(root)
    assert any(
        "WSSS_maps/b.png: file does not" in text for text in messages(survey_data(str(root)))
    )
    remove("WSSS_maps")(root)
    assert messages(survey_data(str(root))) == []


def test_images_in_two_splits_are_warned_of_once(two_splits):
    reports = survey_data(str(two_splits))
    (warning,) = [text for text in messages(reports) if "are in the split" in text]
    assert "val.txt: 1 of its images are in the split 'train' too, 'd' the first" in warning


def test_data_sets_by_name(root):
    name = f"folder:{root}:train"
    assert list(survey_data(name)) == [name]
    name = f"coco:{root / JSON}:{root / 'JPEGImages'}"
    report = survey_data(name)[name]
    assert report.class_names == ["disc", "square", "cross"] and report.num_images == 4
    assert report.images_per_class.tolist() == [1, 2, 1]
    assert report.objects_per_class.tolist() == [1, 2, 2]
    (problem,) = survey_data(f"coco:{root / JSON}:{root}/none")[
        f"coco:{root / JSON}:{root}/none"
    ].problems
    assert problem.message == "folder does not exist"


def test_training_without_a_training_split(root):
    (root / "ImageSets/Segmentation/train.txt").rename(root / "ImageSets/Segmentation/all.txt")
    found = messages(survey_data(str(root), supervision="tags"))
    assert any("train.txt: file does not exist; splits of this root: ['all']" in t for t in found)


def test_what_cannot_be_surveyed(root, tmp_path):
    with pytest.raises(ValueError, match="names its images itself"):
        survey_data(f"folder:{root}:train", ["val"])
    with pytest.raises(ValueError, match="supervision must be one of tags, clicks"):
        survey_data(str(root), supervision="boxes")
    with pytest.raises(DataError, match="is not a folder"):
        survey_data(str(root / "none"))
    with pytest.raises(DataError, match="there is no split"):
        survey_data(str(tmp_path))


def test_report_as_json_and_table(root):
    report = survey_data(str(root))["train"]
    content = report.as_dict()
    assert content["images_per_class"] == {"disc": 1, "square": 2, "cross": 1}
    assert content["points_per_class"]["Center_points"] == {"disc": 1, "square": 2, "cross": 2}
    assert content["map_pixels"]["disc"] == 100 and content["map_pixels"]["ignore"] == 0
    assert (content["errors"], content["problems"]) == (0, [])
    header, _, disc, *_ = report.table().splitlines()
    assert header.split()[:4] == ["id", "class", "images", "Peak_points"]
    assert disc.split() == ["0", "disc", "1", "1", "1", "100", "1"]


def test_lines_are_errors_first_and_not_endless(root):
    (root / "Center_points/a.txt").write_text("9 9 2 1\n" * 5 + "99 9 0 1\n" * 4)
    lines = survey_data(str(root))["train"].problem_lines(3)
    assert [line.split(":")[0] for line in lines[:3]] == ["error"] * 3
    assert lines[3] == "... and 1 more error" and lines[-1].endswith("more warnings")


def test_a_class_in_every_image_teaches_a_classifier_nothing(root):
    (root / "image_labels.txt").write_text("".join(f"{i} 0 1 2\n" for i in "abcd"))
    for folder in ("Center_points", "Peak_points", "annotations"):
        remove(folder)(root)
    assert not any("every image" in text for text in messages(survey_data(str(root))))
    remove("WSSS_maps")(root)
    found = [text for text in messages(survey_data(str(root))) if "every image" in text]
    assert len(found) == 3 and "class 1 (square)" in found[1]


def test_a_json_without_masks_says_which_commands_need_them(root):
    content = json.loads((root / JSON).read_text())
    for entry in content["annotations"]:
        for key in ("segmentation", "area", "iscrowd"):
            entry.pop(key, None)
    (root / JSON).write_text(json.dumps(content))
    name = f"coco:{root / JSON}:{root / 'JPEGImages'}"
    (message,) = messages(survey_data(name))
    assert "has no 'area'" in message and "bestie run --data coco:... needs only" in message
    (root / JSON).write_text("{}")
    (message,) = messages(survey_data(name))
    assert "bestie run" not in message
