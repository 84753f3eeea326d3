"""Tables: which columns mean what, and tables that could mean several things."""

import pytest

from bestie.formats.labels.base import Labels, ReadOptions
from bestie.formats.labels.table import read_table

COLUMNS = "image,x,y,class\n"


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path, labels = tmp_path / "labels.csv", Labels()
        text = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(text)
        read_table(path, labels, ReadOptions(**options))
        rows = [(row.image, row.classes, row.xy) for row in labels.rows]
        return rows, [(problem.line, problem.message) for problem in labels.problems]

    return read


READ = {
    "sep": "sep=;\nimage;x;y;class\nc.png;3.5;4;cat\n",
    "sep in quotes": '"sep=;"\r\nimage;x;y;class\r\nc.png;3.5;4;cat\r\n',
    "utf-16": ("\ufeff" + COLUMNS + "c.png,3.5,4,cat\n").encode("utf-16-le"),
    "utf-16 big": ("\ufeff" + COLUMNS + "c.png,3.5,4,cat\n").encode("utf-16-be"),
    "empty columns of a spreadsheet": "image,x,y,class,,\nc.png,3.5,4,cat,,\n,,,,,\n",
    "empty fields at the end": COLUMNS + "c.png,3.5,4,cat,,\n",
    "pixels in the heading": "Image,Centroid X px,Centroid Y px,Class\nc.png,3.5,4,cat\n",
    "pixels in brackets": "image,x [pixels],y [pixels],class\nc.png,3.5,4,cat\n",
    "another unit beside pixels": "image,x,y,class,X µm\nc.png,3.5,4,cat,1.7\n",
    "old Mac line breaks": "image,x,y,class\rc.png,3.5,4,cat\r",
    "blanks": " image , x , y , class \n c.png , 3.5 , 4 , cat \n",
    "exponent": COLUMNS + "c.png,35e-1,+4,cat\n",
    "other names of columns": "label,FileName,center_x,center_y\ncat,c.png,3.5,4\n",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_tables_that_mean_one_thing(read, text):
    assert read(text) == ([("c.png", ("cat",), (3.5, 4))], [])


def test_tags_are_separated_by_semicolons_or_bars(read):
    rows, problems = read('image,class\na,cat;dog\nb,"x | y "\nc,\nd,"big, red"\n')
    assert problems == []
    assert rows == [
        ("a", ("cat", "dog"), None),
        ("b", ("x", "y"), None),
        ("c", (), None),
        ("d", ("big, red",), None),
    ]


def test_a_row_with_an_image_only_says_that_it_shows_no_object(read):
    assert read(COLUMNS + "a.png,,,\n") == ([("a.png", (), None)], [])


def test_clicks_can_become_tags_of_their_image(read):
    rows, _ = read(COLUMNS + "a.png,1,2,cat\n", objects_as="tags")
    assert rows == [("a.png", ("cat",), None)]


def test_a_class_can_be_given_to_clicks_without_one(read):
    ((_, message),) = read(COLUMNS + "a.png,1,2,\n")[1]
    assert message == "names no class; --class NAME gives it one"
    rows, problems = read(COLUMNS + "a.png,1,2,\n", class_name="cell")
    assert rows == [("a.png", ("cell",), (1, 2))] and problems == []


REFUSED = [
    ("image,x,y,width,height,class\nc.png,3,4,5,6,cat\n", 1, "table of boxes (width, height)"),
    ("image,xmin,ymin,xmax,ymax,class\nc.png,3,4,5,6,cat\n", 1, "table of boxes (xmin, ymin"),
    ("image,x,y,w,h,class\nc.png,3,4,5,6,cat\n", 1, "table of boxes (w, h)"),
    ("image,x1,y1,x2,y2,class\nc.png,3,4,5,6,cat\n", 1, "table of boxes"),
    ("image,x mm,y mm,class\nc.png,3,4,cat\n", 1, "coordinates x mm, y mm"),
    (
        "Image\tCentroid X µm\tCentroid Y µm\tClass\nc.png\t1.7\t2.6\tcat\n",
        1,
        "remove the pixel size of the image before you measure",
    ),
    ("image,X (%),Y (%),class\nc.png,3,4,cat\n", 1, "coordinates X (%), Y (%)"),
    ("image,x,class\nc.png,3,cat\n", 1, "it must name the columns: image,x,y,class for clicks"),
    ("c.png,3,4,cat\n", 1, "its first line is 'c.png, 3, 4, cat'"),
    ("image;class\nc.png;cat;dog\n", 2, "3 fields under 2 columns"),
    ("image;x;y;class\nc.png;3,5;4;cat\n", 2, "decimals have a point"),
    (COLUMNS + "c.png,3,4\n", 2, "3 fields under 4 columns (image, x, y, class)"),
    (COLUMNS + ",3,4,cat\n", 2, "names no image"),
    (COLUMNS + 'c.png,3,4,"cat\n', 2, "quotes cannot be read"),
    (COLUMNS + 'c.png,3,4,"cat" x\n', 2, "quotes cannot be read"),
    (COLUMNS + 'c.png,3,4,"[{""a"": 1}]"\n', 2, "its class is json"),
    (COLUMNS + "c.png,1_0,4,cat\n", 2, "not two numbers"),
    (COLUMNS + "c.png,٣,4,cat\n", 2, "not two numbers"),
    (COLUMNS + "c.png,inf,4,cat\n", 2, "not two numbers"),
    (COLUMNS + "c.png,,4,cat\n", 2, "x '', y '4' are not two numbers (pixels)"),
    (COLUMNS + "c.png,3,4,cat|dog\n", 2, "a click has one class"),
    ("image,class,label\nc.png,cat,dog\n", 1, "class and label are columns of the same"),
    ('image,class\nc.png,"cat,dog"\na.png,dog\n', 2, "one class or several"),
    (COLUMNS.encode("utf-16-le"), 1, "NUL character"),
    (COLUMNS + "c.png,3,4,ca\0t\n", 2, "NUL character"),
    (COLUMNS + 'c.png,3,4,"cat\ndog"\n', 2, "a line break (U+000A)"),
    (COLUMNS + "c.png,3,4,cat\u2028dog\n", 2, "a line break (U+2028)"),
    (COLUMNS + "c.png,3,4,cat\u200b\n", 2, "control character (U+200B)"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED, ids=[m for *_, m in REFUSED])
def test_tables_that_are_refused(read, text, line, message):
    problems = read(text)[1]
    assert any(found == line and message in said for found, said in problems), problems


def test_a_mistake_does_not_hide_the_rows_around_it(read):
    rows, problems = read(COLUMNS + "a,1,2,x\nb,one,2,x\nc,3,4,x\nd,5,6,\n")
    assert [image for image, *_ in rows] == ["a", "c"]
    assert [line for line, _ in problems] == [3, 5]
