"""Rows of tables: CSV and TSV, whatever separates them."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bestie.formats.labels.base import Labels, decode_text

__all__ = ["Table", "parse_headings", "read_rows"]


@dataclass(frozen=True)
class Table:
    """A table: its headings, the line that they stand in, and line and fields of each row."""

    headings: list[str]
    line: int
    rows: Iterator[tuple[int, list[str]]]

    def records(self, path: Path, labels: Labels) -> Iterator[tuple[int, dict[str, str]]]:
        """Line and fields by heading of each row that is not empty.

        A row of another number of fields is a mistake.
        """
        for line, fields in self.rows:
            if not any(fields):
                continue
            if len(fields) != len(self.headings):
                message = f"{len(fields)} fields under {len(self.headings)} columns"
                labels.report(message, path, line)
                continue
            yield line, dict(zip(self.headings, fields, strict=True))


def read_rows(path: Path, labels: Labels) -> Table | None:
    """A table separated by commas, semicolons or tabs; None if it is not text (a mistake)."""
    text = decode_text(path, labels)
    if text is None:
        return None
    delimiter, text, first_line = _dialect(text)
    rows = _rows(text, delimiter, first_line, path, labels)
    line, headings = next(rows, (first_line, []))
    return Table(headings, line, rows)


def parse_headings(text: str) -> list[str]:
    """Headings of a table from its beginning; [] if it has none."""
    delimiter, text, _ = _dialect(text)
    line = text.partition("\n")[0]
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _dialect(text: str) -> tuple[str, str, int]:
    """Separator, the text from its heading on, and the line of that."""
    heading, _, rest = text.partition("\n")
    stated = re.fullmatch(r'"?sep=(.)"?[,;\t]*\r?', heading, re.IGNORECASE)
    if stated and stated[1] in ",;\t":
        return stated[1], rest, 2
    return max(",;\t", key=heading.count), text, 1


def _rows(
    text: str, delimiter: str, first_line: int, path: Path, labels: Labels
) -> Iterator[tuple[int, list[str]]]:
    """Line and stripped fields of each row; the rest of a broken table is a mistake."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True)
    line = first_line
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            labels.report(f"its quotes cannot be read ({error})", path, line)
            return
        yield line, [field.strip() for field in fields]
        line = first_line + reader.line_num
