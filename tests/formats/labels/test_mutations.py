"""Label files with any value changed: read or refused, never a traceback or a silent change.

An independent, much simpler reading of the same file says which objects it holds; where the reader
accepts a file, it must find exactly those, at the same places. See ``mutation_cases``.
"""

import json
import random
import struct
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.registry import FORMATS, read_labels
from tests.formats.labels.mutation_cases import CASES, roi_bytes
from tests.formats.labels.reading import facts

TEXTS = st.one_of(
    st.text(max_size=8),
    st.floats().map(str),
    st.integers(-9, 99).map(str),
    st.sampled_from(["1.png", "a.png", "7,5", "1_0", "3,4", "3,4;5,6", "1,1;9,1;9,9", "[]", "{}"]),
    st.sampled_from(["0", "1", "cat", " cat ", "Cat", "image", "points", "object", "\0", "٣"]),
)
JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 99),
    st.floats(),
    TEXTS,
    st.sampled_from([10**400, "point", "polygon", "Polygon", "Point", "MultiPoint"]),
    st.lists(st.integers(0, 9), max_size=6),
    st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
VALUES = {"json": JSON_VALUES, "text": TEXTS, "integer": st.integers(-99, 300)}


def places_of(content, path=()):
    """Paths of all values of nested dicts and lists."""
    yield path
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            yield from places_of(value, (*path, key))


def value_at(content, path):
    for key in path:
        content = content[key]
    return content


def mutated(content, path, value, remove):
    """A copy with one value replaced, or removed."""
    if not path:
        return value
    copy = json.loads(json.dumps(content))
    inside = value_at(copy, path[:-1])
    if remove:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return copy


def places_to_change(case):
    """All values; where only texts or integers can be written, those that are texts or integers."""
    kinds = {"json": object, "text": str, "integer": int}
    return [
        path
        for path in places_of(case.example)
        if (not case.inside or (path and path[0] in case.inside))
        and isinstance(value_at(case.example, path), kinds[case.values])
    ]


def check_one(name, folder, data):
    case = CASES[name]
    assert case.format in FORMATS
    place = data.draw(st.sampled_from(places_to_change(case)))
    value = data.draw(VALUES[case.values])
    remove = data.draw(st.booleans()) and case.values == "json" and place != ("cell",)
    content = mutated(case.example, place, value, remove)
    path = Path(folder, case.file)
    try:
        case.write(path, content)
    except (TypeError, ValueError, struct.error):
        # Nothing can write such a file: a tag that is not a name, an integer that is too large.
        assert case.values != "json"
        return
    labels = read_labels(path, case.format, ReadOptions())
    if labels.problems:
        return
    found = [(composed(image), *names, kind, place) for image, names, kind, place in facts(labels)]
    expected = [tuple(map(composed, entry)) for entry in case.objects(content)]
    if case.format == "imagej":
        found = [boxed(entry) if len(expected) else entry for entry in found]
        expected = [boxed(entry) for entry in expected]
    assert found == expected, (place, value)


def composed(value):
    """Names are compared in one normal form of Unicode."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def boxed(entry):
    """An object of ImageJ; of an oval the box only, rounded: it has many vertices."""
    *rest, kind, place = entry
    if kind != "mask" or (isinstance(place[0], tuple) and len(place[0][0]) < 16):
        return entry
    if isinstance(place[0], tuple):
        xs, ys = zip(*place[0][0], strict=True)
        place = min(xs), min(ys), max(xs), max(ys)
    return (*rest, kind, tuple(round(side) for side in place))


def run(name, folder, examples):
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def every_change(data):
        check_one(name, folder, data)

    every_change()


def needs_library(name):
    if name == "imagej":
        pytest.importorskip("roifile", reason="roifile is not installed")


@pytest.mark.parametrize("name", CASES)
def test_the_example_itself_is_read(name, tmp_path):
    needs_library(name)
    case = CASES[name]
    case.write(tmp_path / case.file, case.example)
    labels = read_labels(tmp_path / case.file, None, ReadOptions())
    assert labels.problems == [] and len(facts(labels)) == len(list(case.objects(case.example))) > 1


@pytest.mark.parametrize("name", CASES)
def test_a_changed_value_is_read_or_refused(name, tmp_path):
    needs_library(name)
    run(name, tmp_path, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_ten_thousand_changed_values(name, tmp_path):
    needs_library(name)
    run(name, tmp_path, 10_000)


def change_bytes(path, content, number):
    """Read a file with any of its bytes changed or removed: only mistakes may follow."""
    draw = random.Random(number)
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(changed))
        changed[place : place + draw.choice((0, 1, 1, 1, 9))] = draw.randbytes(
            draw.choice((0, 1, 2))
        )
    path.write_bytes(changed)
    for format in (None, draw.choice(list(FORMATS))):
        try:
            read_labels(path, format, ReadOptions())
        except ValueError as error:
            assert "--labels:" in str(error), error


@pytest.mark.parametrize("name", CASES)
def test_changed_bytes_are_no_traceback(name, tmp_path):
    needs_library(name)
    case = CASES[name]
    case.write(tmp_path / case.file, case.example)
    content = (tmp_path / case.file).read_bytes()
    for number in range(40):
        change_bytes(tmp_path / case.file, content, number)


def test_changed_bytes_of_a_roi_are_no_traceback(tmp_path):
    needs_library("imagej")
    content = roi_bytes(CASES["imagej"].example[0])
    for number in range(200):
        change_bytes(tmp_path / "cell.roi", content, number)
