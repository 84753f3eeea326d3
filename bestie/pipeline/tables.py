"""What a paper's table is: rows, each a run of the pipeline with settings, and published numbers.

A table is data given to ``bestie.pipeline.reproduce``, which knows no method. The folder of a
method under ``bestie/methods/`` registers its tables. A published number stands in one only where a
source that anybody can look up states it; what is not known is left out, and the table says why.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bestie.pipeline.recipe import StageSpec, recipe_for
from bestie.pipeline.trainings import final_metrics

__all__ = [
    "TABLES",
    "VOC_COLUMNS",
    "FromRow",
    "Row",
    "Table",
    "metrics_of",
    "register_tables",
    "table_for",
    "tables_of",
]

# Column -> metric of an evaluation.
VOC_COLUMNS = {f"mAP{iou}": f"voc/mAP{iou}" for iou in (25, 50, 70, 75)}

# What a row's run gives: column -> percent or count; None where it is not defined.
Values = dict[str, float | None]
Reader = Callable[[Path], Values]


@dataclass(frozen=True)
class FromRow:
    """A folder that the run of another row leaves.

    Attributes:
        row: name of that row.
        stage: that makes it.
        folder: in the folder of the run.
    """

    row: str
    stage: str
    folder: str


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: for folders and ``--rows``: lower-case letters, digits and underscores.
        title: as the paper calls it.
        settings: KEY -> VALUE of ``bestie run``; TRAINING:KEY for one training.
        preset_settings: preset -> settings that this row has in it besides.
        variants: training -> variant of its config.
        supervision: of the run; "": that of the table.
        presets: that it has a meaning for; empty: all.
        cues, maps: folders of another row's run that are supplied to this one.
        prepare: arguments of ``bestie split``, which divides the training images of this row;
            empty: the data stays as it is.
        published: column -> number.
        why: why published numbers are missing.
        read: reads the values of this row from the folder of its run; None: the table's.
    """

    name: str
    title: str
    settings: Mapping[str, str] = field(default_factory=dict)
    preset_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    supervision: str = ""
    presets: tuple[str, ...] = ()
    cues: FromRow | None = None
    maps: FromRow | None = None
    prepare: tuple[str, ...] = ()
    published: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    read: Reader | None = None

    @property
    def sources(self) -> list[FromRow]:
        """What it needs of other rows."""
        return [source for source in (self.cues, self.maps) if source is not None]

    def is_same_run(self, other: "Row") -> bool:
        """Whether one run serves both rows."""
        names = ("settings", "variants", "supervision", "cues", "maps", "prepare")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(frozen=True)
class Table:
    """A table or a figure of a paper.

    Attributes:
        kind: "table" or "figure".
        number: as the paper numbers it; or a name, of one that is not in the paper.
        title: what it shows.
        supervision: of its runs.
        rows: in the order of the paper.
        columns: of the table, in their order; empty: all that the rows have.
        last: stage at which the runs end.
        read: reads the values of a row from the folder of its run.
        setting: the paper's setting, in words.
        preset: the preset that is the paper's setting; "": there is none.
        preset_settings: preset -> settings of all rows in it; settings of the command replace them.
        source: where the published numbers are stated.
        note: what else one has to know to compare.
        shared_maps: the weak maps of all rows, where the data has none; None: each makes its own.
        stages: stages that only these runs have, each with the name of the one that it follows.
        needs_truth: parts of the data whose true masks the values are measured with.
        needs_json: the values are COCO AP, for which those of "val" must be a COCO json.
    """

    kind: str
    number: str
    title: str
    supervision: str
    rows: tuple[Row, ...]
    last: str
    read: Reader
    columns: tuple[str, ...] = ()
    setting: str = ""
    preset: str = ""
    preset_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    shared_maps: FromRow | None = None
    stages: tuple[tuple[str, StageSpec], ...] = ()
    needs_truth: tuple[str, ...] = ("val",)
    needs_json: bool = False

    @property
    def name(self) -> str:
        """ "table 3"."""
        return f"{self.kind} {self.number}"

    @property
    def needed_data(self) -> str:
        """What its data has to hold, in words."""
        labels = "masks of 'train'" if any(row.prepare for row in self.rows) else self.supervision
        truth = " and ".join(f"'{part}'" for part in self.needs_truth if part != "weak")
        form = " as a COCO json" if self.needs_json else ""
        return f"photographs with {labels} and true masks of {truth}{form}"

    def for_preset(self, preset: str) -> "Table":
        """This table with the settings that its rows have in a preset."""
        rows = tuple(
            replace(row, settings={**row.settings, **row.preset_settings.get(preset, {})})
            for row in self.rows
        )
        return replace(self, rows=rows)

    def row(self, name: str) -> Row:
        """The row of a name.

        Raises:
            ValueError: there is none; the message has all names.
        """
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(row.name for row in self.rows)
        is_setting = "." in name
        raise ValueError(
            f"--rows: {self.name} has no row '{name}'; it has {names}"
            + ("; settings come before --rows, or after --" if is_setting else "")
        )

    def run_of(self, row: Row) -> Row:
        """The first row whose run serves this one, too; the run has its name."""
        return next(other for other in self.rows if other.is_same_run(row))

    def reader(self, row: Row) -> Reader:
        return row.read or self.read


# Method -> its tables, in the order of registration.
TABLES: dict[str, tuple[Table, ...]] = {}


def register_tables(method: str, tables: tuple[Table, ...]) -> tuple[Table, ...]:
    """Add the tables of a method to :data:`TABLES`.

    Raises:
        ValueError: the method has tables already, two have one name, or a row names another one
            that does not come before it.
    """
    if TABLES.get(method, tables) is not tables:
        raise ValueError(f"the tables of {method} are registered already")
    names = [table.name for table in tables]
    if len(set(names)) < len(names):
        raise ValueError(f"two tables of {method} have one name: {', '.join(names)}")
    for table in tables:
        _check_rows(table)
    TABLES[method] = tables
    return tables


def _check_rows(table: Table) -> None:
    known: set[str] = set()
    for row in table.rows:
        missing = [source.row for source in row.sources if source.row not in known]
        if missing or row.name in known:
            what = f"{missing[0]} before it" if missing else "a name of its own"
            raise ValueError(f"{table.name}: the row {row.name} needs {what}")
        known.add(row.name)
    recipe_for(table.supervision)
    if table.shared_maps:
        table.row(table.shared_maps.row)


def tables_of(method: str) -> tuple[Table, ...]:
    """The tables of a method.

    Raises:
        ValueError: it has none; the message names the methods that have some.
    """
    if method not in TABLES:
        raise ValueError(f"there are no tables of '{method}', but of {', '.join(TABLES)}")
    return TABLES[method]


def table_for(method: str, kind: str, number: str) -> Table:
    """The table (or figure) of a method.

    Raises:
        ValueError: there is none; the message names those that exist.
    """
    for table in tables_of(method):
        if (table.kind, table.number) == (kind, number):
            return table
    found = "; ".join(f"--{t.kind} {t.number} ({t.title})" for t in tables_of(method))
    raise ValueError(f"{method} has no {kind} '{number}'; there are: {found}")


def metrics_of(training: str, columns: Mapping[str, str]) -> Reader:
    """Reads the last evaluation of a training.

    Args:
        training: name of the training.
        columns: column -> metric ("voc/mAP50").
    """

    def read(folder: Path) -> Values:
        found = final_metrics(folder / training)
        return {column: found.get(metric) for column, metric in columns.items()}

    return read
