"""The kinds of stages that a recipe is made of, and how each becomes work for the runner.

A :class:`Step` says what it reads and leaves; a subclass says what it does: it runs some of the
project's commands, with the arguments that a user would type, and does what is left in this
process.

What a user supplies replaces stages: a step with ``supplied`` is not needed where the data has that
component, and who reads its outputs reads the component instead. A step that only ``serves`` such
steps is not needed where all of them are replaced.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bestie.evaluation import summarize_labels
from bestie.formats import DataError, atomic_write, read_coco, to_json
from bestie.formats.ledger import LEDGER
from bestie.pipeline.check_stage import check_configs, check_data, preset_note, time_note
from bestie.pipeline.code_version import code_of, strings_of
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.crowding import too_close_clicks
from bestie.pipeline.fingerprint import PROJECT, count_outputs, digest_of
from bestie.pipeline.limits import too_small_limits
from bestie.pipeline.measurements import Measurements
from bestie.pipeline.process import Command
from bestie.pipeline.recipe import Recipe
from bestie.pipeline.request import Request
from bestie.pipeline.source import Source
from bestie.pipeline.stage import Stage
from bestie.pipeline.trainings import has_checkpoint, share_done, trim_metrics
from bestie.report import write_report

__all__ = [
    "TRAIN",
    "VAL",
    "VAL_TRUTH",
    "Check",
    "Evaluate",
    "Export",
    "MeasureLabels",
    "Predict",
    "Report",
    "Run",
    "Step",
    "Train",
    "build_stages",
    "stage_code",
]

# This file says what a stage runs, so it counts for all of them.
HERE = "bestie/pipeline/stages.py"
MEASURE = "bestie.pipeline.measurements"
# Command -> the module that it runs.
COMMAND_CODE = {
    "train": "bestie.cli.train",
    "extract-points": "bestie.cli.extract_points",
    "make-maps": "bestie.cli.make_semantic_maps",
    "predict-maps": "bestie.cli.predict_semantic_maps",
    "export": "bestie.cli.export",
    "evaluate": "bestie.cli.evaluate",
}

# Components of the data (see Source.files).
TRAIN = ("classes", "train split", "train images", "tags")
VAL = ("val split", "val images")
VAL_TRUTH = (*VAL, "val truth")


@dataclass(frozen=True)
class Run:
    """What the stages of one run stand on.

    Attributes:
        request: what was asked for.
        source: the data.
        configs: of the trainings.
        note: takes a line for the user.
    """

    request: Request
    source: Source
    configs: TrainingConfigs
    note: Callable[[str], None] = lambda line: None

    @property
    def recipe(self) -> Recipe:
        return self.request.recipe

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""
        return self.request.output

    @property
    def steps(self) -> list["Step"]:
        """The stages of the recipe.

        Raises:
            TypeError: one is not of a kind of this module.
        """
        steps = [stage for stage in self.recipe.stages if isinstance(stage, Step)]
        if len(steps) != len(self.recipe.stages):
            raise TypeError(f"a stage of the recipe {self.recipe.name} is not a Step")
        return steps

    def step(self, name: str) -> "Step":
        return next(step for step in self.steps if step.name == name)

    def why_not_needed(self, step: "Step") -> str:
        """Why a stage is replaced; "": it is needed."""
        if step.supplied:
            return self.source.why_supplied(step.supplied, self.request.supervision)
        reasons = [self.why_not_needed(self.step(name)) for name in step.serves]
        return ", ".join(reasons) if all(reasons) else ""

    @property
    def needed_trainings(self) -> list[str]:
        """Names of the trainings that are not replaced by what is supplied."""
        return [name for name in self.configs.names if not self.is_replaced(name)]

    def is_replaced(self, name: str) -> bool:
        """Whether there is a stage of this name that is not needed."""
        return any(step.name == name and self.why_not_needed(step) for step in self.steps)

    def command(
        self, program: str, training: str, arguments: list[str], **values: object
    ) -> Command:
        """A command on the config of a training.

        Args:
            program: name of the command.
            training: whose config it gets.
            arguments: of the command.
            values: "KEY" -> value that come on top of the settings of the training.
        """
        config = ["--config-file", str(self.configs.config_file(training))]
        trains = program == "train"
        processes = self.configs.processes(training) if trains else self.request.num_gpus
        config += ["--num-gpus", str(processes)]
        settings = self.configs.arguments(training, values)
        return Command(program, (*config, *arguments, *settings))


@dataclass(frozen=True)
class Step:
    """A stage of a recipe: what it reads, and what it leaves. Subclasses do something.

    Attributes:
        name: also of its folder.
        title: what people call it.
        data: components of the data that it reads.
        reads: (stage, pattern) pairs: outputs of earlier stages that it reads; those of stages that
            a run does without are left out.
        outputs: patterns of the files that it leaves, relative to the pipeline's folder.
        code: modules and scripts that it runs.
        training: whose settings it depends on; "": on none.
        ignores: keys of that training that do not matter to it.
        supplied: component of the data that takes the place of its outputs; "": none can.
        serves: steps that it works for; empty: it is always needed.
        improves: step whose files its own take the place of, for later steps; the pattern of the
            files is the same but for the folder.
    """

    name: str
    title: str
    data: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    outputs: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    training: str = ""
    ignores: tuple[str, ...] = ()
    supplied: str = ""
    serves: tuple[str, ...] = ()
    improves: str = ""

    def commands(self, run: Run, resume: bool) -> list[Command]:
        """What it runs; ``resume``: to continue what a stopped run left."""
        return []

    def finish(self, run: Run) -> None:
        """What is done in this process after the commands."""

    def can_resume(self, run: Run) -> bool:
        """Whether a stopped run left something to continue with."""
        return False

    def progress(self, run: Run) -> float | None:
        """Share that is done, in [0, 1]; None: not known."""
        return None

    def all_reads(self, run: Run) -> tuple[tuple[str, str], ...]:
        """Outputs of stages that it reads, whether they are replaced or not."""
        return self.reads

    def all_data(self, run: Run) -> tuple[str, ...]:
        """Components of the data that it always reads."""
        return self.data

    def settings(self, run: Run) -> str:
        """Digest of its settings."""
        return run.configs.digest(self.training, without=self.ignores) if self.training else ""

    def names(self, run: Run) -> frozenset[str]:
        """Strings of its configuration, which may name parts of the code."""
        return strings_of(run.configs.cfg[self.training]) if self.training else frozenset()

    def build(self, run: Run) -> Stage:
        """The stage, for one run."""
        there = [pair for pair in self.all_reads(run) if pair[0] in run.recipe.stage_names]
        reads = [self._latest(run, *pair) for pair in there]
        made = tuple(pair for pair in reads if not run.is_replaced(pair[0]))
        supplied = {run.step(name).supplied for name, _ in reads if run.is_replaced(name)}
        return Stage(
            self.name,
            data=(*self.all_data(run), *sorted(supplied - {""})),
            settings=self.settings(run),
            code=self.code,
            names=self.names(run),
            reports=isinstance(self, Report),
            reads=made,
            outputs=self.outputs,
            runs_commands=type(self).commands is not Step.commands,
            commands=lambda resume: self.commands(run, resume),
            finish=lambda: self.finish(run),
            replaced=run.why_not_needed(self),
            can_go_on=lambda: self.can_resume(run),
            progress=lambda: self.progress(run),
        )

    def _latest(self, run: Run, name: str, pattern: str) -> tuple[str, str]:
        """What it reads in place of an output of ``name``, if an earlier step improves it."""
        latest = run.recipe.latest(name, self.name)
        if latest != name and not run.is_replaced(latest):
            return latest, pattern.replace(f"{name}/", f"{latest}/", 1)
        return name, pattern


def build_stages(run: Run) -> list[Stage]:
    """All stages of a run, in their order."""
    return [step.build(run) for step in run.steps]


def stage_code(recipe: Recipe, stage: Stage) -> dict[str, dict[str, str]]:
    """Digests of the code that a stage runs, and versions of the libraries behind it."""
    definition = Path(sys.modules[recipe.module].__file__ or "").resolve()
    files = (HERE, definition.relative_to(PROJECT).as_posix())
    return code_of(stage.code, names=stage.names, files=files, display=stage.reports)


@dataclass(frozen=True)
class Check(Step):
    """Data, settings and weights of all trainings, before any work is done."""

    data: tuple[str, ...] = (*TRAIN, "train truth", *VAL_TRUTH)
    outputs: tuple[str, ...] = ("check/dataset.json",)
    code: tuple[str, ...] = ("bestie.pipeline.check_stage",)

    def all_data(self, run: Run) -> tuple[str, ...]:
        supplied = (step.supplied for step in run.steps if run.why_not_needed(step))
        return (*self.data, *filter(None, supplied))

    def settings(self, run: Run) -> str:
        return digest_of([run.configs.digest(name) for name in run.configs.names])

    def names(self, run: Run) -> frozenset[str]:
        return strings_of(run.configs.cfg)

    def finish(self, run: Run) -> None:
        output = run.folder / self.outputs[0]
        warnings = check_data(
            run.source, run.request.supervision, run.configs.point_threshold, output
        )
        if warnings:
            run.note(f"{len(warnings)} warning(s) about the data, all in {output}, the first:")
            run.note(warnings[0])
        run.note(preset_note(run.source, run.configs))
        if seconds := check_configs(run.configs, run.needed_trainings):
            run.note(time_note(seconds))
        for training in run.recipe.trainings:
            if training.finds_instances:
                cfg = run.configs.cfg[training.name]
                for warning in (
                    *too_small_limits(cfg, run.configs.most_objects),
                    *too_close_clicks(run.configs, training),
                ):
                    run.note(f"warning: {training.name}: {warning}")


@dataclass(frozen=True)
class Train(Step):
    """A training of the recipe; stage and folder have its name, unless ``training`` names it."""

    code: tuple[str, ...] = (COMMAND_CODE["train"],)

    @property
    def config(self) -> str:
        """The training whose config it has."""
        return self.training or self.name

    def settings(self, run: Run) -> str:
        return run.configs.digest(self.config, without=self.ignores)

    def names(self, run: Run) -> frozenset[str]:
        return strings_of(run.configs.cfg[self.config])

    def all_reads(self, run: Run) -> tuple[tuple[str, str], ...]:
        weights = run.configs.cfg[self.config].MODEL.TIMM.WEIGHTS
        if not run.configs.is_own(weights):
            return self.reads
        maker = Path(weights).relative_to(run.folder)
        return (*self.reads, (maker.parts[0], maker.as_posix()))

    def commands(self, run: Run, resume: bool) -> list[Command]:
        if resume:
            trim_metrics(run.folder / self.name)
        flags = ["--resume"] if resume else []
        return [run.command("train", self.config, flags, **self.values(run))]

    def values(self, run: Run) -> dict[str, object]:
        """ "KEY" -> value that come on top of the settings of the training."""
        return {}

    def can_resume(self, run: Run) -> bool:
        return has_checkpoint(run.folder / self.name)

    def progress(self, run: Run) -> float | None:
        return share_done(run.folder / self.name, run.configs.cfg[self.config].SOLVER.MAX_ITER)

    def build(self, run: Run) -> Stage:
        final = tuple(
            f"{self.name}/{file}" for file in ("model_final.pth", "metrics.json", "config.yaml")
        )
        return replace(super().build(run), outputs=(*final, *self.outputs))


@dataclass(frozen=True)
class Predict(Step):
    """A file per training image, written by a trained network.

    Attributes:
        program: command that writes them; it takes --dataset, --output and --report.
        files: pattern of the files.
    """

    program: str = ""
    files: str = ""

    @property
    def weights(self) -> str:
        return f"{self.training}/model_final.pth"

    def all_reads(self, run: Run) -> tuple[tuple[str, str], ...]:
        return ((self.training, self.weights), *self.reads)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        folder = run.folder / self.name
        arguments = ["--dataset", run.source.name("train")]
        arguments += ["--output", str(folder), "--report", str(folder / "report")]
        values = {"MODEL.WEIGHTS": run.folder / self.weights}
        return [run.command(self.program, self.training, arguments, **values)]

    def can_resume(self, run: Run) -> bool:
        return (run.folder / self.name / LEDGER).is_file()

    def progress(self, run: Run) -> float | None:
        count = max(1, len(run.source.ids["train"]))
        return count_outputs(run.folder, self.files) / count

    def build(self, run: Run) -> Stage:
        outputs = (self.files, f"{self.name}/{LEDGER}", f"{self.name}/report/*")
        stage = super().build(run)
        return replace(stage, outputs=outputs, code=(COMMAND_CODE[self.program],))


@dataclass(frozen=True)
class Export(Step):
    """The labels of the training images that the labeler finds, as a COCO json."""

    outputs: tuple[str, ...] = ("labels/labels.json", "labels/summary.json")
    code: tuple[str, ...] = (COMMAND_CODE["export"], MEASURE)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        output = run.folder / self.outputs[0]
        weights = f"{self.training}/model_final.pth"
        measurements = Measurements(run.request, run.source, run.configs)
        return [measurements.export(run.source.name("train"), output, weights)]

    def finish(self, run: Run) -> None:
        output = run.folder / self.outputs[0]
        coco = read_coco(output)
        if not coco["annotations"]:
            raise DataError(
                f"holds no label: {run.step(self.training).title} found nothing in any image; it "
                "has to be trained longer, or its points and maps are wrong",
                output,
            )
        with atomic_write(output.with_name("summary.json")) as file:
            file.write(to_json(asdict(summarize_labels(coco)), indent=1))


@dataclass(frozen=True)
class MeasureLabels(Step):
    """How good the labels are: against ground truth, over the training, and against their input."""

    outputs: tuple[str, ...] = ("quality/quality.json",)
    code: tuple[str, ...] = (COMMAND_CODE["export"], COMMAND_CODE["evaluate"], MEASURE)

    def commands(self, run: Run, resume: bool) -> list[Command]:
        return Measurements(run.request, run.source, run.configs).quality_commands()

    def finish(self, run: Run) -> None:
        Measurements(run.request, run.source, run.configs).write_quality()


@dataclass(frozen=True)
class Evaluate(Step):
    """The metrics of the models on the validation images, in one table."""

    data: tuple[str, ...] = ("classes", *VAL_TRUTH)
    outputs: tuple[str, ...] = ("evaluation/results.json",)
    code: tuple[str, ...] = (COMMAND_CODE["evaluate"], MEASURE)

    def all_data(self, run: Run) -> tuple[str, ...]:
        return (*self.data, *(("val maps",) if run.source.val_maps else ()))

    def commands(self, run: Run, resume: bool) -> list[Command]:
        return Measurements(run.request, run.source, run.configs).evaluation_commands()

    def finish(self, run: Run) -> None:
        Measurements(run.request, run.source, run.configs).write_results()


@dataclass(frozen=True)
class Report(Step):
    """``report.html``, from what the others left."""

    data: tuple[str, ...] = (*TRAIN, *VAL_TRUTH)
    outputs: tuple[str, ...] = ("report.html",)
    code: tuple[str, ...] = ("bestie.report",)

    def finish(self, run: Run) -> None:
        write_report(run.folder, run.recipe.report_plan, run.recipe.sections)
