"""Choices and ranges: what is not accepted is named, also in another case."""

import re

import pytest

from bestie.training.accepted_values import accepted_tables, value_of
from bestie.training.config_check import check_config
from bestie.training.setup import default_config, merge_config
from tests.conftest import PROJECT

TABLES = accepted_tables()
CHOICES = {key: values for table in TABLES for key, values in table.choices.items()}
REGISTRIES = {key: names for table in TABLES for key, names in table.registries.items()}
RANGES = {key: bounds for table in TABLES for key, bounds in table.ranges.items()}
LISTS = [key for table in TABLES for key in table.lists]
ODD = [key for table in TABLES for key in table.odd]
TABLE = {**CHOICES, **REGISTRIES}


def mistakes(*overrides: str, config: str = "configs/Base-MaskRCNN.yaml") -> str:
    cfg = merge_config(config, ["MODEL.DEVICE", "cpu", *overrides])
    try:
        check_config(cfg)
    except ValueError as error:
        return str(error)
    return ""


def test_every_key_of_the_tables_exists_and_the_defaults_are_accepted():
    cfg = default_config()
    for key in (*TABLE, *RANGES, *LISTS, *ODD):
        value_of(cfg, key)
    assert mistakes() == ""


@pytest.mark.parametrize("path", sorted(PROJECT.glob("configs/**/*.yaml")), ids=lambda p: p.stem)
def test_every_value_of_the_configs_is_accepted(path):
    # Base-PAM.yaml leaves the evaluation period to those that inherit from it.
    assert mistakes("TEST.EVAL_PERIOD", "5", config=str(path)) == ""


@pytest.mark.parametrize("key", sorted(TABLE))
def test_other_values_and_other_cases_are_refused(key):
    is_list = isinstance(value_of(default_config(), key), list)
    if isinstance(value_of(default_config(), key), int):
        assert f"{key} must be one of" in mistakes(key, "17")
        return
    for wrong in ("both", "Nothing"):
        assert f"{key} must be one of" in mistakes(key, f"['{wrong}']" if is_list else wrong)
    names = [*CHOICES[key]] if key in CHOICES else [name for name, _ in REGISTRIES[key]]
    name = next(name for name in names if name)
    swapped = name.swapcase()
    message = mistakes(key, f"['{swapped}']" if is_list else swapped)
    assert f"{key} must be one of" in message
    assert f"got '{swapped}' (did you mean '" in message


@pytest.mark.parametrize("key", sorted(RANGES))
def test_numbers_out_of_range_are_refused(key):
    low, high = RANGES[key]
    cfg = merge_config("configs/Base-MaskRCNN.yaml", ["MODEL.DEVICE", "cpu"])
    group, _, name = key.rpartition(".")
    node = value_of(cfg, group) if group else cfg
    for wrong in (low - 1, high + 1, float("nan"), float("inf")):
        node[name] = wrong
        with pytest.raises(ValueError, match=f"{key} must lie in"):
            check_config(cfg)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["INPUT.SCALES", "[]"], "INPUT.SCALES must hold 1 or more number"),
        (["INPUT.SCALES", "[1.0, 0]"], "INPUT.SCALES must hold numbers in"),
        (["INPUT.COLOR_JITTER", "[0.1]"], "INPUT.COLOR_JITTER must hold 4 number"),
        (["MODEL.PIXEL_STD", "[1, 0, 1]"], "MODEL.PIXEL_STD must hold numbers in"),
        (["MODEL.PAM.CUES.KERNEL", "4"], "MODEL.PAM.CUES.KERNEL must be odd"),
        (["MODEL.DEVICE", "gpu"], "MODEL.DEVICE must be cpu, cuda or cuda:N, got 'gpu'"),
        (["MODEL.DEVICE", "CPU"], r"got 'CPU' \(did you mean 'cpu'"),
        (["MODEL.DEVICE", "cpu:0"], "must be cpu, cuda or cuda:N, got 'cpu:0'"),
        (["MODEL.DEVICE", "mps"], "must be cpu, cuda or cuda:N, got 'mps'"),
        (["MODEL.RESNETS.OUT_FEATURES", "['res6']"], "OUT_FEATURES must be one of .*got 'res6'"),
        (["INPUT.RANDOM_FLIP", "Horizontal"], r"\(did you mean 'horizontal'\?\)"),
    ],
)
def test_other_mistakes(overrides, message):
    assert re.search(message, mistakes(*overrides))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.RPN.POST_NMS_TOPK_TEST", "99"], "MODEL.RPN.POST_NMS_TOPK_TEST lets only 99"),
        (["MODEL.RPN.PRE_NMS_TOPK_TEST", "19"], "lets only 19 .* on each of 5 levels"),
        (["TEST.DETECTIONS_PER_IMAGE", "1001"], "TEST.DETECTIONS_PER_IMAGE 1001 cannot be reached"),
        (["MODEL.RPN.POST_NMS_TOPK_TEST", "100"], "^$"),
        (
            ["MODEL.META_ARCHITECTURE", "RetinaNet", "TEST.DETECTIONS_PER_IMAGE", "6000"],
            "RETINANET",
        ),
    ],
)
def test_detections_that_cannot_be_reached_are_named(overrides, message):
    assert re.search(message, mistakes(*overrides))
