"""What labels went into a run: every input and every pretrained weight, with the kind of label.

Comes in: a :class:`RunFolder`: the configs that the trainings wrote (what was really read, whatever
the manifest planned) and the supervision ledgers beside points and maps. Goes out: a section of the
page, and the answer to "does this secretly use masks?". Called by ``write_report``.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from detectron2.config import CfgNode

from bestie.data.mappers import points_folder
from bestie.data.registration import POINT_FOLDERS, parse_name
from bestie.engine.ledger import IMAGENET_LABELS, LEDGER, backbone_weights, read_ledger
from bestie.engine.ledger import UNKNOWN_LABELS as UNKNOWN
from bestie.engine.report.run_folder import TITLES, RunFolder
from bestie.files import DataError
from bestie.visualization.page import Paragraph, Section, Table

__all__ = ["Ingredient", "answer", "ingredients", "supervision_section"]

TRAININGS = ("classifier", "bestie", "maskrcnn")
# Words of a description of labels that say more than tags and clicks do.
STRONG = re.compile(r"mask|segment|panoptic|polygon|outline|lvis", re.IGNORECASE)
BOXES = re.compile(r"\bbox|boxes|detection", re.IGNORECASE)


@dataclass(frozen=True)
class Ingredient:
    """Something that a training consumed.

    Attributes:
        what: "image tags", "cues", "initial weights".
        labels: kind of label behind it, "" for none; UNKNOWN where nothing tells.
        used_by: what consumed it.
        origin: a file, a folder.
        own: this run made it, out of ingredients that have entries of their own.
    """

    what: str
    labels: str
    used_by: str
    origin: str
    own: bool = False

    @property
    def tone(self) -> str:
        """ "bad" for masks, "warn" for boxes and for what is not known, else "good"."""
        if UNKNOWN not in self.labels and STRONG.search(self.labels):
            return "bad"
        return "warn" if UNKNOWN in self.labels or BOXES.search(self.labels) else "good"

    def __str__(self) -> str:
        return f"the {self.what} of {self.used_by} ({self.origin})"

    def row(self) -> list[str]:
        """Cells of the table."""
        none = "none but those above" if self.own else "none"
        origin = f"{self.origin}, made by this run" if self.own else self.origin
        return [self.what, self.labels or none, self.used_by, origin]


def ingredients(run: RunFolder) -> list[Ingredient]:
    """All that the trainings of this run consumed, in the order of the stages."""
    found: list[Ingredient] = []
    for stage in TRAININGS:
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
    if masks:
        return Paragraph(f"Does this use masks? Yes: {'; '.join(masks)}.", "bad")
    doubtful = [str(item) for item in found if UNKNOWN in item.labels]
    if doubtful:
        return Paragraph(
            "Does this use masks? None is on record, but nothing tells which labels are behind "
            f"{'; '.join(doubtful)}. For points and maps, a {LEDGER} in their folder would.",
            "warn",
        )
    kinds = list(dict.fromkeys(item.labels for item in found if item.labels))
    boxes = any(item.tone == "warn" for item in found)
    return Paragraph(
        f"Does this use masks? No. The labels behind it: {', '.join(kinds) or 'none'}."
        + (" Boxes are among them." if boxes else ""),
        "warn" if boxes else "good",
    )


def supervision_section(run: RunFolder) -> Section:
    """The table of all ingredients, and what the ground truth was used for."""
    found = ingredients(run)
    if not found:
        return Section("What was used", [Paragraph(run.absence("bestie"), "warn")])
    headers = ["Input", "Labels behind it", "Used by", "Comes from"]
    table = Table(headers, [item.row() for item in found], tones=[item.tone for item in found])
    return Section("What was used", [table, Paragraph(_ground_truth(run))])


def _ground_truth(run: RunFolder) -> str:
    measured = []
    if (run.json("quality/quality.json") or {}).get("truth"):
        measured.append("the quality of the labels")
    results = run.json("evaluation/results.json") or {}
    if any(isinstance(results.get(name), dict) for name in ("bestie", "maskrcnn")):
        measured.append("the results")
    if not measured and any(_is_tested(run, stage) for stage in ("bestie", "maskrcnn")):
        measured.append("the models while they trained")
    rows = "The rows are what the configs of the trainings name, not what was planned."
    if not measured:
        return f"Ground-truth masks were not used at all, not even for measuring. {rows}"
    return f"Ground-truth masks measured {' and '.join(measured)}; no training reads them. {rows}"


def _is_tested(run: RunFolder, stage: str) -> bool:
    """Whether a training compares its model with ground truth from time to time, or at its end."""
    cfg = run.config(stage)
    return cfg is not None and bool(cfg.DATASETS.TEST and cfg.TEST.EVALUATORS)


def _of_data(run: RunFolder, stage: str, cfg: CfgNode, name: str) -> list[Ingredient]:
    """Images, tags, points and maps of a data set that a training reads."""
    title = TITLES[stage]
    try:
        kind, first, second = parse_name(name)
    except ValueError:
        return [Ingredient("data", UNKNOWN, title, name)]
    if kind == "coco":
        own = _inside(run, first)
        labels = "" if own else f"{UNKNOWN} (annotations of a COCO json)"
        return [Ingredient("labels", labels, title, _short(run, first), own)]
    tags = Path(first, "image_labels.txt")
    tags = tags if tags.is_file() else Path(first, "Annotations")
    found = [
        Ingredient("images", "", title, f"{first}, split {second}"),
        Ingredient("tags", "image tags", title, str(tags)),
    ]
    if stage == "bestie":
        points, maps = Path(first, points_folder(cfg)), Path(first, cfg.INPUT.MAPS_DIR)
        if points.name == POINT_FOLDERS["clicks"]:
            labels = _labels_of(_ledger_entry(run, points, second)) or "one point an object"
            found.append(Ingredient("clicks", labels, title, str(points)))
        else:
            found += _from_classifier(run, "cues", points, second)
        found += _from_classifier(run, "weak maps", maps, second)
    return found


def _from_classifier(run: RunFolder, what: str, folder: Path, split: str) -> list[Ingredient]:
    """Points or maps of a folder, by what its ledger says; without one nothing is known."""
    own, where = _inside(run, folder), _short(run, folder)
    entry = _ledger_entry(run, folder, split)
    labels = _labels_of(entry) or UNKNOWN
    found = [Ingredient(what, labels, TITLES["bestie"], where, own)]
    classifier = entry.get("classifier")
    if classifier is None or own:  # this run's classifier has rows of its own
        return found
    maker, file = f"the {what}", str(classifier.get("file", "no file named"))
    found.append(Ingredient("classifier", str(classifier.get("labels", UNKNOWN)), maker, file))
    weights = classifier.get("pretrained")
    if weights:
        labels, file = str(weights.get("labels", UNKNOWN)), str(weights.get("file", ""))
        found.append(Ingredient("initial weights", labels, f"the classifier of {maker}", file))
    return found


def _ledger_entry(run: RunFolder, folder: Path, split: str) -> dict:
    """What the ledger of a folder says of a split; empty if there is none, or a broken one."""
    try:
        return read_ledger(folder).get(split) or {}
    except DataError as error:
        run.note(str(error))
        return {}


def _labels_of(entry: dict) -> str:
    """The labels that an entry of a ledger names; "" if it names none."""
    consumed = [str(part.get("labels", UNKNOWN)) for part in entry.get("consumed", [])]
    return ", ".join(dict.fromkeys(consumed))


def _weights(run: RunFolder, stage: str, cfg: CfgNode) -> list[Ingredient]:
    """The files that a training started from."""
    title, weights = TITLES[stage], backbone_weights(cfg)
    named = [weights] if weights else []
    named.append((cfg.MODEL.WEIGHTS, _labels_of_public_weights(cfg.MODEL.WEIGHTS)))
    what, found = "initial weights", []
    for file, labels in named:
        if file and _inside(run, file):
            found.append(Ingredient(what, "", title, _short(run, file), own=True))
        elif file:
            found.append(Ingredient(what, labels, title, file))
    return found or [Ingredient(what, "", title, f"random, seed {cfg.SEED}")]


def _labels_of_public_weights(path: str) -> str:
    """Labels behind Detectron2's own weights, by their address."""
    if "ImageNetPretrained" in path:
        return IMAGENET_LABELS
    if re.search(r"(Instance|Panoptic)Segmentation|LVIS|Cityscapes", path):
        return "instance masks"
    return "boxes" if path.startswith("detectron2://") and "Detection" in path else UNKNOWN


def _inside(run: RunFolder, path: str | os.PathLike) -> bool:
    path = Path(path)
    if not path.is_absolute() and not path.exists():  # "timm", "detectron2://..."
        return False
    return Path(path.parent.resolve(), path.name).is_relative_to(run.root)


def _short(run: RunFolder, path: str | os.PathLike) -> str:
    """A path within the folder of the run relative to it, others as they are."""
    return os.path.relpath(path, run.root) if _inside(run, path) else os.fspath(path)
