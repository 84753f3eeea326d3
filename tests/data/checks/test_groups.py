"""Groups of images: a known group is not looked at again, and whatever changes is noticed."""

import json
import shutil

import pytest
from PIL import Image

from bestie.data import file_findings, inspect_dataset
from bestie.data.checks import groups
from bestie.data.checks.dataset import inspect_coco
from bestie.data.checks.images import ImageChecker
from bestie.formats import file_memory, write_coco
from tests.data.conftest import ground_truth, write_image

NEEDS = {"images", "tags", "maps", "clicks", "peak_points"}


@pytest.fixture
def old_root(root, tmp_path, monkeypatch):
    """The tiny root as if it had been written long ago, in groups of two images."""
    monkeypatch.setenv("BESTIE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_memory, "SETTLE_SECONDS", -60.0)
    monkeypatch.setattr(groups, "CHUNK", 2)
    return root


def inspect(root, *, needs=NEEDS, **settings):
    report = inspect_dataset(root, "train", needs=needs, **settings)
    return json.dumps([report.as_dict(), list(map(str, report.problems))])


def change_image(root):
    write_image(root, "a", [(1, 3, 3, 20)])


def shrink_map(root):
    Image.new("L", (20, 20)).save(root / "WSSS_maps/a.png")


def change_point(root):
    (root / "Peak_points/a.txt").write_text("9 10 1 1.0\n")


def remove_map(root):
    (root / "WSSS_maps/a.png").unlink()


def remove_image(root):
    (root / "JPEGImages/a.png").unlink()


def change_tags(root):
    path = root / "image_labels.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["a cross", *(line for line in lines if line.split()[0] != "a")]))


def change_listed_size(root):
    content = ground_truth()
    content["images"][3]["height"] += 1  # of the image without objects
    write_coco(root / "annotations/instances_train.json", content)


def add_image_of_another_suffix(root):
    Image.open(root / "JPEGImages/a.png").save(root / "JPEGImages/a.jpg")


def add_class(root):
    with open(root / "classes.txt", "a") as file:
        file.write("star\n")


def shuffle_split(root):
    path = root / "ImageSets/Segmentation/train.txt"
    path.write_text("".join(sorted(path.read_text().splitlines(keepends=True), reverse=True)))


@pytest.mark.parametrize(
    "change",
    [
        change_image,
        shrink_map,
        change_point,
        remove_map,
        remove_image,
        change_tags,
        change_listed_size,
        add_image_of_another_suffix,
        add_class,
        shuffle_split,
    ],
)
def test_what_is_found_after_a_change_is_what_a_first_check_finds(old_root, change, tmp_path):
    before = inspect(old_root)
    assert inspect(old_root) == before
    change(old_root)
    after = inspect(old_root)
    shutil.rmtree(tmp_path / "cache")
    assert after == inspect(old_root) == inspect(old_root)
    if change is not shuffle_split:
        assert after != before


def test_masks_that_appear_are_looked_at(old_root, tmp_path):
    folder, away = old_root / "SegmentationObject", tmp_path / "away"
    folder.rename(away)
    needs = NEEDS | {"ground_truth"}
    assert json.loads(inspect(old_root, needs=needs))[1] == []
    shutil.copytree(away, folder)
    Image.new("L", (20, 20), 1).save(folder / "a.png")
    (problem,) = json.loads(inspect(old_root, needs=needs))[1]
    assert "SegmentationObject/a.png" in problem


def test_other_needs_folders_and_thresholds_are_other_checks(old_root):
    shutil.copytree(old_root / "Peak_points", old_root / "others")
    (old_root / "others/a.txt").write_text("9 10 0 0.4\n")
    of_needs = json.loads(inspect(old_root, needs={"images"}))[0]
    assert of_needs["points_per_class"] == {}
    for threshold, ends in ((0.0, "others"), (0.5, "others")):
        settings = {"points_dir": "others", "score_thresh": threshold}
        report = json.loads(inspect(old_root, needs={"images", "peak_points"}, **settings))[0]
        assert report["points_per_class"][ends] == {"disc": 1, "square": 1, "cross": 2}
    for folder, number in (("Peak_points", 2), ("others", 1)):
        report = json.loads(inspect(old_root, needs={"peak_points"}, points_dir=folder))[0]
        assert report["points_per_class"][folder]["square"] == number


def test_only_the_group_with_a_change_is_looked_at(old_root, monkeypatch):
    inspect(old_root)
    looked_at = []
    check = ImageChecker.__call__
    monkeypatch.setattr(
        ImageChecker, "__call__", lambda self, i: looked_at.append(i) or check(self, i)
    )
    inspect(old_root)
    assert looked_at == []
    (old_root / "Peak_points/d.txt").write_text("1 1 0 1.0\n")  # class 0 is no tag: a warning
    for expected in (["c", "d"], []):
        looked_at.clear()
        assert "class 0 (disc) is not a tag" in inspect(old_root)
        assert sorted(looked_at) == expected
    (old_root / "Peak_points/d.txt").write_text("1 1 9 1.0\n")  # an error
    for _ in range(2):
        looked_at.clear()
        assert "class 9" in inspect(old_root)
        assert sorted(looked_at) == ["c", "d"]


def test_groups_of_a_json_are_known_until_a_file_or_a_size_changes(old_root, monkeypatch):
    json_file, folder = old_root / "annotations/instances_train.json", old_root / "JPEGImages"
    assert not inspect_coco(json_file, folder).problems
    assert not inspect_coco(json_file, folder).problems
    (old_root / "JPEGImages/b.png").write_bytes(b"")
    (problem,) = inspect_coco(json_file, folder).problems
    assert problem.file == str(old_root / "JPEGImages/b.png")
    write_image(old_root, "b", [])
    assert not inspect_coco(json_file, folder).problems
    change_listed_size(old_root)
    (problem,) = inspect_coco(json_file, folder).problems
    assert problem.file == str(old_root / "JPEGImages/d.png")


def test_other_code_of_the_checks_asks_again(old_root, monkeypatch):
    inspect(old_root)
    monkeypatch.setattr(file_findings, "_checker", lambda: "another version")
    looked_at = []
    check = ImageChecker.__call__
    monkeypatch.setattr(
        ImageChecker, "__call__", lambda self, i: looked_at.append(i) or check(self, i)
    )
    inspect(old_root)
    assert sorted(looked_at) == ["a", "b", "c", "d"]


def test_the_log_counts_each_image_once(old_root, caplog, monkeypatch):
    monkeypatch.setattr(groups, "CHUNK", 1)
    monkeypatch.setattr(ImageChecker, "is_known", lambda self, image_id: False)  # all in threads
    caplog.set_level("INFO")
    for _ in range(3):
        inspect(old_root)
    lines = [r.message for r in caplog.records if r.message.startswith("Read ")]
    assert all(": 4 images with all of their files" in line for line in lines[1:])


def test_messages_have_the_names_of_now(old_root):
    (old_root / "Peak_points/d.txt").write_text("1 1 0 1.0\n")
    inspect(old_root)
    classes = old_root / "classes.txt"
    classes.write_text(classes.read_text().replace("disc", "plate"))
    text = old_root / "image_labels.txt"
    text.write_text(text.read_text().replace("disc", "plate"))
    (old_root / "annotations/instances_train.json").unlink()
    assert "class 0 (plate) is not a tag" in inspect(old_root)
