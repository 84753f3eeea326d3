"""The commands of docs/own-data.md, as they are written there; and what the import prints."""

import copy
import re
import shlex

import pytest
from PIL import Image

from bestie.cli import import_labels
from bestie.formats.labels.registry import FORMATS
from tests.conftest import PROJECT
from tests.formats.labels.mutation_cases import CASES

PAGE = (PROJECT / "docs/own-data.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for command in re.findall(r"^    (bestie import .+)$", PAGE, re.M)
    if "LABELS" not in command
]
# Where the page has files of each tool -> an example, and what it becomes.
FILES = {
    "photos": ("labelme", "1.json", "clicks"),
    "annotations.xml": ("cvat", "", "masks"),
    "export.json": ("label studio", "", None),
    "via.json": ("via", "", None),
    "voc": ("voc", "1.xml", None),
    "yolo": ("yolo", "labels/1.txt", None),
    "geojson": ("qupath", "1.geojson", None),
    "rois": ("imagej", "1_RoiSet.zip", None),
    "points": ("napari", "1.csv", "clicks"),
    "coco.json": ("coco masks", "", "masks"),
    "clicks.csv": ("csv", "", "clicks"),
}
# An image has clicks or masks, not both; each example has both, so that one object is left out.
FIRST_ONLY = {
    "label studio": lambda content: content[0]["annotations"][0]["result"].pop(),
    "via": lambda content: content["1.png9"]["regions"].pop(),
    "yolo": lambda content: content["lines"].pop(),
    "qupath": lambda content: content["features"].pop(),
    "imagej": lambda content: content.pop(),
    "cvat": lambda content: [content[2][0][2].pop(n) for n in (3, 2, 0)],
    "voc": lambda content: content[2].pop(),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48), (9, 9, 9)).save(path)
    for place, (name, file, _) in FILES.items():
        example = copy.deepcopy(CASES[name].example)
        FIRST_ONLY.get(name, lambda content: None)(example)
        path = tmp_path / place / file if file else tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        CASES[name].write(path, example)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page(folder, capsys, command):
    if " rois " in command:
        pytest.importorskip("roifile", reason="roifile is not installed")
    arguments = shlex.split(command)[2:]
    import_labels.main(arguments)
    place = arguments[arguments.index("--labels") + 1]
    output, kind = arguments[arguments.index("--output") + 1], FILES[place][2]
    text = capsys.readouterr().out
    assert (folder / output / "classes.txt").is_file()
    assert text.startswith(f"{output}: {kind or ''}") and "Next:\n  bestie check" in text


def test_the_page_shows_every_tool():
    shown = {shlex.split(command)[5] for command in COMMANDS}
    assert shown == set(FILES)
    table = re.findall(r"^\| [^|(]+\(`(\w[\w-]*)`\)", PAGE, re.M)
    assert set(table) == {name for name, format in FORMATS.items() if format.is_found}


def test_masks_and_clicks_say_what_comes_next(folder, capsys):
    case = CASES["coco masks"]
    content = {**case.example, "annotations": list(case.example["annotations"])}
    content["annotations"][1] = {"id": 2, "image_id": 2, "category_id": 2, "point": [3, 4]}
    case.write(folder / "mixed.json", content)
    import_labels.main(
        ["--images", "photos", "--labels", "mixed.json", "--output", "mixed", "--val-share", "0"]
    )
    text = capsys.readouterr().out
    assert "mixed: masks+clicks, 2 classes" in text and "split train_s: 1 images" in text
    assert "cat: 1 images, 0 clicks, 1 masks" in text
    assert "bestie check mixed --supervision masks+clicks\n" in text
    assert "--supervision masks+clicks --output output/run" in text


def test_images_without_any_label_are_counted_or_left_out(folder, capsys):
    (folder / "tags.csv").write_text("image,class\n1.png,cat\n2.png,\n")
    command = ["--images", "photos", "--labels", "tags.csv", "--output"]
    import_labels.main([*command, "all"])
    found = "note: 1 of 2 images have no label in tags.csv; they"
    assert f"{found} count as images without objects" in capsys.readouterr().out
    import_labels.main([*command, "some", "--skip-empty"])
    assert f"{found} are left out (--skip-empty)" in capsys.readouterr().out
