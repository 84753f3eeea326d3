"""docs/configuration.md is what the script writes, and it names every key."""

import importlib.util

from detectron2.config import get_cfg
from detectron2.projects.point_rend import add_pointrend_config

from bestie.training import default_config
from bestie.training.setup import NEWER_SOLVER_KEYS
from tests.conftest import PROJECT

spec = importlib.util.spec_from_file_location(
    "document_config", PROJECT / "tools/document_config.py"
)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

SOURCE = tool.read_sources()


def flat(cfg, prefix=""):
    for name, value in cfg.items():
        yield from flat(value, f"{prefix}{name}.") if hasattr(value, "items") else [prefix + name]


def test_page_is_up_to_date():
    page = (PROJECT / "docs/configuration.md").read_text()
    assert page == tool.document(SOURCE), "run: python tools/document_config.py"


def test_every_key_is_described():
    found = {key.path: key for key in tool.read_keys(SOURCE) if key.default is not None}
    others = get_cfg()
    add_pointrend_config(others)
    for key, value in NEWER_SOLVER_KEYS.items():  # Detectron2's, but not in every version
        others.SOLVER.setdefault(key, value)
    assert set(flat(default_config())) - set(flat(others)) <= set(found)
    assert all(key.comment for key in found.values())


def test_comment_covers_the_keys_right_below_it():
    found = {key.path: key for key in tool.read_keys(SOURCE)}
    assert found["MODEL.BESTIE.CENTER_WEIGHT"].comment.startswith("Loss weights")
    assert found["MODEL.BESTIE.SIGMA"].default == "6.0"
    assert found["MODEL.BESTIE.CLUSTER"].default is None
    assert found["MODEL.PAM.CUES.TOP_K"].comment == "Most cues per class and image."
