"""Keys of PAM: peak attention that would never start is named."""

import pytest

from bestie.methods.pam.config import check_pam_config
from bestie.training.setup import merge_config

QUICK = "configs/pipeline/quick/classifier.yaml"


def problems(*overrides):
    return check_pam_config(merge_config(QUICK, ["SOLVER.MAX_ITER", "100", *overrides]))


def test_attention_has_to_start_before_the_training_ends():
    assert problems("MODEL.PAM.START_ITER", "99") == []
    (problem,) = problems("MODEL.PAM.START_ITER", "100")
    assert "START_ITER 100 lies beyond SOLVER.MAX_ITER 100" in problem
    assert "set MODEL.PAM.ALPHA 0" in problem


def test_a_plain_classifier_and_other_models_have_no_attention_to_start():
    late = ("MODEL.PAM.START_ITER", "100")
    assert problems(*late, "MODEL.PAM.ALPHA", "0.0") == []
    assert problems(*late, "MODEL.META_ARCHITECTURE", "BESTIE") == []


@pytest.mark.parametrize(("data", "images"), [("voc", 10582), ("coco", 117266)])
def test_paper_configs_decay_after_epochs_4_and_9_of_15(data, images):
    cfg = merge_config(f"configs/PAM/{data}_vgg16.yaml", [])
    steps = -(-images // 10)  # of an epoch; the last batch is smaller
    assert cfg.SOLVER.IMS_PER_BATCH == 10
    assert cfg.SOLVER.STEPS == (4 * steps, 9 * steps) and cfg.SOLVER.MAX_ITER == 15 * steps
