"""Paths and names that mean something to shells, YAML, Python or to the names of data sets."""

import json
import os
import shutil
from pathlib import Path

import pytest

from bestie.cli import run as run_command
from bestie.data.registration import dataset_name, parse_name
from bestie.formats import DataError, atomic_write
from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.request import Request
from bestie.pipeline.source import open_source
from tests.pipeline.running import entries, run
from tests.pipeline.tiny_root import write_tiny_root

EVIL = "-b'o\"b: a,(1) [2] {3} $HOME %s #é日~?*&;|"
NAMES = ["a b", "bob's", 'say "x"', "a:b", "a,b", "(a)", "[a]", "$HOME", "%s", "é日", "-a", "#a"]


def path_values(cfg) -> tuple:
    """The values of a config that hold paths."""
    data = (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)
    return (*data, cfg.OUTPUT_DIR, cfg.INPUT.POINTS_DIR, cfg.INPUT.MAPS_DIR, cfg.MODEL.TIMM.WEIGHTS)


@pytest.mark.parametrize("name", [*NAMES, EVIL])
def test_configs_take_any_path_as_it_is(tmp_path, name):
    root = write_tiny_root(tmp_path / name / f"root {name}", train=1, val=1)
    output = tmp_path / name / f"run {name}"
    folders = {}
    for folder in ("cues", "maps"):
        folders[folder] = tmp_path / f"{folder} {name}"
        folders[folder].mkdir()
    request = Request(str(root), "tags", output, **folders)
    source = open_source(request, root)
    configs = TrainingConfigs(request, source, output)
    for training in RECIPE.for_run("quick", {}).training_names:
        cfg = configs.cfg[training]
        assert cfg.OUTPUT_DIR == str(output / training)
        assert parse_name(cfg.DATASETS.TEST[0]) == ("folder", str(root), "val")
        # As the training writes its config, and as it is read again.
        (tmp_path / "config.yaml").write_text(cfg.dump(), encoding="utf-8")
        again = cfg.clone()
        again.merge_from_file(str(tmp_path / "config.yaml"))
        assert path_values(again) == path_values(cfg)
    assert parse_name(configs.cfg["bestie"].DATASETS.TRAIN[0]) == ("folder", str(root), "train")
    assert configs.cfg["bestie"].INPUT.POINTS_DIR == str(folders["cues"])
    assert configs.cfg["bestie"].INPUT.MAPS_DIR == str(folders["maps"])
    (output / "labels").mkdir(parents=True)
    (output / "labels/labels.json").touch()
    (train,) = configs.cfg["maskrcnn"].DATASETS.TRAIN
    expected = ("coco", str(output / "labels/labels.json"), str(root / "JPEGImages"))
    assert parse_name(train) == expected


def make_root(root: Path, split: str) -> None:
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / f"ImageSets/Segmentation/{split}.txt").write_text("a\n")


def test_a_name_that_can_be_read_in_two_ways_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_root(Path("a"), "b:train")
    assert parse_name("folder:a:b:train") == ("folder", "a", "b:train")
    make_root(Path("a:b"), "train")
    with pytest.raises(ValueError, match="in 2 ways: 'a' with 'b:train'; or 'a:b' with 'train'"):
        parse_name("folder:a:b:train")
    with pytest.raises(ValueError, match="in 2 ways"):
        dataset_name("folder", "a", "b:train")
    shutil.rmtree("a")
    assert parse_name("folder:a:b:train") == ("folder", "a:b", "train")


def test_a_name_of_nothing_that_exists_is_split_at_the_last_colon(tmp_path):
    assert parse_name("folder:/no/where:else:train") == ("folder", "/no/where:else", "train")
    make_root(tmp_path / "x:y", "train")
    name = f"folder:{tmp_path}/x:y:val:2"
    assert parse_name(name) == ("folder", f"{tmp_path}/x:y", "val:2")  # the split is missing
    for name in ("folder:", "folder:a", "folder::a", "coco:a:", "other:a:b"):
        with pytest.raises(ValueError, match="is not known"):
            parse_name(name)


@pytest.mark.parametrize("path", ["a\nb", "a\tb", "a\x7fb", os.fsdecode(b"a\xff")])
@pytest.mark.parametrize("name", ["data", "output", "cues", "maps"])
def test_paths_that_logs_cannot_hold_are_refused_at_once(tmp_path, name, path):
    values = {"data": str(tmp_path), "output": tmp_path, "supervision": "tags"}
    values[name] = str(tmp_path / path) if name == "data" else tmp_path / path
    with pytest.raises(ValueError, match=f"--{name}: the path .* control character"):
        Request(**values)


def test_a_file_name_of_the_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".txt")
    with atomic_write(path) as file:
        file.write("a")
    assert path.read_text() == "a" and len(list(tmp_path.iterdir())) == 1


def write_evil_coco(folder: Path) -> tuple[str, str]:
    """The tiny root as two COCO jsons whose paths and image names are as odd as they may be."""
    root = write_tiny_root(folder / "plain")
    images = folder / EVIL / f"images:{EVIL}"
    images.mkdir(parents=True)
    names = []
    for split in ("train", "val"):
        content = json.loads((root / f"annotations/instances_{split}.json").read_text())
        for image in content["images"]:
            odd = f"{EVIL} {image['file_name']}"
            (root / "JPEGImages" / image["file_name"]).rename(images / odd)
            image["file_name"] = odd
        for entry in content["annotations"]:
            x, y, width, height = entry["bbox"]
            entry["keypoints"] = [x + width / 2, y + height / 2, 2]
        path = folder / EVIL / f"{split}:{EVIL}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        names.append(f"coco:{path}:{images}")
    return names[0], names[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_odd_paths_pass_all_stages(tmp_path):
    train, val = write_evil_coco(tmp_path)
    output = tmp_path / EVIL / f"run:{EVIL}"
    text = run(train, output, "--val", val, "--supervision", "clicks")
    assert {name: entry["status"] for name, entry in entries(output).items()} == {
        name: "skipped" if name == "cues" else "done"
        for name in RECIPE.for_run("quick", {}).stage_names
    }
    assert str(output / "report.html") in text and (output / "report.html").is_file()


def test_a_folder_that_is_named_like_coco_data_is_not_mistaken_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("coco:a:b").mkdir()
    given = ["--supervision", "tags", "--output", "run", "--dry-run", "--data"]
    with pytest.raises(ValueError, match="is also a folder; ./coco:a:b names the folder"):
        run_command.main([*given, "coco:a:b"])
    with pytest.raises(DataError, match="no split 'train'"):
        run_command.main([*given, "./coco:a:b"])
