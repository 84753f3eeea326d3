"""A self-contained HTML page made of simple blocks: text, tables, charts, galleries, commands.

A :class:`Page` of sections of blocks becomes one HTML file that contains its style and its
pictures, so that it opens offline. It contains no scripts. The template ``page.html`` in this
folder defines the look of each block.
"""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import jinja2
import numpy as np
from PIL import Image

__all__ = [
    "TONES",
    "Block",
    "Commands",
    "Figure",
    "Figures",
    "Heading",
    "Notes",
    "Page",
    "Paragraph",
    "Section",
    "Strip",
    "Table",
    "chart_uri",
    "format_cell",
    "photo_uri",
    "render_page",
]

# How a paragraph, a row or a list is marked: not at all, as it should be, worth a look, wrong.
TONES = ("", "good", "warn", "bad")
NOTHING = "–"


@dataclass(frozen=True)
class Heading:
    """A title within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; ``tone`` is one of TONES."""

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headers, in a box that scrolls sideways where the window is too narrow.

    Attributes:
        headers: one a column.
        rows: of cells, see :func:`format_cell`.
        caption: above the table.
        tones: one of TONES a row; () for none.
    """

    kind: ClassVar[str] = "table"
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    tones: Sequence[str] = ()

    def cells(self) -> list[list[str]]:
        """The formatted rows."""
        return [[format_cell(value) for value in row] for row in self.rows]

    def numeric(self) -> list[bool]:
        """Which columns hold nothing but numbers; they are set flush right."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.headers)
        return [all(_is_number(value) for value in column) for column in columns]


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        uri: see :func:`chart_uri` and :func:`photo_uri`.
        text: what it shows, for those who cannot see it.
        folded: only ``text`` shows until one opens it; large, in a box that scrolls sideways.
    """

    kind: ClassVar[str] = "figure"
    uri: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Figures:
    """Charts side by side, as many as fit."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Strip:
    """One image in several panels side by side, under a line about it."""

    kind: ClassVar[str] = "strip"
    title: str
    panels: Sequence[tuple[str, Figure]]


@dataclass(frozen=True)
class Notes:
    """A list of short texts; from ``shown`` on they are folded away."""

    kind: ClassVar[str] = "notes"
    items: Sequence[str]
    tone: str = ""
    shown: int = 10


@dataclass(frozen=True)
class Commands:
    """Pairs of a name and the command line that it stands for."""

    kind: ClassVar[str] = "commands"
    commands: Sequence[tuple[str, str]]


Block = Heading | Paragraph | Table | Figure | Figures | Strip | Notes | Commands


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Name that links lead to."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


@dataclass(frozen=True)
class Page:
    """The whole page.

    Attributes:
        title: of the window and the page.
        facts: pairs of a name and a value, under the title.
        summary: blocks before the list of the sections.
        sections: the rest.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    summary: Sequence[Block] = ()
    sections: Sequence[Section] = field(default_factory=list)


def render_page(page: Page) -> str:
    """The html of a page; every text in it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page)


def format_cell(value: object) -> str:
    """Text of a cell: numbers with one decimal, whole ones without, a dash for None and NaN."""
    if value is None or isinstance(value, float) and not math.isfinite(value):
        return NOTHING
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def chart_uri(png: bytes) -> str:
    """Data URI of a chart (PNG bytes as ``plots`` gives them), packed without loss."""
    with Image.open(io.BytesIO(png)) as image:
        return _webp_uri(image.convert("RGB"), lossless=True)


def photo_uri(image: np.ndarray, quality: int = 80) -> str:
    """Data URI of an (H, W, 3) uint8 RGB picture.

    Args:
        image: the picture.
        quality: of the lossy compression, in [1, 100].
    """
    return _webp_uri(Image.fromarray(image), quality=quality)


def _webp_uri(image: Image.Image, **options: int | bool) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", method=6, **options)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float) and not isinstance(value, bool)
