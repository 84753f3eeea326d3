"""Tables of the paper: settings are those of the recipe, numbers those that were published."""

import json

import pytest

from bestie.methods.pointwssis.tables import ABLATIONS, SHARES, TABLES
from bestie.pipeline.request import Request

ROWS = [(table, row) for table in TABLES for row in table.rows]


@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda value: value.name)
def test_settings_of_every_row_are_accepted(table, row, tmp_path):
    options = tuple(part for pair in row.settings.items() for part in pair)
    request = Request(
        str(tmp_path),
        table.supervision,
        tmp_path / "run",
        options=options,
        more_stages=table.stages,
    )
    assert table.last in request.recipe.stage_names and row.prepare[0] == "--percent"


def test_three_rows_of_a_share_are_one_run():
    rows = [SHARES.row(f"{name}_10") for name in ("masks", "clicks", "refined")]
    assert {SHARES.run_of(row).name for row in rows} == {"masks_10"}
    assert [row.published["AP"] for row in rows] == [22.1, 32.6, 35.8]
    assert SHARES.run_of(SHARES.row("refined_5")).name == "masks_5"


def test_quality_of_rough_and_refined_labels_is_read(tmp_path):
    (tmp_path / "quality").mkdir()
    found = {"recall": 1.0, "precision": 2.0, "recall75": 3.0, "best_iou": 4.0}
    stages = {"labels": found, "refined": found | {"recall": 5.0}}
    (tmp_path / "quality/quality.json").write_text(json.dumps({"stages": stages}))
    read = [ABLATIONS.reader(ABLATIONS.row(name))(tmp_path) for name in ("rough", "refined")]
    assert [values["recall"] for values in read] == [1.0, 5.0]
    assert read[0]["recall at IoU 0.75"] == 3.0 and read[0]["mean IoU"] == 4.0
