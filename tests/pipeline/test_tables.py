"""Tables as data: what is refused, and what is found by its name."""

import json
from dataclasses import replace

import pytest

from bestie.pipeline.tables import (
    TABLES,
    FromRow,
    Row,
    Table,
    metrics_of,
    register_tables,
    table_for,
    tables_of,
)

ROWS = (
    Row("one", "1", settings={"A": "1"}),
    Row("two", "2", maps=FromRow("one", "maps", "maps")),
    Row("other", "1 again", settings={"A": "1"}),
)
TABLE = Table("table", "9", "nine", "tags", ROWS, "bestie", read=lambda folder: {})


@pytest.fixture
def registered():
    yield register_tables("toy", (TABLE,))
    del TABLES["toy"]


def test_unknown_names_are_answered_with_those_that_exist(registered):
    assert table_for("toy", "table", "9") is TABLE and tables_of("toy") == (TABLE,)
    with pytest.raises(ValueError, match=r"toy has no figure '9'; there are: --table 9 \(nine\)"):
        table_for("toy", "figure", "9")
    with pytest.raises(ValueError, match="no tables of 'paper', but of .*toy"):
        tables_of("paper")
    with pytest.raises(ValueError, match="table 9 has no row 'three'; it has one, two, other$"):
        TABLE.row("three")


def test_rows_with_the_same_settings_share_a_run():
    one, two, other = ROWS
    assert TABLE.run_of(other) is one and TABLE.run_of(two) is two


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[1:2], "the row two needs one before it"),
        (ROWS[:1] * 2, "the row one needs a name of its own"),
    ],
)
def test_rows_that_cannot_run_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        register_tables("toy", (replace(TABLE, rows=rows),))


def test_names_of_tables_and_methods_are_taken_once(registered):
    with pytest.raises(ValueError, match="registered already"):
        register_tables("toy", (TABLE, TABLE))
    with pytest.raises(ValueError, match="two tables of toys have one name"):
        register_tables("toys", (TABLE, TABLE))


def test_metrics_are_those_of_the_last_evaluation(tmp_path):
    (tmp_path / "bestie").mkdir()
    rows = [{"iteration": i, "voc/mAP50": 10.0 * i} for i in (1, 2)]
    (tmp_path / "bestie/metrics.json").write_text("\n".join(map(json.dumps, rows)))
    read = metrics_of("bestie", {"mAP50": "voc/mAP50", "AP": "segm/AP"})
    assert read(tmp_path) == {"mAP50": 20.0, "AP": None}
