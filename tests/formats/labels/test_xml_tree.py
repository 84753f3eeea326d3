"""XML label files: elements with their lines, and what is refused."""

import pytest

from bestie.formats.labels.base import Labels
from bestie.formats.labels.xml_tree import read_xml

TREE = """<?xml version="1.0" encoding="utf-8"?>
<annotation folder="x">
  <name> a &amp; b<!-- not text --> c </name>
  <object id="1"/>
  <object
    id="2"><name>in</name></object>
</annotation>
"""


@pytest.fixture
def read(tmp_path):
    def read(content):
        path, labels = tmp_path / "a.xml", Labels()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_xml(path, labels), [(p.line, p.message) for p in labels.problems]

    return read


def test_elements_know_attributes_text_and_line(read):
    root, problems = read(TREE)
    assert (root.tag, root.attributes, root.line, problems) == (
        "annotation",
        {"folder": "x"},
        2,
        [],
    )
    assert [(child.tag, child.line) for child in root.children] == [
        ("name", 3),
        ("object", 4),
        ("object", 5),
    ]
    assert [child.attributes["id"] for child in root.all("object")] == ["1", "2"]
    assert root.child_text("name") == "a & b c"


def test_the_text_of_a_child_is_clear_only_if_there_is_one(read):
    root, _ = read(TREE)
    assert root.child_text("object") is None and root.child_text("size") is None
    assert [child.child_text("name") for child in root.all("object")] == [None, "in"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_declared_encoding_counts(read, encoding):
    text = f"<?xml version='1.0' encoding='{encoding}'?><a name='é'>ü</a>"
    root, problems = read(text.encode(encoding))
    assert (root.attributes, root.text, problems) == ({"name": "é"}, "ü", [])


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", 1, "is not well-formed xml (no element found"),
        ("<a>\n<b>\n</a>", 3, "is not well-formed xml (mismatched tag"),
        ("<a/>\n<b/>", 2, "is not well-formed xml (junk after"),
        ("<a\nx='1' x='2'/>", 2, "is not well-formed xml (duplicate attribute"),
        (b"<a>\xe9</a>", 1, "is not well-formed xml"),
        ("<?xml version='1.0' encoding='klingon'?><a/>", 1, "is not well-formed xml"),
        (
            '<!DOCTYPE a [\n<!ENTITY lol "lol">]>\n<a>&lol;</a>',
            2,
            "defines the entity 'lol', which no labelling tool does",
        ),
    ],
)
def test_broken_files_are_mistakes_of_their_line(read, content, line, message):
    root, ((found_line, found_message),) = read(content)
    assert root is None and found_line == line and message in found_message


def test_a_missing_file_is_a_mistake(tmp_path):
    labels = Labels()
    assert read_xml(tmp_path / "none.xml", labels) is None
    assert [p.message for p in labels.problems] == ["cannot be read (No such file or directory)"]
