"""The registry of methods: one object each, whose keys and checks reach every configuration."""

import pytest

from bestie.method import METHODS, AcceptedValues, Method, register_method
from bestie.training.config_check import check_config
from bestie.training.setup import default_config
from tests.conftest import PROJECT


def add_toy_keys(cfg):
    cfg.MODEL.TOY_SIZE = 3


def check_toy(cfg):
    return ["MODEL.TOY_SIZE 4 has no effect."] if cfg.MODEL.TOY_SIZE == 4 else []


@pytest.fixture
def toy():
    accepted = AcceptedValues(ranges={"MODEL.TOY_SIZE": (1, 5)})
    method = Method("toy", add_config=add_toy_keys, accepted=accepted, check_config=check_toy)
    yield register_method(method)
    del METHODS["toy"]


def test_every_folder_of_a_method_registers_one():
    folders = {path.parent.name for path in (PROJECT / "bestie/methods").glob("*/__init__.py")}
    assert set(METHODS) == folders


def test_keys_ranges_and_checks_of_a_method_reach_the_configuration(toy):
    cfg = default_config()
    cfg.MODEL.DEVICE = "cpu"
    assert cfg.MODEL.TOY_SIZE == 3
    cfg.MODEL.TOY_SIZE = 9
    with pytest.raises(ValueError, match=r"MODEL.TOY_SIZE must lie in \[1, 5\], got 9"):
        check_config(cfg)
    cfg.MODEL.TOY_SIZE = 4
    with pytest.raises(ValueError, match="MODEL.TOY_SIZE 4 has no effect"):
        check_config(cfg)


def test_a_name_is_taken_once(toy):
    with pytest.raises(ValueError, match="named toy is registered already"):
        register_method(Method("toy"))
