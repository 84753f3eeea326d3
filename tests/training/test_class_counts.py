"""Every head of every model gets the number of classes of the data."""

import pytest
import torch
from detectron2.modeling.meta_arch import META_ARCH_REGISTRY

from bestie.training.class_counts import set_class_counts
from bestie.training.setup import read_config
from tests.evaluation.tiny_data import CLASS_NAMES, write_root

FPN = ["MODEL.BACKBONE.NAME", "build_resnet_fpn_backbone", "MODEL.RESNETS.DEPTH", "50"]
SMALL = [*FPN, "MODEL.WEIGHTS", "", "MODEL.FPN.OUT_CHANNELS", "32"]
SEMANTIC = [*SMALL, "MODEL.META_ARCHITECTURE", "SemanticSegmentor"]
SEMANTIC += ["MODEL.SEM_SEG_HEAD.CONVS_DIM", "32"]
POINTS = ["MODEL.POINT_HEAD.FC_DIM", "16", "MODEL.POINT_HEAD.NUM_FC", "1"]
# Model -> overrides, layers -> their number of outputs with C classes.
MODELS = {
    "Mask R-CNN": (
        SMALL,
        {"roi_heads.box_predictor.cls_score": "C + 1", "roi_heads.mask_head.predictor": "C"},
    ),
    "RetinaNet": (
        [
            *SMALL,
            *("MODEL.META_ARCHITECTURE", "RetinaNet"),
            *("MODEL.BACKBONE.NAME", "build_retinanet_resnet_fpn_backbone"),
            *("MODEL.RESNETS.OUT_FEATURES", "['res3', 'res4', 'res5']"),
            *("MODEL.FPN.IN_FEATURES", "['res3', 'res4', 'res5']"),
            *("MODEL.ANCHOR_GENERATOR.SIZES", "[[32], [64], [128], [256], [512]]"),
        ],
        {"head.cls_score": "3 * C"},
    ),
    "PointRend": (
        [
            *SMALL,
            *POINTS,
            *("MODEL.ROI_MASK_HEAD.NAME", "PointRendMaskHead", "MODEL.ROI_MASK_HEAD.FC_DIM", "16"),
            *("MODEL.ROI_MASK_HEAD.POOLER_TYPE", "", "MODEL.ROI_MASK_HEAD.POINT_HEAD_ON", "True"),
        ],
        {"roi_heads.mask_head.point_head.predictor": "C"},
    ),
    "semantic": (SEMANTIC, {"sem_seg_head.predictor": "C + 1"}),
    "semantic PointRend": (
        [
            *SEMANTIC,
            *POINTS,
            *("MODEL.SEM_SEG_HEAD.NAME", "PointRendSemSegHead"),
            *("MODEL.SEM_SEG_HEAD.IN_FEATURES", "['p2', 'p3', 'p4', 'p5']"),
        ],
        {
            "sem_seg_head.coarse_sem_seg_head.predictor": "C + 1",
            "sem_seg_head.point_head.predictor": "C + 1",
        },
    ),
    "Panoptic FPN": (
        [*SMALL, "MODEL.META_ARCHITECTURE", "PanopticFPN", "MODEL.SEM_SEG_HEAD.CONVS_DIM", "32"],
        {"roi_heads.mask_head.predictor": "C", "sem_seg_head.predictor": "C + 1"},
    ),
}


def config(tmp_path, overrides):
    name = write_root(tmp_path / "root")
    return read_config(
        "configs/Base-MaskRCNN.yaml",
        ["DATASETS.TRAIN", f"('{name}',)", "MODEL.DEVICE", "cpu", *overrides],
    )


@pytest.mark.parametrize("name", MODELS)
def test_models_are_built_with_the_classes_of_the_data(tmp_path, name):
    overrides, layers = MODELS[name]
    cfg = config(tmp_path, overrides)
    with torch.device("meta"):  # no memory, no initial weights
        model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    for layer, outputs in layers.items():
        module = model.get_submodule(layer)
        found = getattr(module, "out_channels", None) or module.out_features
        assert found == eval(outputs, {"C": len(CLASS_NAMES)})


def test_a_count_that_contradicts_the_data_is_named(tmp_path):
    overrides = ["MODEL.RETINANET.NUM_CLASSES", "7", "MODEL.ROI_HEADS.NUM_CLASSES", "3"]
    message = "MODEL.ROI_HEADS.NUM_CLASSES is 3, .*MODEL.RETINANET.NUM_CLASSES is 7, .* 2 classes"
    with pytest.raises(ValueError, match=message):
        config(tmp_path, overrides)


def test_counts_of_a_trained_config_are_accepted(tmp_path):
    cfg = config(tmp_path, []).clone()
    cfg.defrost()
    set_class_counts(cfg, len(CLASS_NAMES), "the data")
    assert cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES == 3 and cfg.MODEL.POINT_HEAD.NUM_CLASSES == 2
