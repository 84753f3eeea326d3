"""The faults of ``shared/faults`` and others of their kinds: read right, or refused by place."""

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bestie import formats
from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.importer import import_labels
from bestie.pipeline.coco_source import convert_coco
from tests.conftest import PROJECT

FAULTS = PROJECT.parent / "shared" / "faults"
needs_faults = pytest.mark.skipif(not FAULTS.is_dir(), reason="shared/faults is not here")
COLUMNS = "image,x,y,class\n"


def imported(photos, labels, root, **options):
    """Image by its path -> clicks (x, y, class) or tags of the new root."""
    made = import_labels(photos, labels, root, val_share=0, **options)
    names = formats.read_class_names(root)
    files = dict(line.split("\t") for line in (root / "source_files.tsv").read_text().splitlines())
    tags = formats.read_image_labels(root, names)
    found = {}
    for key, path in files.items():
        if made.kind == "tags":
            labels_of_image = [names[c] for c in tags[key]]
        else:
            points = formats.read_points(root / "Center_points" / f"{key}.txt")
            rows = zip(points.yx.tolist(), points.classes, strict=True)
            labels_of_image = [(x, y, names[c]) for (y, x), c in rows]
        found[Path(path).relative_to(photos).as_posix()] = labels_of_image
    return found


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("s1/a.png", "s1/b.png", "s2/b.png", "c.png"):
        add_photo(folder / name)
    return folder


def add_photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), (9, 99, 9)).save(path, format=None if path.suffix else "PNG")


@pytest.fixture
def read(photos, tmp_path):
    """Import a table (text or bytes) or a COCO dict."""

    def read(content, **options):
        suffix = "json" if isinstance(content, dict | list) else "csv"
        path = tmp_path / f"labels.{suffix}"
        if not isinstance(content, bytes):
            text = content if isinstance(content, str) else json.dumps(content)
            content = text.encode("utf-8", "surrogatepass")
        path.write_bytes(content)
        shutil.rmtree(tmp_path / "root", ignore_errors=True)
        read_options = ReadOptions(**options.pop("read", {}))
        return imported(photos, path, tmp_path / "root", options=read_options, **options)

    return read


def coco(*annotations, names=("cat", "dog"), images=("s1/a.png", "c.png"), **category):
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(images, 1)],
        "categories": [{"id": i, "name": n, **category} for i, n in enumerate(names, 1)],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, **entry}
            for i, entry in enumerate(annotations, 1)
        ],
    }


# ---- shared/faults


@needs_faults
@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("appledouble-files", "labels.csv", {"a.png": [(40, 10, "c")], "b.png": [(5, 5, "c")]}),
        (
            "coco-ids-as-text",
            "labels.json",
            {"a.png": [(40, 10, "cat")], "b.png": [(40, 10, "dog")]},
        ),
        (
            "coco-keypoints-unlabelled",
            "labels.json",
            {"a.png": [(40, 10, "cat")], "b.png": [(40, 10, "cat")]},
        ),
        (
            "csv-quote-after-space",
            "labels.csv",
            {"a.png": [(40, 10, "cell")], "b.png": [(5, 5, "cell, big")]},
        ),
        (
            "labelme-same-names",
            "photos",
            {f"day1/img_{i}.png": [(40, 10, "cell")] for i in (0, 1)}
            | {f"day2/img_{i}.png": [(5, 5, "debris")] for i in (0, 1)},
        ),
        (
            "labelstudio-csv-keypoints",
            "labels.csv",
            {
                "img0.png": [(200, 60, "cell"), (32, 192, "debris")],
                "img1.png": [(200, 60, "cell")],
                "img2.png": [],
            },
        ),
        (
            "linked-subfolder",
            "labels.csv",
            {"batch1/a.png": [(40, 10, "c")], "b.png": [(5, 5, "c")]},
        ),
        ("suffix-not-taken", "labels.csv", {"a.jfif": [(40, 10, "c")], "b.png": [(5, 5, "c")]}),
    ],
)
def test_shared_fault_is_read(name, labels, expected, tmp_path):
    shutil.copytree(FAULTS / name, tmp_path / name, symlinks=True)
    (tmp_path / name / "photos" / "._x.png").write_bytes(b"\0\5\x16\7")
    photos = tmp_path / name / "photos"
    assert imported(photos, tmp_path / name / labels, tmp_path / "root") == expected


@needs_faults
@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("basename-wrong-image-csv", "labels.csv", "line 3: image 's2/a.png' is not in"),
        ("coco-category-space-twin", "labels.json", "'cat' and 'cat ' differ in blanks"),
        ("coco-duplicate-category-id", "labels.json", "category id 1 occurs 2 times"),
        ("coco-duplicate-image-id", "labels.json", "image id 1 occurs 2 times"),
        ("coco-keypoints-scalar", "labels.json", "annotation 1: its keypoints 5 are not"),
        ("csv-decimal-comma-shift", "labels.csv", "line 2: 6 fields under 4 columns"),
        (
            "csv-qupath-coordinates-dropped",
            "points.tsv",
            "Centroid X µm, Centroid Y µm",
        ),
        ("csv-tags-unquoted-commas", "labels.csv", "line 2: 3 fields under 2 columns"),
        ("png-16-bit-rgb", "labels.csv", "scan.png: has 16 bits per channel"),
        ("tiff-stack", "labels.csv", "stack.tif: holds 4 pictures"),
    ],
)
def test_shared_fault_is_refused(name, labels, message, tmp_path):
    folder = FAULTS / name
    with pytest.raises(formats.DataError) as caught:
        import_labels(folder / "photos", folder / labels, tmp_path / "root")
    assert message in str(caught.value)
    assert not (tmp_path / "root").exists()


@needs_faults
def test_pipeline_reads_points_of_a_shared_fault(tmp_path):
    folder = FAULTS / "coco-points-ignored-by-pipeline"
    name = f"coco:{folder / 'labels.json'}:{folder / 'photos'}"
    convert_coco({"train": name}, tmp_path / "root", clicks=True)
    for key in "ab":
        points = formats.read_points(tmp_path / "root" / "Center_points" / f"{key}.txt")
        assert points.yx.tolist() == [[10, 40]]


@needs_faults
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coco-category-space-twin", "'cat' and 'cat ' differ in blanks"),
        ("coco-duplicate-category-id", "category id 1 occurs 2 times"),
        ("coco-duplicate-image-id", "image id 1 occurs 2 times"),
        ("coco-keypoints-scalar", "annotation 1: its keypoints 5 are not"),
    ],
)
def test_pipeline_refuses_what_the_importer_refuses(name, message, tmp_path):
    source = f"coco:{FAULTS / name / 'labels.json'}:{FAULTS / name / 'photos'}"
    with pytest.raises(formats.DataError) as caught:
        convert_coco({"train": source}, tmp_path / "root", clicks=True)
    assert message in str(caught.value)


# ---- which class

A = [(3.5, 4, "cat")]


def test_classes_listed_by_the_user_may_differ_in_case_only(read, tmp_path):
    (tmp_path / "classes.txt").write_text("Cat\ncat\n")
    text = COLUMNS + "c.png,3,4,cat\ns1/a.png,3,4,Cat\n"
    found = read(text, classes=tmp_path / "classes.txt")
    assert found == {"c.png": [(3, 4, "cat")], "s1/a.png": [(3, 4, "Cat")]}


def test_one_class_in_two_unicode_forms(read):
    rows = [f"c.png,3,4,{unicodedata.normalize(form, 'é')}\n" for form in ("NFC", "NFD")]
    assert read(COLUMNS + "".join(rows)) == {"c.png": [(3, 4, "é"), (3, 4, "é")]}


@pytest.mark.parametrize("names", [("cat", "Cat"), ("hot dog", "hot  dog")])
def test_classes_that_differ_in_blanks_or_case_are_refused(read, names):
    rows = [
        f"{image},3,4,{name}\n" for image, name in zip(("c.png", "s1/a.png"), names, strict=True)
    ]
    with pytest.raises(formats.DataError, match="line 3: classes .* differ in blanks or case only"):
        read(COLUMNS + "".join(rows))


# ---- values in COCO

SKELETON = {"keypoints": [2, 4, 2, 9, 9, 0, 6, 8, 1]}
NAMES = {"keypoints": ["nose", "ear", "tail"]}
BOX = {"bbox": [2, 4, 10, 20]}


@pytest.mark.parametrize(
    ("annotation", "options", "click"),
    [
        ({"keypoints": [3.5, 4, 1]}, {}, (3.5, 4)),
        ({"keypoints": ["3.5", "4", "2"]}, {}, (3.5, 4)),
        ({"point": [3.5, 4]}, {}, (3.5, 4)),
        ({"points": [3.5, 4]}, {}, (3.5, 4)),
        ({"points": [[3.5, 4]], **BOX}, {}, (3.5, 4)),
        ({"keypoints": [], "point": [3.5, 4]}, {}, (3.5, 4)),
        ({"point": [3.5, 4], "iscrowd": "0"}, {}, (3.5, 4)),
        ({"point": [3.5, 4], "iscrowd": None, "image_id": "1", "category_id": 1.0}, {}, (3.5, 4)),
        (SKELETON, {"keypoints": "first"}, (2, 4)),
        (SKELETON, {"keypoints": "mean"}, (4, 6)),
        (SKELETON, {"keypoints": "tail"}, (6, 8)),
        ({"points": [[2, 4], [4, 8]]}, {"keypoints": "mean"}, (3, 6)),
        (BOX, {"boxes_as_clicks": True}, (7, 14)),
        ({"keypoints": [0, 0, 0], **BOX}, {"boxes_as_clicks": True}, (7, 14)),
    ],
)
def test_one_meaning_of_a_click(read, photos, tmp_path, annotation, options, click):
    content = coco(annotation, {"iscrowd": "1"}, images=("s1/a.png",), **NAMES)
    assert read(content, read=options) == {"s1/a.png": [(*click, "cat")]}
    source = {"train": f"coco:{tmp_path / 'labels.json'}:{photos}"}
    convert_coco(source, tmp_path / "derived", clicks=True, options=ReadOptions(**options))
    points = formats.read_points(tmp_path / "derived" / "Center_points" / "a.txt")
    assert points.yx.tolist() == [[click[1], click[0]]] and points.classes.tolist() == [0]


POINT = {"point": [3, 4]}


def test_a_key_that_stands_twice_in_a_json(read):
    text = json.dumps(coco(POINT)).replace('"id": 1,', '"id": 1, "id": 2,', 1)
    with pytest.raises(formats.DataError, match="the key 'id' more than once"):
        read(text, format="coco")


def test_images_of_one_name_stay_apart_in_the_pipeline(photos, tmp_path):
    content = coco(POINT, {**POINT, "image_id": 2}, images=("s1/b.png", "s2/b.png"))
    (tmp_path / "labels.json").write_text(json.dumps(content))
    source = {"train": f"coco:{tmp_path / 'labels.json'}:{photos}"}
    convert_coco(source, tmp_path / "root", clicks=True)
    assert formats.read_split(tmp_path / "root", "train") == ["b", "train_b"]


# ---- pixels


def sixteen_bits(path, channels):
    """A PNG or TIFF of 16 bits, written by OpenCV."""
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(path), np.full((48, 64, *channels), 3000, np.uint16))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_sixteen_bits_are_refused(read, photos, suffix, channels):
    sixteen_bits(photos / f"deep{suffix}", channels)
    with pytest.raises(formats.DataError, match="8 bits per channel"):
        read(f"{COLUMNS}deep{suffix},3,4,cat\n")


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp", ".png"])
def test_stacks_are_refused(read, photos, suffix):
    pages = [Image.new("RGB", (64, 48), (50 * i, 9, 9)) for i in range(3)]
    pages[0].save(photos / f"stack{suffix}", save_all=True, append_images=pages[1:])
    with pytest.raises(formats.DataError, match="holds 3 pictures"):
        read(f"{COLUMNS}stack{suffix},3,4,cat\n")


@pytest.mark.parametrize("suffix", [".JPEG", ".jfif", ".TIF", ".tiff", ".bmp", ".gif", ".webp"])
def test_every_suffix_is_accepted_wherever_an_image_is(read, photos, suffix, tmp_path):
    path = photos / f"other{suffix}"
    kind = {".jfif": "JPEG", ".TIF": "TIFF"}.get(suffix)
    Image.new("RGB", (64, 48)).save(path, format=kind)
    assert read(f"{COLUMNS}other{suffix},3.5,4,cat\n") == {path.name: A}
    folder = formats.DatasetFolder(tmp_path / "own")
    Path(folder.image_folder).mkdir(parents=True)
    shutil.copy(path, folder.image_folder)
    assert formats.find_image(tmp_path / "own", "other").endswith(suffix)
