"""What ran: the facts at the top, the stages with time and memory, warnings, commands.

Each function writes one part of the page.
"""

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bestie.progress import duration
from bestie.report.run_folder import RunFolder
from bestie.visualization import plot_bars
from bestie.visualization.page import (
    Block,
    Commands,
    Figure,
    Figures,
    Notes,
    Paragraph,
    Section,
    Table,
    chart_uri,
)

__all__ = [
    "commands_section",
    "data_section",
    "facts",
    "stages_section",
    "warnings_section",
]

TONE_OF_STATUS = {"done": "good", "skipped": "", "failed": "bad", "running": "warn"}
# Detectron2 may be told of thousands of odd files; a page is no place for all of them.
MAX_WARNINGS = 200
# Changed files that are named for a stage that was kept in spite of them.
MAX_CHANGES = 20


def facts(run: RunFolder) -> list[tuple[str, str]]:
    """Pairs of a name and a value that say which run this is."""
    manifest = run.manifest
    names = ("data", "supervision", "preset", "seed", "precision")
    found = [(name, str(manifest[name])) for name in names if manifest.get(name) is not None]
    if manifest.get("options"):
        found.append(("options", shlex.join(map(str, manifest["options"]))))
    if manifest.get("variants"):
        found.append(("variants", ", ".join(map(str, manifest["variants"]))))
    starts = [record["started"] for record in run.stages.values() if record.get("started")]
    if starts:
        found.append(("started", _readable_time(min(starts))))
    return found + [("state", _state(run))]


def data_section(run: RunFolder) -> Section:
    """Images of each split, in all and per class."""
    checked = run.json("check/dataset.json") or {}
    splits = {name: split for name, split in checked.items() if "images" in split}
    if not splits:
        return Section("Data", [Paragraph(run.absence("check"), "warn")])
    counts = {name: split.get("images_per_class") or {} for name, split in splits.items()}
    classes = dict.fromkeys(name for of_split in counts.values() for name in of_split)
    rows = [["all images", *(split["images"] for split in splits.values())]]
    rows += [[name, *(of_split.get(name) for of_split in counts.values())] for name in classes]
    return Section("Data", [Table(["Images with", *splits], rows)])


def stages_section(run: RunFolder) -> Section:
    """Status, time and memory of each stage."""
    rows, tones, seconds = [], [], {}
    for name in dict.fromkeys([*run.plan.titles, *run.stages]):
        title, record = run.title(name), run.stages.get(name, {})
        status = record.get("status", "not run")
        reason = record.get("reason") or ""
        if name == "report" and status == "running":
            reason = "this page"
        if status == "done" and record.get("seconds"):
            seconds[title] = float(record["seconds"])
        rows.append(
            [
                title,
                status,
                duration(record.get("seconds")),
                duration(record.get("expected_seconds")),
                _memory(record.get("peak_memory_mib")),
                reason,
            ]
        )
        tones.append(TONE_OF_STATUS.get(status, ""))
    headers = ["Stage", "Status", "Time", "Expected", "Peak memory", "Reason"]
    blocks: list[Block] = [Table(headers, rows, tones=tones)]
    if kept := list(_kept_in_spite_of_changes(run)):
        text = (
            "Kept with --keep-code although the code or a library has changed since; these results "
            "may differ from what the present code gives:"
        )
        blocks += [Paragraph(text, "warn"), Notes(kept, "warn")]
    if seconds:
        total = f"{duration(sum(seconds.values()))} in the stages that finished."
        blocks.insert(0, Paragraph(total))
        unit, length = ("minutes", 60) if max(seconds.values()) > 300 else ("seconds", 1)
        lengths = [value / length for value in seconds.values()]
        chart = plot_bars(list(seconds), {unit: lengths}, "Time of the stages", unit, "{:.1f}")
        blocks.append(Figures([Figure(chart_uri(chart), f"Time of the stages in {unit}")]))
    return Section("Stages", blocks)


def warnings_section(run: RunFolder) -> Section:
    """What the checks found, what failed, and which files the report could not use."""
    failed = [
        f"The stage “{run.title(name)}” failed: {record.get('reason') or 'see its log'} "
        f"(logs/{name}.log)"
        for name, record in run.stages.items()
        if record.get("status") == "failed"
    ]
    problems = list(_problems(run.json("check/dataset.json")))
    errors = [_place(problem) for problem in problems if problem["severity"] == "error"]
    odd = [_place(problem) for problem in problems if problem["severity"] != "error"]
    findings = [
        f"{run.title(stage)}: {finding}"
        for stage in run.reporting("maps.json")
        for finding in (run.json(f"{stage}/report/maps.json") or {}).get("findings", [])
    ]
    blocks: list[Block] = []
    for heading, items, tone in (
        ("Failed stages", failed, "bad"),
        ("Errors in the data", errors, "bad"),
        ("Signs that the weak maps are no pseudo labels", findings, "warn"),
        ("Oddities of the data", odd, "warn"),
        ("Files that this report could not use", run.notes, "warn"),
    ):
        if items:
            blocks.append(Paragraph(f"{heading}: {len(items)}", tone))
            blocks.append(Notes(items[:MAX_WARNINGS], tone))
    if not blocks:
        checked = (run.root / "check/dataset.json").is_file()
        blocks = [
            Paragraph("The checks found nothing.", "good")
            if checked
            else Paragraph(run.absence("check"), "warn")
        ]
    return Section("Warnings", blocks)


def commands_section(run: RunFolder) -> Section:
    """The command lines that repeat the run and each of its stages."""
    commands = [("Everything", str(run.manifest["command"]))] if run.manifest.get("command") else []
    commands += [
        (title, record["command"])
        for name, title in run.plan.titles.items()
        if (record := run.stages.get(name, {})).get("command")
    ]
    if not commands:
        return Section("Commands", [Paragraph("The manifest records no command.", "warn")])
    return Section("Commands", [Commands(commands)])


def _state(run: RunFolder) -> str:
    names = [name for name in run.plan.titles if name != "report"]
    statuses = {name: run.stages.get(name, {}).get("status") for name in names}
    failed = [run.title(name) for name, status in statuses.items() if status == "failed"]
    if failed:
        return f"failed in {', '.join(failed)}"
    if "running" in statuses.values():
        return "unfinished: a stage is still running, or was killed"
    missing = [run.title(name) for name, status in statuses.items() if status is None]
    if missing:
        return f"unfinished: {', '.join(missing)} did not run"
    return "finished"


def _kept_in_spite_of_changes(run: RunFolder) -> Iterator[str]:
    """One line per stage that was not repeated although its code has changed."""
    for name, record in run.stages.items():
        if kept := record.get("kept_code"):
            changed = kept["changed"]
            more = f" and {len(changed) - MAX_CHANGES} more" if len(changed) > MAX_CHANGES else ""
            yield (
                f"{run.title(name)}: {', '.join(changed[:MAX_CHANGES])}{more} "
                f"(made with code {kept['made_with'][:12]}, now {kept['now'][:12]})"
            )


def _readable_time(iso: str) -> str:
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return iso


def _memory(mebibytes: float | None) -> str:
    if mebibytes is None:
        return "–"
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"


def _problems(content: Any) -> Iterator[dict[str, Any]]:
    """Every object with a severity and a message, wherever it stands in a json of checks."""
    if isinstance(content, dict):
        if "severity" in content and "message" in content:
            yield content
            return
        content = list(content.values())
    for value in content if isinstance(content, list) else []:
        yield from _problems(value)


def _place(problem: dict[str, Any]) -> str:
    line = f", line {problem['line']}" if problem.get("line") else ""
    return f"{problem.get('file', 'the data')}{line}: {problem['message']}"
