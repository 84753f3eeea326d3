"""Rows about weak maps."""

import re

import torch

from bestie.benchmark import Bench
from bestie.benchmark.map_rows import SCALES, TAGS, _build_classifier, map_rows

CPU = torch.device("cpu")


def test_refinement_and_a_map_are_measured_on_the_quick_classifier():
    refinement, made = map_rows(Bench(CPU, repeat=1, quick=True))
    assert refinement.setting == f"94x125, {len(TAGS)} tags"
    assert made.setting == f"{refinement.setting}, test_resnet, {len(SCALES)} scales mirrored"
    # A map needs the passes of the network, and the refinement on top of them.
    factor = float(re.fullmatch(r"x ([\d.]+) of the classifier's passes", made.value)[1])
    assert factor > 0 and made.milliseconds > 0 and refinement.milliseconds > 0


def test_the_tags_are_classes_of_the_classifier():
    cfg, model = _build_classifier("test_resnet", CPU)
    assert max(TAGS) < cfg.MODEL.PAM.NUM_CLASSES == 20
    assert not model.training and cfg.MODEL.PAM.MAPS.SCALES == SCALES
