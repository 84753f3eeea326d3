"""Values of another type than the default: the same number is accepted, all else is named."""

import pickle

import pytest
from detectron2.config import CfgNode
from hypothesis import given
from hypothesis import strategies as st

from bestie.training.config_check import check_config
from bestie.training.config_node import convert_value
from bestie.training.launch import requested_device
from bestie.training.setup import default_config, merge_config


def value(cfg: CfgNode, key: str):
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


@pytest.mark.parametrize(
    ("key", "typed", "found"),
    [
        ("MODEL.PAM.ALPHA", "0", 0.0),
        ("SOLVER.BASE_LR", "1", 1.0),
        ("SOLVER.MAX_ITER", "1e4", 10000),
        ("SOLVER.MAX_ITER", "12.0", 12),
        ("MODEL.PAM.MAPS.SCALES", "[1, 2]", [1.0, 2.0]),
        ("INPUT.COLOR_JITTER", "(0, 0, 0, 0)", [0.0] * 4),
        ("MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", "[[1, 2]]", [[1.0, 2.0]]),
        ("SOLVER.STEPS", "[10, 20.0]", (10, 20)),
        ("INPUT.CROP.SIZE", "[416, 416]", [416, 416]),  # pixels, not shares
        ("OUTPUT_DIR", "2024", "2024"),
        ("MODEL.WEIGHTS", "", ""),
    ],
)
def test_the_same_value_is_accepted_on_the_command_line_and_in_a_file(tmp_path, key, typed, found):
    results = [value(merge_config("", [key, typed]), key)]
    if typed:
        *groups, last = key.split(".")
        lines = [f"{'  ' * depth}{group}:" for depth, group in enumerate(groups)]
        text = typed.replace("(", "[").replace(")", "]")
        text = f"'{text}'" if key == "OUTPUT_DIR" else text
        lines.append(f"{'  ' * len(groups)}{last}: {text}")
        file = tmp_path / "config.yaml"
        file.write_text("\n".join(lines) + "\n")
        results.append(value(merge_config(str(file), []), key))
    for result in results:
        assert result == found and type(result) is type(found)
        if isinstance(found, list) and isinstance(found[0], float):
            assert all(type(entry) is float for entry in result)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["SOLVER.MAX_ITER", "1.5"], "SOLVER.MAX_ITER must be a whole number, got 1.5"),
        (["SOLVER.MAX_ITER", "True"], "SOLVER.MAX_ITER must be a whole number, got True"),
        (["SOLVER.BASE_LR", "fast"], "SOLVER.BASE_LR must be a number, got 'fast'"),
        (["SOLVER.BASE_LR", "None"], "SOLVER.BASE_LR must be a number, got None"),
        (["MODEL.MASK_ON", "1"], "MODEL.MASK_ON must be True or False, got 1"),
        (["INPUT.SCALES", "3"], r"INPUT.SCALES must be a list such as \[0.7"),
        (["INPUT.SCALES", "[1, 'a']"], "INPUT.SCALES must hold numbers, got 'a'"),
        (["MODEL.PAM.MAPS.PAMR_DILATIONS", "[1.5]"], "must hold whole numbers, got 1.5"),
        (["MODEL.PAM", "3"], "MODEL.PAM is a group of keys"),
        (["SEED", "x", "SOLVER.GAMMA", "y"], "SEED must be.*SOLVER.GAMMA must be"),
    ],
)
def test_other_types_are_named(overrides, message):
    with pytest.raises(ValueError, match=message):
        merge_config("", overrides)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("SOLVER.MAX_ITERS", "SOLVER.MAX_ITERS is not a key .*did you mean SOLVER.MAX_ITER"),
        ("BASE_SIZE", "BASE_SIZE is not a key .*did you mean .*INPUT.BASE_SIZE"),
        ("ZZZZ.QQQQ", "ZZZZ.QQQQ is not a key of the configuration$"),
    ],
)
def test_an_unknown_key_is_named_with_those_most_like_it(key, message):
    with pytest.raises(ValueError, match=f"^Settings: {message}"):
        merge_config("", ["SEED", "1", key, "3"])


def test_an_unknown_key_of_a_file_is_named_with_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("SOLVER:\n  MAX_ITERS: 3\n")
    with pytest.raises(ValueError, match="config.yaml: SOLVER.MAX_ITERS is not a key"):
        merge_config(str(file), [])


def test_a_number_for_a_text_in_a_file_asks_for_quotes(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("OUTPUT_DIR: 0123\n")  # YAML reads 83
    with pytest.raises(ValueError, match="OUTPUT_DIR must be text .put it in quotes., got 83"):
        merge_config(str(file), [])


@given(st.one_of(st.integers(-(2**40), 2**40), st.floats(), st.booleans(), st.text(max_size=3)))
def test_a_converted_number_equals_what_was_given(given_value):
    for default in (1, 1.0):
        try:
            converted = convert_value("KEY", given_value, default)
        except ValueError:
            continue
        assert type(converted) is type(default)
        assert converted == given_value or given_value != given_value


@pytest.mark.parametrize("first, last", [("cuda", "cpu"), ("cpu", "cuda")])
def test_of_a_key_given_twice_the_last_value_counts_for_launcher_and_config(first, last):
    overrides = ["MODEL.DEVICE", first, "SEED", "1", "MODEL.DEVICE", last]
    assert requested_device("", overrides) == last
    assert merge_config("", overrides).MODEL.DEVICE == last


def test_copies_keep_the_rule_and_groups_can_be_added():
    for cfg in (default_config().clone(), pickle.loads(pickle.dumps(default_config()))):
        cfg.MODEL.OTHER = CfgNode({"SHARE": 0.5})
        cfg.merge_from_other_cfg(CfgNode({"MODEL": {"OTHER": {"SHARE": 1}}}))
        assert cfg.MODEL.OTHER.SHARE == 1.0 and type(cfg.MODEL.OTHER.SHARE) is float


def stored_without_kinds(path, **labels) -> str:
    """The config.yaml of a training from the time when there was no KIND; keys of ``MODEL``."""
    cfg = default_config()
    for name, prose in labels.items():
        cfg.merge_from_list([f"MODEL.{name.replace('__', '.')}", prose])
    text = "".join(line for line in cfg.dump().splitlines(True) if "WEIGHTS_KIND" not in line)
    path.write_text(text)
    return str(path)


def test_a_stored_config_without_kinds_of_labels_is_read_as_unknown(tmp_path, caplog):
    old = stored_without_kinds(
        tmp_path / "config.yaml", TIMM__WEIGHTS_LABELS="Flickr tags", WEIGHTS_LABELS="our masks"
    )
    for _ in range(2):
        cfg = merge_config(old, [])
    check_config(merge_config(old, ["MODEL.DEVICE", "cpu"]))
    model = cfg.MODEL
    assert (model.TIMM.WEIGHTS_KIND, model.TIMM.WEIGHTS_LABELS) == ("unknown", "Flickr tags")
    assert (model.WEIGHTS_KIND, model.PAM.VGG_WEIGHTS_KIND) == ("unknown", "")
    (note,) = [record.message for record in caplog.records]
    assert "before there was MODEL.TIMM.WEIGHTS_KIND, MODEL.WEIGHTS_KIND; read as" in note
    assert merge_config(old, ["MODEL.WEIGHTS_KIND", "masks"]).MODEL.WEIGHTS_KIND == "masks"


def test_a_config_that_a_person_wrote_needs_both_keys(tmp_path, caplog):
    (tmp_path / "c.yaml").write_text("MODEL: {WEIGHTS_LABELS: our masks}\nOUTPUT_DIR: x\n")
    with pytest.raises(ValueError, match="say with MODEL.WEIGHTS_KIND which kind"):
        check_config(merge_config(str(tmp_path / "c.yaml"), []))
    (tmp_path / "new.yaml").write_text(default_config().dump())  # nothing is described
    assert merge_config(str(tmp_path / "new.yaml"), []).MODEL.WEIGHTS_KIND == ""
    with pytest.raises(ValueError, match="say with MODEL.WEIGHTS_KIND which kind"):
        check_config(merge_config("", ["MODEL.WEIGHTS_LABELS", "our masks"]))
    assert not [record for record in caplog.records if "stored" in record.message]
