"""An output folder of two stages, and what its recipe says of them; no method is in it."""

import json
from pathlib import Path
from typing import Any

from bestie.report.run_folder import ReportPlan, RunFolder
from bestie.visualization.page import Figures, Notes, Paragraph, Section, Table

PLAN = ReportPlan(
    title="Toy",
    titles={"check": "Check", "train": "Toy network", "report": "Report"},
    trainings=("train",),
    labeler="train",
    models={"baseline": "One per component", "toy": "Toy network"},
)


def toy_run(root: Path, stages: dict[str, dict] | None = None, **manifest: Any) -> RunFolder:
    """A folder with this manifest; files are added by :func:`put`."""
    put(root, "manifest.json", {"version": 1, "stages": stages or {}} | manifest)
    return RunFolder(root, PLAN)


def put(root: Path, name: str, content: Any) -> None:
    """Write json, or text as it is."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (root / name).write_text(text, encoding="utf-8")


def paragraphs(section: Section) -> list[tuple[str, str]]:
    """Text and tone of each paragraph."""
    return [(b.text, b.tone) for b in section.blocks if isinstance(b, Paragraph)]


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def notes(section: Section) -> list[list[str]]:
    return [list(block.items) for block in section.blocks if isinstance(block, Notes)]


def charts(section: Section) -> list[str]:
    """What the charts show."""
    found = [block.figures for block in section.blocks if isinstance(block, Figures)]
    return [figure.text for figures in found for figure in figures]
