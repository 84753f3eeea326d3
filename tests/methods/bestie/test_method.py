import torch

from bestie.method import METHODS
from bestie.methods.bestie.method import METHOD
from bestie.training.setup import default_config, merge_config


def test_it_is_registered_and_its_keys_are_in_every_config():
    assert METHODS["bestie"] is METHOD
    assert default_config().MODEL.BESTIE.SUPERVISION == "tags"


def test_the_keys_that_let_inference_use_labels_are_switches():
    cfg = default_config()
    assert set(METHOD.label_keys) == {"tags", "clicks"}
    for key in METHOD.label_keys.values():
        cfg.merge_from_list([key, True])  # a wrong name or type raises


def test_keys_are_checked_for_its_own_network_only():
    for model, number in (("BESTIE", 1), ("SOLO", 0)):
        cfg = merge_config("configs/quick/shapes_tags.yaml", ["MODEL.BESTIE.CLUSTER.BETA", "0.0"])
        cfg.MODEL.META_ARCHITECTURE = model
        assert len(METHOD.check_config(cfg)) == number


def test_weights_of_other_networks_are_not_renamed():
    assert METHOD.convert_weights({"conv1.weight": torch.zeros(1)}) is None
