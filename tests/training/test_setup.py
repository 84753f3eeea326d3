"""Configurations: what is filled in, and what is refused before any work is done."""

import pytest

from bestie.data import points_folder
from bestie.training.setup import load_model, merge_config, read_config
from tests.evaluation.tiny_data import write_root


@pytest.fixture
def data(tmp_path):
    return write_root(tmp_path / "root")


def read(data, *overrides):
    names = ["DATASETS.TRAIN", f"('{data}',)", "DATASETS.TEST", f"('{data}',)"]
    return read_config("configs/quick/shapes_tags.yaml", [*names, *map(str, overrides)])


def test_class_numbers_and_point_folder_come_from_the_data_and_the_supervision(data):
    cfg = read(data, "INPUT.POINTS_DIR", "")
    assert cfg.MODEL.BESTIE.NUM_CLASSES == cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    assert points_folder(cfg) == "Peak_points"
    assert cfg.is_frozen()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.BESTIE.SIGMA", 0.0], "MODEL.BESTIE.SIGMA must lie in"),
        (["MODEL.BESTIE.SUPERVISION", "boxes"], "one of tags, clicks, got 'boxes'"),
        (["MODEL.BESTIE.REFINE.KERNEL", 40], "REFINE.KERNEL must be odd"),
        (["INPUT.POINT_SCORE_THRESH", 7.0], r"POINT_SCORE_THRESH must lie in \[0, 1\], got 7"),
        (["MODEL.BESTIE.REFINE.START_ITER", 99999], "refinement would never start"),
        (["MODEL.BESTIE.CLUSTER.BETA", 0.0], "CLUSTER.ENABLED False"),
        (["MODEL.BESTIE.TEST.USE_CLICKS", True], "USE_CLICKS needs MODEL.BESTIE.SUPERVISION"),
        (["MODEL.BESTIE.REFINE.GUIDE_CENTERS", True], "GUIDE_CENTERS has an effect only with"),
        (["INPUT.TEST_SIZE", -1], r"TEST_SIZE must be 0 \(original size\) or at least 32 .*got -1"),
        (["INPUT.TEST_SIZE", 31], "INPUT.TEST_SIZE must be 0"),
        (["INPUT.TEST_SIZE_KEPT", "[9, 5]"], r"the shorter one first.*got \[9, 5\]"),
        (["INPUT.TEST_SIZE_KEPT", "[50]"], "TEST_SIZE_KEPT must be two lengths"),
        (["INPUT.TEST_SIZE_KEPT", "[-1, 5]"], r"got \[-1, 5\]"),
        (["INPUT.TEST_SIZE_KEPT", "[50, 60]"], "has an effect only with INPUT.TEST_SIZE"),
        (
            ["INPUT.TEST_SIZE", 64, "INPUT.DATASET_MAPPER_NAME", "InstanceMapper"],
            "INPUT.TEST_SIZE 64 has no effect.*INPUT.MIN_SIZE_TEST",
        ),
        (["TEST.BEST_METRIC", "voc/mAP50"], "no effect without TEST.EVAL_PERIOD"),
        (["TEST.BEST_METRIC", "box/AP"], "'box/AP' is not computed"),
        (["SEED", -1], "SEED must lie in"),
        (["INPUT.CROP.SIZE", [100, 96]], "INPUT.CROP.SIZE must be a multiple of 32"),
        (["MODEL.BESTIE.NUM_CLASSES", 7], "NUM_CLASSES is 7"),
        (["DATASETS.TRAIN", "()"], "DATASETS.TRAIN is empty"),
        (["INPUT.CROP.ENABLED", False], "INPUT.CROP.ENABLED True"),
        (["SOLVER.OPTIMIZER", "LION"], "SGD, ADAM"),
        (["MODEL.NO_SUCH_KEY", 1], "NO_SUCH_KEY"),
        (["DATASETS.TRAIN", "('nowhere',)"], "nowhere"),
    ],
)
def test_a_mistake_is_named_with_what_is_accepted(data, overrides, message):
    with pytest.raises(ValueError, match=message):
        read(data, *overrides)


def test_all_mistakes_are_reported_at_once(data):
    with pytest.raises(ValueError, match="2 problem") as caught:
        read(data, "MODEL.BESTIE.SIGMA", 0.0, "MODEL.BESTIE.TEST.KERNEL", 4)
    assert "SIGMA" in str(caught.value) and "TEST.KERNEL" in str(caught.value)


def test_a_missing_config_file_and_missing_weights_are_named(data):
    with pytest.raises(ValueError, match="nowhere.yaml' does not exist"):
        read_config("nowhere.yaml", [])
    with pytest.raises(ValueError, match="MODEL.WEIGHTS is empty"):
        load_model(read(data))


def test_data_sets_with_other_classes_are_refused(data, tmp_path):
    write_root(tmp_path / "made")
    other = (tmp_path / "made").rename(tmp_path / "other")
    (other / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(ValueError, match="must be the same, in order"):
        read(data, "DATASETS.TEST", f"('folder:{other}:train',)")


def test_code_in_a_config_file_is_not_run(data, tmp_path):
    evil = tmp_path / "evil.yaml"
    evil.write_text("OUTPUT_DIR: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ValueError, match="evil.yaml"):
        read_config(str(evil), [])


def test_without_training_the_training_set_need_not_be_at_hand(data):
    names = ["DATASETS.TRAIN", "('folder:nowhere:train',)", "DATASETS.TEST", f"('{data}',)"]
    cfg = read_config("configs/quick/shapes_tags.yaml", names, training=False)
    assert cfg.MODEL.BESTIE.NUM_CLASSES == 2
    with pytest.raises(ValueError, match="nowhere"):
        read_config("configs/quick/shapes_tags.yaml", names)


def test_without_testing_the_test_set_need_not_be_at_hand(data):
    names = ["DATASETS.TRAIN", f"('{data}',)", "DATASETS.TEST", "('folder:nowhere:val',)"]
    cfg = read_config("configs/quick/shapes_tags.yaml", names, testing=False)
    assert cfg.MODEL.BESTIE.NUM_CLASSES == 2
    with pytest.raises(ValueError, match="nowhere"):
        read_config("configs/quick/shapes_tags.yaml", names)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "is not a configuration; a YAML file of keys is expected"),
        (b"[1, 2]", "is not a configuration"),
        (b"5", "is not a configuration"),
        (b"\x89PNG\xff", "a.yaml: "),
        (b"\xe9: 1", "is not UTF-8 text; a YAML file of keys is expected"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, content, message):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        merge_config(str(tmp_path / "a.yaml"), [])
    assert "a.yaml: is not" in str(caught.value)


def test_a_setting_without_a_value_is_named(data):
    with pytest.raises(ValueError, match="KEY VALUE; 'SEED' has no value"):
        read(data, "SEED")


def test_an_output_folder_that_is_a_file_is_named(data, tmp_path):
    (tmp_path / "file.txt").touch()
    with pytest.raises(ValueError, match="OUTPUT_DIR: .*file.txt is a file; a folder is expected"):
        read(data, "OUTPUT_DIR", tmp_path / "file.txt")
