"""What labels went into a run: every input and every pretrained weight, with the kind of label.

Read from the configs that the trainings wrote (what was really read, not what the manifest planned)
and from the supervision ledgers beside points and maps: a section of the page, and the answer to
"does this secretly use masks?".
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detectron2.config import CfgNode

from bestie.backbones.origin import backbone_weights, model_weights
from bestie.data.mappers import points_folder
from bestie.data.registration import parse_name
from bestie.formats import DataError, DatasetFolder
from bestie.formats.ledger import CHECKPOINT, LEDGER, read_ledger
from bestie.formats.ledger import UNKNOWN_LABELS as UNKNOWN
from bestie.formats.supervision import LabelKind
from bestie.report.run_folder import RunFolder
from bestie.training.accepted_values import value_of
from bestie.visualization.page import Paragraph, Section, Table

__all__ = ["Ingredient", "answer", "ingredients", "supervision_section"]


@dataclass(frozen=True)
class Ingredient:
    """Something that a training consumed.

    Attributes:
        what: "image tags", "cues", "initial weights".
        kinds: of the labels behind it.
        labels: those labels in words, "" for none; only shown.
        used_by: what consumed it.
        origin: a file, a folder.
        own: this run made it, out of ingredients that have entries of their own.
        declared: the masks behind it are those that the supervision of the run names.
    """

    what: str
    kinds: tuple[LabelKind, ...]
    labels: str
    used_by: str
    origin: str
    own: bool = False
    declared: bool = False

    @property
    def tone(self) -> str:
        """ "bad" for masks not declared, "warn" for boxes and what is not known, else "good"."""
        if LabelKind.MASKS in self.kinds and not self.declared:
            return "bad"
        doubtful = LabelKind.BOXES in self.kinds or LabelKind.UNKNOWN in self.kinds
        return "warn" if doubtful else "good"

    def __str__(self) -> str:
        return f"the {self.what} of {self.used_by} ({self.origin})"

    def row(self) -> list[str]:
        """Cells of the table."""
        none = "none but those above" if self.own else "none"
        origin = f"{self.origin}, made by this run" if self.own else self.origin
        kinds = ", ".join(str(kind) for kind in self.kinds if kind is not LabelKind.NONE)
        return [self.what, kinds or none, self.labels, self.used_by, origin]


def ingredients(run: RunFolder) -> list[Ingredient]:
    """All that the trainings of this run consumed, in the order of the stages."""
    found: list[Ingredient] = []
    for stage in run.plan.trainings:
        cfg = run.config(stage)
        if cfg is None:
            continue
        for name in cfg.DATASETS.TRAIN:
            found += _of_data(run, stage, cfg, name)
        found += _weights(run, stage, cfg)
    return list(dict.fromkeys(found))


def answer(run: RunFolder) -> Paragraph:
    """A plain answer to "does this secretly use masks?"."""
    found = ingredients(run)
    if not found:
        return Paragraph("Masks: no training has run yet, so nothing has used any.", "warn")
    masks = [f"{item}: {item.labels}" for item in found if item.tone == "bad"]
    if _declares_masks(run):
        return _mixed_answer(run, found, masks)
    if masks:
        return Paragraph(f"Does this use masks? Yes: {'; '.join(masks)}.", "bad")
    doubtful = [str(item) for item in found if LabelKind.UNKNOWN in item.kinds]
    if doubtful:
        return Paragraph(
            "Does this use masks? None is on record, but nothing tells which labels are behind "
            f"{'; '.join(doubtful)}. For points and maps, a {LEDGER} in their folder would.",
            "warn",
        )
    kinds = list(dict.fromkeys(item.labels for item in found if item.labels))
    boxes = any(LabelKind.BOXES in item.kinds for item in found)
    return Paragraph(
        f"Does this use masks? No. The labels behind it: {', '.join(kinds) or 'none'}."
        + (" Boxes are among them." if boxes else ""),
        "warn" if boxes else "good",
    )


def _mixed_answer(run: RunFolder, found: list[Ingredient], masks: list[str]) -> Paragraph:
    """The answer for a run that declares masks of some images: what they were, and what else."""
    labels = list(dict.fromkeys(item.labels for item in found if item.labels))
    said = f"What went in: {', '.join(labels)}."
    doubtful = [str(item) for item in found if LabelKind.UNKNOWN in item.kinds]
    if masks:
        return Paragraph(f"{said} Masks beyond those declared: {'; '.join(masks)}.", "bad")
    if doubtful:
        text = f"{said} It is not known which labels are behind {'; '.join(doubtful)}."
        return Paragraph(text, "warn")
    return Paragraph(f"{said} Nothing else.{_measuring_masks(run)}", "good")


def _measuring_masks(run: RunFolder) -> str:
    """What masks of clicked images, where the data has them, were used for."""
    if not (run.json("quality/quality.json") or {}).get("truth"):
        return ""
    return " Masks of the clicked images, which the data has too, were used for measuring only."


def _declares_masks(run: RunFolder) -> bool:
    return str(LabelKind.MASKS) in str(run.manifest.get("supervision")).split("+")


def supervision_section(run: RunFolder) -> Section:
    """The table of all ingredients, and what the ground truth was used for."""
    found = ingredients(run)
    if not found:
        return Section("What was used", [Paragraph(_nothing(run), "warn")])
    headers = ["Input", "Kind of labels", "In words", "Used by", "Comes from"]
    table = Table(headers, [item.row() for item in found], tones=[item.tone for item in found])
    texts = [_ground_truth(run), *_choices(run)]
    return Section("What was used", [table, *map(Paragraph, texts)])


def _choices(run: RunFolder) -> Iterator[str]:
    """Labels that chose the checkpoint of a training."""
    for stage in run.plan.trainings:
        for part in _ledger_entry(run, run.root / stage, CHECKPOINT).get("consumed", []):
            yield f"The checkpoint of {run.title(stage)} was chosen by {_labels_in(part)[1]}."


def _nothing(run: RunFolder) -> str:
    names = run.plan.trainings
    return run.absence(run.plan.labeler or names[-1]) if names else "Nothing is trained."


def _ground_truth(run: RunFolder) -> str:
    measured = []
    if (run.json("quality/quality.json") or {}).get("truth"):
        measured.append("the quality of the labels")
    results = run.json("evaluation/results.json") or {}
    if any(isinstance(results.get(name), dict) for name in run.plan.detectors):
        measured.append("the results")
    if not measured and any(_is_tested(run, stage) for stage in run.plan.detectors):
        measured.append("the models while they trained")
    rows = "The rows are what the configs of the trainings name, not what was planned."
    if _declares_masks(run):
        others = f"Other masks measured {' and '.join(measured)}" if measured else "No other masks"
        return f"{others}{'; no training reads them' if measured else ' were read'}. {rows}"
    if not measured:
        return f"Ground-truth masks were not used at all, not even for measuring. {rows}"
    return f"Ground-truth masks measured {' and '.join(measured)}; no training reads them. {rows}"


def _is_tested(run: RunFolder, stage: str) -> bool:
    """Whether a training compares its model with ground truth from time to time, or at its end."""
    cfg = run.config(stage)
    return cfg is not None and bool(cfg.DATASETS.TEST and cfg.TEST.EVALUATORS)


def _of_data(run: RunFolder, stage: str, cfg: CfgNode, name: str) -> list[Ingredient]:
    """Images, tags, points and maps of a data set that a training reads."""
    title = run.title(stage)
    try:
        kind, first, second = parse_name(name)
    except ValueError:
        return [Ingredient("data", (LabelKind.UNKNOWN,), UNKNOWN, title, name)]
    if kind == "coco":
        own = _inside(run, first)
        if own and (found := _of_labels(run, title, Path(first))):
            return found
        kind = LabelKind.NONE if own else LabelKind.UNKNOWN
        labels = "" if own else f"{UNKNOWN} (annotations of a COCO json)"
        return [Ingredient("labels", (kind,), labels, title, _short(run, first), own)]
    folder = DatasetFolder(first)
    tags = folder.tags_file if os.path.isfile(folder.tags_file) else folder.xml_folder
    found = [
        Ingredient("images", (LabelKind.NONE,), "", title, f"{first}, split {second}"),
        Ingredient("tags", (LabelKind.TAGS,), "image tags", title, str(tags)),
    ]
    if stage in run.plan.supervision_keys:
        clicked = value_of(cfg, run.plan.supervision_keys[stage]) == "clicks"
        what = "clicks" if clicked else "cues"
        found += _of_folder(run, stage, what, Path(first, points_folder(cfg)), second)
    if stage in run.plan.map_readers:
        found += _of_folder(run, stage, "weak maps", Path(first, cfg.INPUT.MAPS_DIR), second)
    return found


def _of_labels(run: RunFolder, title: str, file: Path) -> list[Ingredient]:
    """What the ledger beside a file of labels says of it: one row per kind of labels."""
    declared, where = _declares_masks(run), _short(run, file)
    found = []
    for part in _ledger_entry(run, file.parent, file.stem).get("consumed", []):
        kind, labels = _labels_in(part)
        origin = str(part.get("origin") or where)
        own = origin == where
        found.append(Ingredient(str(kind), (kind,), labels, title, origin, own, declared))
    return found


def _of_folder(run: RunFolder, stage: str, what: str, folder: Path, split: str) -> list[Ingredient]:
    """Points or maps of a folder, by what its ledger says.

    Without a ledger, clicks are what the user calls them by --supervision; of cues and
    maps nothing is known. The name of the folder says nothing.
    """
    own, where = _inside(run, folder), _short(run, folder)
    entry = _ledger_entry(run, folder, split)
    parts = [_labels_in(part) for part in entry.get("consumed", [])]
    if not parts and what == "clicks":
        parts = [(LabelKind.CLICKS, "one point per object")]
    parts = parts or [(LabelKind.UNKNOWN, UNKNOWN)]
    kinds = tuple(dict.fromkeys(kind for kind, _ in parts))
    labels = ", ".join(dict.fromkeys(labels for _, labels in parts))
    found = [Ingredient(what, kinds, labels, run.title(stage), where, own)]
    return found if own else found + _of_makers(entry, what)  # this run's have rows of their own


def _of_makers(entry: dict, what: str) -> list[Ingredient]:
    """The networks of another run that made the files of a folder, and what they started from."""
    found = []
    for name in ("classifier", "segmenter"):
        network = entry.get(name)
        if network is None:
            continue
        if name == "classifier":  # the labels of a segmenter are those of the maps that it learned
            kind, labels = _labels_in(network)
            file = str(network.get("file", "no file named"))
            found.append(Ingredient(name, (kind,), labels, f"the {what}", file))
        if weights := network.get("pretrained"):
            (kind, labels), file = _labels_in(weights), str(weights.get("file", ""))
            user = f"the {name} of the {what}"
            found.append(Ingredient("initial weights", (kind,), labels, user, file))
    return found


def _ledger_entry(run: RunFolder, folder: Path, split: str) -> dict:
    """What the ledger of a folder says of a split; empty if there is none, or a broken one."""
    try:
        return read_ledger(folder).get(split) or {}
    except DataError as error:
        run.note(str(error))
        return {}


def _labels_in(part: dict) -> tuple[LabelKind, str]:
    """The kind of labels that a part of a ledger names, and their description."""
    kind = LabelKind.parse(part.get("kind", LabelKind.UNKNOWN))
    return kind, str(part.get("labels", kind))


def _weights(run: RunFolder, stage: str, cfg: CfgNode) -> list[Ingredient]:
    """The files that a training started from."""
    title, what, found = run.title(stage), "initial weights", []
    for weights in filter(None, (backbone_weights(cfg), model_weights(cfg))):
        file = weights.file
        if file and _inside(run, file):
            kinds = (LabelKind.NONE,)
            found.append(Ingredient(what, kinds, "", title, _short(run, file), own=True))
        elif file:
            kinds = (LabelKind.parse(weights.kind),)
            found.append(Ingredient(what, kinds, weights.labels, title, file))
    random = Ingredient(what, (LabelKind.NONE,), "", title, f"random, seed {cfg.SEED}")
    return found or [random]


def _inside(run: RunFolder, path: str | os.PathLike) -> bool:
    path = Path(path)
    if not path.is_absolute() and not path.exists():  # "timm", "detectron2://..."
        return False
    return Path(path.parent.resolve(), path.name).is_relative_to(run.root)


def _short(run: RunFolder, path: str | os.PathLike) -> str:
    """A path within the folder of the run relative to it, others as they are."""
    return os.path.relpath(path, run.root) if _inside(run, path) else os.fspath(path)
