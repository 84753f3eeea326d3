from bestie.method import METHODS
from bestie.methods.mask_rcnn.method import METHOD
from bestie.methods.mask_rcnn.rcnn import CodedMasksRCNN
from bestie.training.setup import build_model, default_config, merge_config


def test_it_is_registered_and_its_labels_count_fully_by_default():
    assert METHODS["mask_rcnn"] is METHOD
    cfg = default_config()
    assert cfg.MODEL.MASK_RCNN == {"LABEL_SCORE_THRESH": 0.0, "WEIGHT_BY_SCORE": False}
    assert METHOD.check_config(cfg) == []


def test_the_network_that_is_built_codes_its_masks():
    cfg = merge_config("configs/pipeline/quick/maskrcnn.yaml", ["MODEL.DEVICE", "cpu"])
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    assert cfg.MODEL.META_ARCHITECTURE in METHOD.replaced_models
    assert isinstance(build_model(cfg), CodedMasksRCNN)
