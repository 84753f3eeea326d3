"""Faults planted in the built-in data: the check tool and a training's entry report each of them.

The table below lists them. The root is that of ``make_shapes``; the image ``train_00001`` (A) has
the tags 1 and 2, a click of either, and a map with both.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from bestie.cli import check as tool
from bestie.data import check_datasets
from bestie.formats import DataError, write_semantic_map
from bestie.training import trainer
from bestie.training.setup import read_config
from tests.conftest import PROJECT
from tests.data.checks.planting import (
    JSON,
    append,
    array,
    both,
    convert,
    cut,
    dangle,
    edit_json,
    empty_all,
    encode,
    first,
    make_folder,
    put,
    remove,
    repeated,
    replace,
    suffix,
    turned,
    xml_tags,
)

A = "train_00001"
CLASSES = "classes.txt"
SPLIT = "ImageSets/Segmentation/train.txt"
VAL = "ImageSets/Segmentation/val.txt"
LABELS = "image_labels.txt"
IMAGE = f"JPEGImages/{A}.jpg"
STEM = f"JPEGImages/{A}"
CLICKS = f"Center_points/{A}.txt"
MAP = f"WSSS_maps/{A}.png"
XML = f"Annotations/{A}.xml"
TRUTH = "SegmentationObject/val_00001.png"
VAL_JSON = "annotations/instances_val.json"

# What is planted, how, where it is to be reported (file, line), and a part of the message.
ERRORS = [
    ("no class names", remove(CLASSES), CLASSES, None, "does not exist"),
    ("class names empty", put(CLASSES, ""), CLASSES, None, "is empty"),
    ("class names a folder", make_folder(CLASSES), CLASSES, None, "Is a directory"),
    ("class twice", append(CLASSES, "fish\n"), CLASSES, 7, "'fish' is already in line 1"),
    ("empty line", replace(CLASSES, "fish\n", "fish\n\n"), CLASSES, 2, "empty line"),
    ("latin-1 class", append(CLASSES, b"caf\xe9\n"), CLASSES, 7, "not UTF-8"),
    ("UTF-16 classes", encode(CLASSES, "utf-16"), CLASSES, 1, "not UTF-8"),
    ("UTF-16 without mark", encode(CLASSES, "utf-16-le"), CLASSES, 1, "NUL"),
    ("too many classes", put(CLASSES, "\n".join(map(str, range(255)))), CLASSES, None, "254"),
    ("fewer classes than tags", put(CLASSES, "fish\nbeetle\n"), LABELS, 2, "class 2 is out of"),
    ("class not in the json", append(CLASSES, "eel\n"), JSON, None, "not those of classes.txt"),
    ("no split", remove(SPLIT), SPLIT, None, "does not exist; splits of this root: ['val']"),
    ("split empty", put(SPLIT, "\n\n"), SPLIT, None, "is empty"),
    ("split a folder", make_folder(SPLIT), SPLIT, None, "Is a directory"),
    ("split in UTF-16", encode(SPLIT, "utf-16"), SPLIT, 1, "not UTF-8"),
    ("id twice", append(SPLIT, f"{A}\n"), SPLIT, 7, "is already in line 2"),
    ("two ids a line", append(SPLIT, "b c\n"), SPLIT, 7, "one image id per line"),
    ("id outside the root", append(SPLIT, "../../b\n"), SPLIT, 7, "holds a path"),
    ("id with a folder", append(SPLIT, "new/b\n"), SPLIT, 7, "holds a path"),
    ("id with a backslash", append(SPLIT, "new\\b\n"), SPLIT, 7, "holds a path"),
    ("id with a control character", append(SPLIT, "b\x07\n"), SPLIT, 7, "cannot be printed"),
    ("id with suffix", append(SPLIT, f"{A}.jpg\n"), IMAGE, None, "without the suffix"),
    ("id of nothing", append(SPLIT, "b\n"), "JPEGImages/b", None, "image does not exist"),
    ("no tags", remove(LABELS), LABELS, None, "nor Annotations"),
    ("tags a folder", make_folder(LABELS), LABELS, None, "Is a directory"),
    ("tags in latin-1", append(LABELS, b"\xe9 0\n"), LABELS, 10, "not UTF-8"),
    ("untagged image", replace(LABELS, f"{A} 1 2\n", ""), LABELS, None, f"for the image '{A}'"),
    ("tag by name", replace(LABELS, f"{A} 1", f"{A} mug"), LABELS, 2, "'mug' is not a class id"),
    ("tag out of range", replace(LABELS, f"{A} 1", f"{A} 6"), LABELS, 2, "class 6 is out of"),
    ("negative tag", replace(LABELS, f"{A} 1", f"{A} -1"), LABELS, 2, "class -1 is out of"),
    ("endless tag", replace(LABELS, f"{A} 1", f"{A} {'9' * 5000}"), LABELS, 2, "not a class id"),
    (
        "comma between tags",
        replace(LABELS, f"{A} 1 ", f"{A} 1,"),
        LABELS,
        2,
        "'1,2' is not a class",
    ),
    ("tagged twice", append(LABELS, f"{A} 0\n"), LABELS, 10, "is listed twice"),
    ("tags of a path", append(LABELS, "../b 0\n"), LABELS, 10, "holds a path"),
    ("broken xml", xml_tags([A], "<annotation>\n<object>\n"), XML, 3, "not well-formed xml"),
    ("empty xml", xml_tags([A], ""), XML, 1, "not well-formed xml"),
    (
        "xml of an unknown class",
        xml_tags([A], "<a>\n<object><name>eel</name></object></a>"),
        XML,
        2,
        "'eel', which is not in classes.txt",
    ),
    (
        "xml in an unknown encoding",
        xml_tags([A], "<?xml version='1.0' encoding='klingon'?><a/>"),
        XML,
        1,
        "not well-formed xml",
    ),
    ("no clicks at all", remove("Center_points"), "Center_points", None, "folder does not exist"),
    (
        "clicks a file",
        both(remove("Center_points"), put("Center_points", "1 2 0 1")),
        "Center_points",
        None,
        "is not a folder",
    ),
    ("no click file", remove(CLICKS), CLICKS, None, "does not exist"),
    ("click file a folder", make_folder(CLICKS), CLICKS, None, "Is a directory"),
    ("clicks in UTF-16", encode(CLICKS, "utf-16"), CLICKS, 1, "not UTF-8"),
    ("no click in any file", empty_all("Center_points"), "Center_points", None, "no file has a"),
    ("three fields", append(CLICKS, "1 2 1\n"), CLICKS, 3, "3 fields"),
    ("five fields", append(CLICKS, "1 2 1 1 1\n"), CLICKS, 3, "5 fields"),
    ("commas", append(CLICKS, "1,2,1,1\n"), CLICKS, 3, "1 fields"),
    ("no number", append(CLICKS, "1 y 1 1\n"), CLICKS, 3, "not a number"),
    ("underscore", append(CLICKS, "1_0 2 1 1\n"), CLICKS, 3, "not a number"),
    ("NaN", append(CLICKS, "nan 2 1 1\n"), CLICKS, 3, "not finite"),
    ("infinite", append(CLICKS, "1 -inf 1 1\n"), CLICKS, 3, "not finite"),
    ("click right of the image", append(CLICKS, "999 2 1 1\n"), CLICKS, 3, "outside the image"),
    ("click above the image", append(CLICKS, "1 -0.5 1 1\n"), CLICKS, 3, "outside the image"),
    ("class of a click", append(CLICKS, "1 2 6 1\n"), CLICKS, 3, "class 6; 0..5 are accepted"),
    ("class -1", append(CLICKS, "1 2 -1 1\n"), CLICKS, 3, "'-1' is not a class id"),
    ("class 1.0", append(CLICKS, "1 2 1.0 1\n"), CLICKS, 3, "'1.0' is not a class id"),
    ("class by name", append(CLICKS, "1 2 mug 1\n"), CLICKS, 3, "'mug' is not a class id"),
    ("endless class", append(CLICKS, f"1 2 {'9' * 30} 1\n"), CLICKS, 3, "is not a class id"),
    ("confidence 2", append(CLICKS, "1 2 1 2\n"), CLICKS, 3, "2 is not in [0, 1]"),
    ("confidence below 0", append(CLICKS, "1 2 1 -.1\n"), CLICKS, 3, "-.1 is not in [0, 1]"),
    ("confidence NaN", append(CLICKS, "1 2 1 nan\n"), CLICKS, 3, "nan is not in [0, 1]"),
    ("no map", remove(MAP), MAP, None, "does not exist"),
    ("map a folder", make_folder(MAP), MAP, None, "Is a directory"),
    ("map of another size", array(MAP, lambda map: map[1:]), MAP, None, "its image of"),
    ("map in colours", convert(MAP, "RGB"), MAP, None, "pixel format RGB"),
    ("map with alpha", convert(MAP, "LA"), MAP, None, "pixel format LA"),
    ("map of 16 bits", array(MAP, np.uint16), MAP, None, "pixel format I;16"),
    ("map of 1 bit", convert(MAP, "1"), MAP, None, "pixel format 1"),
    ("map a JPEG", convert(MAP, "L", format="JPEG"), MAP, None, "is a JPEG file"),
    ("map of class 6", array(MAP, lambda map: map * 0 + 7), MAP, None, "has the values [7]"),
    ("map truncated", cut(MAP), MAP, None, "cannot be decoded"),
    ("map of 0 bytes", put(MAP, ""), MAP, None, "is empty"),
    ("map a text", put(MAP, "hello"), MAP, None, "is not an image"),
    ("no image", remove(IMAGE), STEM, None, "image does not exist (.jpg or .png)"),
    ("no images at all", remove("JPEGImages"), "JPEGImages", None, "folder does not exist"),
    ("image truncated", cut(IMAGE), IMAGE, None, "cannot be decoded"),
    ("image of 0 bytes", put(IMAGE, ""), IMAGE, None, "is empty"),
    ("image a text", put(IMAGE, "hello"), IMAGE, None, "is not an image"),
    ("image a folder", make_folder(IMAGE), STEM, None, f"found the folder {A}.jpg"),
    ("image a link to nothing", dangle(IMAGE), STEM, None, "link to /gone/away.jpg, which is gone"),
    ("image of another format", suffix(IMAGE, ".ppm"), STEM, None, f"found {A}.ppm"),
    (
        "image of 16 bits",
        both(suffix(IMAGE, ".png"), array(f"{STEM}.png", lambda rgb: rgb[..., 0].astype("u2"))),
        f"{STEM}.png",
        None,
        "pixel format I;16",
    ),
    ("image cropped", array(IMAGE, lambda rgb: rgb[:-9]), MAP, None, "its image of"),
    ("image turned by its camera", turned(IMAGE), MAP, None, "its image of 40 x 56"),
    ("json cut off", cut(JSON), JSON, 1, "not well-formed json"),
    ("json of 0 bytes", put(JSON, ""), JSON, 1, "not well-formed json"),
    ("json a folder", make_folder(JSON), JSON, None, "Is a directory"),
    ("json with a mark", encode(JSON, "utf-8-sig"), JSON, 1, "byte order mark"),
    ("json in UTF-16", encode(JSON, "utf-16"), JSON, 1, "not UTF-8"),
    ("json a list", put(JSON, "[]"), JSON, None, "is a json list"),
    ("endless number", put(JSON, f'{{"images": {"9" * 5000}}}'), JSON, None, "cannot be read"),
    ("endless nesting", put(JSON, "[" * 100000), JSON, None, "cannot be read"),
    ("no annotations", edit_json(lambda c: c.pop("annotations")), JSON, None, "'annotations' is"),
    ("image not listed", edit_json(lambda c: c["images"].pop()), JSON, None, "in 'images'"),
    ("no category id", first("annotations", category_id=None), JSON, None, "no 'category_id'"),
    ("no image size", first("images", height=None), JSON, None, "has no 'height'"),
    ("size as text", first("images", height="64"), JSON, None, "height '64' is not a number"),
    (
        "id as text",
        first("annotations", image_id="1"),
        JSON,
        None,
        "image_id '1' is not an integer",
    ),
    ("id a list", first("images", id=[1]), JSON, None, "id [1] is not an integer"),
    ("unknown category", first("annotations", category_id=9), JSON, None, "category_id 9 is not"),
    ("unknown image", first("annotations", image_id=99), JSON, None, "image_id 99 is not in"),
    ("other category name", first("categories", name="eel"), JSON, None, "not those of classes"),
    ("two images of an id", repeated("images", "id"), JSON, None, "image id 1 occurs 2"),
    ("a file listed twice", repeated("images", "file_name"), JSON, None, "file_name train_00000"),
    ("two annotations of an id", repeated("annotations", "id"), JSON, None, "id 1 occurs 2"),
    ("another image size", first("images", width=5), JSON, None, "(height, width)"),
    (
        "mask of another size",
        edit_json(lambda c: c["annotations"][0]["segmentation"].update(size=[3, 4])),
        JSON,
        None,
        "segmentation has the size [3, 4], its image",
    ),
    (
        "mask damaged",
        edit_json(lambda c: c["annotations"][0]["segmentation"].update(counts="garbage!")),
        JSON,
        None,
        "counts do not add up",
    ),
    (
        "mask without counts",
        edit_json(lambda c: c["annotations"][0]["segmentation"].pop("counts")),
        JSON,
        None,
        "an RLE without counts",
    ),
    (
        "polygon of a line",
        first("annotations", segmentation=[[1, 1, 2, 2]]),
        JSON,
        None,
        "at least 3",
    ),
    ("polygon of text", first("annotations", segmentation=[["a"] * 6]), JSON, None, "at least 3"),
    ("box of 3 numbers", first("annotations", bbox=[1, 2, 3]), JSON, None, "bbox [1, 2, 3] is not"),
    ("box outside", first("annotations", bbox=[99, 1, 3, 3]), JSON, None, "outside its image"),
    ("area NaN", first("annotations", area=float("nan")), JSON, None, "area nan is not a number"),
    ("crowd 2", first("annotations", iscrowd=2), JSON, None, "iscrowd 2 is not 0 or 1"),
    ("no true mask", both(remove(VAL_JSON), remove(TRUTH)), TRUTH, None, "does not exist"),
    ("true mask of another size", array(TRUTH, lambda map: map[1:]), TRUTH, None, "is"),
    (
        "object of two classes",
        array(TRUTH, lambda map: map * 0 + 1),
        TRUTH,
        None,
        "do not lie on one",
    ),
]
WARNINGS = [
    ("background a class", replace(CLASSES, "fish", "background"), CLASSES, 1, "'background' is a"),
    (
        "trained and evaluated",
        both(append(VAL, f"{A}\n"), remove(VAL_JSON)),
        VAL,
        None,
        "1 of its images are in the split 'train' too",
    ),
    ("click of no tag", append(CLICKS, "1 2 4 1\n"), CLICKS, 3, "class 4 (truck) is not a tag"),
    ("click twice", append(CLICKS, "10 12 1 1\n"), CLICKS, 3, "the same point as line 1"),
    ("unsure click", append(CLICKS, "1 2 1 0.5\n"), CLICKS, 3, "confidence 0.5; clicks have 1.0"),
    ("tag without click", put(CLICKS, "10 12 1 1\n"), CLICKS, None, "no click has the tag class 2"),
    ("map without a tag", array(MAP, lambda map: map * 0), MAP, None, "no pixel has the tag"),
    ("map with no tag's class", array(MAP, lambda map: map * 0 + 5), MAP, None, "no tag of the"),
    ("foreground 255", array(MAP, lambda map: map * 0 + 255), MAP, None, "no pixel has the tag"),
    ("png beside the jpg", suffix(IMAGE, ".png", keep=True), f"{STEM}.png", None, "is not used"),
]
# Odd, but right.
ACCEPTED = [
    ("nothing", lambda root: None),
    ("UTF-8 with a mark", both(encode(CLASSES, "utf-8-sig"), encode(SPLIT, "utf-8-sig"))),
    ("lines of Windows", replace(CLASSES, "fish\n", "fish\r\n")),
    ("blank lines and tabs", both(append(SPLIT, "\n \n"), append(CLICKS, "\n  1\t2  1 1 \n\n"))),
    ("grey image", convert(IMAGE, "L")),
    ("CMYK image", convert(IMAGE, "CMYK")),
    ("png image", suffix(IMAGE, ".png")),
    ("grey map", array(MAP, lambda map: map)),
    ("no json for training", remove(JSON)),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Six training and three validation images of the built-in data, with a known image A."""
    root = tmp_path_factory.mktemp("built_in") / "shapes"
    command = [sys.executable, "datasets/make_shapes.py", "--output", str(root)]
    sizes = ["--train", "6", "--val", "3", "--size", "64"]
    subprocess.run([*command, *sizes], cwd=PROJECT, check=True, capture_output=True)
    lines = (root / LABELS).read_text().splitlines()
    lines[1] = f"{A} 1 2"
    (root / LABELS).write_text("\n".join(lines) + "\n")
    (root / CLICKS).write_text("10 12 1 1.0\n20 30 2 1.0\n")
    map = np.zeros_like(np.array(Image.open(root / MAP)))
    map[10:20, 5:15], map[25:40, 15:25] = 2, 3
    write_semantic_map(root / MAP, map)
    return root


@pytest.fixture
def root(sound, tmp_path):
    copy = tmp_path / "shapes"
    shutil.copytree(sound, copy, symlinks=True)
    yield copy
    for name in [name for name in DatasetCatalog.list() if str(copy) in name]:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def checked(root, capsys) -> tuple[int, list[dict]]:
    """Exit status and problems of the check tool."""
    status = tool.main([str(root), "--supervision", "clicks", "--json"])
    reports = json.loads(capsys.readouterr().out)
    return status, [problem for report in reports.values() for problem in report["problems"]]


def config(root):
    """What a training starts from: it registers the data."""
    names = [f"('folder:{root}:{split}',)" for split in ("train", "val")]
    options = ["DATASETS.TRAIN", names[0], "DATASETS.TEST", names[1], "MODEL.DEVICE", "cpu"]
    return read_config(str(PROJECT / "configs/quick/nuclei_clicks.yaml"), options)


def places(root, problems, severity):
    return [
        (problem["file"].removeprefix(f"{root}/"), problem["line"], problem["message"])
        for problem in problems
        if problem["severity"] == severity
    ]


def named(faults):
    return pytest.mark.parametrize(
        ("plant", "file", "line", "message"), [f[1:] for f in faults], ids=[f[0] for f in faults]
    )


def test_there_are_enough_faults():
    assert len({fault[0] for fault in ERRORS + WARNINGS}) == len(ERRORS) + len(WARNINGS) > 100


@named(ERRORS)
def test_error_is_found_before_training(root, capsys, plant, file, line, message):
    plant(root)
    status, problems = checked(root, capsys)
    errors = places(root, problems, "error")
    assert status == 1
    assert any(e[:2] == (file, line) and message in e[2] for e in errors), errors
    with pytest.raises(ValueError) as caught:
        check_datasets(config(root))
    place = f"{root}/{file}{'' if line is None else f', line {line}'}: "
    assert any(place in text and message in text for text in str(caught.value).splitlines())


@named(WARNINGS)
def test_oddity_is_warned_of_before_training(root, capsys, caplog, plant, file, line, message):
    plant(root)
    if file == CLASSES:
        remove(JSON)(root), remove(VAL_JSON)(root)  # they name the classes too
    status, problems = checked(root, capsys)
    warnings = places(root, problems, "warning")
    assert status == 0
    assert any(w[:2] == (file, line) and message in w[2] for w in warnings), problems
    check_datasets(config(root))
    assert any(
        f"{root}/{file}" in r.getMessage() and message in r.getMessage() for r in caplog.records
    )


@pytest.mark.parametrize("plant", [p for _, p in ACCEPTED], ids=[name for name, _ in ACCEPTED])
def test_what_is_right_is_no_error(root, capsys, plant):
    plant(root)
    status, problems = checked(root, capsys)
    assert status == 0 and not [p for p in problems if A in p["file"]]
    check_datasets(config(root))


def test_all_faults_at_once(root, capsys):
    planted = [fault for fault in ERRORS if fault[0] in ("NaN", "map a text", "image truncated")]
    planted.append(next(fault for fault in ERRORS if fault[0] == "comma between tags"))
    for _, plant, *_ in planted:
        plant(root)
    errors = places(root, checked(root, capsys)[1], "error")
    assert {error[:2] for error in errors} == {(file, line) for _, _, file, line, _ in planted}


def test_trainer_checks_before_it_builds_anything(root, monkeypatch):
    remove(MAP)(root)
    monkeypatch.setattr(trainer, "build_model", lambda cfg: pytest.fail("a model was built"))
    with pytest.raises(DataError, match=f"{MAP}: file does not exist"):
        trainer.Trainer(config(root))


@pytest.mark.parametrize(
    "command",
    [
        "tools/check_dataset.py {root}",
        "tools/train_net.py --config-file configs/quick/nuclei_clicks.yaml OUTPUT_DIR {root}/out "
        "DATASETS.TRAIN ('folder:{root}:train',) DATASETS.TEST ()",
    ],
)
def test_commands_end_without_a_traceback(root, command):
    append(CLICKS, "nan 2 1 1\n")(root)
    words = [sys.executable, *command.format(root=root).split()]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert str(root) in done.stdout + done.stderr
