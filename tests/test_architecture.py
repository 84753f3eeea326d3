"""The rules of the house, checked on the sources: layers, sizes, docstrings, configs and keys."""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from detectron2.config import CfgNode, get_cfg

import bestie
from bestie.config import add_bestie_config
from bestie.training.setup import default_config

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "bestie"
TOOLS = sorted((PROJECT / "tools").glob("*.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = TOOLS + sorted((PROJECT / "datasets").glob("*.py"))
TESTS = sorted((PROJECT / "tests").rglob("*.py"))
CONFIGS = sorted((PROJECT / "configs").rglob("*.yaml"))

MAX_FILE_LINES = 450
MAX_TOOL_LINES = 150
MAX_FUNCTION_LINES = 60
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

GROUND_FLOOR = {"config", "method", "progress", "formats", "regions"}
LIBRARY = {"data", "backbones", "evaluation", "visualization"}
# Part of the package -> the parts that it may import, besides itself.
MAY_IMPORT = {
    "config": {"method", "formats"},
    "method": set(),
    "progress": set(),
    "formats": {"progress"},
    "regions": set(),
    "data": GROUND_FLOOR,
    "backbones": GROUND_FLOOR,
    "evaluation": GROUND_FLOOR,
    "visualization": GROUND_FLOOR,
    "training": GROUND_FLOOR | LIBRARY,
    "report": GROUND_FLOOR | LIBRARY | {"training"},
    "pipeline": GROUND_FLOOR | LIBRARY | {"training", "report"},
    "methods": GROUND_FLOOR | LIBRARY | {"training", "report", "pipeline"},
    "benchmark": GROUND_FLOOR | LIBRARY | {"training", "methods", "bestie"},
    "cli": GROUND_FLOOR | LIBRARY | {"training", "report", "pipeline", "methods", "benchmark"},
    "api": GROUND_FLOOR | LIBRARY | {"training", "pipeline"},
    "bestie": GROUND_FLOOR | LIBRARY | {"methods", "api"},
}
# Imports upwards that are left: file -> parts. Each is to be removed, none to be added.
UPWARDS_STILL: dict[str, set[str]] = {}


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def per_file(files: list[Path]):
    return pytest.mark.parametrize("path", files, ids=name_of)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to; "bestie" is the package's own __init__."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "bestie" if first == "__init__" else "cli" if first == "__main__" else first


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything that a file of the package imports, wherever it does."""
    package = ["bestie", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield node.lineno, ".".join([*stem, *filter(None, [node.module]), alias.name])


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    for line, module in imported_modules(path):
        root, _, rest = module.partition(".")
        if root == "bestie":
            part = rest.split(".")[0]
            yield line, part if part in MAY_IMPORT else "bestie"


def test_tested_package_is_the_one_of_this_checkout():
    assert Path(bestie.__file__).resolve().parent == PACKAGE


@per_file(MODULES)
def test_imports_run_downwards(path):
    part = part_of(path)
    assert part in MAY_IMPORT, f"{part} has no floor yet: give it one in MAY_IMPORT"
    left = UPWARDS_STILL.get(name_of(path), set())
    assert left <= {what for _, what in imported_parts(path)}, "shorten UPWARDS_STILL"
    allowed = MAY_IMPORT[part] | {part} | left
    wrong = [f"line {line}: {what}" for line, what in imported_parts(path) if what not in allowed]
    assert not wrong, f"{part} may import {sorted(MAY_IMPORT[part])} only"


PURE_OF_METHODS = [
    *(
        PACKAGE / "methods/solo" / f"{name}.py"
        for name in "grids inference kernels suppression".split()
    ),
    *(PACKAGE / "methods/pointwssis" / f"{name}.py" for name in "crops pairing prompts".split()),
    *(
        PACKAGE / "methods/bestie" / f"{name}.py"
        for name in "batch_labels centers grouping losses pseudo_labels reference refinement "
        "targets".split()
    ),
    *(
        PACKAGE / "methods/pam" / f"{name}.py"
        for name in "background map_report peak_points segmenter_loss semantic_maps".split()
    ),
]


@per_file([path for path in MODULES if part_of(path) == "regions"] + PURE_OF_METHODS)
def test_pure_modules_know_nothing_of_detectron2(path):
    libraries = {module.split(".")[0] for _, module in imported_modules(path)}
    assert not libraries & {"detectron2", "fvcore", "iopath", "yacs"}


def test_relative_and_nested_imports_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    source = tmp_path / "data" / "mappers.py"
    source.parent.mkdir()
    source.write_text(
        "from .. import training\nfrom . import check\nfrom ..methods.pam import a\n"
        "def f():\n    import bestie.evaluation.coco\n    from bestie import formats\n"
    )
    expected = [(1, "training"), (2, "data"), (3, "methods"), (5, "evaluation"), (6, "formats")]
    assert sorted(imported_parts(source)) == expected


@per_file(MODULES + SCRIPTS)
def test_module_has_a_docstring(path):
    assert ast.get_docstring(parsed(path))


@per_file(MODULES)
def test_package_reports_through_logging(path):
    if part_of(path) in ("cli", "progress"):  # they speak to a person
        return
    calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if getattr(call.func, "id", "") == "print"]
    assert not prints, f"print on lines {prints}"


@per_file(MODULES + SCRIPTS + TESTS)
def test_file_is_of_readable_size(path):
    limit = MAX_TOOL_LINES if path in TOOLS else MAX_FILE_LINES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@per_file(MODULES + SCRIPTS + TESTS)
def test_functions_fit_a_screen(path):
    lengths = {
        node.name: code_lines(node)
        for node in ast.walk(parsed(path))
        if isinstance(node, FUNCTIONS)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    docstring = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - len((docstring or "").splitlines())


def project_config() -> CfgNode:
    cfg = get_cfg()
    add_bestie_config(cfg)
    return cfg


@per_file(CONFIGS)
def test_config_has_known_keys_only(path):
    default_config().merge_from_file(str(path))


def keys(node: CfgNode, parents: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in node.items():
        if isinstance(value, CfgNode):
            yield from keys(value, (*parents, name))
        else:
            yield (*parents, name)


@cache
def own_keys() -> list[tuple[str, ...]]:
    """The keys that add_bestie_config adds to Detectron2's."""
    return sorted(set(keys(project_config())) - set(keys(get_cfg())))


def chain(node: ast.AST) -> list[str]:
    """``a.b["c"].d`` as ["a", "b", "c", "d"]; [] for anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (start := chain(node.value)):
        return [*start, node.attr]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        start = chain(node.value)
        return [*start, str(node.slice.value)] if start else []
    return []


@dataclass
class ConfigReads:
    """Config paths that sources read.

    Attributes:
        whole: paths read from cfg itself, also through a name that was assigned a part of it.
        handed_on: paths of nodes passed to a call.
        ends: what is read from names of unknown origin, such as the argument of that call.
    """

    whole: set[tuple[str, ...]] = field(default_factory=set)
    handed_on: set[tuple[str, ...]] = field(default_factory=set)
    ends: set[tuple[str, ...]] = field(default_factory=set)

    def include(self, key: tuple[str, ...]) -> bool:
        return key in self.whole or any(
            key[:depth] in self.handed_on and key[depth:] in self.ends
            for depth in range(1, len(key))
        )

    def add_function(self, function: ast.AST) -> None:
        aliases: dict[str, list[str]] = {}

        def resolve(node: ast.AST) -> tuple[tuple[str, ...], bool]:
            names = chain(node)
            if "cfg" in names:
                return tuple(names[len(names) - names[::-1].index("cfg") :]), True
            if names and names[0] in aliases:
                return (*aliases[names[0]], *names[1:]), True
            return tuple(names[1:]), False

        for node in ast.walk(function):
            for target, value in assigned(node):
                path, known = resolve(value)
                if isinstance(target, ast.Name) and known:
                    aliases[target.id] = path
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
                path, known = resolve(node)
                (self.whole if known else self.ends).add(path)
            elif isinstance(node, ast.Call):
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                self.handed_on |= {path for path, known in map(resolve, arguments) if known}


def assigned(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Pairs of target and value of an assignment, also of ``a, b = x, y``."""
    for target in node.targets if isinstance(node, ast.Assign) else []:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def config_reads(modules: Iterable[ast.Module]) -> ConfigReads:
    reads = ConfigReads()
    for module in modules:
        for node in ast.walk(module):
            if isinstance(node, FUNCTIONS):
                reads.add_function(node)
    return reads


@cache
def all_config_reads() -> ConfigReads:
    readers = [path for path in MODULES if part_of(path) != "config"] + SCRIPTS
    return config_reads(map(parsed, [*readers, *detectron2_projects_in_use()]))


def detectron2_projects_in_use() -> Iterator[Path]:
    """Sources of the Detectron2 projects that the package imports: they read cfg for it."""
    imports = {module for path in MODULES for _, module in imported_modules(path)}
    names = {re.match(r"detectron2\.projects\.\w+", module) for module in imports} - {None}
    for name in {match[0] for match in names}:
        yield from Path(importlib.import_module(name).__file__).parent.rglob("*.py")


@pytest.mark.parametrize("key", own_keys(), ids=".".join)
def test_config_key_is_read_somewhere(key):
    """A switch that cannot have an effect is an error."""
    read = all_config_reads().include(key)
    assert read, f"{'.'.join(key)} of bestie/config.py is read nowhere"


def test_config_reads_are_recognised():
    source = """
def build(self, cfg):
    model, data = cfg.MODEL.BESTIE, self.cfg.INPUT
    cfg.SOLVER.MAX_ITER = 5
    return model.IAG, data["SCALES"], cluster(model.CLUSTER), model.REFINE
def cluster(options):
    return options.AREA
def elsewhere(model):
    return model.SIGMA
"""
    reads = config_reads([ast.parse(source)])
    for key in ["MODEL.BESTIE.IAG", "INPUT.SCALES", "MODEL.BESTIE.CLUSTER.AREA"]:
        assert reads.include(tuple(key.split("."))), key
    for key in ["SOLVER.MAX_ITER", "MODEL.BESTIE.REFINE.AREA", "MODEL.BESTIE.SIGMA"]:
        assert not reads.include(tuple(key.split("."))), key
