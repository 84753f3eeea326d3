"""The tables of the paper, as runs of the recipe: ``bestie reproduce pointwssis``.

Numbers are those of Kim et al., CVPR 2023, as far as the pictures and the README of the authors'
repository state them. Each row divides the training
images into images with masks and images with clicks (``bestie split``).
"""

import json
from functools import partial
from pathlib import Path

from bestie.methods.pointwssis.stages import LABELS, STRONG, StudentOfRoughLabels
from bestie.pipeline.stages import VAL_TRUTH
from bestie.pipeline.tables import Reader, Row, Table, Values, metrics_of, register_tables

__all__ = ["TABLES"]

COLUMNS = {"AP": "segm/AP", "AP50": "segm/AP50", "AP75": "segm/AP75"}
REPOSITORY = "github.com/clovaai/PointWSSIS, README and figure/results.png"
SETTING = "COCO test-dev, ResNet-101, SOLOv2 as the student"
# Share of the images that have masks, percent -> published AP with masks alone, with clicks, and
# with clicks and the refiner (figure 6; of 2 % the README says 25.3).
PUBLISHED = {
    1: (6.9, 14.3, 24.0),
    2: (13.0, 20.5, 28.5),
    5: (20.1, 29.0, 33.7),
    10: (22.1, 32.6, 35.8),
    20: (29.8, 35.7, 37.1),
    30: (32.7, 36.7, 38.0),
    50: (35.7, 38.3, 38.8),
}
# Share -> days of annotation for train2017 (table 1).
DAYS = {5: 158.5, 10: 196.7, 30: 349.5, 50: 502.3}
# Row of figure 6 -> its title, and the training whose evaluation it shows.
KINDS = (
    ("masks", "masks only", "teacher"),
    ("clicks", "+ clicks", "student_rough"),
    ("refined", "+ clicks + refiner", "student"),
)
# Share -> steps at which the teacher's learning rate drops, number of its steps, and shares of them
# after which its checkpoints give rough masks; see configs/PointWSSIS.
SCHEDULES = {
    1: ((5000, 8000), 10001, [0.5, 0.9999]),
    2: ((15000, 20000), 25001, [0.4, 0.8]),
    5: ((20000, 25000), 30001, [0.5, 0.833]),
    10: ((35000, 40000), 45001, [0.667, 0.889]),
    20: ((90000, 110000), 120001, [0.583, 0.833]),
    30: ((120000, 150000), 160001, [0.625, 0.8125]),
    50: ((210000, 250000), 270001, [0.667, 0.889]),
}
PAPER = "r101"
NOTE = (
    f"With the preset {PAPER}, the teacher of each share has the paper's schedule; with other "
    "presets all shares have that of the preset."
)


def _split(percent: int) -> tuple[str, ...]:
    return ("--percent", str(percent))


def _schedule(percent: int) -> dict[str, dict[str, str]]:
    """Settings of the rows of a share, in the preset of the paper."""
    steps, last, rough_at = SCHEDULES[percent]
    settings = {
        "teacher:SOLVER.STEPS": str(steps),
        "teacher:SOLVER.MAX_ITER": str(last),
        "teacher:SOLVER.CHECKPOINT_PERIOD": "5000",
        "MODEL.POINTWSSIS.ROUGH_AT": str(rough_at),
    }
    return {PAPER: settings}


SHARES = Table(
    "figure",
    "6",
    "share of images with masks",
    "masks+clicks",
    rows=tuple(
        Row(
            f"{name}_{percent}",
            f"{percent} %: {title}",
            preset_settings=_schedule(percent),
            prepare=_split(percent),
            published={"AP": published},
            read=metrics_of(training, COLUMNS),
        )
        for percent, numbers in PUBLISHED.items()
        for (name, title, training), published in zip(KINDS, numbers, strict=True)
    ),
    columns=tuple(COLUMNS),
    needs_json=True,
    last="student",
    read=metrics_of("student", COLUMNS),
    setting=SETTING,
    preset=PAPER,
    source=REPOSITORY,
    note="Not run: 40 % and 100 % of masks, and self-training without clicks. Of 2 % the README "
    f"says 25.3. {NOTE}",
    stages=(
        (
            "merge",
            StudentOfRoughLabels(
                "student_rough",
                "Student without the refiner",
                data=("classes", "strong images", "weak images", *VAL_TRUTH),
                reads=(("check", STRONG), ("labels", LABELS)),
                training="student",
            ),
        ),
    ),
)

BUDGET = Table(
    "table",
    "1",
    "annotation budget",
    "masks+clicks",
    rows=tuple(
        Row(
            f"share_{percent}",
            f"{percent} % masks, {100 - percent} % clicks: {days} days",
            preset_settings=_schedule(percent),
            prepare=_split(percent),
            published={"AP": PUBLISHED[percent][-1]},
        )
        for percent, days in DAYS.items()
    ),
    columns=tuple(COLUMNS),
    needs_json=True,
    last="student",
    read=metrics_of("student", COLUMNS),
    setting=SETTING,
    preset=PAPER,
    source=REPOSITORY,
    note=f"Days of annotation are those of the paper for COCO train2017. {NOTE}",
)


def _read_labels(stage: str, folder: Path) -> Values:
    """Quality of the labels of the weak images after a stage, percent."""
    content = json.loads((folder / "quality/quality.json").read_text(encoding="utf-8"))
    found = content["stages"][stage]
    names = {"recall": "recall", "precision": "precision", "recall75": "recall at IoU 0.75"}
    return {title: found[name] for name, title in names.items()} | {"mean IoU": found["best_iou"]}


def _of(stage: str) -> Reader:
    return partial(_read_labels, stage)


ABLATIONS = Table(
    "table",
    "labels",
    "what makes the labels of the clicks better (10 % of the images with masks)",
    "masks+clicks",
    rows=(
        Row("refined", "refined labels", prepare=_split(10), why="the paper's are in words only"),
        Row("rough", "no refiner", prepare=_split(10), read=_of("labels")),
        *(
            Row(
                f"without_{left}",
                f"refiner without the {left}",
                settings={
                    "MODEL.REFINER.INPUTS": str(
                        [i for i in ("image", "mask", "point") if i != left]
                    )
                },
                prepare=_split(10),
            )
            for left in ("image", "mask", "point")
        ),
        *(
            Row(
                f"guidance_{prompt}",
                f"{what}, no refiner",
                settings={"MODEL.POINTWSSIS.PROMPT": prompt},
                variants={"refiner": "off"},
                prepare=_split(10),
                read=_of("labels"),
            )
            for prompt, what in (
                ("none", "plain detections instead of clicks"),
                ("filter", "clicks choose among plain detections"),
            )
        ),
        *(
            Row(
                f"level_{level}",
                f"all clicks read the level {level}",
                settings={"MODEL.POINTWSSIS.LEVEL": level},
                prepare=_split(10),
            )
            for level in ("p2", "p3", "p4", "p5")
        ),
        *(
            Row(
                f"clicks_{kind}",
                f"clicks made from the masks: {kind}",
                prepare=(*_split(10), "--clicks", kind),
            )
            for kind in ("random", "centroid")
        ),
        *(
            Row(
                f"nms_{between}",
                f"labels that suppress each other: {what}",
                settings={"MODEL.POINTWSSIS.NMS_BETWEEN": between},
                prepare=_split(10),
            )
            for between, what in (
                ("none", "none"),
                ("cell", "those of one cell and class"),
                ("class", "all of a class (official code)"),
            )
        ),
    ),
    last="quality",
    read=_of("refined"),
    preset=PAPER,
    note="Not a table of the paper. Labels are matched with the true masks of the clicked images "
    "at a mask IoU of 0.5; these masks measure, and do nothing else. The level of the true size "
    "(oracle) is no row: a run reads no masks of clicked images.",
    needs_truth=("weak", "val"),
)

TABLES = register_tables("pointwssis", (SHARES, BUDGET, ABLATIONS))
