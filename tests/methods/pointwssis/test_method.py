from bestie.method import METHODS
from bestie.methods.pointwssis.method import METHOD
from bestie.training.setup import merge_config


def test_it_is_registered_with_the_weights_of_the_refiner():
    assert METHODS["pointwssis"] is METHOD
    assert list(METHOD.weights) == ["MODEL.REFINER.WEIGHTS"]


def test_keys_are_checked_for_its_own_networks_only():
    for model, number in (("PromptedSOLO", 1), ("MaskRefiner", 1), ("SOLO", 0)):
        cfg = merge_config("", ["MODEL.POINTWSSIS.PROMPT", "boxes"])
        cfg.MODEL.META_ARCHITECTURE = model
        assert len(METHOD.check_config(cfg)) == number
