from bestie.method import METHODS
from bestie.methods.solo.method import METHOD
from bestie.training.setup import merge_config


def test_it_is_registered():
    assert METHODS["solo"] is METHOD


def test_keys_are_checked_for_its_own_networks_only():
    wrong = ["MODEL.SOLO.TEST.NMS", "some"]
    for model, number in (("SOLO", 1), ("PromptedSOLO", 1), ("GeneralizedRCNN", 0)):
        cfg = merge_config("configs/quick/shapes_solo.yaml", wrong)
        cfg.MODEL.META_ARCHITECTURE = model
        assert len(METHOD.check_config(cfg)) == number
