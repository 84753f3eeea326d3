"""The package itself: an installation from another folder is not taken over."""

import json
from importlib import metadata

import pytest

from installation import package, pip


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Set the direct_url.json of the installed package (None: from an index)."""

    def setup(origin: dict | None) -> None:
        folder = tmp_path / "bestie-0.1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Name: bestie\nVersion: 0.1.0\n")
        (folder / "RECORD").write_text("")
        if origin is not None:
            (folder / "direct_url.json").write_text(json.dumps(origin))
        distribution = metadata.PathDistribution(folder)
        find = metadata.distribution
        monkeypatch.setattr(
            metadata,
            "distribution",
            lambda name: distribution if name == "bestie" else find(name),
        )

    return setup


@pytest.fixture
def calls(monkeypatch):
    received = []
    monkeypatch.setattr(pip, "install", lambda *arguments: received.append(arguments))
    return received


def editable(folder) -> dict:
    return {"url": folder.as_uri(), "dir_info": {"editable": True}}


@pytest.mark.parametrize("is_editable", [True, False])
def test_another_checkout_keeps_the_installation(installed, calls, tmp_path, capsys, is_editable):
    installed(editable(tmp_path) | ({} if is_editable else {"dir_info": {}}))
    package.install()
    assert calls == []
    assert f"is installed from {tmp_path} and stays so" in capsys.readouterr().out


def test_only_what_is_missing_is_installed_beside_another_checkout(
    installed, calls, tmp_path, monkeypatch
):
    installed(editable(tmp_path))
    monkeypatch.setattr(package, "is_satisfied", lambda need: not need.startswith("hypothesis"))
    package.install()
    assert calls == [("hypothesis",)]


def test_installation_of_a_folder_that_is_gone_is_replaced(installed, calls, tmp_path, capsys):
    installed(editable(tmp_path / "gone"))
    package.install()
    assert calls == [("--no-build-isolation", "--editable", ".[dev]")]
    assert "gone, which does not exist any more" in capsys.readouterr().out


def test_installation_from_an_index_stays(installed, calls, capsys):
    installed(None)
    package.install()
    assert calls == []
    assert "from a package index" in capsys.readouterr().out


def test_missing_package_is_installed_from_this_folder(calls, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    package.install()
    assert calls == [("--no-build-isolation", "--editable", ".[dev]")]


def test_own_installation_is_renewed_when_setup_changes_or_a_requirement_is_missing(
    installed, calls, monkeypatch
):
    installed(editable(pip.PROJECT))  # its record was written just now
    package.install()
    assert calls == []
    monkeypatch.setattr(package, "is_satisfied", lambda need: False)
    package.install()
    assert len(calls) == 1


def test_requirements_are_those_of_setup():
    needs = package.requirements()
    assert {"torch>=2.11", "tqdm", "pytest>=8"} <= set(needs)
    assert not any(need.startswith("detectron2") for need in needs)


def test_requirement_is_compared_with_the_installed_version():
    assert package.is_satisfied("pytest>=8")
    assert not package.is_satisfied("pytest<8")
    assert not package.is_satisfied("a-package-that-does-not-exist")
