import pytest

from bestie.cli import extract_points, make_semantic_maps
from bestie.formats import read_points, read_semantic_map
from tests.evaluation.tiny_data import HEIGHT, WIDTH, write_root
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


def test_both_tools_fill_the_root(tmp_path, capsys):
    root = tmp_path / "root"
    name = write_root(root)
    cfg = write_classifier(tmp_path / "model", name)
    given = ["--config-file", str(tmp_path / "model/config.yaml")]
    opts = ["DATASETS.TRAIN", f"('{name}',)", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS]
    tool = TOOLS["extract_points"]
    tool.work(tool.parse_arguments([*given, *opts]))
    assert "| total " in capsys.readouterr().out
    assert len(read_points(root / "Peak_points/img0.txt"))
    tool = TOOLS["make_semantic_maps"]
    tool.work(tool.parse_arguments([*given, "--overwrite", *opts]))
    assert "after refinement" in capsys.readouterr().out
    assert read_semantic_map(root / "WSSS_maps/img0.png").shape == (HEIGHT, WIDTH)
    assert (root / "WSSS_maps/supervision_ledger.json").is_file()


def test_existing_maps_are_checked_without_a_classifier(tmp_path, capsys):
    tool = TOOLS["make_semantic_maps"]
    with pytest.raises(ValueError, match="--check needs --dataset"):
        tool.work(tool.parse_arguments(["--check"]))
    tool.work(tool.parse_arguments(["--check", "--dataset", write_root(tmp_path / "root")]))
    assert "no pixel is ignored" in capsys.readouterr().out


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
