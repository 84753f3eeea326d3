import pytest
from detectron2.config import CfgNode, get_cfg

from bestie.config import add_bestie_config
from bestie.evaluation import build_evaluator
from tests.evaluation.tiny_data import OBJECTS, instances_of, write_root


def config(architecture: str, *evaluators: str) -> CfgNode:
    cfg = get_cfg()
    add_bestie_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = architecture
    cfg.TEST.EVALUATORS = list(evaluators)
    return cfg


def test_all_evaluators_of_instances_report_under_their_names(tmp_path):
    evaluators = build_evaluator(config("BESTIE", "voc", "coco"), write_root(tmp_path))
    evaluators.reset()
    for number, boxes in enumerate(OBJECTS):
        output = {"instances": instances_of(boxes)}
        evaluators.process([{"image_id": 101 + number}], [output])
    results = evaluators.evaluate()
    assert results["voc"]["mAP50"] == 100
    assert results["segm"]["AP50"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("architecture", "evaluator", "accepted"),
    [
        ("BESTIE", "VOC", "voc, coco"),
        ("GeneralizedRCNN", "tags", "voc, coco"),
        ("PAMClassifier", "voc", "tags"),
    ],
)
def test_unfit_evaluators_are_refused(tmp_path, architecture, evaluator, accepted):
    name = write_root(tmp_path)
    with pytest.raises(ValueError, match=f"TEST.EVALUATORS.*{accepted}; got .*{evaluator}"):
        build_evaluator(config(architecture, evaluator), name)


def test_missing_ground_truth_is_reported_when_the_evaluator_is_built(tmp_path):
    name = write_root(tmp_path, pngs=False, json=False)
    for evaluator in ("voc", "coco"):
        with pytest.raises(ValueError, match="instances_<split>.json"):
            build_evaluator(config("BESTIE", evaluator), name)
