"""Photos and label files of the tests of the import."""

import json

import numpy as np
import pytest
from PIL import Image

from bestie.formats.labels import importer


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "my photos"
    (folder / "sub").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    for name in ("cat 1.jpg", "sub/dog.PNG", "scan.tif"):
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def write(tmp_path):
    def write(content, name="labels.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def make(photos, tmp_path):
    """Import into a new root; the root and what was made."""

    def make(labels, output="root", **options):
        root = tmp_path / output
        return root, importer.import_labels(photos, labels, root, **options)

    return make
