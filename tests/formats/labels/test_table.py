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
    "words around the axis": "image,pos_x,Pos_y,class\nc.png,3.5,4,cat\n",
    "camel case": "image,posX,posY,class\nc.png,3.5,4,cat\n",
    "glued": "image,xcoord,ycoord,class\nc.png,3.5,4,cat\n",
    "words in brackets": "image,x (center; px),y [pixel coordinate],class\nc.png,3.5,4,cat\n",
    "in pixels": "image,x in pixels,y_in_px,class\nc.png,3.5,4,cat\n",
    "sizes of the image": "image,x,y,class,image_width,image_height\nc.png,3.5,4,cat,64,48\n",
    "a size of the object": "image,x,y,class,radius,score,dx\nc.png,3.5,4,cat,5,1,2\n",
    "a shape beside x and y": "image,x,y,class,mask,row,col\nc.png,3.5,4,cat,m.png,1,2\n",
    "a short row without a heading": "image,x,y,class,\nc.png,3.5,4,cat\n",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_tables_that_mean_one_thing(read, text):
    assert read(text) == ([("c.png", ("cat",), (3.5, 4))], [])


def test_tags_are_separated_by_semicolons_or_bars(read):
    rows, problems = read('image,class\na,cat;dog\nb,"x | y "\nc,\nd,[sic] dog\n')
    assert problems == []
    assert rows == [
        ("a", ("cat", "dog"), None),
        ("b", ("x", "y"), None),
        ("c", (), None),
        ("d", ("[sic] dog",), None),
    ]


def test_a_comma_is_part_of_the_class_of_a_click(read):
    rows, problems = read(COLUMNS + 'a.png,1,2,"cell, big"\n')
    assert rows == [("a.png", ("cell, big",), (1, 2))] and problems == []


@pytest.mark.parametrize(
    "headings",
    [
        "row id",
        "row",
        "u",
        "typeX",
        "column",
        "notes",
        "pointy",
        "sex",
        "dx,dx_type",
        "ROI",
        "box_id",
    ]
    + ["mask quality", "width px,height px", "image_width,image_height", "toy", "image quality"]
    + ["original_width,original_height", "photo height"],
)
def test_columns_beside_tags_that_state_no_place(read, headings):
    """Among them sizes of images: tags do not depend on them."""
    cells = ",1" * len(headings.split(","))
    assert read(f"image,class,{headings}\na,cat{cells}\n") == ([("a", ("cat",), None)], [])


PLACES = [
    *("posX2,posY2", "coordX (mm),coordY (mm)", "u,v", "col,row", "column,line", "Row,Column"),
    *("pixel_row,pixel_col", "px,py", "xc,yc", "i,j", "xy", "point", "points", "Points", "coords"),
    *("polygon", "segmentation", "mask", "mask_path", "rle", "EncodedPixels", "encoded_pixels"),
    *("geometry", "polygon points", "x (in),y (in)", "x in,y in", 'x ("),y (")', "x (°),y (°)"),
    *("x [points],y [points]", "x (point),y (point)", "x_norm,y_norm", "xmm,ymm"),
]


@pytest.mark.parametrize("headings", PLACES)
def test_places_that_are_not_x_and_y_in_pixels_are_no_tags(read, headings):
    names = headings.split(",")
    heading = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    rows, ((line, message),) = read(f"image,class,{heading}\na,cat{',1' * len(names)}\n")
    assert rows == [] and line == 1
    assert f"cannot use the coordinates {', '.join(names)}:" in message
    assert "remove them to import tags" in message


@pytest.mark.parametrize(
    "headings",
    ["dx,dy", "x_end,y_end", "xend,yend", "endX,endY", "x_1,y_1", "x.1,y.1", "x2,y2", "x0,y0"]
    + ["width_px,height_px", "Width (px),Height (px)", "bounding_box", "BBoxWidth,BBoxHeight"]
    + ["x_br,y_br", "delta_x,delta_y", "boxes", "object_width,object_height", "right px,bottom px"],
)
def test_boxes_are_no_clicks(read, headings):
    cells = ",1" * len(headings.split(","))
    rows, ((line, message),) = read(f"image,x,y,{headings},class\na,5,6{cells},cat\n")
    assert rows == [] and line == 1
    assert f"is a table of boxes ({', '.join(headings.split(','))})" in message
    assert "to import tags" not in message


@pytest.mark.parametrize(
    "headings", ["xtl,ytl,xbr,ybr", "dx,dy", "bounding_box", "BoundingBox", "left px,top px"]
)
def test_boxes_are_no_tags_in_silence(read, headings):
    cells = ",1" * len(headings.split(","))
    rows, ((line, message),) = read(f"image,{headings},class\na{cells},cat\n")
    assert rows == [] and line == 1
    assert "is a table of boxes" in message and "to import tags, only remove them" in message


LISTS = ["['cat', 'dog']", "[cat, dog]", "[cat]", "{cat}", "{'a': 1}", "('cat', 'dog')", "[]"]
LISTS += ["['cat' 'dog']", "array(['cat'], dtype=object)", "set()", "[cat; dog]"]


@pytest.mark.parametrize("cell", LISTS)
@pytest.mark.parametrize("columns", ["image,class\na,", COLUMNS + "a,1,2,"])
def test_a_list_as_text_is_no_class(read, columns, cell):
    rows, ((line, message),) = read(f'{columns}"{cell}"\n')
    assert rows == [] and line == 2 and "its class is json or a list" in message


@pytest.mark.parametrize(
    "cells", [["dog,cat", "bird,cow"], ["big, red"], ["x;dog,cat"], ["狗、猫"]]
)
def test_a_comma_in_a_tag_could_separate_two(read, cells):
    rows, problems = read("image,class\n" + "".join(f'a,"{cell}"\n' for cell in cells))
    assert rows == [] and [line for line, _ in problems] == list(range(2, 2 + len(cells)))
    assert "one class or several; separate classes by ; or |" in problems[0][1]


@pytest.mark.parametrize(
    "name", ["null", "None", "nan", "NaN", "<NA>", "NULL", "#N/A", "NA", "n/a", "#REF!"]
)
def test_a_missing_value_is_no_class(read, name):
    rows, ((line, message),) = read(f"image,class\na,{name}\n")
    assert rows == [] and line == 2 and "an image without tags has an empty cell" in message
    rows, ((line, message),) = read(COLUMNS + f"a,1,2,{name}\n", class_name="cell")
    assert rows == [] and line == 2 and "every click has a class" in message
    ((_, message),) = read(COLUMNS + f"a,{name},{name},{name}\n")[1]
    assert "an image without objects has empty cells" in message


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
    ("image,x,y,class,notes\nc.png,3,4,cat\n", 2, "4 fields under 5 columns"),
    ("image,class\nc.png\n", 2, "1 fields under 2 columns"),
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


@pytest.mark.parametrize("more", ["pixel_size_x,pixel_size_y", "XResolution,YResolution"])
def test_columns_that_describe_the_image_do_no_harm(read, more):
    clicks = read(f"image,x,y,class,{more}\na.png,3,4,cat,1,1\n")
    tags = read(f"image,class,{more}\na.png,cat,1,1\n")
    assert clicks == ([("a.png", ("cat",), (3, 4))], [])
    assert tags == ([("a.png", ("cat",), None)], [])


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("image,class\na,cat\nb,dog\na,\n", 4, "'a' has no class here, but one in line 2"),
        ("image,class\na,\na,cat\n", 2, "'a' has no class here, but one in line 3"),
        (COLUMNS + "a,1,2,cat\na,,,\n", 3, "'a' has no class here, but one in line 2"),
        (COLUMNS + "a,1,2,cat\na,1.0,2,dog\n", 3, "click is 'dog', and 'cat' in line 2"),
    ],
)
def test_rows_that_contradict_each_other(read, text, line, message):
    ((found, told),) = read(text)[1]
    assert found == line and message in told


def test_rows_that_say_the_same_twice_do_not_contradict_each_other(read):
    assert read("image,class\na,cat\na,dog;cat\nb,\nb,\n")[1] == []
    assert read(COLUMNS + "a,1,2,cat\na,1,2,cat\nb,1,2,dog\n")[1] == []
