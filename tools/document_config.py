#!/usr/bin/env python3
"""Write docs/configuration.md: every key of the project with its default and its comment.

    python tools/document_config.py

Keys are added by bestie/config.py and by the config.py of each method. A comment above a key
describes it, and the keys right below it that have none.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from bestie.training.setup import default_config

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = [PROJECT / "bestie/config.py", *sorted(PROJECT.glob("bestie/methods/*/config.py"))]
TARGET = PROJECT / "docs" / "configuration.md"
INTRODUCTION = """\
# Configuration reference

Written by `python tools/document_config.py` from the comments of `bestie/config.py` and of
`bestie/methods/*/config.py`; change them there.

These keys come on top of
[Detectron2's](https://detectron2.readthedocs.io/en/latest/modules/config.html#yaml-config-references),
which are used wherever one fits: `DATASETS.TRAIN`, `DATASETS.TEST`, `DATALOADER.NUM_WORKERS`,
`INPUT.CROP`, `MODEL.WEIGHTS`, `MODEL.DEVICE`, `OUTPUT_DIR`, `SOLVER.BASE_LR`, `SOLVER.MAX_ITER`,
`SOLVER.IMS_PER_BATCH`, `SOLVER.CHECKPOINT_PERIOD`, `SOLVER.AMP`, `TEST.EVAL_PERIOD`,
`TEST.DETECTIONS_PER_IMAGE`, ... Keys are set in a YAML file (see `configs/`; they inherit from each
other with `_BASE_`), or after the options of a command: `KEY VALUE KEY VALUE`.
`bestie run` gives a key to all its trainings, or to one: `classifier:KEY`, `bestie:KEY`,
`maskrcnn:KEY`, and with masks+clicks `teacher:KEY`, `refiner:KEY`, `student:KEY`; `DEVICE cpu`
stands for `MODEL.DEVICE cpu` in all. Of a key that is given twice, the last value counts. Whole
numbers are accepted where a fraction is expected (`MODEL.PAM.ALPHA 0`), and the other way round
if nothing is lost (`SOLVER.MAX_ITER 1e4`). A key that is unknown, a value that is not accepted
(choices are compared with upper and lower case), or a setting that could have no effect ends the
command with a message.

COCO AP counts the `TEST.DETECTIONS_PER_IMAGE` detections of the highest scores per image and class:
100 unless you set it, as in papers. Where an image holds more than 100 objects, `bestie run`
sets it to 1.5 times their number, rounded up to a multiple of 50, and raises the proposals of
Mask R-CNN (`MODEL.RPN.PRE_NMS_TOPK_TEST`, `POST_NMS_TOPK_TEST`); `bestie evaluate` does the same
with `--max-detections`. Results name the limit that was used (`max_detections`).
"""


@dataclass(frozen=True)
class Key:
    """A key (or, without a default, a node of keys) and the comment above it."""

    path: str
    comment: str
    default: str | None


def main() -> None:
    source = read_sources()
    TARGET.write_text(document(source), encoding="utf-8")
    print(f"{TARGET.relative_to(PROJECT)}: {sum(1 for _ in read_keys(source))} keys")


def read_sources() -> str:
    """All modules that add keys, one after the other."""
    return "\n\n".join(path.read_text(encoding="utf-8") for path in SOURCES)


def document(source: str) -> str:
    """The page, from :func:`read_sources`."""
    sections: dict[str, list[Key]] = {}
    headings: dict[str, str] = {}
    for key in read_keys(source):
        if key.default is None:
            headings[key.path] = key.comment
        else:
            sections.setdefault(key.path.rpartition(".")[0], []).append(key)
    parts = [INTRODUCTION]
    for section, keys in sections.items():
        parts.append(f"## {f'`{section}`' if section else 'Top level'}\n")
        if headings.get(section):
            parts.append(f"{headings[section]}\n")
        rows = [
            f"| `{key.path}` | `{key.default}` | {key.comment.replace('|', '&#124;')} |"
            for key in keys
        ]
        parts.append(
            "\n".join(["| key | default | what it is |", "| --- | --- | --- |", *rows, ""])
        )
    return "\n".join(parts)


def read_keys(source: str) -> Iterator[Key]:
    """Keys and nodes in the order of the source."""
    lines = source.splitlines()
    defaults = default_config()
    for function in ast.parse(source).body:
        if not isinstance(function, ast.FunctionDef) or not re.match("_?add_", function.name):
            continue
        names = {"cfg": "", "model": "MODEL.BESTIE"}  # what the functions' arguments stand for
        comment = ""
        for node in function.body:
            if not isinstance(node, ast.Assign):
                continue
            target, path = node.targets[0], dotted(node.targets[0], names)
            if isinstance(target, ast.Name):  # model = cfg.MODEL.PAM
                names[target.id] = dotted(node.value, names)
                continue
            comment = comment_above(lines, node.lineno) or comment
            value = value_of(defaults, path)
            is_node = isinstance(value, CfgNode)
            yield Key(path, comment, None if is_node else repr(value).replace("'", '"'))


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """``model.CUES.TOP_K`` -> "MODEL.PAM.CUES.TOP_K", given what ``model`` is."""
    if isinstance(node, ast.Name):
        return names[node.id]
    assert isinstance(node, ast.Attribute), ast.dump(node)
    return f"{dotted(node.value, names)}.{node.attr}".lstrip(".")


def comment_above(lines: list[str], number: int) -> str:
    """The comment that ends in the line above line ``number`` (from 1)."""
    found: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.strip().startswith("#"):
            break
        found.insert(0, line.strip().removeprefix("#").strip())
    return " ".join(found)


def value_of(cfg: CfgNode, path: str) -> Any:
    for name in path.split("."):
        cfg = cfg[name]
    return cfg


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"document_config.py: {error}")
