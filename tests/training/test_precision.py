"""Where bfloat16 is refused: by processor and by network."""

import pytest
import torch

from bestie.training import precision
from bestie.training.config_check import check_config
from bestie.training.precision import cpu_multiplies_bfloat16, describe_precision, why_no_bfloat16
from bestie.training.setup import merge_config


def cfg_of(*overrides):
    return merge_config("configs/quick/shapes_tags.yaml", [str(value) for value in overrides])


@pytest.fixture
def cpu(monkeypatch):
    """Says whether the processor has instructions for bfloat16."""

    def has(answer):
        monkeypatch.setattr(precision, "cpu_multiplies_bfloat16", lambda: answer)

    return has


def test_a_processor_without_the_instructions_is_refused(cpu):
    cpu(False)
    assert "avx512_bf16" in why_no_bfloat16(cfg_of())
    with pytest.raises(ValueError, match="SOLVER.AMP.ENABLED True: bfloat16 is slower"):
        check_config(cfg_of("SOLVER.AMP.ENABLED", True))
    cpu(True)
    assert why_no_bfloat16(cfg_of()) == ""
    check_config(cfg_of("SOLVER.AMP.ENABLED", True))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_large_100"])
def test_networks_of_depthwise_convolutions_are_refused(cpu, name):
    cpu(True)
    assert f"depthwise convolutions of {name}" in why_no_bfloat16(cfg_of("MODEL.TIMM.NAME", name))
    other = cfg_of("MODEL.TIMM.NAME", name, "MODEL.BACKBONE.NAME", "build_resnet_backbone")
    assert why_no_bfloat16(other) == ""  # which does not read that key


@pytest.mark.parametrize("name", ["hrnet_w18_small", "test_resnet", "resnet50", "no_such_net"])
def test_other_networks_are_not(cpu, name):
    cpu(True)
    assert why_no_bfloat16(cfg_of("MODEL.TIMM.NAME", name)) == ""


def test_asking_about_a_network_draws_no_random_numbers():
    precision._depthwise_share.cache_clear()
    before = torch.get_rng_state()
    precision._depthwise_share("mobilenetv3_small_050")
    assert torch.equal(before, torch.get_rng_state())


def test_the_flags_of_this_processor_are_read(monkeypatch):
    cpu_multiplies_bfloat16.cache_clear()
    assert isinstance(cpu_multiplies_bfloat16(), bool)
    cpu_multiplies_bfloat16.cache_clear()
    monkeypatch.setattr(precision.platform, "machine", lambda: "aarch64")
    assert cpu_multiplies_bfloat16() is False
    cpu_multiplies_bfloat16.cache_clear()


def test_precision_is_named_by_device():
    assert describe_precision(cfg_of()) == "float32"
    on = ("SOLVER.AMP.ENABLED", True)
    assert describe_precision(cfg_of(*on)) == "bfloat16"
    assert describe_precision(cfg_of(*on, "MODEL.DEVICE", "cuda")) == "float16"
