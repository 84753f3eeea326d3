"""The recipe of PointWSSIS: from masks of a few images and clicks on the others to a detector.

A teacher learns from the masks and labels the clicked images, a refiner corrects its labels, and a
student trains on masks and labels. The student is any detector that reads a COCO json; it stands
here by the names of its configs only.
"""

from collections.abc import Mapping

from bestie.formats.ledger import LEDGER
from bestie.methods.pointwssis.report import (
    classes_section,
    label_pictures_section,
    quality_section,
)
from bestie.methods.pointwssis.stages import (
    LABELS,
    PAIRS,
    REFINED,
    STRONG,
    STUDENT,
    CheckMasks,
    MergeLabels,
    PromptedLabels,
    QualityOfLabels,
    RefinedLabels,
    RoughLabels,
)
from bestie.pipeline.recipe import Recipe, Training, register_recipe
from bestie.pipeline.stages import VAL_TRUTH, Evaluate, Report, Train
from bestie.report import (
    commands_section,
    gallery_section,
    metrics_section,
    stages_section,
    supervision_section,
    training_section,
)

__all__ = ["RECIPE"]

IMAGES = ("classes", "strong images")
WEAK = ("classes", "weak split", "weak images", "points")
TEACHER, REFINER = ("teacher", "teacher/model_final.pth"), ("refiner", "refiner/model_final.pth")
CHECKPOINTS = ("teacher", "teacher/model_*.pth")

TRAININGS = (
    Training(
        "teacher",
        own_keys=("MODEL.SOLO.", "MODEL.POINTWSSIS."),
        labels=STRONG,
        checkpoints=3,  # the refiner's rough masks come from earlier ones
    ),
    Training(
        "refiner",
        own_keys=("MODEL.REFINER.",),
        labels=PAIRS,
        finds_instances=False,
        evaluated=False,
    ),
    Training(
        "student",
        own_keys=("MODEL.MASK_RCNN.", "MODEL.RPN.", "MODEL.ROI_", "MODEL.ANCHOR_GENERATOR."),
        labels=STUDENT,
        starts_from="teacher",
    ),
)

STAGES = (
    CheckMasks(
        "check",
        "Check of the data",
        data=(*WEAK, "strong split", "strong images", "strong truth", "weak truth", *VAL_TRUTH),
    ),
    Train(
        "teacher",
        "Teacher",
        data=(*IMAGES, *VAL_TRUTH),
        reads=(("check", STRONG),),
        outputs=(CHECKPOINTS[1],),
        # How clicks are read takes no part in the training.
        ignores=("MODEL.POINTWSSIS",),
    ),
    RoughLabels(
        "rough",
        "Rough masks of strong images",
        data=IMAGES,
        reads=(("check", STRONG), CHECKPOINTS),
        training="teacher",
    ),
    Train(
        "refiner",
        "Refiner",
        data=IMAGES,
        reads=(("rough", PAIRS),),
        # The crops' scale counts: masks of held-out images choose the weights.
        ignores=("MODEL.REFINER.BATCH_SIZE",),
    ),
    PromptedLabels(
        "labels",
        "Labels of the clicks",
        data=WEAK,
        reads=(TEACHER,),
        training="teacher",
        ignores=("MODEL.POINTWSSIS.ROUGH_AT",),
    ),
    RefinedLabels(
        "refined",
        "Refined labels",
        data=("weak images",),
        reads=(REFINER, ("labels", LABELS)),
        training="refiner",
    ),
    MergeLabels(
        "merge",
        "Masks and labels in one file",
        reads=(("check", STRONG), ("refined", REFINED)),
    ),
    QualityOfLabels(
        "quality",
        "Label quality",
        data=(*WEAK, "weak truth"),
        reads=(TEACHER, ("labels", LABELS), ("refined", REFINED)),
        training="teacher",
    ),
    Train(
        "student",
        "Student",
        data=(*IMAGES, "weak images", *VAL_TRUTH),
        reads=(("merge", STUDENT),),
    ),
    Evaluate(
        "evaluation",
        "Evaluation",
        reads=(("teacher", "teacher/metrics.json"), ("student", "student/metrics.json")),
    ),
    Report(
        "report",
        "Report",
        data=(*WEAK, *VAL_TRUTH),
        reads=(
            ("check", "check/dataset.json"),
            *((stage, f"{stage}/{LEDGER}") for stage in ("check", "rough", "labels", "merge")),
            ("teacher", "teacher/metrics.json"),
            ("refiner", "refiner/metrics.json"),
            ("student", "student/metrics.json"),
            ("labels", LABELS),
            ("refined", REFINED),
            ("quality", "quality/quality.json"),
            ("quality", "quality/plain.json"),
            ("evaluation", "evaluation/results.json"),
        ),
    ),
)


def _check(settings: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Settings of the teacher that a run refuses before it starts."""
    if settings["teacher"].get("MODEL.POINTWSSIS.LEVEL", "").strip("'\"") != "oracle":
        return []
    return [
        "MODEL.POINTWSSIS.LEVEL oracle reads the true masks of clicked images, which a run never "
        "does; bestie export makes such labels with the run's teacher (docs/pointwssis.md, One "
        "step at a time)"
    ]


RECIPE = register_recipe(
    Recipe(
        name="pointwssis",
        module=__name__,
        supervisions=("masks+clicks",),
        trainings=TRAININGS,
        stages=STAGES,
        models={"teacher": "Teacher (masks only)", "student": "Student"},
        reserved={
            "DATASETS.TRAIN": "--data, --strong-split and --weak-split",
            "DATASETS.TEST": "--data and --val-split",
            "OUTPUT_DIR": "--output",
            "MODEL.META_ARCHITECTURE": "the configs of a preset, and --variant",
            "MODEL.POINTWSSIS.PROMPT": "no option: clicks for labels, none for evaluation",
        },
        check=_check,
        sections=(
            supervision_section,
            stages_section,
            classes_section,
            training_section,
            quality_section,
            label_pictures_section,
            metrics_section,
            gallery_section,
            commands_section,
        ),
        title="PointWSSIS report",
    )
)
