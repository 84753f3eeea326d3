"""Ways to spoil a data root: each returns a function that does it to a root."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

JSON = "annotations/instances_train.json"

Plant = Callable[[Path], None]


def put(name: str, content: str | bytes) -> Plant:
    """Replace what a file holds."""
    content = content.encode() if isinstance(content, str) else content
    return lambda root: (root / name).write_bytes(content)


def append(name: str, content: str | bytes) -> Plant:
    content = content.encode() if isinstance(content, str) else content
    return lambda root: (root / name).write_bytes((root / name).read_bytes() + content)


def replace(name: str, old: str, new: str) -> Plant:
    def apply(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return apply


def encode(name: str, encoding: str) -> Plant:
    return lambda root: (root / name).write_bytes((root / name).read_text().encode(encoding))


def remove(name: str) -> Plant:
    def apply(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return apply


def make_folder(name: str) -> Plant:
    """A folder in the place of a file."""

    def apply(root: Path) -> None:
        remove(name)(root)
        (root / name).mkdir()

    return apply


def cut(name: str) -> Plant:
    """The first half of a file, as a download that broke off leaves it."""

    def apply(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])

    return apply


def empty_all(folder: str) -> Plant:
    return lambda root: [path.write_text("") for path in (root / folder).iterdir()]


def convert(name: str, mode: str, **options) -> Plant:
    """An image in another pixel format, or saved in another way."""

    def apply(root: Path) -> None:
        Image.open(root / name).convert(mode).save(root / name, **options)

    return apply


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Plant:
    """Other pixels."""

    def apply(root: Path) -> None:
        Image.fromarray(change(np.array(Image.open(root / name)))).save(root / name)

    return apply


def turned(name: str) -> Plant:
    """The same pixels with the mark of a camera that was held upright."""

    def apply(root: Path) -> None:
        image = Image.open(root / name).crop((0, 0, 40, 56))
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(root / name, exif=exif)

    return apply


def suffix(name: str, new: str, keep: bool = False) -> Plant:
    """The image in a file of another format and name."""

    def apply(root: Path) -> None:
        Image.open(root / name).save((root / name).with_suffix(new))
        if not keep:
            (root / name).unlink()

    return apply


def dangle(name: str) -> Plant:
    def apply(root: Path) -> None:
        (root / name).unlink()
        os.symlink("/gone/away.jpg", root / name)

    return apply


def xml_tags(ids: list[str], spoiled: str) -> Plant:
    """Tags in VOC's form; the text of the second image's file is given."""

    def apply(root: Path) -> None:
        lines = (root / "image_labels.txt").read_text().split("\n")
        names = (root / "classes.txt").read_text().split()
        remove("image_labels.txt")(root)
        (root / "Annotations").mkdir()
        for image_id, *classes in (line.split() for line in lines if line):
            objects = "\n".join(
                f"<object><name>{names[int(class_id)]}</name></object>" for class_id in classes
            )
            text = spoiled if image_id in ids else f"<annotation>\n{objects}\n</annotation>"
            (root / "Annotations" / f"{image_id}.xml").write_text(text)

    return apply


def edit_json(change: Callable[[dict], None]) -> Plant:
    def apply(root: Path) -> None:
        coco = json.loads((root / JSON).read_text())
        change(coco)
        (root / JSON).write_text(json.dumps(coco))

    return apply


def first(key: str, **values) -> Plant:
    """Other values in the first entry of a list of the json; None removes them."""

    def change(coco: dict) -> None:
        coco[key][0].update(values)

    return edit_json(change)


def repeated(key: str, *fields: str) -> Plant:
    """The second entry of a list of the json takes values of the first."""

    def change(coco: dict) -> None:
        coco[key][1].update({name: coco[key][0][name] for name in fields})

    return edit_json(change)


def both(*plants: Plant) -> Plant:
    return lambda root: [plant(root) for plant in plants]
