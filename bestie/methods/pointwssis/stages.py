"""The stages of PointWSSIS that the pipeline has no kind for: from masks and clicks to labels.

Each runs the project's commands ``export`` and ``combine`` on files of the run's folder.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from bestie.data.registration import dataset_name
from bestie.evaluation import summarize_labels
from bestie.formats import DataError, atomic_write, read_coco, read_points, to_json, write_coco
from bestie.formats.ledger import LEDGER, entry_of_images, write_ledger_entry
from bestie.formats.supervision import LabelKind, count_images, mark_images
from bestie.formats.true_masks import true_instances
from bestie.methods.pointwssis.quality import (
    count_refined,
    count_served,
    count_unpaired,
    measure_quality,
)
from bestie.pipeline.derived import SUBSET, make_subset
from bestie.pipeline.process import Command
from bestie.pipeline.stages import Check, Run, Step, Train
from bestie.pipeline.trainings import checkpoints

__all__ = [
    "LABELS",
    "PAIRS",
    "REFINED",
    "ROUGH",
    "STRONG",
    "STUDENT",
    "CheckMasks",
    "MergeLabels",
    "PromptedLabels",
    "QualityOfLabels",
    "RefinedLabels",
    "RoughLabels",
    "StudentOfRoughLabels",
]

# Files of a run: true masks of the strong images, rough and true masks of them, labels of the weak
# images before and after the refiner, and what the student trains on.
STRONG, PAIRS = "check/strong.json", "rough/pairs.json"
LABELS, REFINED = "labels/labels.json", "refined/labels.json"
STUDENT = "merge/student.json"
ROUGH = "rough/after_*.json"
EXPORT, COMBINE = "bestie.cli.export", "bestie.cli.combine_labels"
# Weak images on which plain detections of the teacher are compared with the labels, at most.
MAX_IMAGES = 100
# Score from which plain detections are drawn into the curve.
PLAIN_SCORE = 0.05


@dataclass(frozen=True)
class CheckMasks(Check):
    """The check, and the masks of the strong images as one COCO json."""

    outputs: tuple[str, ...] = (*Check.outputs, STRONG, f"check/{LEDGER}")

    def finish(self, run: Run) -> None:
        super().finish(run)
        coco = true_instances(run.source.root, run.source.splits["strong"])
        images = mark_images(coco["images"], LabelKind.MASKS)
        write_coco(run.folder / STRONG, {**coco, "images": images})
        _write_ledger(run, STRONG, self.title, {LabelKind.MASKS: len(images)})


@dataclass(frozen=True)
class RoughLabels(Step):
    """Rough masks of the strong images by earlier checkpoints of the teacher, and their pairs."""

    outputs: tuple[str, ...] = (ROUGH, PAIRS, f"rough/{LEDGER}")
    code: tuple[str, ...] = (EXPORT, COMBINE)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        dataset = dataset_name("coco", run.folder / STRONG, run.source.image_dir)
        chosen = _earlier_checkpoints(run, self.training)
        files = [run.folder / f"rough/after_{steps:07d}.json" for steps in chosen]
        commands = [
            _prompted(run, self.training, dataset, file, path, "sizes")
            for file, path in zip(files, chosen.values(), strict=True)
        ]
        return [*commands, _combine("pairs", run.folder / STRONG, files, run.folder / PAIRS)]

    def finish(self, run: Run) -> None:
        counts = count_images(read_coco(run.folder / STRONG))
        _write_ledger(run, PAIRS, self.title, counts)


@dataclass(frozen=True)
class PromptedLabels(Step):
    """Labels of the weak images: for each click, the teacher's mask at it.

    MODEL.POINTWSSIS.PROMPT may choose other labels of the teacher, for ablations.
    """

    outputs: tuple[str, ...] = (LABELS, "labels/summary.json", f"labels/{LEDGER}")
    code: tuple[str, ...] = (EXPORT,)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        weights, output = run.folder / self.training / "model_final.pth", run.folder / LABELS
        dataset = run.source.name("weak")
        prompt = _prompt(run, self.training)
        return [_prompted(run, self.training, dataset, output, weights, prompt)]

    def finish(self, run: Run) -> None:
        coco = read_coco(run.folder / LABELS)
        if not coco["annotations"]:
            raise DataError(
                f"holds no label: {run.step(self.training).title} gave a mask for no click; it has "
                "to be trained longer",
                run.folder / LABELS,
            )
        with atomic_write(run.folder / "labels/summary.json") as file:
            file.write(to_json(asdict(summarize_labels(coco)), indent=1))
        uses_clicks = _prompt(run, self.training) != "none"
        counts = {LabelKind.CLICKS: len(coco["images"])} if uses_clicks else {}
        _write_ledger(run, LABELS, self.title, counts)


@dataclass(frozen=True)
class RefinedLabels(Step):
    """The labels of the weak images after the refiner."""

    outputs: tuple[str, ...] = (REFINED,)
    code: tuple[str, ...] = (EXPORT,)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        dataset = dataset_name("coco", run.folder / LABELS, run.source.image_dir)
        weights = run.folder / self.training / "model_final.pth"
        arguments = ["--dataset", dataset, "--output", str(run.folder / REFINED), "--no-tags"]
        values = {"MODEL.WEIGHTS": weights}
        return [run.command("export", self.training, arguments, **values)]


@dataclass(frozen=True)
class MergeLabels(Step):
    """True masks of the strong images and labels of the weak ones, in one file."""

    outputs: tuple[str, ...] = (STUDENT, f"merge/{LEDGER}")
    code: tuple[str, ...] = (COMBINE,)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        *_, labels = _labels_of_stages(run).values()
        given = [] if _prompt(run, "teacher") != "none" else ["--without-clicks"]
        return [_combine("merge", run.folder / STRONG, [labels], run.folder / STUDENT, *given)]

    def finish(self, run: Run) -> None:
        counts = count_images(read_coco(run.folder / STUDENT))
        counts.pop(LabelKind.NONE, None)
        _write_ledger(run, STUDENT, self.title, counts)


@dataclass(frozen=True)
class StudentOfRoughLabels(Train):
    """A second student, on true masks and labels that no refiner has seen."""

    code: tuple[str, ...] = (COMBINE, *Train.code)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        merge = _combine("merge", run.folder / STRONG, [run.folder / LABELS], self._labels(run))
        return [merge, *super().commands(run, resume)]

    def values(self, run: Run) -> dict[str, object]:
        trained = dataset_name("coco", self._labels(run), run.source.image_dir)
        return {"OUTPUT_DIR": run.folder / self.name, "DATASETS.TRAIN": str((trained,))}

    def _labels(self, run: Run) -> Path:
        return run.folder / self.name / "labels.json"


@dataclass(frozen=True)
class QualityOfLabels(Step):
    """How good the labels of the weak images are, beside plain detections of the teacher.

    Masks of weak images are read here only, and measure; without them, counts are left.
    """

    outputs: tuple[str, ...] = (
        "quality/quality.json",
        "quality/plain.json",
        f"quality/{LEDGER}",
    )
    code: tuple[str, ...] = (EXPORT, "bestie.methods.pointwssis.quality")

    def commands(self, run: Run, resume: bool) -> list[Command]:
        dataset = make_subset(run.source, "weak", run.folder / "quality" / SUBSET, MAX_IMAGES)
        arguments = ["--dataset", dataset, "--output", str(run.folder / self.outputs[1])]
        values = {
            "MODEL.WEIGHTS": run.folder / self.training / "model_final.pth",
            "MODEL.SOLO.TEST.SCORE_THRESH": PLAIN_SCORE,
            "TEST.EVALUATORS": "[]",
        }
        return [run.command("export", self.training, [*arguments, "--no-tags"], **values)]

    def finish(self, run: Run) -> None:
        source = run.source
        assert source.points is not None, "clicks of the weak images"
        clicks = sum(
            len(read_points(source.points / f"{image_id}.txt")) for image_id in source.ids["weak"]
        )
        labels = _labels_of_stages(run)
        content = measure_quality(
            labels,
            run.folder / self.outputs[1],
            dataset=source.name("weak"),
            subset=dataset_name("folder", run.folder / "quality" / SUBSET, SUBSET),
            has_truth=bool(source.truth["weak"]),
        )
        skipped = count_served(clicks, labels["labels"])
        if "refined" in labels:
            rough = sorted(run.folder.glob(ROUGH))
            min_area = run.configs.cfg["refiner"].MODEL.REFINER.MIN_AREA
            skipped |= count_refined(labels["labels"], labels["refined"])
            skipped |= count_unpaired(rough, run.folder / PAIRS, min_area)
        for reason, number in skipped.items():
            run.note(f"{self.title}: {number} {reason}")
        with atomic_write(run.folder / self.outputs[0]) as file:
            counts = {"clicks": clicks, "prompt": _prompt(run, self.training), "skipped": skipped}
            file.write(to_json(counts | content, indent=1))
        measured = len(source.ids["weak"]) if source.truth["weak"] else 0
        masks = {
            "kind": str(LabelKind.MASKS),
            "labels": f"masks of {measured} clicked images, which only measure the labels",
            "images": measured,
            "origin": f"{source.root}, split {source.splits['weak']}",
        }
        entry = {"stage": self.title, "consumed": [masks] if measured else []}
        write_ledger_entry(run.folder / "quality", "quality", entry)


def _prompt(run: Run, training: str) -> str:
    """How the labels of the weak images are made."""
    return run.configs.cfg[training].MODEL.POINTWSSIS.PROMPT


def _labels_of_stages(run: Run) -> dict[str, Path]:
    """Stage -> labels of the weak images after it; the last ones are those that train."""
    files = {"labels": LABELS, "refined": REFINED}
    return {
        name: run.folder / file for name, file in files.items() if name in run.recipe.stage_names
    }


def _prompted(
    run: Run, training: str, dataset: str, output: Path, weights: Path, prompt: str
) -> Command:
    """The export of what the teacher finds for clicks ("points"), known objects ("sizes"), ..."""
    values = {"MODEL.WEIGHTS": weights, "TEST.EVALUATORS": "[]"}
    if prompt != "none":
        values |= {
            "MODEL.META_ARCHITECTURE": "PromptedSOLO",
            "MODEL.POINTWSSIS.PROMPT": prompt,
            "INPUT.DATASET_MAPPER_NAME": "PromptMapper",
        }
    arguments = ["--dataset", dataset, "--output", str(output), "--no-tags"]
    return run.command("export", training, arguments, **values)


def _combine(what: str, truth: Path, labels: list[Path], output: Path, *flags: str) -> Command:
    given = ("--truth", str(truth), "--labels", *map(str, labels), "--output", str(output))
    return Command("combine", (what, *given, *flags))


def _earlier_checkpoints(run: Run, training: str) -> dict[int, Path]:
    """Steps -> checkpoint: those nearest to MODEL.POINTWSSIS.ROUGH_AT, before the last one.

    Raises:
        DataError: there is none.
    """
    cfg = run.configs.cfg[training]
    last, shares = cfg.SOLVER.MAX_ITER, cfg.MODEL.POINTWSSIS.ROUGH_AT
    found = {n: path for n, path in checkpoints(run.folder / training).items() if n < last}
    if not found:
        raise DataError(
            f"holds no checkpoint before the last one; {training}:SOLVER.CHECKPOINT_PERIOD must be "
            f"below SOLVER.MAX_ITER {last}",
            run.folder / training,
        )
    chosen = {min(found, key=lambda steps: abs(steps - share * last)) for share in shares}
    return {steps: found[steps] for steps in sorted(chosen)}


def _write_ledger(run: Run, file: str, stage: str, counts: dict[LabelKind, int]) -> None:
    path, source = run.folder / file, run.source
    parts = {LabelKind.MASKS: "strong", LabelKind.CLICKS: "weak"}
    origins = {k: f"{source.root}, split {source.splits[part]}" for k, part in parts.items()}
    write_ledger_entry(path.parent, path.stem, entry_of_images(stage, counts, origins))
