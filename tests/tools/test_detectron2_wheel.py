"""The wheel of Detectron2's Python part, built from small archives made here; offline."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from installation import detectron2_wheel, pip

SETUP = """
import pathlib, sys, torch
from setuptools import setup
from torch.utils.cpp_extension import CUDA_HOME, CppExtension, CUDAExtension
from torch.utils.cpp_extension import ROCM_HOME
assert [int(x) for x in torch.__version__.split(".")[:2]] >= [1, 8]
assert torch.version.hip is None and not torch.cuda.is_available()
pathlib.Path({marker!r}).touch()
setup(
    name="pb1-detectron2", version="0.6", packages=[],
    ext_modules=[CppExtension("detectron2._C", [], include_dirs=["x"], define_macros=[])],
    cmdclass={{"build_ext": torch.utils.cpp_extension.BuildExtension}},
)
"""


def archive(folder, **changes):
    """A source archive with the files that matter, and some that do not; its path and SHA-256."""
    files = {
        "setup.py": SETUP.format(marker=str(folder / "executed")),
        "LICENSE": "Apache License",
        "tools/train_net.py": "",
        "detectron2/__init__.py": '__version__ = "0.6"\n',
        "detectron2/layers/csrc/vision.cpp": "",
        "detectron2/model_zoo/configs/Base.yaml": "MODEL: {}\n",
        "detectron2/projects/__init__.py": "",
        "detectron2/data/transforms/transform.py": "def f(interp=Image.LINEAR): pass\n",
        "detectron2/evaluation/sem_seg_evaluation.py": "a(np.int), b(np.int)\n" + 5 * "(np.float)",
        "projects/PointRend/point_rend/__init__.py": "",
        "projects/DeepLab/deeplab/__init__.py": "NAME = 'deeplab'\n",
        "projects/Panoptic-DeepLab/panoptic_deeplab/config.py": "",
    }
    path = folder / "pb1-detectron2-0.6.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for name, content in (files | changes).items():
            entry = tarfile.TarInfo(f"pb1-detectron2-0.6/{name}")
            entry.size = len(content.encode())
            packed.addfile(entry, io.BytesIO(content.encode()))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_pip_installs_lists_and_removes_the_wheel(tmp_path):
    wheel = detectron2_wheel.build_wheel(*arguments_for(tmp_path))
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target"]
    subprocess.run([*command, str(target), str(wheel)], check=True, capture_output=True)
    (installed,) = metadata.distributions(name="detectron2", path=[str(target)])
    assert installed.version == "0.6+python"
    assert all(file.locate().is_file() for file in installed.files)
    code = (
        "import detectron2.projects.deeplab as deeplab, detectron2._C as _C\n"
        "print(deeplab.NAME)\n"
        "assert not hasattr(_C, '__wrapped__') and not _C.has_cuda()\n"
        "assert 'Python part' in _C.get_compiler_version() and _C.get_cuda_version()\n"
        "try: _C.deform_conv_forward\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=target, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("deeplab\ndetectron2._C.deform_conv_forward is missing: this is")


def arguments_for(folder):
    path, sha256 = archive(folder)
    return path, folder, sha256


def test_wheel_holds_packages_configs_and_license_and_nothing_else(tmp_path):
    with zipfile.ZipFile(detectron2_wheel.build_wheel(*arguments_for(tmp_path))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info" not in name}
        transform = wheel.read("detectron2/data/transforms/transform.py").decode()
        evaluation = wheel.read("detectron2/evaluation/sem_seg_evaluation.py").decode()
        assert wheel.read("detectron2-0.6+python.dist-info/licenses/LICENSE")
    assert names == {
        "detectron2/__init__.py",
        "detectron2/_C.py",
        "detectron2/data/transforms/transform.py",
        "detectron2/evaluation/sem_seg_evaluation.py",
        "detectron2/model_zoo/configs/Base.yaml",
        "detectron2/projects/__init__.py",
        "detectron2/projects/deeplab/__init__.py",
        "detectron2/projects/panoptic_deeplab/config.py",
        "detectron2/projects/point_rend/__init__.py",
    }
    assert transform == "def f(interp=Image.BILINEAR): pass\n"
    assert evaluation == "a(np.int64), b(np.int64)\n" + 5 * "(np.float64)"


def test_same_archive_gives_the_same_bytes(tmp_path):
    arguments = arguments_for(tmp_path)
    first = detectron2_wheel.build_wheel(*arguments).read_bytes()
    assert detectron2_wheel.build_wheel(*arguments).read_bytes() == first


def test_requirements_are_well_formed_and_include_no_exact_versions():
    needs = [Requirement(text) for text in detectron2_wheel.REQUIREMENTS]
    assert not [need for need in needs if "==" in str(need.specifier)]
    assert not {"future", "pydot", "dataclasses"} & {need.name for need in needs}


def test_another_archive_is_refused(tmp_path):
    path, _ = archive(tmp_path)
    with pytest.raises(pip.InstallError, match=r"has the SHA-256 \w+, expected is 5d2e9e51"):
        detectron2_wheel.build_wheel(path, tmp_path)


@pytest.mark.parametrize("text", ["", "Image.LINEAR, Image.LINEAR"])
def test_text_that_is_not_there_as_often_as_expected_is_an_error(tmp_path, text):
    path, sha256 = archive(tmp_path, **{"detectron2/data/transforms/transform.py": text})
    with pytest.raises(pip.InstallError, match=r"transform.py: Image.LINEAR is there [02] times"):
        detectron2_wheel.build_wheel(path, tmp_path, sha256)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip finds packages in, and nothing else; logs go to another one."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setattr(pip, "PROJECT", tmp_path)
    monkeypatch.setattr(pip, "LOG", tmp_path / "build" / "install.log")
    pip.start_log()
    return tmp_path


def test_archive_is_fetched_by_pip_without_torch(index, monkeypatch):
    monkeypatch.setattr(detectron2_wheel, "SHA256", archive(index)[1])
    monkeypatch.setattr(detectron2_wheel.build_wheel, "__defaults__", (detectron2_wheel.SHA256,))
    wheel = detectron2_wheel.fetch_and_build(index / "new" / "folder")
    assert wheel == index / "new" / "folder" / "detectron2-0.6+python-py3-none-any.whl"
    assert (index / "executed").exists()  # its setup.py, with what stands in for torch


def test_nothing_of_another_archive_is_executed(index):
    archive(index)
    with pytest.raises(pip.InstallError):
        detectron2_wheel.fetch_and_build(index / "folder")
    assert not (index / "executed").exists()
