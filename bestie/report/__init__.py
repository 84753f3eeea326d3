"""The report of a pipeline run: ``report.html``, one file that opens offline.

The last stage of the pipeline writes it, from the pipeline's output folder and the data that its
manifest names. A recipe chooses the sections, and gives the names of its stages
(:class:`ReportPlan`).

``run_folder`` reads what the stages left, ``overview`` shows what ran, ``supervision`` what labels
went into it, ``training`` and ``results`` show numbers, ``galleries`` pictures, ``doubtful`` the
labels to correct first; the look of it all is ``bestie.visualization.page``'s. Any stage may have
been skipped, have failed or be missing: its place in the report says so.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bestie.formats import atomic_write
from bestie.report.doubtful import doubtful_section
from bestie.report.galleries import gallery_section
from bestie.report.overview import (
    commands_section,
    data_section,
    facts,
    stages_section,
    warnings_section,
)
from bestie.report.results import labels_section, metrics_section, summary_blocks
from bestie.report.run_folder import ReportPlan, RunFolder
from bestie.report.supervision import answer, supervision_section
from bestie.report.training import training_section
from bestie.visualization.page import Page, Section, render_page

__all__ = [
    "REPORT",
    "SECTIONS",
    "ReportPlan",
    "SectionWriter",
    "commands_section",
    "data_section",
    "gallery_section",
    "labels_section",
    "metrics_section",
    "stages_section",
    "supervision_section",
    "training_section",
    "write_report",
]

REPORT = "report.html"
SectionWriter = Callable[[RunFolder], Section]
# All sections, in the usual order; warnings come after the first one.
SECTIONS: tuple[SectionWriter, ...] = (
    supervision_section,
    stages_section,
    data_section,
    training_section,
    labels_section,
    metrics_section,
    gallery_section,
    doubtful_section,
    commands_section,
)


def write_report(
    directory: str | os.PathLike, plan: ReportPlan, sections: Sequence[SectionWriter] = SECTIONS
) -> Path:
    """Write the report of a pipeline run; returns its path.

    Args:
        directory: output folder of the pipeline.
        plan: names and titles of the recipe.
        sections: of the report.

    Raises:
        DataError: there is no manifest in it, or a broken one. Other files that are missing or
            broken are named in the report instead.
    """
    run = RunFolder(directory, plan)
    first, *others = (section(run) for section in sections)
    warnings = warnings_section(run)  # the last to be made: the others noted what they missed
    page = Page(
        title=plan.title,
        facts=facts(run),
        summary=[*summary_blocks(run), answer(run)],
        sections=[first, warnings, *others],
    )
    path = run.root / REPORT
    with atomic_write(path) as file:
        file.write(render_page(page))
    return path
