"""A wheel of Detectron2's Python part, from the source archive that PyPI holds of release 0.6.

PyPI has no Detectron2, but the archive ``pb1-detectron2`` 0.6: all Python files of the official tag
v0.6, byte for byte, without the C++ sources, so that pip cannot build it. Its Python packages are
packed into a wheel named ``detectron2`` here, which pip installs, lists and removes like any other;
that takes no compiler and no git. Detectron2 is licensed under Apache 2.0; the license is packed,
too.
"""

import base64
import hashlib
import tarfile
import tempfile
import zipfile
from pathlib import Path

from installation import pip

VERSION = "0.6+python"
ARCHIVE = "pb1-detectron2==0.6"
SHA256 = "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29"
SUMMARY = (
    "the Python part of release 0.6, from the source archive pb1-detectron2 0.6 of PyPI, "
    "without compiled operators"
)

# Folder of the archive -> folder of the wheel; those of Detectron2's own setup.py.
PACKAGES = {
    "detectron2": "detectron2",
    "projects/PointRend/point_rend": "detectron2/projects/point_rend",
    "projects/DeepLab/deeplab": "detectron2/projects/deeplab",
    "projects/Panoptic-DeepLab/panoptic_deeplab": "detectron2/projects/panoptic_deeplab",
}
# Those of its setup.py, without what only Caffe2's export and Python 3.6 need, without the version
# of black that belongs to its developers; and what its main branch and its imports ask for.
REQUIREMENTS = (
    "Pillow>=7.1",
    "matplotlib",
    "pycocotools>=2.0.2",
    "termcolor>=1.1",
    "yacs>=0.1.8",
    "tabulate",
    "cloudpickle",
    "tqdm>4.29.0",
    "tensorboard",
    "fvcore>=0.1.5,<0.1.6",
    "iopath>=0.1.7,<0.1.10",
    "omegaconf>=2.1,<2.4",
    "hydra-core>=1.1",
    "black",
    "numpy",
    "torch",
    "torchvision",
    "setuptools<81",  # the model zoo imports pkg_resources
)
# (file, text, replacement, how often the text is there): names that Pillow and numpy have removed.
EDITS = (
    ("detectron2/data/transforms/transform.py", "Image.LINEAR", "Image.BILINEAR", 1),
    ("detectron2/evaluation/sem_seg_evaluation.py", "np.int)", "np.int64)", 2),
    ("detectron2/evaluation/sem_seg_evaluation.py", "np.float)", "np.float64)", 5),
)
# Its modules import the compiled operators at once, and call them when they are needed.
OPERATORS = '''"""Stands in for the compiled operators, which this installation does not have."""


def get_compiler_version():  # for the report of the environment at the start of a training
    return "none (the Python part of Detectron2 only)"


get_cuda_version = get_compiler_version


def has_cuda():
    return False


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"detectron2._C.{name} is missing: this is the Python part of Detectron2 0.6, without its "
        "compiled operators (rotated boxes, deformable convolution, the faster COCO evaluation); "
        "a build of its sources has them"
    )
'''
# What the archive's setup.py imports from torch. pip runs that to learn the archive's name, long
# before the 5 GB of torch are needed.
TORCH_STAND_IN = {
    "__init__.py": '__version__ = "2.0"\nfrom . import cuda, utils, version\n',
    "version.py": "hip = None\n",
    "cuda.py": "def is_available():\n    return False\n",
    "utils/__init__.py": "from . import cpp_extension\n",
    "utils/cpp_extension.py": (
        "from setuptools import Extension\n"
        "from setuptools.command.build_ext import build_ext as BuildExtension\n"
        "CUDA_HOME = ROCM_HOME = None\n"
        "CUDAExtension = Extension\n"
        "def CppExtension(name, sources, *args, **kwargs):\n"
        "    return Extension(name, sources)\n"
    ),
}


def fetch_and_build(folder: Path) -> Path:
    """Let pip download the archive, and build the wheel from it.

    Args:
        folder: for both; created if need be.

    Returns:
        The wheel.

    Raises:
        InstallError: the archive can not be downloaded, or is not the one that was examined.
    """
    print(f"fetching {ARCHIVE} (pip's output: {pip.LOG.relative_to(pip.PROJECT)})", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, content in TORCH_STAND_IN.items():
            path = Path(temporary, "torch", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        # pip checks the hash before it runs anything of the archive.
        pinned = Path(temporary, "requirements.txt")
        pinned.write_text(f"{ARCHIVE} --hash=sha256:{SHA256}\n")
        pip.run(
            *("download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"),
            *("--dest", str(folder), "--requirement", str(pinned)),
            environment={"PYTHONPATH": temporary},
        )
    return build_wheel(folder / f"{ARCHIVE.replace('==', '-')}.tar.gz", folder)


def build_wheel(archive: Path, folder: Path, sha256: str = SHA256) -> Path:
    """Pack the Python packages of the archive into a wheel; the same archive, the same bytes.

    Args:
        archive: .tar.gz with one top folder.
        folder: for the wheel.
        sha256: of the archive.

    Returns:
        The wheel.

    Raises:
        InstallError: the archive has another hash, or a text that EDITS expects is not there.
    """
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise pip.InstallError(f"{archive} has the SHA-256 {found}, expected is {sha256}")
    files = _packed_files(archive)
    for name, old, new, times in EDITS:
        if (count := files[name].count(old.encode())) != times:
            raise pip.InstallError(f"{name}: {old} is there {count} times, expected are {times}")
        files[name] = files[name].replace(old.encode(), new.encode())
    files["detectron2/_C.py"] = OPERATORS.encode()
    information = f"detectron2-{VERSION}.dist-info"
    files[f"{information}/METADATA"] = _metadata().encode()
    files[f"{information}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: bestie\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{information}/top_level.txt"] = b"detectron2\n"
    record = "".join(f"{name},{_digest(content)}\n" for name, content in files.items())
    files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
    wheel = folder / f"detectron2-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, whenever it is packed
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return wheel


def _packed_files(archive: Path) -> dict[str, bytes]:
    """Name in the wheel -> content of the sources, of the model zoo's configs, of the license."""
    files = {}
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            name = member.name.partition("/")[2]
            if not member.isfile():
                continue
            if name == "LICENSE":
                files[f"detectron2-{VERSION}.dist-info/licenses/LICENSE"] = _content(packed, member)
            for source, target in PACKAGES.items():
                if name.startswith(f"{source}/") and name.endswith((".py", ".yaml")):
                    files[target + name.removeprefix(source)] = _content(packed, member)
    return dict(sorted(files.items()))


def _content(packed: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = packed.extractfile(member)
    assert file is not None, f"{member.name} is not a file"
    return file.read()


def _metadata() -> str:
    return "\n".join(
        [
            "Metadata-Version: 2.1",
            "Name: detectron2",
            f"Version: {VERSION}",
            f"Summary: Detectron2: {SUMMARY}",
            "Home-page: https://github.com/facebookresearch/detectron2",
            "License: Apache 2.0",
            "Requires-Python: >=3.7",
            *(f"Requires-Dist: {requirement}" for requirement in REQUIREMENTS),
            "",
        ]
    )


def _digest(content: bytes) -> str:
    """Hash and size as a wheel's RECORD has them."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"
