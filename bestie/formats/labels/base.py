"""What every reader of a label file gives, and what the readers share: numbers, names, text, json.

A reader collects mistakes in :attr:`Labels.problems`, each with its file and line, so that a user
sees all of them at once. What can be read in one way only is read; everything else is a mistake.

One meaning of a click, for all formats: one point per object, in pixels from the top left corner of
the image; pixel i covers i <= x < i + 1, so that a click at x = 10.5 lies on pixel 10. A box is a
click (its middle) only if :attr:`ReadOptions.boxes_as_clicks` says so; of an object with several
points :attr:`ReadOptions.keypoints` says which one is the click. ``objects`` decides what an object
with a point, a box or a mask becomes.
"""

import codecs
import json
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bestie.formats.base import DataError
from bestie.formats.images import walk_folders

__all__ = [
    "Labels",
    "ReadOptions",
    "Row",
    "StatedSize",
    "clean_class",
    "decode_text",
    "list_files",
    "missing_library",
    "name_mistake",
    "other_name_mistake",
    "parse_number",
    "parse_numbers",
    "parse_pair",
    "read_json",
    "report_class_twins",
    "same_name_key",
    "share_mistake",
    "size_mistake",
    "table_of",
]

# (height, width) of an image; None: not stated.
StatedSize = tuple[int | None, int | None]

# Digits of ASCII only: float() also reads 1_0 and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_JOINERS = "\u200c\u200d"  # parts of words in Persian, Indian scripts and emoji


@dataclass(frozen=True)
class ReadOptions:
    """What a user says about labels that could be read in several ways.

    Attributes:
        keypoints: the click of an object with several visible keypoints: "first", "mean", or the
            name of a keypoint; None: such an object is a mistake.
        boxes_as_clicks: the middle of a box is a click of its object.
        flags_are_tags: the image's flags of LabelMe are tags.
        objects_as: "tags", "clicks" or "masks": what an object becomes that could be several of
            them, whether or not its image has tags beside; None: a click if it has a point, else a
            mask if it has one, else a tag.
        class_name: class of objects without one, for formats that name no classes.
        attribute: which attribute (VIA) or column (Label Studio) is the class.
    """

    keypoints: str | None = None
    boxes_as_clicks: bool = False
    flags_are_tags: bool = False
    objects_as: str | None = None
    class_name: str | None = None
    attribute: str | None = None


@dataclass(frozen=True)
class Row:
    """One object (a click, a mask, or its class only), or the tags of one image.

    Attributes:
        image: file name as the labels have it; folders and suffix may be missing.
        classes: names; one for an object.
        xy: (x, y) of a click, pixels from the top left corner; None for tags.
        file: the file that it stands in.
        line: its line of that file, or None.
        beside: where the image is expected, because the labels lie beside it.
        mask: of an object that becomes a mask; see ``shapes``.
        is_object: whether the classes are those of one object, not of the whole image.
        is_box: the object has a box or nothing but a class; it becomes a tag.
        is_share: coordinates are shares of the image, x of its width and y of its height.
        where: which object of the file, for messages.
    """

    image: str
    classes: tuple[str, ...]
    xy: tuple[float, float] | None
    file: Path
    line: int | None = None
    beside: tuple[Path, ...] = ()
    mask: Any = None
    is_object: bool = False
    is_box: bool = False
    is_share: bool = False
    where: str = ""


@dataclass
class Labels:
    """The content of a label file.

    Attributes:
        rows: clicks or tags. An image without objects has a row without classes.
        class_names: in the file's order, where it has one (COCO), else [].
        sizes: (file, name of an image) -> its (height, width) as the file states it; None: a side
            that it does not state.
        problems: mistakes.
        notes: what was read in a way that a user should know of.
        file_per_image: each image has a file of its own in this format.
        has_choice: an object has several points, so that ``ReadOptions.keypoints`` matters.
    """

    rows: list[Row] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    sizes: dict[tuple[Path, str], StatedSize] = field(default_factory=dict)
    problems: list[DataError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    file_per_image: bool = False
    has_choice: bool = False

    def report(self, message: str, file: Path, line: int | None = None) -> None:
        """Add a mistake."""
        self.problems.append(DataError(message, file, line))

    def add(
        self,
        image: str,
        classes: tuple[str, ...],
        xy: tuple[float, float] | None,
        file: Path,
        line: int | None = None,
        beside: tuple[Path, ...] = (),
        **details: Any,
    ) -> None:
        """Add a row with clean names of classes; a name that cannot be one is a mistake.

        Args:
            details: further attributes of :class:`Row`.
        """
        mistakes = [mistake for name in classes if (mistake := name_mistake(name))]
        mistakes += ["image name holds a NUL character"] * ("\0" in image)
        for mistake in mistakes:
            self.report(mistake, file, line)
        if not mistakes:
            names = tuple(map(clean_class, classes))
            self.rows.append(Row(image, names, xy, file, line, beside, **details))

    def add_size(
        self, image: str, height: Any, width: Any, file: Path, line: int | None = None
    ) -> None:
        """Note the sides of an image that the file states; one that cannot be is a mistake.

        None, an empty text and 0 state nothing: tools write them if they do not know the size.
        """
        before = self.sizes.get((file, image), (None, None))
        sides: list[int | None] = []
        for name, value, known in zip(("height", "width"), (height, width), before, strict=True):
            side, stated = parse_number(value), f"{name} {ascii(value)[:40]} of '{image}'"
            if value is None or value == "" or side == 0:
                side = None
            elif side is None or side < 0 or side % 1:
                self.report(f"{stated} is not a whole number of pixels", file, line)
                side = None
            elif known is not None and side != known:
                self.report(f"{stated} contradicts the {known} stated before", file, line)
            sides.append(known if side is None else int(side))
        if any(sides):
            self.sizes[file, image] = (sides[0], sides[1])

    @property
    def clicked(self) -> bool:
        """Whether there are clicks."""
        return any(row.xy is not None for row in self.rows)

    @property
    def masked(self) -> bool:
        """Whether there are masks."""
        return any(row.mask is not None for row in self.rows)


# ---- names of classes


def clean_class(name: str) -> str:
    """A class name in Unicode's composed form, without blanks around it."""
    return unicodedata.normalize("NFC", name).strip()


def name_mistake(name: Any) -> str | None:
    """Why a value cannot be the name of a class; None if it can."""
    if not isinstance(name, str):
        return f"class name {json.dumps(name)} is not text"
    if not name.strip():
        return "class name is empty"
    for character in name.strip():
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Cn")
        if hidden and character not in _JOINERS:
            kind = "a line break" if character in "\r\n\u2028\u2029\x85" else "a control character"
            return f"class name {ascii(name)} holds {kind} (U+{ord(character):04X}); remove it"
    return None


def same_name_key(name: str) -> str:
    """The same for names that differ in blanks, case or Unicode form only."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def report_class_twins(labels: Labels, file: Path) -> None:
    """Report names that differ in blanks or case only: one class, most likely, or a mistake."""
    places: dict[str, int | None] = dict.fromkeys(labels.class_names)
    places |= {name: row.line for row in labels.rows for name in row.classes if row.line}
    seen: dict[str, str] = {}
    names = dict.fromkeys([*labels.class_names, *(n for row in labels.rows for n in row.classes)])
    for name in names:
        first = seen.setdefault(same_name_key(name), name)
        if first != name:
            message = f"classes '{first}' and '{name}' differ in blanks or case only; write one "
            advice = "name, or list both in a file for --classes"
            labels.report(message + advice, file, places.get(name))


# ---- numbers


def parse_number(value: Any) -> float | None:
    """A finite number, given as number or as text in ASCII digits; None if it is not one."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def parse_numbers(value: Any) -> list[float] | None:
    """A list of finite numbers; None if the value is anything else."""
    if not isinstance(value, list | tuple):
        return None
    numbers = [number for entry in value if (number := parse_number(entry)) is not None]
    return numbers if len(numbers) == len(value) else None


def parse_pair(value: Any) -> tuple[float, float] | None:
    """A list of two finite numbers; None if the value is anything else."""
    numbers = parse_numbers(value)
    return (numbers[0], numbers[1]) if numbers is not None and len(numbers) == 2 else None


def other_name_mistake(image: str, file: Path) -> str | None:
    """Why a file about one image may be about another; None: both are called the same.

    The name of the image may lack its suffix, and that of the file may have it ("a.png.json").
    """
    names = [Path(image).stem, Path(image).name, file.stem]
    stem, name, own = (unicodedata.normalize("NFC", text) for text in names)
    if own in (stem, name):
        return None
    return f"is about '{image}', but its own name is another; rename one of the two"


def size_mistake(image: str, size: tuple[int, int], stated: StatedSize) -> str | None:
    """Why an image of a size is not the one that was labelled; None: nothing says so."""
    if all(side in (None, known) for side, known in zip(stated, size, strict=True)):
        return None
    labelled = " x ".join("?" if side is None else str(side) for side in stated)
    found = f"{size[0]} x {size[1]} pixels (height x width)"
    return f"image '{image}' has {found}, but was labelled at {labelled}"


def share_mistake(points: Sequence[tuple[float, float]]) -> tuple[int, str] | None:
    """Which point shows that all of a file are shares of the image, not pixels, and the message.

    That is the first one with a fraction, if all points lie in [0, 1]; None: there is no such one.
    """
    if not all(0 <= side <= 1 for point in points for side in point):
        return None
    for index, (x, y) in enumerate(points):
        if x % 1 or y % 1:
            return index, (
                f"x {x:g}, y {y:g}: all coordinates lie in [0, 1]; pixels are expected, not shares "
                "of the image: multiply x by the width and y by the height"
            )
    return None


def missing_library(what: str, extra: str, error: ImportError) -> str:
    """A message for a library that is not installed."""
    return f'needs a library to read {what} ({error}): pip install "bestie[{extra}]"'


# ---- files, text and json


def list_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of a folder with lower-case suffixes, links to folders included, sorted.

    Names that begin with "._" (notes of macOS) are skipped.
    """
    return sorted(
        Path(place, name)
        for place, _, names in walk_folders(folder)
        for name in names
        if name.lower().endswith(suffixes) and not name.startswith("._")
    )


def decode_text(path: Path, labels: Labels) -> str | None:
    """Text of a file in UTF-8, or in UTF-16 that says so; None if it is neither (a mistake)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        labels.report(f"cannot be read ({error.strerror})", path)
        return None
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = "is broken UTF-16" if utf16 else "is not UTF-8 text"
        labels.report(f"{found}; save it as UTF-8", path, line)
        return None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        labels.report("holds a NUL character; save it as UTF-8 text", path, line)
        return None
    return text


def read_json(path: Path, labels: Labels) -> Any:
    """Content of a json file; None if it is broken (a mistake)."""
    text = decode_text(path, labels)
    if text is None:
        return None
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        labels.report(f"is not well-formed json ({error.msg})", path, error.lineno)
        return None
    except (ValueError, RecursionError) as error:
        labels.report(f"cannot be read as json ({error})", path)
        return None
    if content is None:
        labels.report("is a json null; an object is expected", path)
    return content


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {ascii(twice)} more than once")
    return content


def table_of(content: dict[str, Any], name: str) -> list[dict[str, Any]] | None:
    """A list of json objects; None if the value is anything else."""
    value = content.get(name)
    is_table = isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
    return value if is_table else None
