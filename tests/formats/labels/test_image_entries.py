"""What label files say of whole images: their names, their sizes, and that they have no label."""

import pytest

from bestie import formats
from tests.formats.labels.reading import import_mistakes as mistakes

VIA_REGIONS = [
    {
        "shape_attributes": {"name": "point", "cx": 3, "cy": 4},
        "region_attributes": {"class": "cat"},
    }
]


def two_names(first, second):
    images = [{"id": i, "file_name": name} for i, name in enumerate((first, second))]
    entries = [{"id": i, "image_id": i, "category_id": 1, "point": [i, 4]} for i in (0, 1)]
    return {
        "via": {name: {"filename": name, "regions": VIA_REGIONS} for name in (first, second)},
        "coco": {
            "images": images,
            "annotations": entries,
            "categories": [{"id": 1, "name": "cat"}],
        },
        "csv": f"image,x,y,class\n{first},1,4,cat\n{second},2,4,cat\n",
        "cvat": "<annotations>"
        + "".join(
            f'<image name="{name}"><points label="cat" points="3,4"/></image>'
            for name in (first, second)
        )
        + "</annotations>",
    }


@pytest.mark.parametrize("second", ["cat 1.jpg", "cat 1"])
@pytest.mark.parametrize("format", ["via", "coco", "csv", "cvat"])
def test_two_names_of_one_photo_are_refused(make, write, format, second):
    suffix = {"csv": "csv", "cvat": "xml"}.get(format, "json")
    first = "my photos/cat 1.jpg"
    path = write(two_names(first, second)[format], f"labels.{suffix}")
    (problem,) = mistakes(make, path)
    assert f"images '{second}' and '{first}' are one photo; use one name for it" in problem


def test_one_photo_may_be_written_in_two_ways(make, write):
    make(write("image,x,y,class\nsub/dog.PNG,1,4,dog\n.\\sub\\dog.PNG,2,4,dog\n"))


VIA = {
    name: {"filename": name, "regions": regions}
    for name, regions in [("cat 1.jpg", VIA_REGIONS), ("sub/dog.PNG", [])]
}
CVAT = (
    '<annotations><image name="cat 1.jpg"><points label="cat" points="3,4"/></image>'
    '<image name="sub/dog.PNG"/></annotations>'
)
COCO = {
    "images": [{"id": 5, "file_name": "cat 1.jpg"}, {"id": 6, "file_name": "sub/dog.PNG"}],
    "categories": [{"id": 3, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 5, "category_id": 3, "point": [3, 4]}],
}
TAGS = "image,class\ncat 1.jpg,cat\nsub/dog.PNG,dog;cat\nscan.tif,\n"


@pytest.mark.parametrize(
    ("content", "name"), [(COCO, "c.json"), (VIA, "v.json"), (CVAT, "c.xml"), (TAGS, "t.csv")]
)
def test_images_named_without_any_label_are_counted(make, write, content, name, tmp_path):
    path = write(content, name)
    _, made = make(path)
    count = "1 of 3" if content is TAGS else "1 of 2"
    found = f"{count} images have no label in {path}; they"
    note = f"{found} count as images without objects (--skip-empty leaves them out)"
    assert note in made.notes and sum(map(len, made.splits.values())) == int(count[-1])
    made = make(path, output="skipped", skip_empty=True)[1]
    assert f"{found} are left out (--skip-empty)" in made.notes
    assert sum(map(len, made.splits.values())) == int(count[-1]) - 1
    with pytest.raises(ValueError, match="--keep-unlabelled and --skip-empty contradict"):
        make(path, output="both", skip_empty=True, keep_unlabelled=True)


@pytest.mark.parametrize("heading", ["image_width", "imageWidth", "img_w", "original width (px)"])
def test_a_table_may_state_the_size_of_the_image(make, write, heading):
    rows = "\ncat 1.jpg,3,4,cat,{0}\ncat 1.jpg,5,6,cat,{0}\n"
    table = write(f"image,x,y,class,{heading}{rows.format(80)}")
    (mistake,) = str(pytest.raises(formats.DataError, make, table).value).splitlines()[1:]
    assert "line 2: image 'cat 1.jpg' has 30 x 40 pixels" in mistake
    assert mistake.endswith("labelled at ? x 80")
    make(write(f"image,x,y,class,{heading}{rows.format(40)}"))
