#!/usr/bin/env python3
"""Makes a virtual environment with the other tested Detectron2: the step behind
`make test-detectron2`.

The two tested versions are the pinned commit on GitHub and the Python part of release 0.6 from
PyPI. All other packages are those of the Python that runs this: the environment has its folders of
packages on its path, after its own.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from installation import detectron2_source


def main(args: argparse.Namespace) -> int:
    python = make_environment(args.folder)
    wanted = detectron2_source.PYPI
    if detectron2_source.is_python_part():
        wanted = detectron2_source.PINNED
    command = [python, "tools/install.py", "--replace", "--detectron2", wanted]
    for option in ("torch", "torchvision", "setuptools"):
        command += [f"--{option}", getattr(args, option)]
    if subprocess.call(command) == 0:
        return 0
    installed = "the Python part of 0.6" if wanted == detectron2_source.PINNED else "another one"
    print(
        f"The tests need two versions of Detectron2. Installed is {installed}; the other one, "
        f"{wanted}, could not be installed into {args.folder} (the reason stands above).",
        file=sys.stderr,
    )
    return 1


def make_environment(folder: Path) -> str:
    """Create the environment, or a new one where it was made by another Python; its interpreter."""
    stamp = folder / "made-by.txt"
    maker = f"{sys.executable} {sys.version}"
    if not stamp.is_file() or stamp.read_text() != maker:
        # Without pip: the packages of this Python, which follow, have it.
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True
        )
        stamp.write_text(maker)
    python = str(folder / "bin" / "python")
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", question], check=True, capture_output=True, text=True)
    shared = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    Path(own.stdout.strip(), "shared.pth").write_text("\n".join(shared) + "\n")
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the environment")
    parser.add_argument("--torch", required=True, help="see tools/install.py")
    parser.add_argument("--torchvision", required=True, help="see tools/install.py")
    parser.add_argument("--setuptools", required=True, help="see tools/install.py")
    sys.exit(main(parser.parse_args()))
