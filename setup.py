"""Installs the package `bestie`; `make install` also brings PyTorch and Detectron2.

Detectron2 is not on the Python package index: it is declared by its git URL, at the commit that
this project is tested with, as the extra `detectron2`. It is no plain requirement because pip
compares such a URL with where an installed copy came from and would fetch it again over a local
build, on machines without GitHub in vain; and because its own set-up imports torch, which has to be
there before it:

    pip install torch torchvision "setuptools<81"
    pip install --no-build-isolation -e ".[detectron2]"

`make install` does these steps, and takes what is there already.
"""

from setuptools import find_packages, setup

DETECTRON2 = "git+https://github.com/facebookresearch/detectron2.git@02b5c4e295e990042a714712c21dc79b731e8833"

setup(
    name="bestie",
    version="0.1.0",
    description="Weakly supervised instance segmentation (BESTIE) in Detectron2",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["bestie", "bestie.*"]),
    package_data={"bestie.visualization": ["*.html"]},
    install_requires=[
        "torch>=2.11",
        "torchvision>=0.26",
        "numpy>=2",
        "opencv-python-headless",
        "pillow",
        "pycocotools",
        "timm>=1.0",
        "scipy",
        "matplotlib",
        "jinja2",
        "tqdm",
        # Detectron2's model zoo imports pkg_resources, which later versions no longer have.
        "setuptools<81",
    ],
    extras_require={
        "detectron2": [f"detectron2 @ {DETECTRON2}"],
        "dev": [
            # A formatter decides by version: one minor release, so that a check means the same
            # everywhere.
            "ruff==0.17.*",
            "pytest>=8",
            "pytest-timeout",
            "hypothesis",
        ],
        # Dense CRF after the semantic maps (MODEL.PAM.MAPS.CRF).
        "crf": ["pydensecrf2"],
    },
)
