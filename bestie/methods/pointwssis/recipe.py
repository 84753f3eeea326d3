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
    ROUGH,
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
# Keys of MODEL.POINTWSSIS that say how clicks become labels.
OF_CLICKS = ("PROMPT", "LEVEL", "NMS_BETWEEN")
# Values of PROMPT that make labels of weak images.
LABELING = ("points", "filter", "none")

TRAININGS = (
    Training(
        "teacher",
        own_keys=("MODEL.SOLO.", "MODEL.POINTWSSIS."),
        labels=STRONG,
        checkpoints=3,  # the refiner's rough masks come from earlier ones
        settings=lambda facts: {"MODEL.POINTWSSIS.PROMPT": "points"},
    ),
    Training(
        "refiner",
        own_keys=("MODEL.REFINER.",),
        labels=PAIRS,
        finds_instances=False,
        evaluated=False,
        optional=True,
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
        ignores=tuple(f"MODEL.POINTWSSIS.{key}" for key in OF_CLICKS),
        serves=("refiner",),
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
        reads=(("check", STRONG), ("labels", LABELS), ("refined", REFINED)),
    ),
    QualityOfLabels(
        "quality",
        "Label quality",
        data=(*WEAK, "weak truth"),
        reads=(
            TEACHER,
            *(("rough", file) for file in (ROUGH, PAIRS)),
            *(("labels", LABELS), ("refined", REFINED)),
        ),
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
    """What a run refuses before it starts: labels that it cannot make, and idle switches."""
    given = {
        key: settings["teacher"].get(f"MODEL.POINTWSSIS.{key}", "").strip("'\"")
        for key in OF_CLICKS
    }
    prompt, problems = given["PROMPT"] or "points", []
    if prompt not in LABELING:
        problems.append(
            f"MODEL.POINTWSSIS.PROMPT of a run must be one of {', '.join(LABELING)}, got {prompt}"
        )
    if prompt == "none" and "refiner" in settings:
        problems.append(
            "MODEL.POINTWSSIS.PROMPT none gives labels without clicks, which the refiner cannot "
            "read; add --variant refiner:off"
        )
    if prompt != "points":
        problems += [
            f"MODEL.POINTWSSIS.{key} has no effect with MODEL.POINTWSSIS.PROMPT {prompt}"
            for key in ("LEVEL", "NMS_BETWEEN")
            if given[key]
        ]
    problems += [
        f"{name}:{key} has no effect; the labels are made by the teacher"
        for name, values in settings.items()
        for key in values
        if name != "teacher" and key.startswith("MODEL.POINTWSSIS.")
    ]
    if "refiner" not in settings and "MODEL.POINTWSSIS.ROUGH_AT" in settings["teacher"]:
        problems.append("MODEL.POINTWSSIS.ROUGH_AT has no effect without a refiner")
    if given["LEVEL"] == "oracle":
        problems.append(
            "MODEL.POINTWSSIS.LEVEL oracle reads the true masks of clicked images, which a run "
            "never does; bestie export makes such labels with the run's teacher "
            "(docs/pointwssis.md, One step at a time)"
        )
    return problems


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
