"""The house: which room may know which, whose name stands where, and how large a room may be.

What the code does not keep yet stands here in lists. A list may only become shorter: an entry that
is no longer needed fails its test, and so does a new offender.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "bestie"
MODULES = sorted(PACKAGE.rglob("*.py"))
LARGEST_SHARE = 0.25

# A method imports no other one, but for these: (method, the one that it stands on).
STANDS_ON = {("pointwssis", "solo")}
# file -> other methods that it still imports.
OTHER_METHODS_STILL: dict[str, set[str]] = {}

# Names of methods, in identifiers, keys and texts. The package's own name is not among them, nor is
# BESTIE_CACHE, the variable that says where the package may remember things.
METHOD_NAME = re.compile(
    r"BESTIE(?!_CACHE)|\bPAM|[a-z_]pam\b|pam_|peak attention|SOLO|PointWSSIS|pointwssis"
    r"|[Mm]ask_?[ ]?[Rr]-?CNN|maskrcnn"
)
# A command of one method imports that method's folder. The benchmark times the functions of the
# methods themselves: its rows are about them, and no room but `cli` imports it.
MAY_NAME_METHODS = ("bestie/methods/", "bestie/benchmark/", "bestie/cli/combine_labels.py")
# Files outside methods/ that still name one; recipes and registered methods empty this list.
NAMES_STILL: set[str] = set()

# Folders and files of the folder contract; only its owner joins paths of them.
CONTRACT = re.compile(
    r"JPEGImages|ImageSets|Peak_points|Center_points|WSSS_maps|Segmentation(Object|Class)|image_labels\.txt|classes\.txt|Annotations"
)
CONTRACT_OWNER = "bestie/formats/dataset_folder.py"
CONTRACT_STILL: set[str] = set()


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file."""
    found = {}
    for path in MODULES:
        parts = path.relative_to(PROJECT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, *, nested: bool = True) -> Iterator[str]:
    """Modules of the package that a source imports; ``nested`` False: while it is imported."""
    nodes = ast.walk(tree) if nested else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module in modules():
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else node.module


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that lead to each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_circle_of_imports():
    graph = {name: set(imports(parsed(path))) - {name} for name, path in modules().items()}
    assert circles(graph) == []


def method_of(name: str) -> str | None:
    """ "bestie.methods.pam.cues" -> "pam"."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["bestie", "methods"] and len(parts) > 2 else None


def test_a_method_imports_no_other_method():
    found: dict[str, set[str]] = {}
    for name, path in modules().items():
        own = method_of(name)
        others = {method_of(other) for other in imports(parsed(path))} - {None, own}
        others = {other for other in others if (own, other) not in STANDS_ON}
        if own and others:
            found[name_of(path)] = others
    assert found == OTHER_METHODS_STILL


def test_no_room_holds_more_than_a_quarter_of_the_source():
    """A room is a folder of the package; under methods/, the folder of a method."""
    lines = Counter()
    for path in MODULES:
        parts = path.relative_to(PACKAGE).parts
        depth = 2 if parts[0] == "methods" else 1
        lines["/".join(parts[:depth])] += len(path.read_text(encoding="utf-8").splitlines())
    room, largest = lines.most_common(1)[0]
    assert largest <= LARGEST_SHARE * lines.total(), f"{room} has {largest} lines"


def test_no_method_is_named_outside_methods():
    found = {
        name_of(path)
        for path in MODULES
        if not name_of(path).startswith(MAY_NAME_METHODS)
        and METHOD_NAME.search(path.read_text(encoding="utf-8"))
    }
    assert found == NAMES_STILL


def texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a source, docstrings left out."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.value


def joins_contract(tree: ast.Module) -> bool:
    """Whether a text is (or begins with) a folder or file of the contract; messages are none."""
    return any(CONTRACT.match(text) and " " not in text for text in texts(tree))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("path = root / 'JPEGImages' / name", True),
        ("path = root / f'ImageSets/Segmentation/{split}.txt'", True),
        ("raise ValueError('WSSS_maps lacks it')", False),
        ("def f():\n    'Peak_points'\n", False),
    ],
)
def test_paths_of_the_contract_are_recognised(source, expected):
    assert joins_contract(ast.parse(source)) == expected


def test_only_the_dataset_folder_joins_paths_of_the_contract():
    found = {name_of(path) for path in MODULES if joins_contract(parsed(path))}
    assert CONTRACT_OWNER in found
    assert found - {CONTRACT_OWNER} == CONTRACT_STILL


def test_nothing_of_the_tests_is_loaded():
    wrong = []
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            wrong += [
                f"{name_of(path)}: {n}"
                for n in names
                if n.startswith(("tests", "unittest", "pytest"))
            ]
    assert not wrong


def test_what_registers_is_imported_with_the_package():
    """Else a name of a config is not found, depending on what was imported before."""
    registering = {name for name, path in modules().items() if registers(parsed(path))}
    assert "bestie.methods.mask_rcnn.rcnn" in registering
    command = [sys.executable, "-c", "import bestie, sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    assert registering <= set(done.stdout.split())


def registers(tree: ast.Module) -> bool:
    """Whether a class or function carries a decorator ``SOME_REGISTRY.register()``."""
    decorators = [
        decorator
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        for decorator in node.decorator_list
    ]
    return any("register" in ast.unparse(decorator) for decorator in decorators)


# Modules without a test file of their name at the mirrored place. Most are tested by files that
# are named after what several modules do together.
UNTESTED_STILL: set[str] = set()


def test_tests_mirror_modules():
    missing = set()
    for path in MODULES:
        place = path.relative_to(PACKAGE)
        if path.stem in ("__init__", "__main__"):
            continue
        if not (PROJECT / "tests" / place.with_name(f"test_{place.name}")).is_file():
            missing.add(place.as_posix())
    assert missing == UNTESTED_STILL
