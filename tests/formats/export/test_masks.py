import numpy as np
import pytest

from bestie.formats import DataError, DatasetFolder, encode_mask, read_semantic_map
from bestie.formats.export.base import LabelledImage, LabelledObject, LabelSet
from bestie.formats.export.masks import SPLIT
from bestie.formats.export.registry import write_labels


def row(size, first, last, class_id=0, score=None):
    """An object that covers the columns first..last of a one-row image."""
    mask = np.zeros((1, size), bool)
    mask[0, first : last + 1] = True
    return LabelledObject(class_id, encode_mask(mask), mask.shape, score)


def export(tmp_path, objects, size=6, class_names=("a", "b")):
    photo = tmp_path / "x.png"
    tmp_path.mkdir(exist_ok=True)
    photo.write_bytes(b"")
    image = LabelledImage("x.png", photo, (1, size), objects)
    notes = write_labels(LabelSet(list(class_names), [image]), "masks", tmp_path / "root")
    files = DatasetFolder(tmp_path / "root").mask_files("x")
    return [read_semantic_map(path)[0].tolist() for path in files], notes


def test_the_higher_score_keeps_the_pixels(tmp_path):
    (objects, classes), notes = export(tmp_path, [row(6, 0, 3, 0, 0.9), row(6, 2, 5, 1, 0.4)])
    assert objects == [1, 1, 1, 1, 2, 2] and classes == [1, 1, 1, 1, 2, 2]
    assert notes == {"objects overlap another one, which keeps its own pixels only": 1}


def test_without_scores_the_smaller_object_keeps_the_pixels(tmp_path):
    (objects, _), _ = export(tmp_path, [row(6, 2, 3), row(6, 0, 5)])
    assert objects == [2, 2, 1, 1, 2, 2]


def test_a_hidden_object_is_counted_and_the_others_are_numbered_without_gaps(tmp_path):
    labels = [row(6, 1, 2, 0, 0.1), row(6, 0, 3, 1, 0.9), row(6, 5, 5, 0, 0.5)]
    (objects, classes), notes = export(tmp_path, labels)
    assert objects == [1, 1, 1, 1, 0, 2] and classes == [2, 2, 2, 2, 0, 1]
    assert notes["objects without a pixel of their own were left out"] == 1


def test_a_mask_file_holds_254_objects(tmp_path):
    export(tmp_path, [row(300, i, i) for i in range(254)], 300)
    with pytest.raises(DataError, match="'x.png' has 255 objects; a mask PNG holds at most 254"):
        export(tmp_path / "more", [row(300, i, i) for i in range(255)], 300)


def test_the_package_is_a_root(tmp_path):
    export(tmp_path, [row(6, 0, 1, 1)])
    folder = DatasetFolder(tmp_path / "root")
    assert folder.read_class_names() == ["a", "b"]
    assert folder.read_split(SPLIT) == ["x"] and folder.read_tags() == {"x": [1]}
