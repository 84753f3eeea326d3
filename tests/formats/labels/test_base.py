"""Numbers, names, text and json of label files."""

import codecs
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.formats.labels.base import (
    Labels,
    clean_class,
    decode_text,
    list_files,
    missing_library,
    name_mistake,
    other_name_mistake,
    parse_number,
    parse_numbers,
    parse_pair,
    read_json,
    report_class_twins,
    same_name_key,
    size_mistake,
    table_of,
)


@pytest.fixture
def labels():
    return Labels()


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "labels.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def found(labels):
    """Line and message of each mistake."""
    return [(problem.line, problem.message) for problem in labels.problems]


# ---- numbers


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (-0.5, -0.5), ("3", 3), (" +4.5 ", 4.5), (".5", 0.5), ("5.", 5), ("35e-1", 3.5)],
)
def test_numbers_are_read(value, number):
    assert parse_number(value) == number


@pytest.mark.parametrize(
    "value",
    [True, None, "", "1_0", "1,5", "٣", "0x1", "nan", "inf", "1e999", 10**400, float("nan"), [1]],
)
def test_what_is_not_a_finite_number_in_ascii_is_none(value):
    assert parse_number(value) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_is_the_number(value):
    assert parse_number(repr(value)) == value


def test_lists_are_numbers_as_a_whole_or_not_at_all():
    assert parse_numbers([1, "2", 3.5]) == [1, 2, 3.5] and parse_numbers([]) == []
    assert parse_numbers([1, None]) is None and parse_numbers("12") is None
    assert parse_pair(["1", 2]) == (1, 2)
    assert [parse_pair(value) for value in ([1], [1, 2, 3], [1, "x"], 5)] == [None] * 4


# ---- names of classes


def test_names_are_cleaned():
    assert clean_class(" hot dog\t") == "hot dog"
    assert clean_class(unicodedata.normalize("NFD", "é")) == "é"


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        (5, "class name 5 is not text"),
        (None, "class name null is not text"),
        ("", "class name is empty"),
        (" \t", "class name is empty"),
        ("a\nb", r"class name 'a\nb' holds a line break (U+000A); remove it"),
        ("a\u2028b", "a line break (U+2028)"),
        ("a\u200bb", "a control character (U+200B)"),
        ("a\x07", "a control character (U+0007)"),
    ],
)
def test_names_that_cannot_be_a_class(name, mistake):
    assert mistake in name_mistake(name)


@pytest.mark.parametrize("name", ["cat", " cat\n", "hot dog", "犬", "می\u200cخواهم", "👩\u200d🔬"])
def test_names_that_can_be_a_class(name):
    """Joiners are parts of words and emoji, blanks around a name are removed."""
    assert name_mistake(name) is None


def test_names_of_one_key_differ_in_blanks_case_or_unicode_form_only():
    same = ["Straße 1", "STRASSE  1", "strasse1", unicodedata.normalize("NFD", "Straße １")]
    assert len({same_name_key(name) for name in same}) == 1
    assert same_name_key("cat") != same_name_key("cats")


def test_twins_of_a_class_are_reported_with_the_line_of_the_second(labels, tmp_path):
    for line, name in [(2, "cat"), (3, "dog"), (4, "Cat"), (5, "cat")]:
        labels.add("a.png", (name,), None, tmp_path, line)
    report_class_twins(labels, tmp_path)
    ((line, message),) = found(labels)
    assert line == 4 and message.startswith("classes 'cat' and 'Cat' differ in blanks or case only")


def test_listed_names_have_twins_too(labels, tmp_path):
    labels.class_names = ["hot dog", "hotdog", "cat"]
    report_class_twins(labels, tmp_path)
    assert [message.partition(";")[0] for _, message in found(labels)] == [
        "classes 'hot dog' and 'hotdog' differ in blanks or case only"
    ]


# ---- rows


def test_rows_have_clean_names(labels, tmp_path):
    labels.add("a.png", (" cat ",), (1, 2), tmp_path, 7, where="shape 1")
    (row,) = labels.rows
    assert (row.classes, row.xy, row.line, row.where) == (("cat",), (1, 2), 7, "shape 1")
    assert labels.clicked and not labels.masked


def test_rows_with_mistakes_are_reported_and_left_out(labels, tmp_path):
    labels.add("a\0.png", ("", "ok"), None, tmp_path, 3)
    assert labels.rows == []
    assert found(labels) == [
        (3, "class name is empty"),
        (3, "image name holds a NUL character"),
    ]


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (30, 40.0, (30, 40)),
        ("30", " 40 ", (30, 40)),
        (0, 40, (None, 40)),
        (30, None, (30, None)),
        ("", "0", None),
    ],
)
def test_sides_of_an_image_are_what_is_stated(labels, tmp_path, height, width, size):
    labels.add_size("a.png", height, width, tmp_path)
    assert labels.sizes == ({} if size is None else {(tmp_path, "a.png"): size})
    assert labels.problems == []


@pytest.mark.parametrize("side", [30.5, -30, "30px", "3,0", [30], True, float("nan"), 10**400])
def test_a_side_that_cannot_be_is_a_mistake(labels, tmp_path, side):
    labels.add_size("a.png", 20, side, tmp_path, 7)
    ((line, message),) = found(labels)
    assert line == 7 and message.endswith("of 'a.png' is not a whole number of pixels")


def test_sides_that_contradict_each_other_are_a_mistake(labels, tmp_path):
    for width in (40, None, "40", 41):
        labels.add_size("a.png", 30, width, tmp_path)
    assert found(labels) == [(None, "width 41 of 'a.png' contradicts the 40 stated before")]


@pytest.mark.parametrize(
    ("image", "file", "is_other"),
    [
        ("d/a.png", "a.json", False),
        ("a.png", "a.png.json", False),
        ("a", "a.xml", False),
        ("u\u0308.png", "\u00fc.json", False),
        ("a.png", "a copy.json", True),
        ("a.png", "A.json", True),
    ],
)
def test_a_file_about_one_image_is_called_like_it(image, file, is_other):
    assert (other_name_mistake(image, Path(file)) is not None) == is_other


def test_an_image_has_the_sides_that_are_stated():
    assert size_mistake("a", (30, 40), (None, None)) is None
    assert size_mistake("a", (30, 40), (30, None)) is None
    assert "30 x 40 pixels (height x width), but was labelled at ? x 80" in size_mistake(
        "a", (30, 40), (None, 80)
    )


# ---- files, text and json


def test_files_of_a_folder_are_found_by_suffix_whatever_its_case(tmp_path):
    for name in ("b.JSON", "sub/a.json", "._a.json", "c.txt", "json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = list_files(tmp_path, (".json",))
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["b.JSON", "sub/a.json"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_in_unicode_is_read_without_its_mark(labels, write, encoding):
    assert decode_text(write("é\nb".encode(encoding)), labels) == "é\nb"
    assert labels.problems == []


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"a\ncaf\xe9\n", 2, "is not UTF-8 text; save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"a\0\n\0\x00\xd8", 2, "is broken UTF-16; save it as UTF-8"),
        ("a\nb".encode("utf-16-le"), 1, "holds a NUL character; save it as UTF-8 text"),
        (b"a\nb\n\0", 3, "holds a NUL character"),
    ],
)
def test_other_text_is_a_mistake_of_its_line(labels, write, content, line, message):
    assert decode_text(write(content), labels) is None
    ((found_line, found_message),) = found(labels)
    assert found_line == line and message in found_message


def test_a_folder_in_place_of_a_file_is_a_mistake(labels, tmp_path):
    assert decode_text(tmp_path, labels) is None
    assert found(labels) == [(None, "cannot be read (Is a directory)")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"a": 1,\n"b" 2}', 2, "is not well-formed json"),
        ("", 1, "is not well-formed json"),
        ("null", None, "is a json null; an object is expected"),
        ('{"b": {"a": 1, "a": 2}}', None, "an object has the key 'a' more than once"),
        ("[" * 100_000, None, "cannot be read as json"),
        ("1" * 5000, None, "cannot be read as json"),
    ],
)
def test_broken_json_is_a_mistake(labels, write, text, line, message):
    assert read_json(write(text), labels) is None
    ((found_line, found_message),) = found(labels)
    assert found_line == line and message in found_message


@settings(max_examples=25)
@given(
    st.recursive(st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v), max_leaves=5)
)
def test_json_is_read_as_it_was_written(tmp_path_factory, value):
    path, labels = tmp_path_factory.mktemp("json") / "x.json", Labels()
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_json(path, labels) == value and labels.problems == []


def test_tables_are_lists_of_objects():
    content = {"a": [{"b": 1}], "empty": [], "mixed": [{}, 5], "text": "{}"}
    assert table_of(content, "a") == [{"b": 1}] and table_of(content, "empty") == []
    assert [table_of(content, name) for name in ("mixed", "text", "none")] == [None] * 3


def test_a_missing_library_is_named_with_the_command_that_installs_it():
    message = missing_library("brushes", "label-studio", ImportError("No module named 'x'"))
    assert "No module named 'x'" in message and 'pip install "bestie[label-studio]"' in message
