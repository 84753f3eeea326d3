"""Which files of a package a program runs, found in the sources without running them.

In: entry points (scripts or modules), and the names that a configuration mentions. Out: the files
of the package that the entry points import, directly or through others, wherever in a file the
import stands. Used to decide whether a finished stage has to run again after an edit.

Three rules keep the answer smaller than "everything that Python loads", and still complete:

- A package's ``__init__.py`` that only collects names is transparent: who imports a name from the
  package depends on the module that defines the name, not on the siblings.
- An import in an ``__init__.py`` whose name nobody uses is there to register something (a network,
  a mapper). What it registers counts if the configuration names it and its registry can be
  reached.
- What cannot be followed (a module whose name is computed) counts as an import of everything.
"""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

__all__ = ["Closure", "Package", "source_digest_text"]

DYNAMIC = ("import_module", "__import__", "iter_modules", "walk_packages")
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Import:
    """``from module import name``, or ``import module`` with name "".

    Attributes:
        module: absolute name of a module.
        name: what is taken from it; "*" for everything, "" for the module itself.
        bound: name that the importing file knows it by.
    """

    module: str
    name: str
    bound: str


@dataclass
class Closure:
    """What entry points run.

    Attributes:
        files: module (or path of a script) -> its file.
        libraries: top-level names of what is imported from elsewhere ("torch").
    """

    files: dict[str, Path] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)


class Package:
    """A package's sources, parsed when they are first needed."""

    def __init__(self, folder: Path, name: str):
        """
        Args:
            folder: where the package's folder lies.
            name: of the package.
        """
        self.folder, self.name = folder, name

    def file_of(self, module: str) -> Path | None:
        """The file of a module of this package; None if there is no such module."""
        if module.partition(".")[0] != self.name:
            return None
        stem = self.folder.joinpath(*module.split("."))
        package, plain = stem / "__init__.py", stem.with_suffix(".py")
        return package if package.is_file() else plain if plain.is_file() else None

    def modules(self) -> Iterator[str]:
        """Names of all modules of the package."""
        for path in sorted((self.folder / self.name).rglob("*.py")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def closure(
        self, entries: Iterable[str], *, names: Collection[str] = (), stop: Collection[str] = ()
    ) -> Closure:
        """Everything of this package that some entry points run.

        Args:
            entries: modules ("bestie.training.setup") or scripts ("tools/train_net.py", relative to
                the folder of the package).
            names: strings of the configuration; those that name something registered count.
            stop: modules and packages that are left out, with what only they import.

        Raises:
            ValueError: an entry that does not exist.
        """
        walk = _Walk(self, stop)
        for entry in entries:
            walk.add_entry(entry)
        while walk.add_registered(names):
            pass
        return walk.closure


class _Walk:
    """One search for a closure."""

    def __init__(self, package: Package, stop: Collection[str]):
        self.package, self.stop = package, tuple(stop)
        self.closure = Closure()
        self._whole: set[str] = set()  # packages whose every import has been followed
        self._resolved: set[Import] = set()

    def add_entry(self, entry: str) -> None:
        path = self.package.file_of(entry)
        if path is None and entry.endswith(".py") and (self.package.folder / entry).is_file():
            self.closure.files[entry] = self.package.folder / entry
            self._follow_all(entry, self.closure.files[entry])
        elif path is None:
            raise ValueError(f"{entry} is not a module of {self.package.name}, nor a script")
        else:
            self.add_module(entry, whole=True)

    def add_module(self, module: str, *, whole: bool = False) -> None:
        """A module, and the packages around it; ``whole``: its names may all be used."""
        if self._is_stopped(module):
            return
        if "." in module:
            self.add_module(module.rpartition(".")[0])
        path = self.package.file_of(module)
        assert path is not None, module
        is_package = path.name == "__init__.py"
        if module not in self.closure.files:
            self.closure.files[module] = path
            self._follow_all(module, path, only_used=is_package)
        if is_package and whole and module not in self._whole:
            self._whole.add(module)
            self._follow_all(module, path)

    def add_registered(self, names: Collection[str]) -> bool:
        """Modules that register something that the configuration names; whether any was new."""
        before = len(self.closure.files)
        for module in self.package.modules():
            if module in self.closure.files or self._is_stopped(module):
                continue
            path = self.package.file_of(module)
            assert path is not None, module
            tree = _parsed(path)
            for definition, registry in _registrations(tree):
                if definition in names and self._is_reachable(module, path, registry):
                    self.add_module(module)
        return len(self.closure.files) > before

    def _is_reachable(self, module: str, path: Path, registry: str) -> bool:
        """Whether what the closure runs can look something up in a registry.

        Registries of other libraries always can; one of this package if its module is there.
        """
        tree = _parsed(path)
        for given in _imports(tree, module, path.name == "__init__.py"):
            if given.bound == registry and self.package.file_of(given.module) is not None:
                home = self._home_of(given)
                return home in self.closure.files
        defined_here = registry in _assigned_names(tree)
        return not defined_here

    def _home_of(self, given: Import) -> str:
        """The module that a name comes from, through packages that only pass it on."""
        path = self.package.file_of(given.module)
        if path is None or path.name != "__init__.py":
            return given.module
        for inner in _imports(_parsed(path), given.module, True):
            if inner.bound == given.name and inner.module != given.module:
                return self._home_of(inner)
        return given.module

    def _follow_all(self, module: str, path: Path, *, only_used: bool = False) -> None:
        """Follow the imports of a file; of a package's own, if wanted, only those it uses."""
        tree = _parsed(path)
        used = _used_names(tree) if only_used else None
        for given in _imports(tree, module, path.name == "__init__.py"):
            if used is None or given.bound in used:
                self._follow(given)
        if _has_computed_import(tree):
            for other in self.package.modules():
                if other not in self.closure.files and other.rpartition(".")[2] != "__main__":
                    self.add_module(other)

    def _follow(self, given: Import) -> None:
        if given in self._resolved:
            return
        self._resolved.add(given)
        path = self.package.file_of(given.module)
        if path is None:
            self.closure.libraries.add(given.module.partition(".")[0])
            return
        inner = f"{given.module}.{given.name}"
        if given.name in ("", "*"):
            self.add_module(given.module, whole=True)
        elif self.package.file_of(inner) is not None:
            self.add_module(inner, whole=True)
        else:
            self.add_module(given.module)
            if path.name == "__init__.py" and not self._is_stopped(given.module):
                self._follow_export(given, path)

    def _follow_export(self, given: Import, path: Path) -> None:
        """Follow a name that a package may only pass on."""
        for inner in _imports(_parsed(path), given.module, True):
            if inner.bound == given.name or inner.name == "*":
                self._follow(inner)

    def _is_stopped(self, module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in self.stop)


def source_digest_text(text: str) -> str:
    """What a Python source does, as text: without comments, docstrings and layout.

    Fields that are empty are left out, so that the text is the same under every Python version
    that parses the source alike.
    """
    return _dump(_without_docstrings(ast.parse(text)))


def _dump(node: object) -> str:
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in node._fields)
        inner = ",".join(f"{n}={_dump(v)}" for n, v in fields if v is not None and v != [])
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    return repr(node)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *DEFINITIONS)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree


def _parsed(path: Path) -> ast.Module:
    return _parse(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1024)
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=1024)
def _imports(tree: ast.Module, module: str, is_package: bool) -> tuple[Import, ...]:
    """Every import of a file, inside functions too; modules by their absolute names."""
    around = module.split(".") if is_package else module.split(".")[:-1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                found.append(Import(alias.name, "", bound))
        elif isinstance(node, ast.ImportFrom):
            stem = around[: len(around) - node.level + 1] if node.level else []
            source = ".".join([*stem, *([node.module] if node.module else [])])
            for alias in node.names:
                found.append(Import(source, alias.name, alias.asname or alias.name))
        elif isinstance(node, ast.Call) and _called(node) in DYNAMIC and _literal(node):
            found.append(Import(_literal(node), "", ""))
    return tuple(found)


@lru_cache(maxsize=1024)
def _used_names(tree: ast.Module) -> set[str]:
    """Names that a file reads outside its imports; "" stands for imports by a call."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {""}


def _assigned_names(tree: ast.Module) -> set[str]:
    targets = (t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets)
    return {target.id for target in targets if isinstance(target, ast.Name)}


@lru_cache(maxsize=1024)
def _registrations(tree: ast.Module) -> tuple[tuple[str, str], ...]:
    """(definition, registry) of ``@REGISTRY.register()`` over the definitions of a file."""
    found = []
    for node in tree.body:
        if not isinstance(node, DEFINITIONS):
            continue
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(called, ast.Attribute) and called.attr == "register":
                owner = called.value
                found.append((node.name, owner.id if isinstance(owner, ast.Name) else ""))
    return tuple(found)


@lru_cache(maxsize=1024)
def _has_computed_import(tree: ast.Module) -> bool:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(_called(call) in DYNAMIC and not _literal(call) for call in calls)


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literal(call: ast.Call) -> str:
    """The module that a call names in plain text; "" if it is computed."""
    first = call.args[0] if call.args else None
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
        return ""
    return first.value if _called(call) in DYNAMIC[:2] else ""
