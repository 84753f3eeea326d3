"""Settings: the defaults of the classes are those of the configuration, and the paper's."""

from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.refinement import RefineSettings
from bestie.methods.bestie.settings import (
    InferenceSettings,
    LossSettings,
    cluster_settings,
    inference_settings,
    loss_settings,
    refine_settings,
)
from bestie.training.setup import merge_config


def test_defaults_agree():
    cfg = merge_config("", [])
    assert loss_settings(cfg) == LossSettings()
    assert cluster_settings(cfg) == ClusterSettings()
    assert inference_settings(cfg) == InferenceSettings()
    assert refine_settings(cfg) == RefineSettings()


def test_what_is_switched_off_has_no_settings():
    off = ["MODEL.BESTIE.REFINE.ENABLED", "False", "MODEL.BESTIE.CLUSTER.ENABLED", "False"]
    cfg = merge_config("", off)
    assert refine_settings(cfg) is None and cluster_settings(cfg) is None


def test_each_key_arrives():
    cfg = merge_config("", ["MODEL.BESTIE.TEST.KERNEL", "7", "MODEL.BESTIE.IAG", "False"])
    assert inference_settings(cfg).kernel == 7 and not loss_settings(cfg).iag
