"""The report of a pipeline run: ``report.html``, one file that opens offline.

Last stage of the pipeline. Comes in: the pipeline's output folder, and the data that its manifest
names. Goes out: ``report.html`` in that folder. Called by ``tools/run_pipeline.py``.

``run_folder`` reads what the stages left, ``overview`` tells what ran, ``supervision`` what labels
went into it, ``training`` and ``results`` show numbers, ``galleries`` pictures; the look of it all
is ``bestie.visualization.page``'s. Any stage may have been skipped, have failed or be missing: its
place in the report says so.
"""

import os
from pathlib import Path

from bestie.formats import atomic_write
from bestie.report.galleries import gallery_section
from bestie.report.overview import (
    commands_section,
    data_section,
    facts,
    stages_section,
    warnings_section,
)
from bestie.report.results import labels_section, metrics_section, summary_blocks
from bestie.report.run_folder import RunFolder
from bestie.report.supervision import answer, supervision_section
from bestie.report.training import training_section
from bestie.visualization.page import Page, render_page

__all__ = ["REPORT", "write_report"]

REPORT = "report.html"


def write_report(directory: str | os.PathLike) -> Path:
    """Write the report of a pipeline run; returns its path.

    Args:
        directory: output folder of the pipeline.

    Raises:
        DataError: there is no manifest in it, or a broken one. Other files that are missing or
            broken are named in the report instead.
    """
    run = RunFolder(directory)
    sections = [
        supervision_section(run),
        stages_section(run),
        data_section(run),
        training_section(run),
        labels_section(run),
        metrics_section(run),
        gallery_section(run),
        commands_section(run),
    ]
    warnings = warnings_section(run)  # the last to be made: the others noted what they missed
    page = Page(
        title="BESTIE report",
        facts=facts(run),
        summary=[*summary_blocks(run), answer(run)],
        sections=[sections[0], warnings, *sections[1:]],
    )
    path = run.root / REPORT
    with atomic_write(path) as file:
        file.write(render_page(page))
    return path
