"""The stages of the pipeline: what each reads, runs and leaves.

Comes in: a request, its data and its configs. Goes out: the list of stages that the runner goes
through. Called by ``bestie.pipeline``. Every work is one of the project's commands, with the
arguments that a user would type.
"""

from collections.abc import Callable
from dataclasses import asdict

from bestie.evaluation import summarize_labels
from bestie.formats import DataError, atomic_write, read_coco, to_json
from bestie.formats.ledger import LEDGER
from bestie.pipeline.check_stage import check_configs, check_data
from bestie.pipeline.code_version import code_of, strings_of
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.fingerprint import digest_of, find_outputs
from bestie.pipeline.limits import too_small_limits
from bestie.pipeline.measurements import Measurements
from bestie.pipeline.process import Command
from bestie.pipeline.request import TRAININGS, Request
from bestie.pipeline.source import Source
from bestie.pipeline.stage import Stage
from bestie.pipeline.trainings import has_checkpoint, share_done, trim_metrics
from bestie.report import write_report

__all__ = ["build_stages", "stage_code"]

# This file says what a stage runs, so it counts for all of them.
HERE = "bestie/pipeline/stages.py"
MEASURE = "bestie.pipeline.measurements"
# Command -> the module that it runs.
COMMAND_CODE = {
    "train": "bestie.cli.train",
    "extract-points": "bestie.cli.extract_points",
    "make-maps": "bestie.cli.make_semantic_maps",
    "export": "bestie.cli.export",
    "evaluate": "bestie.cli.evaluate",
}

TRAIN = ("classes", "train split", "train images", "tags")
VAL = ("val split", "val images")
VAL_TRUTH = (*VAL, "val truth")
CLASSIFIER, BESTIE = "classifier/model_final.pth", "bestie/model_final.pth"
CHECKPOINTS = "bestie/model_*.pth"
LABELS = "labels/labels.json"


def build_stages(
    request: Request,
    source: Source,
    configs: TrainingConfigs,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Stage]:
    """All stages of a run, in their order.

    Args:
        request: what was asked for.
        source: the data.
        configs: of the trainings.
        tell: takes a line for the user.
    """
    builder = _Builder(request, source, configs, tell)
    return [
        builder.check(),
        builder.classifier(),
        builder.from_classifier("cues", "extract-points", "txt", builder.why_no_cues),
        builder.from_classifier("maps", "make-maps", "png", builder.why_no_maps),
        builder.bestie(),
        builder.labels(),
        builder.quality(),
        builder.maskrcnn(),
        builder.evaluation(),
        builder.report(),
    ]


def stage_code(stage: Stage) -> dict[str, dict[str, str]]:
    """Digests of the code that a stage runs, and versions of the libraries behind it."""
    return code_of(stage.code, names=stage.names, files=(HERE,), display=stage.reports)


class _Builder:
    def __init__(self, request: Request, source: Source, configs: TrainingConfigs, tell: Callable):
        self.request, self.source, self.configs, self.tell = request, source, configs, tell
        self.folder = request.output
        self.measurements = Measurements(request, source, configs)
        points, maps = source.points, source.maps
        what = "clicks are given" if request.supervision == "clicks" else "cues are supplied"
        # Why a stage is not needed; "": it is.
        self.why_no_cues = f"{what} ({points})" if points else ""
        self.why_no_maps = f"maps are supplied ({maps})" if maps else ""
        both = points and maps
        self.why_no_classifier = f"{self.why_no_cues}, {self.why_no_maps}" if both else ""
        # What stands in for cues and maps: components of the data, or outputs of stages.
        self.supplied = ("points",) * bool(points) + ("maps",) * bool(maps)
        self.made = () if points else (("cues", "cues/*.txt"),)
        self.made += () if maps else (("maps", "maps/*.png"),)

    def check(self) -> Stage:
        output = self.folder / "check/dataset.json"
        needed = [name for name in TRAININGS if name != "classifier" or not self.why_no_classifier]

        def finish() -> None:
            threshold = self.configs.cfg["bestie"].INPUT.POINT_SCORE_THRESH
            warnings = check_data(self.source, self.request.supervision, threshold, output)
            if warnings:
                self.tell(f"{len(warnings)} warning(s) about the data, all in {output}, the first:")
                self.tell(warnings[0])
            check_configs(self.configs, needed)
            for name in TRAININGS[1:]:
                for warning in too_small_limits(self.configs.cfg[name], self.configs.most_objects):
                    self.tell(f"warning: {name}: {warning}")

        return Stage(
            "check",
            data=(*TRAIN, "train truth", *VAL_TRUTH, *self.supplied),
            settings=digest_of([self.configs.digest(name) for name in TRAININGS]),
            code=("bestie.pipeline.check_stage",),
            names=strings_of(self.configs.cfg),
            outputs=("check/dataset.json",),
            finish=finish,
        )

    def classifier(self) -> Stage:
        # The settings of cues and maps take no part in the training.
        others = ("MODEL.PAM.CUES", "MODEL.PAM.MAPS")
        return self._training(
            "classifier",
            data=(*TRAIN, *VAL),
            settings=self.configs.digest("classifier", without=others),
            replaced=self.why_no_classifier,
        )

    def from_classifier(self, name: str, program: str, suffix: str, replaced: str) -> Stage:
        """Cues or maps."""
        folder, pattern = self.folder / name, f"{name}/*.{suffix}"

        def commands(resume: bool) -> list[Command]:
            arguments = [
                *self._config("classifier"),
                *("--dataset", self.source.name("train")),
                *("--output", str(folder), "--report", str(folder / "report")),
                *self.configs.arguments("classifier", {"MODEL.WEIGHTS": self.folder / CLASSIFIER}),
            ]
            return [Command(program, tuple(arguments))]

        ignored = "MODEL.PAM.MAPS" if name == "cues" else "MODEL.PAM.CUES"
        count = max(1, len(self.source.ids["train"]))
        return Stage(
            name,
            data=(*TRAIN, "train truth"),
            settings=self.configs.digest("classifier", without=(ignored,)),
            code=(COMMAND_CODE[program],),
            names=strings_of(self.configs.cfg["classifier"]),
            reads=(("classifier", CLASSIFIER),),
            outputs=(pattern, f"{name}/{LEDGER}", f"{name}/report/*"),
            commands=commands,
            replaced=replaced,
            can_go_on=lambda: (folder / LEDGER).is_file(),
            progress=lambda: len(find_outputs(self.folder, pattern)) / count,
        )

    def bestie(self) -> Stage:
        return self._training(
            "bestie",
            data=(*TRAIN, *VAL_TRUTH, *self.supplied),
            settings=self.configs.digest("bestie"),
            reads=self.made,
            outputs=(CHECKPOINTS,),
        )

    def labels(self) -> Stage:
        output = self.folder / LABELS

        def commands(resume: bool) -> list[Command]:
            return [self.measurements.export(self.source.name("train"), output, BESTIE)]

        def finish() -> None:
            coco = read_coco(output)
            if not coco["annotations"]:
                raise DataError(
                    "holds no label: BESTIE found nothing in any image; it has to be trained "
                    "longer, or its points and maps are wrong",
                    output,
                )
            with atomic_write(output.with_name("summary.json")) as file:
                file.write(to_json(asdict(summarize_labels(coco)), indent=1))

        return Stage(
            "labels",
            data=(*TRAIN, *self.supplied),
            settings=self.configs.digest("bestie"),
            code=(COMMAND_CODE["export"], MEASURE),
            names=strings_of(self.configs.cfg["bestie"]),
            reads=(("bestie", BESTIE), *self.made),
            outputs=(LABELS, "labels/summary.json"),
            commands=commands,
            finish=finish,
        )

    def quality(self) -> Stage:
        return Stage(
            "quality",
            data=(*TRAIN, "train truth", *self.supplied),
            settings=self.configs.digest("bestie"),
            code=(COMMAND_CODE["export"], COMMAND_CODE["evaluate"], MEASURE),
            names=strings_of(self.configs.cfg["bestie"]),
            reads=(("labels", LABELS), ("bestie", CHECKPOINTS), *self.made),
            outputs=("quality/quality.json",),
            commands=lambda resume: self.measurements.quality_commands(),
            finish=self.measurements.write_quality,
        )

    def maskrcnn(self) -> Stage:
        from_bestie = self.configs.is_own(self.configs.cfg["maskrcnn"].MODEL.TIMM.WEIGHTS)
        return self._training(
            "maskrcnn",
            data=("classes", "train images", *VAL_TRUTH),
            settings=self.configs.digest("maskrcnn"),
            reads=(("labels", LABELS), *((("bestie", BESTIE),) if from_bestie else ())),
        )

    def evaluation(self) -> Stage:
        metrics = tuple((name, f"{name}/metrics.json") for name in ("bestie", "maskrcnn"))
        return Stage(
            "evaluation",
            data=("classes", *VAL_TRUTH, *(("val maps",) if self.source.val_maps else ())),
            code=(COMMAND_CODE["evaluate"], MEASURE),
            reads=metrics,
            outputs=("evaluation/results.json",),
            commands=lambda resume: self.measurements.evaluation_commands(),
            finish=self.measurements.write_results,
        )

    def report(self) -> Stage:
        return Stage(
            "report",
            data=(*TRAIN, *VAL_TRUTH),
            code=("bestie.report",),
            reports=True,
            reads=(*self.made, *self._always_made()),
            outputs=("report.html",),
            finish=lambda: write_report(self.folder) and None,
        )

    def _always_made(self) -> list[tuple[str, str]]:
        trainings = TRAININGS[1:] if self.why_no_classifier else TRAININGS
        return [
            ("check", "check/dataset.json"),
            *((name, f"{name}/metrics.json") for name in trainings),
            ("labels", LABELS),
            ("quality", "quality/quality.json"),
            ("evaluation", "evaluation/results.json"),
        ]

    def _config(self, name: str) -> tuple[str, ...]:
        file = str(self.configs.config_file(name))
        return ("--config-file", file, "--num-gpus", str(self.request.num_gpus))

    def _training(self, name: str, outputs: tuple[str, ...] = (), **fields) -> Stage:
        folder = self.folder / name
        max_iter = self.configs.cfg[name].SOLVER.MAX_ITER

        def commands(resume: bool) -> list[Command]:
            if resume:
                trim_metrics(folder)
            flags = ("--resume",) if resume else ()
            arguments = (*self._config(name), *flags, *self.configs.arguments(name))
            return [Command("train", arguments)]

        final = (f"{name}/model_final.pth", f"{name}/metrics.json", f"{name}/config.yaml")
        return Stage(
            name,
            code=(COMMAND_CODE["train"],),
            names=strings_of(self.configs.cfg[name]),
            outputs=(*final, *outputs),
            commands=commands,
            can_go_on=lambda: has_checkpoint(folder),
            progress=lambda: share_done(folder, max_iter),
            **fields,
        )
