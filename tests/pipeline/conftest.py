"""A package of a few lines, with every kind of import that the search for code has to follow."""

import pytest

from bestie.pipeline.imports import Package

TOY = {
    "tools/train.py": "from toy.engine import train\ntrain()\n",
    "tools/draw.py": "from toy.draw import picture\n",
    "toy/__init__.py": "from toy import nets\nfrom toy.config import keys\n",
    "toy/config.py": "keys = 1\n",
    "toy/engine.py": "import torch.nn\nfrom toy.data import load\nfrom toy.config import keys\n"
    "from toy.nets import build\ndef train():\n    from . import lazy\n    import toy.draw\n",
    "toy/lazy.py": "x = 1\n",
    "toy/unused.py": "x = 1\n",
    "toy/draw.py": "import matplotlib\nfrom toy.drawn import line\ndef picture(): pass\n",
    "toy/drawn.py": "line = 1\n",
    "toy/data/__init__.py": "from toy.data.loader import load\nfrom toy.data.check import check\n"
    "from .setting import start\nstart()\n",
    "toy/data/loader.py": "from ..files import read\ndef load(): pass\n",
    "toy/data/check.py": "def check(): pass\n",
    "toy/data/setting.py": "def start(): pass\n",
    "toy/files.py": "def read(): pass\n",
    "toy/nets/__init__.py": "from toy.nets.one import One\nfrom toy.nets.two import Two\n"
    "from toy.nets.build import build\nfrom toy.nets.heads import HEADS\nimport toy.nets.small\n",
    "toy/nets/build.py": "from outside import REGISTRY\ndef build(): pass\n",
    "toy/nets/one.py": "from outside import REGISTRY\nfrom toy.nets.losses import loss\n"
    "@REGISTRY.register()\nclass One: pass\n",
    "toy/nets/two.py": "from outside import REGISTRY\nfrom toy.nets.heads import HEADS\n"
    "@REGISTRY.register()\nclass Two: pass\n",
    "toy/nets/heads.py": "from outside import Registry\nHEADS = Registry()\n",
    "toy/nets/small.py": "from toy.nets import HEADS\n@HEADS.register()\nclass Small: pass\n",
    "toy/nets/losses.py": "def loss(): pass\n",
}


@pytest.fixture
def toy(tmp_path) -> Package:
    for name, text in TOY.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Package(tmp_path, "toy")
