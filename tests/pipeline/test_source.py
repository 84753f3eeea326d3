from pathlib import Path

import pytest

from bestie.formats.supervision import LabelKind
from bestie.pipeline.check_stage import check_data
from bestie.pipeline.derived import link_root, root_with_tags_of_clicks
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from tests.pipeline.tiny_root import write_tiny_root


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def opened(root: Path, supervision: str = "tags", **fields):
    return open_source(Request(str(root), supervision, root.parent / "run", **fields), root)


def give(root: Path, folder: str, suffix: str, ids=("train_00", "train_01", "train_02")) -> None:
    (root / folder).mkdir(exist_ok=True)
    for image_id in ids:
        (root / folder / f"{image_id}{suffix}").write_text("10 12 0 1.0\n")


def test_tags_alone_leave_everything_to_the_stages(root):
    source = opened(root)
    assert source.has_tags and source.points is None and source.maps is None
    assert source.splits == {"train": "train", "val": "val"}
    assert source.truth == {"train": "json", "val": "json"} and not source.notes
    assert source.name("val") == f"folder:{root}:val"


def test_complete_folders_stand_in_for_stages_and_parts_of_them_do_not(root):
    give(root, "Peak_points", ".txt")
    give(root, "WSSS_maps", ".png", ids=("train_00",))
    source = opened(root)
    assert source.points == root / "Peak_points" and source.maps is None
    assert source.notes == [f"{root / 'WSSS_maps'} lacks 2 of 3 images: it is not used"]


def test_named_folders_come_first(root, tmp_path):
    give(root, "WSSS_maps", ".png")
    (tmp_path / "maps").mkdir()
    assert opened(root, maps=tmp_path / "maps").maps == tmp_path / "maps"


def test_clicks_are_taken_whether_or_not_they_are_complete(root):
    give(root, "Center_points", ".txt", ids=("train_00",))
    assert opened(root, "clicks").points == root / "Center_points"  # the check names what lacks


def test_without_a_validation_split_or_its_truth_nothing_is_evaluated(root):
    (root / "annotations/instances_val.json").unlink()
    assert opened(root).notes == ["the split 'val' has no ground truth: nothing is evaluated"]
    (root / "ImageSets/Segmentation/val.txt").unlink()
    source = opened(root)
    assert source.splits == {"train": "train"}
    assert source.notes == ["there is no split 'val': nothing is evaluated"]


def test_missing_roots_and_splits_are_named(root):
    with pytest.raises(ValueError, match="--data: is not a folder"):
        opened(root / "nothing")
    with pytest.raises(ValueError, match="no split 'all'; found are train, val"):
        opened(root, split="all")
    with pytest.raises(ValueError, match="--val-split: there is no split 'test'"):
        opened(root, val_split="test")


def test_the_files_of_a_component_are_listed_also_where_they_are_missing(root):
    source = opened(root)
    assert list(source.files("train images")) == ["train_00", "train_01", "train_02"]
    (root / "JPEGImages/train_01.png").unlink()
    assert source.files("train images")["train_01"] is None
    assert list(source.files("tags")) == ["image_labels.txt"]
    assert list(source.files("val truth")) == ["annotations/instances_val.json"]
    give(root, "WSSS_maps", ".png")
    assert len(opened(root).files("maps")) == 3


def test_mistakes_in_the_lists_are_left_to_the_check(root):
    (root / "ImageSets/Segmentation/train.txt").write_text("train_00\ntrain_00\n")
    assert opened(root).ids["train"] == ["train_00"]


def test_tags_follow_from_clicks(root, tmp_path):
    (root / "image_labels.txt").unlink()
    give(root, "Center_points", ".txt", ids=("train_00", "train_01"))
    (root / "Center_points/train_01.txt").write_text("")
    target = tmp_path / "derived"
    for _ in range(2):
        root_with_tags_of_clicks(root, root / "Center_points", target)
        assert (target / "image_labels.txt").read_text() == "train_00 0\ntrain_01\n"
    assert opened(target, "clicks").has_tags and not (root / "image_labels.txt").exists()


def test_links_lead_to_the_root(root, tmp_path):
    link_root(root, tmp_path / "part", without=("annotations",))
    assert (tmp_path / "part/classes.txt").read_text() == "box\n"
    assert not (tmp_path / "part/annotations").exists()


def test_validation_images_without_clicks_need_no_tags(root, tmp_path):
    (root / "image_labels.txt").unlink()
    (root / "Center_points").mkdir()
    for image_id in opened(root, "clicks").ids["train"]:
        (root / f"Center_points/{image_id}.txt").write_text("32 32 0 1\n")
    root_with_tags_of_clicks(root, root / "Center_points", tmp_path / "derived")
    source = opened(tmp_path / "derived", "clicks")
    assert source.is_tagged("train") and not source.is_tagged("val")
    check_data(source, "clicks", 0.7, tmp_path / "dataset.json")  # raises nothing


MIXED = "masks+clicks"


def split_root(root: Path) -> Path:
    for split, ids in (("train_s", ["train_00"]), ("train_w", ["train_01", "train_02"])):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(ids) + "\n")
    give(root, "Center_points", ".txt", ids=("train_01", "train_02"))
    return root


def test_masks_and_clicks_are_two_splits(root):
    source = opened(split_root(root), MIXED)
    assert source.splits == {"strong": "train_s", "weak": "train_w", "val": "val"}
    assert source.supervision.count(
        {source.splits[part]: source.ids[part] for part in ("strong", "weak")}
    ) == {LabelKind.MASKS: 1, LabelKind.CLICKS: 2}
    assert source.points == root / "Center_points" and source.maps is None
    assert list(source.files("points")) == list(source.files("weak images")) == source.ids["weak"]
    assert source.name("strong") == f"folder:{root}:train_s"


def test_splits_of_other_names_are_given_by_options(root):
    split_root(root)
    source = opened(root, MIXED, strong_split="train_w", weak_split="train_s")
    assert source.splits == {"strong": "train_w", "weak": "train_s", "val": "val"}


def test_the_message_about_missing_splits_names_the_command_that_makes_them(root):
    with pytest.raises(
        ValueError, match="no split 'train_s' and no split 'train_w'; found"
    ) as error:
        opened(root, MIXED)
    assert f"bestie split --root {root} --split train --percent 10" in str(error.value)
    split_root(root)
    with pytest.raises(ValueError, match="no split 'few'; found"):
        opened(root, MIXED, strong_split="few")


def test_a_split_that_is_to_be_divided_but_does_not_exist_is_named_once(root):
    with pytest.raises(ValueError, match="--split: there is no split 'all'; found are train, val"):
        opened(root, MIXED, split="all", strong_split="all", weak_split="all")


def test_masks_of_some_weak_images_measure_nothing(root):
    split_root(root)
    give(root, "SegmentationObject", ".png", ids=("train_01",))
    source = opened(root, MIXED)
    assert source.truth["weak"] == ""
    assert f"{root / 'SegmentationObject'} lacks 1 of 2 images: it is not used" in source.notes


def test_what_does_not_go_with_masks_and_clicks(root):
    for fields, message in (
        ({"cues": root}, "--cues and --maps have no effect"),
        (
            {"variants": {"student": "yolo"}},
            "student has no variant 'yolo' in the preset quick; it",
        ),
        (
            {"variants": {"best": "solo"}},
            "no training is named best, but teacher, refiner, student",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            Request(str(root), MIXED, root, **fields)
    with pytest.raises(ValueError, match="two splits, not coco:a:b; `bestie import --images"):
        Request("coco:a:b", MIXED, root)
    with pytest.raises(ValueError, match=r"--strong-split and --weak-split go with"):
        Request(str(root), "clicks", root, strong_split="a")
