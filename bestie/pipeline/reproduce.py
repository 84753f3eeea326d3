"""The rows of a paper's table, one run of the pipeline each, and their numbers.

:func:`reproduce` takes an :class:`Order` and leaves, in a folder per table, a folder per seed and
row (each a folder of a run), ``results.json`` and ``results.md``. What rows share is done once: a
run takes the finished stages of the other runs that had the same inputs. The same call again
continues where an interrupted one stopped.
"""

import io
import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TextIO

from bestie.data.shapes.generator import Settings
from bestie.formats import DataError
from bestie.pipeline import Request, StageError, open_data, run_pipeline
from bestie.pipeline.check_stage import check_settings
from bestie.pipeline.configs import TrainingConfigs
from bestie.pipeline.manifest import MANIFEST, hold_lock
from bestie.pipeline.preset_choice import DRAWN
from bestie.pipeline.progress import Progress
from bestie.pipeline.recipe import recipe_for
from bestie.pipeline.results import USUAL, Results
from bestie.pipeline.row_data import built_in_root, divided_root
from bestie.pipeline.shared import TAKEN
from bestie.pipeline.source import Source
from bestie.pipeline.stages import Run
from bestie.pipeline.tables import FromRow, Row, Table

__all__ = ["BUILT_IN", "Order", "reproduce"]

# In place of a root: the built-in data, which is made.
BUILT_IN = "built-in"
# Key of the number of a training's steps.
STEPS = "SOLVER.MAX_ITER"
# Built-in data on which settings are checked.
SAMPLE = Settings(train=2, val=1)


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        table: whose rows run.
        output (Path): folder for the data that is made and all runs, absolute.
        data: root; BUILT_IN: built-in data, made with the seed of the trainings.
        preset: of every row.
        seeds: of the trainings; each once.
        rows: names of the rows; empty: all.
        options: KEY VALUE ... of every row.
        num_gpus: processes of a training.
        split: of the data, to train on.
        val_split: of the data; None: "val".
        keep_code: as for ``run_pipeline``.
        command: as the user typed it.
    """

    table: Table
    output: Path
    data: str = BUILT_IN
    preset: str = DRAWN
    seeds: tuple[int, ...] = (0, 1, 2)
    rows: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    num_gpus: int = 1
    split: str = "train"
    val_split: str | None = None
    keep_code: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", self.table.for_preset(self.preset))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"--seeds: different numbers of 0 or more, got {list(self.seeds)}")
        if self.data.startswith("coco:"):
            raise ValueError("--data: the root of a data set is expected, not a COCO json")
        self._check_preset()
        if len(self.options) % 2:
            raise ValueError(
                f"settings come in pairs, KEY VALUE; '{self.options[-1]}' has no value"
            )
        if any(key.rpartition(":")[2] == "SEED" for key in self.options[::2]):
            raise ValueError("SEED differs between the runs; --seeds says what it is to be")
        for row in self.chosen:
            self._check_row(row)

    @property
    def all_options(self) -> tuple[str, ...]:
        """KEY VALUE ... of every row: the options, and what the table sets in this preset besides.

        An option replaces a setting of the table with its key, and the number of a training's steps
        all that the table sets of that training, which is its schedule.
        """
        given = self.options[::2]
        settings = {}
        for key, value in self.table.preset_settings.get(self.preset, {}).items():
            steps = f"{key.partition(':')[0]}:{STEPS}" if ":" in key else STEPS
            if not any(_is_same_key(option, one) for option in given for one in (key, steps)):
                settings[key] = value
        return (*(part for pair in settings.items() for part in pair), *self.options)

    @property
    def chosen(self) -> list[Row]:
        """The rows that are asked for, in the order of the table.

        Raises:
            ValueError: an unknown row, or one that has no meaning for the preset.
        """
        fitting = [row for row in self.table.rows if self.preset in row.presets or not row.presets]
        for row in map(self.table.row, self.rows):
            if row not in fitting:
                raise ValueError(
                    f"--rows: {row.name} of {self.table.name} is for the presets "
                    f"{', '.join(row.presets)}, not for {self.preset}"
                )
        return [row for row in fitting if not self.rows or row.name in self.rows]

    @property
    def folder(self) -> Path:
        """Of this table."""
        return self.output / f"{self.table.kind}_{self.table.number}"

    def _check_preset(self) -> None:
        """Refuse a preset that the method does not have, or that is not for the built-in data."""
        presets = recipe_for(self.table.supervision).preset_names
        if self.preset not in presets:
            raise ValueError(f"--preset must be one of {', '.join(presets)}, got '{self.preset}'")
        if self.data == BUILT_IN and self.preset != DRAWN:
            raise ValueError(
                f"--preset {self.preset} needs --data ROOT: {self.table.needed_data} "
                f"(datasets/README.md); built-in data is for {DRAWN}"
            )

    def _check_row(self, row: Row) -> None:
        """Refuse a setting that is what the rows differ in."""
        for given, own in product(self.options[::2], row.settings):
            if _is_same_key(given, own):
                raise ValueError(
                    f"{given} is set by the row {row.name} of {self.table.name}; leave it out, or "
                    "leave out the row (--rows)"
                )


def reproduce(order: Order, *, dry_run: bool = False, stream: TextIO | None = None) -> Results:
    """Run what has to run, and collect the numbers.

    Args:
        order: what is asked for.
        dry_run: check settings and data, and only say what would run.
        stream: for what a person sees; None: standard output.

    Raises:
        ValueError: a mistake in the order or the data; nothing has been trained then.
        StageError: a stage of a row failed.
    """
    run = _Reproduction(order, Progress([], stream), stream)
    run.check()
    if dry_run:
        run.describe()
        return run.results
    with hold_lock(order.folder):
        run.prepare_data()
        for seed in order.seeds:
            for row in order.chosen:
                run.add_row(row, seed)
    run.note(f"\n{run.results.markdown()}\n\n{order.folder / 'results.md'}")
    return run.results


class _Reproduction:
    """One call of :func:`reproduce`."""

    def __init__(self, order: Order, progress: Progress, stream: TextIO | None):
        self.order, self.table, self.stream = order, order.table, stream
        self.note = progress.note
        facts: dict[str, Any] = {
            "preset": order.preset,
            "data": order.data,
            "split": order.split,
            "val_split": order.val_split or USUAL["val_split"],
            "seeds": list(order.seeds),
            "options": list(order.all_options),
        }
        self.results = Results(self.table, facts, order.chosen)
        self._done: set[tuple[str, int, str]] = set()
        self._has_maps: dict[str, bool] = {}  # root -> whether its data has maps

    def describe(self) -> None:
        """Say which runs there would be."""
        for row in self.order.chosen:
            run = self.table.run_of(row)
            settings = shlex.join(part for pair in row.settings.items() for part in pair)
            variants = " ".join(f"--variant {k}:{v}" for k, v in row.variants.items())
            needs = [f"{source.folder} of {source.row}" for source in row.sources]
            if maps := self._maps_to_share(row):
                needs.append(f"maps of {maps.row}, unless the data has some")
            text = ", ".join(filter(None, [settings, variants, " ".join(row.prepare), *needs]))
            same = f" (the run of {run.name})" if run is not row else ""
            self.note(f"{row.name}{same}: {text or 'the preset'}")
        order = self.order
        data = "built-in data" if order.data == BUILT_IN else order.data
        for name, what in (("split", "split"), ("val_split", "validation split")):
            if (split := self.results.facts[name]) != USUAL[name]:
                data += f", {what} {split}"
        options = f", {shlex.join(order.all_options)}" if order.all_options else ""
        self.note(
            f"each with the seeds {' '.join(map(str, order.seeds))}, to the stage "
            f"{self.table.last}; preset {order.preset}{options}, on {data}, in {order.folder}"
        )

    def check(self) -> None:
        """Find mistakes in the settings of all rows, and truth that is missing, before any work.

        Nothing is made: rows that divide the training images are checked on the data as it is, and
        those of built-in data on a few images of it.

        Raises:
            ValueError: naming the row.
        """
        with ExitStack() as stack:
            if self.order.data == BUILT_IN:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                with redirect_stderr(io.StringIO()):  # its progress is of no interest
                    root = built_in_root(folder, SAMPLE)
            else:
                root = Path(os.path.realpath(self.order.data))
            for row in self._runs:
                self._check_run(row, root, stack)

    def _check_run(self, row: Row, root: Path, stack: ExitStack) -> None:
        """Check the run of a row on its data, of which nothing is divided yet."""
        request = self._request_on(root, row, self.order.seeds[0])
        if row.prepare and request.is_mixed:
            request = replace(request, strong_split=request.split, weak_split=request.split)
        source = open_data(request, stack, dry_run=True)
        self._check_truth(source)
        configs = TrainingConfigs(request, source, request.output)
        try:
            check_settings(configs, Run(request, source, configs).needed_trainings)
        except ValueError as error:
            raise ValueError(f"row {row.name}: {error}") from error

    def _check_truth(self, source: Source) -> None:
        missing = [part for part in self.table.needs_truth if not source.truth.get(part)]
        if missing:
            split = source.splits.get(missing[0], missing[0])
            raise DataError(
                f"has no true masks of the images of '{split}'; the numbers of {self.table.name} "
                "are measured with them",
                source.root,
            )
        if self.table.needs_json and source.truth.get("val") != "json":
            raise DataError(
                "has true masks of 'val' as PNG files only; the numbers of "
                f"{self.table.name} are COCO AP, which needs a COCO json in annotations/",
                source.root,
            )

    def prepare_data(self) -> None:
        """Make the data of all rows for the first seed: data that cannot be divided is found."""
        for row in self._runs:
            self._data(row, self.order.seeds[0])

    @property
    def _runs(self) -> list[Row]:
        """One of the chosen rows for each run."""
        return list({self.table.run_of(row).name: row for row in self.order.chosen}.values())

    def add_row(self, row: Row, seed: int) -> None:
        """Run a row, or its part that is missing, and note its numbers."""
        run = self.table.run_of(row)
        self._run(run, seed, self.table.last)
        folder = self._folder(run, seed)
        values = self.table.reader(row)(folder)
        self.results.add(row, seed, values, _own_seconds(folder) if run is row else 0.0)
        self.results.write(self.order.folder)

    def _run(self, row: Row, seed: int, last: str) -> None:
        """Run the pipeline for a row up to a stage, after the rows whose files it needs."""
        if (row.name, seed, last) in self._done:
            return
        maps = self._shared_maps(row, seed)
        for source in [*row.sources, *([maps] if maps else [])]:
            of_source = self.table.run_of(self.table.row(source.row))
            last_of_source = self._request(of_source, seed, supplied=False).recipe.latest(
                source.stage
            )
            self._run(of_source, seed, last_of_source)
        request = self._request(row, seed)
        others = self._other_runs(request.output)
        self.note(f"\n{self.table.name}, {row.name} ({row.title}), seed {seed}")
        try:
            run_pipeline(
                request,
                last=last,
                keep_code=self.order.keep_code,
                other_runs=others,
                stream=self.stream,
            )
        except StageError as error:
            text = f"{self.table.name}, row {row.name}, seed {seed}: {error}"
            raise StageError(text) from error
        self._done.add((row.name, seed, last))

    def _maps_to_share(self, row: Row) -> FromRow | None:
        """The maps of another row that this one gets, where the data has none; None: no maps."""
        shared = self.table.shared_maps
        if shared is None or row.maps is not None:
            return None
        is_own = self.table.run_of(self.table.row(shared.row)) is self.table.run_of(row)
        return None if is_own else shared

    def _shared_maps(self, row: Row, seed: int) -> FromRow | None:
        """Where the maps of a row come from; None: from its data, or from itself."""
        shared = self._maps_to_share(row)
        if shared is None:
            return None
        request = self._request(row, seed, supplied=False)
        if request.data not in self._has_maps:
            with ExitStack() as stack:
                source = open_data(request, stack, dry_run=True)
            self._has_maps[request.data] = source.maps is not None
        return None if self._has_maps[request.data] else shared

    def _request(self, row: Row, seed: int, *, supplied: bool = True) -> Request:
        """The run of a row; ``supplied`` False: without the files of other rows."""
        request = self._request_on(self._data(row, seed), row, seed)
        if not supplied:
            return request
        maps = row.maps or self._shared_maps(row, seed)
        return replace(
            request,
            cues=self._folder_of(row.cues, seed) if row.cues else None,
            maps=self._folder_of(maps, seed) if maps else None,
        )

    def _request_on(self, root: Path, row: Row, seed: int) -> Request:
        """The run of a row on a root, without the files of other rows."""
        order = self.order
        options = [*order.all_options, *(part for pair in row.settings.items() for part in pair)]
        return Request(
            data=os.fspath(root),
            supervision=row.supervision or self.table.supervision,
            output=self._folder(row, seed),
            preset=order.preset,
            num_gpus=order.num_gpus,
            split=order.split,
            val_split=order.val_split,
            variants=row.variants,
            options=(*options, "SEED", str(seed)),
            command=f"{order.command} (row {row.name}, seed {seed})",
            more_stages=self._more_stages(row),
        )

    def _more_stages(self, row: Row) -> tuple:
        names = recipe_for(row.supervision or self.table.supervision).stage_names
        return tuple(pair for pair in self.table.stages if pair[0] in names)

    def _folder_of(self, source: FromRow, seed: int) -> Path:
        """The folder, or that of a stage which improves its files."""
        run = self.table.run_of(self.table.row(source.row))
        recipe = self._request(run, seed, supplied=False).recipe
        return self._folder(run, seed) / recipe.latest(source.folder)

    def _folder(self, row: Row, seed: int) -> Path:
        return self.order.folder / f"seed_{seed}" / self.table.run_of(row).name

    def _other_runs(self, own: Path) -> list[Path]:
        """Runs of all tables in the output, whose stages may be taken."""
        found = sorted(self.order.output.glob(f"*/seed_*/*/{MANIFEST}"))
        return [path.parent for path in found if path.parent != own]

    def _data(self, row: Row, seed: int) -> Path:
        """The root of a row's data; made if need be."""
        folder = self.order.output / "data"
        if self.order.data == BUILT_IN:
            root = built_in_root(folder / f"shapes_seed_{seed}", Settings(seed=seed))
        else:
            root = Path(os.path.realpath(self.order.data))
        if not row.prepare:
            return root
        split = () if self.order.split == "train" else ("--split", self.order.split)
        return divided_root(root, folder, (*split, *row.prepare), seed)


def _is_same_key(one: str, other: str) -> bool:
    """Whether two settings, TRAINING:KEY or KEY (of all trainings), set one value."""
    (training, _, key), (other_training, _, other_key) = one.rpartition(":"), other.rpartition(":")
    return key == other_key and (training == other_training or not training or not other_training)


def _own_seconds(folder: Path) -> float:
    """Time of the stages of a run that it did itself."""
    return sum(entry.get("seconds", 0.0) for entry in _stages(folder) if TAKEN not in entry)


def _stages(folder: Path) -> Iterator[dict[str, Any]]:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    yield from manifest["stages"].values()
