"""Images and label files that a command names."""

import pytest

from bestie.visualization.selection import choose_images, name_label_files

RECORDS = [
    {"image_id": 1, "file_name": "x/a.jpg", "image_name": "x/a"},
    {"image_id": 2, "file_name": "y/a.jpg", "image_name": "y/a"},
    {"image_id": 3, "file_name": "b.jpg"},
]
FILES = ["d1/a.png", "d2/a.png", "d2/c.png"]


def chosen(*ids):
    return [record["image_id"] for record in choose_images(RECORDS, list(ids), 1)]


def test_images_are_named_by_id_stem_or_name_in_the_given_order():
    assert chosen("b", "1", "y/a", "x/a.jpg") == [3, 1, 2, 1]
    without_names = [{"image_id": i, "file_name": f"/p/{name}"} for i, name in enumerate(FILES)]
    for name in ("d1/a", "d2/a", "d2/a.png", "c"):
        (record,) = choose_images(without_names, [name], 1)
        assert name in record["file_name"]
    with pytest.raises(ValueError, match="a stands for 2 images: d1/a, d2/a"):
        choose_images(without_names, ["a"], 1)
    assert len(choose_images(RECORDS, None, 2)) == 2


def test_unknown_and_ambiguous_images_are_named():
    with pytest.raises(ValueError, match="--ids: a stands for 2 images"):
        chosen("a")
    with pytest.raises(ValueError, match="--ids: nowhere not among the 3 images"):
        chosen("nowhere")
    with pytest.raises(ValueError, match="--number must be 1 or more, got 0"):
        choose_images(RECORDS, None, 0)


def test_a_label_file_has_a_title(tmp_path):
    assert name_label_files(["ours=out/a.json", "out/b.json"]) == {
        "ours": "out/a.json",
        "b": "out/b.json",
    }
    (tmp_path / "c=d.json").touch()
    path = str(tmp_path / "c=d.json")
    assert name_label_files([path]) == {"c=d": path}
