"""Tables (CSV, TSV): image,x,y,class gives clicks, image,class gives tags.

Measurement tables of QuPath with "Centroid X px" are such tables, too.

Separated by commas, semicolons or tabs. A row must have the fields of the heading; more (a comma
that should have been quoted) or fewer are a mistake, because the values would shift. Only empty
fields at the end, which spreadsheets write or leave out, need no heading.

Columns that may state where an object is (boxes, outlines, coordinates that are not x and y in
pixels) are a mistake: without them, the table would be read as clicks of corners, or as tags.
"""

import re
from pathlib import Path

from bestie.formats.labels.base import Labels, ReadOptions, Row, parse_number
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.rows import read_rows

__all__ = ["CLASS_HEADINGS", "read_table"]

# Column -> the headings that are accepted for it, in lower case.
COLUMNS = {
    "image": ("image", "file", "filename", "file_name", "image_path"),
    "class": ("class", "classes", "classification", "label", "labels", "tag", "tags"),
}
CLASS_HEADINGS = COLUMNS["class"]
# Words beside x or y that leave it a coordinate in pixels.
PIXEL_WORDS = {"px", "pixel", "pixels"}
PLAIN_WORDS = PIXEL_WORDS | {"centroid", "center", "centre", "point", "click", "pos", "position"}
PLAIN_WORDS |= {"coordinate", "coord"}
# A heading with any of these words states a place.
PLACE_WORDS = {"centroid", "coordinate", "coordinates", "lat", "lon", "latitude", "longitude"}
PLACE_WORDS |= {"x", "y", "cx", "cy", "axis", "geometry"}
# A heading that consists of these words, or of these and of the words around them, does, too.
SHAPE_WORDS = set(
    "xy yx coord coords point points click clicks keypoint keypoints polygon polygons polyline "
    "polylines segmentation segmentations mask masks rle encodedpixels wkt contour contours "
    "outline outlines rect rects rectangle rectangles".split()
)
AROUND_SHAPES = PLAIN_WORDS | set(
    "list data string array json encoded binary object path file filename image".split()
)
# Pairs of headings that state a place; one alone ("row") may be anything.
PLACE_PAIRS = [
    ({"u"}, {"v"}),
    ({"i"}, {"j"}),
    ({"col", "column", "c"}, {"row", "line", "r"}),
    ({"easting"}, {"northing"}),
    ({"horizontal"}, {"vertical"}),
]
# Headings with one of these describe the image ("x resolution").
IMAGE_WORDS = {"resolution", "dpi", "spacing", "mpp"}
# Headings that state a box; "x" and "y" are then a corner or a center, which nobody knows.
BOX_HEADINGS = re.compile(
    r"w|h|width|height|(box|bbox|bounding box)[ _]?(w|h|width|height)|[xy][ _]?(min|max)"
    r"|(min|max)[ _]?[xy]|[xy][12]|left|right|top|bottom|bbox|box"
)
# The same in words of headings, without "px" and the like: "x end", "bbox x", "object width".
_SIDE = (
    "(d|delta|w|h|width|height|size|len|length|extent|span|min|max|start|begin|end|stop|from|to"
    "|left|right|top|bottom|upper|lower|tl|tr|bl|br|lt|rt|lb|rb)"
)
_BOX = "(bounding ?box(es)?|b?box(es)?)"
BOX_PHRASES = re.compile(
    rf"({_BOX} )?([xy] ({_SIDE}|\d+)|{_SIDE} [xy])|{_BOX}( [xy]| {_SIDE})?|{_SIDE} {_BOX}"
    "|left|right|top|bottom"
)
# These state a box only beside x and y; a table of tags may have them for another reason.
SIZE_PHRASES = re.compile(r"((object|obj|roi|region|rect|rectangle) )?(w|h|width|height)")
# These state the size of the image, which is compared with the photo.
_OF_IMAGE = "(image|img|photo|picture|original|orig)( image)?"
IMAGE_SIDES = {
    "image width": re.compile(rf"{_OF_IMAGE} (w|width)"),
    "image height": re.compile(rf"{_OF_IMAGE} (h|height)"),
}
# What pandas, R and spreadsheets write for a value that is missing, or that they cannot calculate.
MISSING = {"null", "none", "nan", "-nan", "nat", "na", "<na>", "n/a", "#n/a", "#na", "#null!"}
MISSING |= {"#value!", "#ref!", "#name?", "#div/0!", "#num!"}
# Lists, tuples, sets and objects of json or Python, as text.
LIST = re.compile(r"[\[{].*[\]}]|\w*\(\s*['\"\[{].*\)|(set|list|tuple|dict)\(\)", re.DOTALL)
COMMA = re.compile("[,\uff0c\u3001]")  # of Chinese and Japanese, too


def read_table(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a table into ``labels``; see the module."""
    table = read_rows(path, labels)
    if table is None:
        return
    headings, line = table.headings, table.line
    columns = _columns(headings, path, line, labels, options)
    if columns is None:
        return
    named = max(index for index, heading in enumerate(headings) if heading) + 1
    for line, fields in table.rows:
        if not any(fields):
            continue
        if len(fields) < named or any(fields[len(headings) :]):
            message = f"{len(fields)} fields under {len(headings)} columns ({', '.join(headings)})"
            advice = "put quotes around a value that holds the separator; decimals have a point"
            labels.report(f"{message}; {advice}, several tags are written dog|cat", path, line)
            continue
        values = {name: fields[index] for name, index in columns.items()}
        _add_row(values, labels, options, path, line)
    _report_contradictions(path, labels)


def _columns(
    headings: list[str], path: Path, line: int, labels: Labels, options: ReadOptions
) -> dict[str, int] | None:
    """Column (image, class, x and y or none of these, sides of the image) -> its position.

    None after a mistake.
    Clicks need no class if ``options`` names the one of all.
    """
    found: dict[str, list[int]] = {}
    unused, boxes, sizes = [], [], []
    split = _words(headings)
    paired = _paired(split)
    for index, (heading, words) in enumerate(zip(headings, split, strict=True)):
        phrase = " ".join(word for word in words if word not in PIXEL_WORDS)
        name = _column(heading, words, phrase)
        if name is not None:
            found.setdefault(name, []).append(index)
        elif IMAGE_WORDS & set(words) or {"pixel", "size"} <= set(words):
            continue
        elif BOX_HEADINGS.fullmatch(heading.lower()) or BOX_PHRASES.fullmatch(phrase):
            boxes.append(heading)
        elif SIZE_PHRASES.fullmatch(phrase):
            sizes.append(heading)
        elif _is_place(words) or index in paired:
            unused.append(heading)
    if "x" in found:
        boxes += sizes
    shown = f"its first line is '{', '.join(headings)}'"
    accepted = "image,x,y,class for clicks, image,class for tags"
    twice = [[headings[i] for i in found[name]] for name in found if len(found[name]) > 1]
    has_class = "x" in found and options.class_name is not None
    needed = {"image"} if has_class else {"image", "class"}
    message = None
    if twice:
        message = f"{' and '.join(twice[0])} are columns of the same meaning; rename all but one"
    elif not needed <= found.keys() or ("x" in found) != ("y" in found):
        hint = "; --class NAME is the class of clicks without that column"
        message = f"{shown}; it must name the columns: {accepted}{hint * ('x' in found)}"
    elif boxes:
        message = (
            f"is a table of boxes ({', '.join(boxes)}); a click is one point per object: write the "
            "middle of each box, in pixels, into columns x and y, and remove the columns of the box"
        )
        message += " (to import tags, only remove them)" * ("x" not in found)
        if set(map(str.lower, boxes)) <= {"width", "height"}:
            message += "; if they are the size of the image, name them image_width, image_height"
    elif unused and "x" not in found:
        message = (
            f"cannot use the coordinates {', '.join(unused)}: clicks are pixels from the top left "
            "corner; convert them into columns x and y, or remove them to import tags"
        )
        if any("\u00b5m" in name or "\u03bcm" in name for name in unused):
            message += (
                "; in QuPath, remove the pixel size of the image before you measure, or export the "
                "objects as GeoJSON, which is in pixels"
            )
    if message is not None:
        labels.report(message, path, line)
        return None
    return {name: indices[0] for name, indices in found.items()}


def _column(heading: str, words: list[str], phrase: str) -> str | None:
    name = heading.strip().lower()
    for side, pattern in IMAGE_SIDES.items():
        if pattern.fullmatch(phrase):
            return side
    for column, accepted in COLUMNS.items():
        if name in accepted:
            return column
    axes = [word for word in words if word not in PLAIN_WORDS]
    # A point in brackets is a unit: 1/72 inch.
    if re.search(r"[(\[{][^)\]}]*\bpoint\b", name):
        return None
    return axes[0] if axes in (["x"], ["y"]) else None


def _is_place(words: list[str]) -> bool:
    """Whether a heading other than x or y states where an object is."""
    if PLACE_WORDS & set(words) or words == ["encoded", "pixels"]:
        return True
    return bool(SHAPE_WORDS & set(words)) and SHAPE_WORDS | AROUND_SHAPES >= set(words)


def _paired(split: list[list[str]]) -> set[int]:
    """Which headings state a place together, as "col" and "row" do."""
    names = [
        " ".join(word for word in words if word not in PLAIN_WORDS | {"index", "idx"})
        for words in split
    ]
    found: set[int] = set()
    for pair in PLACE_PAIRS:
        indices = [[i for i, name in enumerate(names) if name in accepted] for accepted in pair]
        if all(indices):
            found.update(*indices)
    return found


def _words(headings: list[str]) -> list[list[str]]:
    """Words of each heading in lower case; a sign of a unit (%, °, ") stays a word.

    "posX" is "pos x". "posx" is, too, if there is "posy"; else it may be a word, as "pointy" is.
    """
    texts = [
        re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", heading).lower()
        for heading in headings
    ]
    axes = {word for text in texts for word in re.findall(r"[^\W\d_]+", text)} & {"x", "y"}
    if len(axes) == 1:  # "typeX" alone is no coordinate
        texts = [heading.lower() for heading in headings]
    known = set(texts)
    for index, text in enumerate(texts):
        for axis, other in ("xy", "yx"):
            for place in (match.start() for match in re.finditer(axis, text)):
                before, after = text[:place], text[place + 1 :]
                if f"{before}{other}{after}" in known:
                    texts[index] = f"{before} {axis} {after}"
    # "BBox" is one word, and "in" before "pixels" is no unit.
    texts = [re.sub(r"\bb box", "bbox", text) for text in texts]
    texts = [re.sub(r"(?<![^\W_])in[ _]+(?=(px|pixels?)(?![^\W_]))", "", text) for text in texts]
    return [re.findall(r"[^\W\d_]+|\d+|[^\w\s()\[\]{}.,:;/#*'-]", text) for text in texts]


def _add_row(
    values: dict[str, str], labels: Labels, options: ReadOptions, path: Path, line: int
) -> None:
    image, names = values["image"], values.get("class", "")
    if "x" in values:  # tags do not depend on the size
        sides = (values.get(f"image {side}", "") for side in ("height", "width"))
        height, width = ("" if side.casefold() in MISSING else side for side in sides)
        labels.add_size(image, height, width, path, line)
    if not image:
        labels.report("names no image", path, line)
    elif LIST.fullmatch(names):
        advice = "export names of classes, or give the json export of the tool"
        message = f"its class is json or a list, {names[:60]}; {advice}; several tags are dog|cat"
        labels.report(message, path, line)
    elif "x" not in values:
        _add_tags(image, names, labels, path, line)
    elif not values["x"] and not values["y"] and not names:
        labels.add(image, (), None, path, line)  # an image without objects
    else:
        _add_click(values, labels, options, path, line)


def _add_tags(image: str, names: str, labels: Labels, path: Path, line: int) -> None:
    classes = tuple(name.strip() for name in re.split(r"[;|]", names) if name.strip())
    missing = [name for name in classes if name.casefold() in MISSING]
    unclear = [name for name in classes if COMMA.search(name)]
    if missing:
        message = (
            f"class '{missing[0]}' is a missing value; an image without tags has an empty cell"
        )
        labels.report(message, path, line)
    elif unclear:
        message = f"'{unclear[0]}' could be one class or several; separate classes by ; or |"
        labels.report(f"{message}, and write a name of one class without comma", path, line)
    else:
        labels.add(image, classes, None, path, line)


def _add_click(
    values: dict[str, str], labels: Labels, options: ReadOptions, path: Path, line: int
) -> None:
    x, y, name = parse_number(values["x"]), parse_number(values["y"]), values.get("class", "")
    if x is None or y is None:
        where = f"x '{values['x']}', y '{values['y']}'"
        advice = "; decimals have a point" if "," in values["x"] + values["y"] else ""
        if {values["x"].casefold(), values["y"].casefold()} & MISSING:
            advice = "; an image without objects has empty cells"
        labels.report(f"{where} are not two numbers (pixels){advice}", path, line)
    elif ";" in name or "|" in name:
        message = f"class '{name}' holds a separator of tags; a click has one class"
        labels.report(message, path, line)
    elif name.casefold() in MISSING:
        labels.report(f"class '{name}' is a missing value; every click has a class", path, line)
    else:
        place = Place(values["image"], path, line)
        add_object(labels, options, place, name or None, point=(x, y))


def _report_contradictions(path: Path, labels: Labels) -> None:
    """Report images with objects and without, and clicks of two classes on one place."""
    shows: dict[str, Row] = {}
    clicked: dict[tuple[str, tuple[float, float]], Row] = {}
    for row in labels.rows:
        if row.classes:
            shows.setdefault(row.image, row)
        if row.xy is not None:
            first = clicked.setdefault((row.image, row.xy), row)
            if first.classes != row.classes:
                names = f"'{row.classes[0]}', and '{first.classes[0]}' in line {first.line}"
                labels.report(f"the same click is {names}; keep one of them", path, row.line)
    for row in labels.rows:
        if not row.classes and row.image in shows:
            found = f"'{row.image}' has no class here, but one in line {shows[row.image].line}"
            labels.report(f"{found}; remove one of the two lines", path, row.line)
