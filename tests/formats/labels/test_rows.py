"""Tables: their separator, their headings, and the line of each row."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bestie.formats.labels.base import Labels
from bestie.formats.labels.rows import parse_headings, read_rows


@pytest.fixture
def read(tmp_path):
    def read(text):
        path, labels = tmp_path / "labels.csv", Labels()
        path.write_bytes(text.encode())
        table = read_rows(path, labels)
        return table, list(table.rows), [(p.line, p.message) for p in labels.problems]

    return read


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_heading_decides_what_separates(read, separator, newline):
    lines = [["a", "b", "c"], ["1", "", "x y"]]
    table, rows, problems = read("".join(separator.join(line) + newline for line in lines))
    assert (table.headings, table.line, rows) == (lines[0], 1, [(2, lines[1])])
    assert problems == []


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;\t"])
def test_a_stated_separator_is_used_and_its_line_is_counted(read, first):
    table, rows, _ = read(f"{first}\na,b;c\n1;2\n")
    assert (table.headings, table.line, rows) == (["a,b", "c"], 2, [(3, ["1", "2"])])


def test_quotes_keep_separators_and_line_breaks_and_lines_are_those_of_the_file(read):
    _, rows, problems = read('a,b\n"1,\n2", 3\n\n4,"""5"""\n')
    assert rows == [(2, ["1,\n2", "3"]), (4, []), (5, ["4", '"5"'])]
    assert problems == []


@pytest.mark.parametrize("broken", ['4,"5\n6,7\n', '4,"5" 6\n'])
def test_rows_after_broken_quotes_are_not_read(read, broken):
    _, rows, problems = read("a,b\n1,2\n" + broken)
    assert rows == [(2, ["1", "2"])]
    ((line, message),) = problems
    assert line == 3 and "its quotes cannot be read" in message


def test_an_empty_table_has_no_headings(read):
    table, rows, problems = read("")
    assert (table.headings, rows, problems) == ([], [], [])


def test_what_is_not_text_is_a_mistake(tmp_path):
    labels = Labels()
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    assert read_rows(tmp_path / "x.csv", labels) is None and len(labels.problems) == 1


def test_records_have_a_field_under_each_heading(tmp_path):
    path, labels = tmp_path / "x.csv", Labels()
    path.write_text("a,b\n1,2\n,\n\n3\n4,5,6\n7,8\n")
    records = list(read_rows(path, labels).records(path, labels))
    assert records == [(2, {"a": "1", "b": "2"}), (7, {"a": "7", "b": "8"})]
    assert [(p.line, p.message) for p in labels.problems] == [
        (5, "1 fields under 2 columns"),
        (6, "3 fields under 2 columns"),
    ]


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("a, b ,c\n1,2,3", ["a", "b", "c"]),
        ("sep=\t\na\tb", ["a", "b"]),
        ('"a;b";c', ["a;b", "c"]),
        ("", []),
    ],
)
def test_headings_are_found_in_the_beginning_of_a_text(text, headings):
    assert parse_headings(text) == headings


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5).map(str.strip)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=4), st.sampled_from(",;\t"))
def test_what_pythons_csv_writes_is_read(tmp_path_factory, rows, separator):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    path, labels = tmp_path_factory.mktemp("rows") / "x.csv", Labels()
    path.write_bytes(text.getvalue().encode())
    assert [fields for _, fields in read_rows(path, labels).rows] == rows
    assert labels.problems == []
