"""Which edits make which stages run again: on a package of a few lines, and on this one."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from bestie.pipeline import code_version, stages
from bestie.pipeline.code_version import DISPLAY_ONLY, code_of, library_versions, strings_of
from bestie.pipeline.imports import Package
from bestie.training.setup import merge_config
from tests.conftest import PROJECT


def test_data_beside_the_code_and_named_files_count(toy):
    (toy.folder / "toy/data/page.html").write_text("a")
    code = code_of(["toy.engine"], files=["tools/draw.py"], package=toy)["code"]
    assert {"toy/data/page.html", "tools/draw.py"} <= set(code)


def test_a_patch_of_a_library_changes_nothing_and_a_minor_version_does(toy, monkeypatch):
    def libraries(version: str) -> dict[str, str]:
        versions = {"torch": version, "timm": "1.0.1", "python": "3.11.1"}
        monkeypatch.setattr(code_version, "library_versions", lambda names: versions)
        return code_of(["toy.engine"], package=toy)["libraries"]

    assert libraries("2.14.1") == libraries("2.14.2+cpu") == {"torch": "2.14"}
    assert libraries("2.15.0") == {"torch": "2.15"}


def install(folder: Path, version: str, source: str) -> None:
    """A library that is named as Detectron2."""
    information = folder / f"detectron2-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Name: detectron2\nVersion: {version}\n")
    for name in ("__init__.py", "layers/nms.py", "projects/deeplab.py"):
        (folder / "detectron2" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "detectron2" / name).write_text(source if name == "layers/nms.py" else "")


def test_two_detectron2_of_one_version_are_told_apart_by_their_sources(toy, tmp_path, monkeypatch):
    """The main branch and the release of 2021 call themselves 0.6."""
    (toy.folder / "toy/engine.py").write_text("import detectron2\n")

    def library(name: str, version: str, source: str) -> str:
        install(tmp_path / name, version, source)
        monkeypatch.delitem(sys.modules, "detectron2", raising=False)
        monkeypatch.setattr(sys, "path", [str(tmp_path / name), *sys.path])
        library_versions.cache_clear()
        return code_of(["toy.engine"], package=toy)["libraries"]["detectron2"]

    try:
        main, release = library("a", "0.6", "x = 1"), library("b", "0.6", "x = 2")
        assert re.fullmatch(r"0\.6 \(sources [0-9a-f]{8}\)", main)
        assert release.startswith("0.6 ") and main != release
        wheel = library("c", "0.6+python", "x = 2")
        assert wheel == release.replace("0.6", "0.6+python")
        (tmp_path / "a/detectron2/projects/deeplab.py").write_text("y = 1")
        assert library("d", "0.6", "x = 1") == main
    finally:
        library_versions.cache_clear()


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Package:
    """This project's sources, to be edited."""
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "bestie", folder / "bestie", ignore=ignored)
    return Package(folder, "bestie")


EDITS = {
    "code": lambda text: f"{text}\nx = 1\n",
    "comment": lambda text: f"{text}\n# why\n",
    "docstring": lambda text: text.replace('"""', '"""More. ', 1),
}


def changed_stages(package: Package, file: str, edit: str) -> set[str]:
    """Programs whose code an edit of a file changes."""
    configs = {
        name: strings_of(merge_config(f"{PROJECT}/configs/pipeline/quick/{name}.yaml", []))
        for name in ("classifier", "bestie", "maskrcnn")
    }
    programs = {name: ("bestie.cli.train", names) for name, names in configs.items()}
    programs["cues"] = ("bestie.cli.extract_points", configs["classifier"])
    programs["labels"] = ("bestie.cli.export", configs["bestie"])

    def digests() -> dict[str, dict]:
        return {
            name: code_of([tool], names=names, package=package)
            for name, (tool, names) in programs.items()
        }

    path, before = package.folder / file, digests()
    text = path.read_text()
    assert EDITS[edit](text) != text
    path.write_text(EDITS[edit](text))
    after = digests()
    path.write_text(text)
    return {name for name in programs if before[name] != after[name]}


TRAININGS = {"classifier", "bestie", "maskrcnn"}


@pytest.mark.parametrize(
    ("file", "edit", "stages"),
    [
        ("bestie/visualization/draw.py", "code", set()),
        ("bestie/report/overview.py", "code", set()),
        ("bestie/methods/bestie/losses.py", "code", {"bestie", "labels"}),
        ("bestie/methods/bestie/losses.py", "docstring", set()),
        ("bestie/methods/bestie/losses.py", "comment", set()),
        ("bestie/methods/pam/classifier.py", "code", {"classifier", "cues"}),
        ("bestie/methods/bestie/refinement.py", "code", {"bestie", "labels"}),
        ("bestie/training/trainer.py", "code", TRAININGS),
        ("bestie/methods/pam/cues.py", "code", {"cues"}),
        ("bestie/data/mappers.py", "code", TRAININGS | {"cues", "labels"}),
    ],
)
def test_an_edit_repeats_the_stages_that_run_the_edited_code(copy, file, edit, stages):
    assert changed_stages(copy, file, edit) == stages


def test_what_is_declared_to_draw_only_exists():
    package = Package(PROJECT, "bestie")
    for module in (*DISPLAY_ONLY, stages.MEASURE):
        assert package.file_of(module), module
    assert Path(PROJECT, stages.HERE).is_file()
