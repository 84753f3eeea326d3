"""What the documentation names exists: functions, keys, files, and messages of the code."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bestie.training import default_config
from tests.conftest import PROJECT

PAGES = sorted((PROJECT / "docs").glob("*.md")) + [
    PROJECT / "README.md",
    PROJECT / "datasets" / "README.md",
]
SPAN = re.compile(r"`([^`\n]+)`")


def per_page(function):
    return pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(PROJECT).as_posix())(
        function
    )


def spans(page: Path) -> list[str]:
    """What stands between backticks."""
    return SPAN.findall(page.read_text())


def resolve(dotted: str) -> object:
    """The module, class, function or method of a dotted name."""
    parts = dotted.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:depth]))
        except ModuleNotFoundError:
            continue
        for name in parts[depth:]:
            found = getattr(found, name)
        return found
    raise AssertionError(dotted)


@per_page
def test_named_functions_exist(page):
    for text in spans(page):
        if re.fullmatch(r"bestie(\.\w+)+", text):
            resolve(text)


@per_page
def test_named_keys_exist(page):
    for text in spans(page):
        key = re.match(r"(?:classifier:|bestie:|maskrcnn:)?([A-Z]+(?:\.[A-Z][A-Z0-9_]*)+)", text)
        if key and not key[1].startswith("."):
            node = default_config()
            for name in key[1].split("."):
                assert name in node, f"{page.name}: {text}"
                node = node[name]


@per_page
def test_named_scripts_and_linked_files_exist(page):
    text = page.read_text()
    if page.name == "RESULTS.md":
        return  # it records the commands of the time of each measurement
    scripts = re.findall(r"\b(?:python|nice) ((?:tools|datasets)/\w+\.py)", text)
    scripts += re.findall(
        r"(?<![\w/])((?:tools|configs|datasets|bestie)/[\w/-]+\.(?:py|yaml))", text
    )
    missing = [name for name in scripts if not (PROJECT / name).exists()]
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    missing += [link for link in links if not (page.parent / link).exists()]
    assert not missing


@cache
def code_texts() -> list[str]:
    """All texts in the sources; what is filled in reads "…"."""
    texts = []
    for folder in ("bestie", "tools", "datasets"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    texts.append("".join(_parts(node)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


def _parts(node: ast.JoinedStr) -> Iterator[str]:
    for part in node.values:
        yield part.value if isinstance(part, ast.Constant) else "…"


def test_differences_from_the_official_code_have_no_empty_cells():
    text = (
        (PROJECT / "docs/method.md").read_text().split("## Differences from the official code")[1]
    )
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 25
    for cells in rows:
        assert len(cells) == 6 and all(cell.strip() for cell in cells), cells


def messages(page: Path) -> list[str]:
    """The first column's code of the tables of troubleshooting.md."""
    rows = re.findall(r"^\| (`.*?) \|", page.read_text(), flags=re.M)
    return [text for row in rows for text in SPAN.findall(row)]


def test_messages_of_troubleshooting_are_those_of_the_code():
    found = messages(PROJECT / "docs/troubleshooting.md")
    assert len(found) > 25
    for message in found:
        pieces = [piece.strip() for piece in message.split("…") if piece.strip()]
        assert any(all(piece in text for piece in pieces) for text in code_texts()), message
