"""Numbers of a table: mean and spread over seeds, and what stands beside them."""

import json

import pytest

from bestie.pipeline.results import Results, mean_and_spread
from bestie.pipeline.tables import Row, Table

ROWS = (
    Row("plain", "plain", published={"mAP50": 12.9}),
    Row("more", "+ more", settings={"KEY": "1"}, why="the paper has none"),
)
TABLE = Table(
    *("table", "3", "an ablation", "tags", ROWS, "bestie"),
    read=lambda folder: {},
    columns=("mAP50", "mAP75"),
    setting="VOC",
    source="the paper",
    note="A note.",
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (None, None)),
        ([3.0], (3.0, None)),
        ([1.0, 3.0], (2.0, 2**0.5)),
        ([1.0, None], (None, None)),
    ],
)
def test_mean_and_spread(values, expected):
    assert mean_and_spread(values) == pytest.approx(expected)


def test_ours_stand_beside_the_published_numbers(tmp_path):
    results = Results(TABLE, {"preset": "quick", "seeds": [0, 1]}, ROWS)
    results.add(ROWS[0], 0, {"mAP50": 10.0, "mAP75": None}, 60.0)
    results.add(ROWS[0], 1, {"mAP50": 12.0, "mAP75": 1.0}, 120.0)
    text = results.markdown()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    table = [line for line in cells if line]
    assert table[0] == ["", "mAP50, published", "mAP50", "mAP75", "time"]
    assert table[2] == ["plain", "12.9", "11.0 ± 1.4", "-", "1 min 30 s"]
    assert table[3] == ["+ more", "-", "-", "-", "-"]
    assert "Table 3: an ablation" in text and "Published: VOC (the paper)." in text
    assert "No published number: + more: the paper has none." in text and "A note." in text
    results.write(tmp_path)
    assert (tmp_path / "results.md").read_text().strip() == text.strip()
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["rows"][0]["seeds"]["1"] == {"mAP50": 12.0, "mAP75": 1.0}
    assert content["rows"][0]["mean"] == {"mAP50": 11.0, "mAP75": None}
    assert content["rows"][1]["settings"] == {"KEY": "1"} and content["preset"] == "quick"


def test_columns_are_those_that_the_rows_have_where_the_table_names_none():
    table = Table("figure", "6", "", "tags", ROWS, "bestie", read=lambda folder: {})
    results = Results(table, {}, ROWS)
    results.add(ROWS[1], 0, {"after 5 steps": 3}, 1.0)
    assert results.columns == ["after 5 steps", "mAP50"]
