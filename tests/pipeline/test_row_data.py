"""Data of rows: built-in data without simulated maps; divided roots leave the root alone."""

import pytest

from bestie.data.shapes.generator import Settings
from bestie.formats import DataError, list_splits
from bestie.pipeline.row_data import built_in_root, divided_root
from tests.pipeline.tiny_root import write_tiny_root


def test_built_in_data_has_clicks_and_tags_but_no_maps(tmp_path):
    settings = Settings(train=1, val=1, size=64)
    root = built_in_root(tmp_path / "shapes", settings)
    assert built_in_root(tmp_path / "shapes", settings) == root
    names = {path.name for path in root.iterdir()}
    assert {"Center_points", "image_labels.txt", "annotations"} <= names
    assert "WSSS_maps" not in names and (tmp_path / "shapes/all/WSSS_maps").is_dir()


def test_divided_images_get_clicks_and_the_root_stays_as_it_is(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=4, val=1)
    before = sorted(path.relative_to(root) for path in root.rglob("*"))
    target = divided_root(root, tmp_path, ("--percent", "25"), 3)
    assert target.name.startswith("percent_25_seed_3_")
    other = write_tiny_root(tmp_path / "other", train=4, val=1)
    assert divided_root(other, tmp_path, ("--percent", "25"), 3) != target
    assert divided_root(root, tmp_path, ("--percent", "25"), 3) == target
    assert set(list_splits(target)) == {"train", "train_s", "train_w", "val"}
    assert len(list((target / "Center_points").iterdir())) == 3
    assert sorted(path.relative_to(root) for path in root.rglob("*")) == before


def test_a_root_that_an_earlier_version_divided_is_divided_again(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=4, val=1)
    # A root with the splits and clicks of a first one has files of all names already.
    root = divided_root(root, tmp_path, ("--percent", "50"), 0)
    target = divided_root(root, tmp_path, ("--percent", "25"), 3)
    path = target / "annotations/instances_train_w.json"
    new = path.read_text()
    assert '"point"' in new
    path.write_text("{}")
    assert divided_root(root, tmp_path, ("--percent", "25"), 3) == target
    assert path.read_text() == "{}"  # of this version: it stays
    (target / ".divided").write_text("")
    assert divided_root(root, tmp_path, ("--percent", "25"), 3) == target
    assert path.read_text() == new and (target / ".divided").read_text() != ""


def test_a_root_that_cannot_be_divided_is_named(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=4, val=1)
    with pytest.raises(DataError, match="root: .*strong ones"):
        divided_root(root, tmp_path, ("--percent", "1"), 0)


def test_clicks_that_are_asked_for_replace_those_of_the_root(tmp_path):
    root = write_tiny_root(tmp_path / "root", train=4, val=1)
    first = divided_root(root, tmp_path, ("--percent", "25"), 3)
    other = divided_root(first, tmp_path, ("--percent", "25", "--clicks", "random"), 3)
    files = sorted(path.name for path in (first / "Center_points").iterdir())
    texts = [[(r / "Center_points" / f).read_text() for f in files] for r in (first, other)]
    assert texts[0] != texts[1] and len(files) == 3
