"""Arguments that several commands have: those of commands that run in several processes."""

import argparse

import pytest
from detectron2.config import CfgNode

from bestie.cli import extract_points, make_semantic_maps
from bestie.cli.arguments import (
    add_model,
    classifier_parser,
    named_dataset,
    process_parser,
    resolve_run,
)
from tests.evaluation.tiny_data import write_root
from tests.methods.pam.tiny_classifier import write_classifier

TOOLS = {"extract_points": extract_points, "make_semantic_maps": make_semantic_maps}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_arguments_are_those_of_detectron2_and_some_more(tool):
    args = tool.parse_arguments(["--num-processes", "2", "--overwrite", "MODEL.DEVICE", "cpu"])
    assert args.num_gpus == 2 and args.num_machines == 1 and args.dist_url == "auto"
    assert args.overwrite and args.dataset is None and args.output is None
    assert args.opts == ["MODEL.DEVICE", "cpu"]


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_a_data_set_and_weights_are_needed(tool, tmp_path):
    with pytest.raises(ValueError, match="no data set"):
        tool.work(tool.parse_arguments(["MODEL.DEVICE", "cpu"]))
    name = write_root(tmp_path / "root")
    write_classifier(tmp_path / "model", name)
    config = ["--config-file", str(tmp_path / "model/config.yaml"), "--dataset", name]
    train = ["DATASETS.TRAIN", f"('{name}',)"]
    with pytest.raises(ValueError, match="MODEL.WEIGHTS is empty"):
        tool.work(tool.parse_arguments([*config, *train]))
    with pytest.raises(ValueError, match="must be PAMClassifier"):
        other = ["MODEL.META_ARCHITECTURE", "GeneralizedRCNN"]
        tool.work(tool.parse_arguments([*config, *train, *other]))


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
@pytest.mark.parametrize(
    "value, message",
    [
        ("-1", "must be 0 .original size. or at least 32 pixels, got -1"),
        ("31", "at least 32 pixels, got 31"),
        ("0.5", "INPUT.TEST_SIZE"),
        ("large", "INPUT.TEST_SIZE"),
    ],
)
def test_a_wrong_test_size_is_refused(tool, tmp_path, value, message):
    name = write_root(tmp_path / "root")
    write_classifier(tmp_path / "model", name)
    config = ["--config-file", str(tmp_path / "model/config.yaml"), "--dataset", name]
    opts = ["DATASETS.TRAIN", f"('{name}',)", "INPUT.TEST_SIZE", value]
    with pytest.raises(ValueError, match=message):
        tool.work(tool.parse_arguments([*config, *opts]))


def test_processes_are_counted_by_either_name_and_meet_by_themselves():
    parser = process_parser("more help")
    assert parser.parse_args(["--num-processes", "3"]).num_gpus == 3
    assert parser.parse_args(["--num-gpus", "2"]).num_gpus == 2
    assert (parser.parse_args([]).num_gpus, parser.parse_args([]).dist_url) == (1, "auto")
    assert "more help" in parser.format_help()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-processes", "two"], "invalid int value: 'two'"),
        (["--dataset"], "expected one argument"),
        (["--overwrite=yes"], "ignored explicit argument 'yes'"),
    ],
)
def test_mistakes_in_the_arguments_are_named(capsys, arguments, message):
    with pytest.raises(SystemExit):
        classifier_parser("", "cues", "Peak_points").parse_args(arguments)
    assert message in capsys.readouterr().err


def test_help_names_files_and_folder():
    text = classifier_parser("", "cues", "Peak_points").format_help()
    assert "folder of the cues (default: Peak_points" in text and "cues.json and cues.png" in text


def test_the_named_data_set_comes_before_the_first_training_set():
    parser = classifier_parser("", "cues", "Peak_points")
    cfg = CfgNode({"DATASETS": {"TRAIN": ("a", "b")}})
    assert named_dataset(parser.parse_args([]), cfg) == "a"
    assert named_dataset(parser.parse_args(["--dataset", "c"]), cfg) == "c"
    with pytest.raises(ValueError, match="no data set: give --dataset or DATASETS.TRAIN"):
        named_dataset(parser.parse_args([]), CfgNode({"DATASETS": {"TRAIN": ()}}))


def test_a_run_names_the_config_and_the_weights_of_a_model(tmp_path):
    parser = argparse.ArgumentParser()
    add_model(parser)
    (tmp_path / "config.yaml").write_text("VERSION: 2\n")
    (tmp_path / "model_final.pth").touch()
    args = parser.parse_args(["--run", str(tmp_path), "SEED", "1"])
    resolve_run(args)
    assert args.config_file == str(tmp_path / "config.yaml")
    weights = ["MODEL.WEIGHTS", str(tmp_path / "model_final.pth")]
    assert args.opts == [*weights, "SEED", "1"]
    args = parser.parse_args(["--config-file", "c.yaml"])
    resolve_run(args)
    assert (args.config_file, args.opts) == ("c.yaml", [])
    with pytest.raises(SystemExit):
        parser.parse_args([])
