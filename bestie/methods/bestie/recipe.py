"""The recipe of BESTIE: from tags or clicks to a Mask R-CNN that needs no ground truth.

A classifier turns tags into cues and weak maps, a segmentation network that learns these maps makes
better ones (optional), BESTIE learns from points and maps, and its labels train a Mask R-CNN. The
other methods stand here by the names of their configs and files only.
"""

from collections.abc import Sequence

import numpy as np

from bestie.pipeline.recipe import Facts, Recipe, Training, register_recipe
from bestie.pipeline.stages import (
    TRAIN,
    VAL,
    VAL_TRUTH,
    Check,
    Evaluate,
    Export,
    MeasureLabels,
    Predict,
    Report,
    Train,
)
from bestie.report import SECTIONS

__all__ = ["RECIPE"]

LABELS = "labels/labels.json"
CUES, MAPS = ("cues", "cues/*.txt"), ("maps", "maps/*.png")
MODEL, CHECKPOINTS = ("bestie", "bestie/model_final.pth"), ("bestie", "bestie/model_*.pth")


def _sizes(facts: Facts, at_least: Sequence[int] = ()) -> dict[str, str]:
    """The sizes at which a network sees images, at inference and in training.

    Images that the preset is made for are seen as they are; the sizes of others, or of images given
    to the trained model later, do not matter.

    Args:
        facts: what they depend on.
        at_least: lower bounds of INPUT.BASE_SIZE where it is set, pixels.
    """
    own = facts.preset.INPUT.TEST_SIZE
    if not facts.fit_the_preset:
        base = max((facts.preset.INPUT.BASE_SIZE or own, *at_least))
        return {"INPUT.TEST_SIZE": str(own), "INPUT.BASE_SIZE": str(base)}
    values = {"INPUT.TEST_SIZE": str(int(np.median(facts.sides)))}
    if "INPUT.TEST_SIZE" not in facts.given:
        kept = [int(facts.sides.min()), int(facts.sides.max())]
        values["INPUT.TEST_SIZE_KEPT"] = str(kept)
    return values


def _classifier_settings(facts: Facts) -> dict[str, str]:
    """The sizes of the images."""
    # It trains on squares, and should not see less there than the cues will.
    preset = facts.preset
    return _sizes(facts, (preset.MODEL.PAM.CUES.IMAGE_SIZE, *preset.INPUT.CROP.SIZE))


def _semantic_settings(facts: Facts) -> dict[str, str]:
    """Where the weak maps lie, and the sizes of the images."""
    return {"INPUT.MAPS_DIR": facts.maps} | _sizes(facts)


def _bestie_settings(facts: Facts) -> dict[str, str]:
    """What the points are, where points and maps lie, and the sizes of the images."""
    return {
        "MODEL.BESTIE.SUPERVISION": facts.supervision,
        "INPUT.POINTS_DIR": facts.points,
        "INPUT.MAPS_DIR": facts.maps,
    } | _sizes(facts)


TRAININGS = (
    Training(
        "classifier",
        own_keys=("MODEL.PAM.", "INPUT.COLOR_JITTER"),
        finds_instances=False,
        settings=_classifier_settings,
    ),
    Training(
        "semantic",
        own_keys=("MODEL.SEMANTIC.", "INPUT.SCALES", "INPUT.COLOR_AUG"),
        finds_instances=False,
        evaluated=False,
        reads_maps=True,
        optional=True,
        off_in=("quick", "small", "r50", "hrnet48"),
        settings=_semantic_settings,
    ),
    Training(
        "bestie",
        own_keys=(
            "MODEL.BESTIE.",
            "INPUT.POINT_SCORE_THRESH",
            "INPUT.SCALES",
            "INPUT.COLOR_AUG",
            "VIS_PICTURE_PERIOD",
        ),
        supervision_key="MODEL.BESTIE.SUPERVISION",
        reads_maps=True,
        checkpoints=3,  # label quality over training is drawn from them
        window_key="MODEL.BESTIE.TEST.KERNEL",
        size_key="MODEL.BESTIE.OBJECT_SIZE",
        settings=_bestie_settings,
    ),
    Training(
        "maskrcnn",
        own_keys=(
            "MODEL.MASK_RCNN.",
            "MODEL.RPN.",
            "MODEL.ROI_",
            "MODEL.FPN.",
            "MODEL.RESNETS.",
            "MODEL.ANCHOR_GENERATOR.",
            "INPUT.MIN_SIZE_",
            "INPUT.MAX_SIZE_",
        ),
        # It resizes every image: INPUT.MIN_SIZE_TEST.
        not_keys=("INPUT.TEST_SIZE", "INPUT.TEST_SIZE_KEPT"),
        labels=LABELS,
        starts_from="bestie",
    ),
)

STAGES = (
    Check("check", "Check of the data"),
    Train(
        "classifier",
        "PAM classifier",
        data=(*TRAIN, *VAL),
        # The settings of cues and maps take no part in the training.
        ignores=("MODEL.PAM.CUES", "MODEL.PAM.MAPS"),
        serves=("cues", "maps"),
    ),
    Predict(
        "cues",
        "Instance cues",
        data=(*TRAIN, "train truth"),
        training="classifier",
        ignores=("MODEL.PAM.MAPS",),
        program="extract-points",
        files="cues/*.txt",
        supplied="points",
    ),
    Predict(
        "maps",
        "Weak semantic maps",
        data=(*TRAIN, "train truth"),
        training="classifier",
        ignores=("MODEL.PAM.CUES",),
        program="make-maps",
        files="maps/*.png",
        supplied="maps",
    ),
    Train(
        "semantic",
        "Segmentation network of the weak maps",
        data=TRAIN,
        reads=(MAPS,),
        # The settings of its maps take no part in the training.
        ignores=("MODEL.SEMANTIC.MAPS",),
        serves=("semantic_maps",),
    ),
    Predict(
        "semantic_maps",
        "Predicted semantic maps",
        data=(*TRAIN, "train truth"),
        reads=(MAPS,),
        training="semantic",
        program="predict-maps",
        files="semantic_maps/*.png",
        supplied="maps",
        improves="maps",
    ),
    Train(
        "bestie",
        "BESTIE",
        data=(*TRAIN, *VAL_TRUTH),
        reads=(CUES, MAPS),
        outputs=(CHECKPOINTS[1],),
    ),
    Export("labels", "Labels", data=TRAIN, reads=(MODEL, CUES, MAPS), training="bestie"),
    MeasureLabels(
        "quality",
        "Label quality",
        data=(*TRAIN, "train truth"),
        reads=(("labels", LABELS), CHECKPOINTS, CUES, MAPS),
        training="bestie",
    ),
    Train(
        "maskrcnn",
        "Mask R-CNN",
        data=("classes", "train images", *VAL_TRUTH),
        reads=(("labels", LABELS),),
    ),
    Evaluate(
        "evaluation",
        "Evaluation",
        reads=(("bestie", "bestie/metrics.json"), ("maskrcnn", "maskrcnn/metrics.json")),
    ),
    Report(
        "report",
        "Report",
        reads=(
            CUES,
            MAPS,
            ("check", "check/dataset.json"),
            ("classifier", "classifier/metrics.json"),
            ("bestie", "bestie/metrics.json"),
            ("maskrcnn", "maskrcnn/metrics.json"),
            ("labels", LABELS),
            ("quality", "quality/quality.json"),
            ("evaluation", "evaluation/results.json"),
        ),
    ),
)

RECIPE = register_recipe(
    Recipe(
        name="bestie",
        module=__name__,
        supervisions=("tags", "clicks"),
        trainings=TRAININGS,
        stages=STAGES,
        labeler="bestie",
        models={
            "baseline": "components of the weak maps",
            "bestie": "BESTIE",
            "maskrcnn": "Mask R-CNN on its labels",
        },
        reserved={
            "DATASETS.TRAIN": "--data and --split",
            "DATASETS.TEST": "--data and --val-split",
            "OUTPUT_DIR": "--output",
            "INPUT.POINTS_DIR": "--cues",
            "INPUT.MAPS_DIR": "--maps",
            "MODEL.BESTIE.SUPERVISION": "--supervision",
            "MODEL.BESTIE.TEST.USE_TAGS": "no option: on for the labels, off for the evaluation",
            "MODEL.BESTIE.TEST.USE_CLICKS": "no option: on for the labels of clicks",
            "MODEL.META_ARCHITECTURE": "the configs of a preset",
        },
        sections=SECTIONS,
        title="BESTIE report",
    )
)
