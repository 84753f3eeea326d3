import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from bestie import formats
from bestie.cli import prepare_coco
from bestie.data import register_dataset

HEIGHT, WIDTH = 24, 32
CATEGORIES = [
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
]


def rectangle(annotation_id, image_id, category_id, x, y, width, height):
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": [corners],
        "area": width * height,
        "bbox": [x, y, width, height],
        "iscrowd": 0,
    }


def crowd(annotation_id, image_id, category_id):
    # Column-wise runs: 100 pixels without, 60 with, the rest without.
    entry = rectangle(annotation_id, image_id, category_id, 4, 4, 5, 12)
    counts = [100, 60, HEIGHT * WIDTH - 160]
    return {
        **entry,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts},
        "iscrowd": 1,
    }


def write_split(root, split, image_ids, annotations):
    images = []
    for image_id in image_ids:
        name = f"{image_id:012d}.jpg"
        images.append({"id": image_id, "file_name": name, "height": HEIGHT, "width": WIDTH})
        (root / split).mkdir(parents=True, exist_ok=True)
        (root / split / name).write_bytes(b"an image that nobody decodes")
    coco = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    path = root / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(coco))


@pytest.fixture
def coco(tmp_path):
    root = tmp_path / "coco"
    train = [
        rectangle(7, 25, 90, 2, 3, 8, 4),
        rectangle(8, 9, 18, 10, 10, 6, 6),
        rectangle(9, 25, 1, 20, 12, 4, 8),
        crowd(10, 25, 18),
        crowd(11, 30, 1),
    ]
    write_split(root, "train2017", [25, 9, 30, 34], train)
    write_split(root, "val2017", [139, 285], [rectangle(12, 139, 18, 0, 0, 4, 4)])
    return root


@pytest.fixture
def output(tmp_path):
    return tmp_path / "coco2017_wsis"


def test_tags_clicks_and_splits(coco, output):
    report = prepare_coco.prepare_coco(coco, output)
    assert report == {
        "train2017": {"images": 2, "instances": 3},
        "val2017": {"images": 2, "instances": 1},
    }
    assert formats.read_class_names(output) == ["person", "dog", "toothbrush"]
    tags = formats.read_image_labels(output, ["person", "dog", "toothbrush"])
    assert tags == {
        "000000000009": [1],
        "000000000025": [0, 2],  # the crowd of dogs is no tag
        "000000000139": [1],
        "000000000285": [],
    }
    clicks = formats.read_points(output / "Center_points" / "000000000025.txt")
    assert clicks.classes.tolist() == [2, 0]
    np.testing.assert_array_equal(clicks.scores, 1)
    assert np.abs(clicks.yx - [[4.5, 5.5], [15.5, 21.5]]).max() <= 0.5


def test_training_images_without_an_object_are_left_out_but_not_those_of_val(coco, output):
    prepare_coco.prepare_coco(coco, output)
    assert formats.read_split(output, "train2017") == ["000000000009", "000000000025"]
    assert formats.read_split(output, "val2017") == ["000000000139", "000000000285"]
    assert formats.read_points(output / "Center_points" / "000000000285.txt").classes.size == 0


def test_categories_are_renumbered_and_keep_their_coco_id(coco, output):
    prepare_coco.prepare_coco(coco, output)
    made = formats.read_coco(output / "annotations" / "instances_train2017.json")
    found = [(entry["id"], entry["coco_id"], entry["name"]) for entry in made["categories"]]
    assert found == [(1, 1, "person"), (2, 18, "dog"), (3, 90, "toothbrush")]
    numbers = {entry["id"]: entry["category_id"] for entry in made["annotations"]}
    assert numbers == {7: 3, 8: 2, 9: 1, 10: 2}
    assert made["categories"][1]["supercategory"] == "animal"


def test_images_are_links_that_survive_a_move_of_both_folders(coco, output, tmp_path):
    prepare_coco.prepare_coco(coco, output)
    link = output / "JPEGImages" / "000000000009.jpg"
    assert link.is_symlink() and link.resolve() == (coco / "train2017" / link.name).resolve()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for folder in (coco, output):
        shutil.move(folder, moved / folder.name)
    assert (moved / output.name / "JPEGImages" / link.name).read_bytes().startswith(b"an image")


def test_prepared_root_loads_as_a_data_set(coco, output):
    prepare_coco.prepare_coco(coco, output)
    name = f"folder:{output}:train2017"
    register_dataset(name)
    first, second = DatasetCatalog.get(name)
    assert (first["image_id"], second["image_id"]) == (9, 25)
    assert second["image_labels"] == [0, 2] and second["height"] == HEIGHT


def test_existing_clicks_stay_unless_overwritten(coco, output):
    own = output / "Center_points" / "000000000009.txt"
    own.parent.mkdir(parents=True)
    own.write_text("11 11 1 1.0\n")
    prepare_coco.prepare_coco(coco, output)
    assert own.read_text() == "11 11 1 1.0\n"
    prepare_coco.prepare_coco(coco, output, overwrite=True)
    assert own.read_text() != "11 11 1 1.0\n"


def test_an_interrupted_run_goes_on(coco, output, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(formats, "write_coco", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_coco.prepare_coco(coco, output)
    assert not (output / "ImageSets").exists()
    before = (output / "Center_points" / "000000000009.txt").stat().st_mtime_ns
    prepare_coco.prepare_coco(coco, output)
    assert (output / "Center_points" / "000000000009.txt").stat().st_mtime_ns == before
    assert formats.list_splits(output) == ["train2017", "val2017"]


def test_polygon_without_a_pixel_is_clicked_inside_its_box(coco, output):
    sliver = rectangle(12, 139, 18, 31, 23, 1, 1)
    sliver["segmentation"] = [[31.4, 23.4, 31.4, 23.4, 31.4, 23.4]]
    sliver["bbox"] = [31.4, 23.4, 1.4, 1.4]
    write_split(coco, "val2017", [139], [sliver])
    mask = formats.decode_mask(sliver["segmentation"], HEIGHT, WIDTH)
    prepare_coco.prepare_coco(coco, output, ["val2017"])
    clicks = formats.read_points(output / "Center_points" / "000000000139.txt")
    assert not mask.any() and clicks.yx.tolist() == [[23, 31]]


def test_one_split_alone(coco, output):
    (coco / "annotations" / "instances_train2017.json").unlink()
    prepare_coco.prepare_coco(coco, output, ["val2017"])
    assert formats.list_splits(output) == ["val2017"]


def test_incomplete_download_names_the_missing_and_the_source(coco, output):
    (coco / "train2017" / "000000000025.jpg").unlink()
    with pytest.raises(formats.DataError) as caught:
        prepare_coco.prepare_coco(coco, output)
    assert "1 file(s) missing: train2017/000000000025.jpg" in str(caught.value)
    assert "zips/train2017.zip" in str(caught.value)
    assert not output.exists()
    (coco / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(formats.DataError, match="instances_val2017.json.*annotations_trainval2017"):
        prepare_coco.prepare_coco(coco, output)


def test_the_official_folder_is_no_place_for_the_output(coco):
    with pytest.raises(formats.DataError, match="another folder"):
        prepare_coco.prepare_coco(coco, coco)


def test_main_prints_the_numbers(coco, output, capsys):
    arguments = f"--coco {coco} --output {output} --splits val2017"
    prepare_coco.main(arguments.split())
    assert "val2017: 2 images, 1 instances" in capsys.readouterr().out


def change(coco, split, edit):
    path = coco / f"annotations/instances_{split}.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def rename(coco, split, *names):
    """Give the images of a split these files."""

    def edit(content):
        for image, name in zip(content["images"], names, strict=True):
            path = coco / split / name
            path.parent.mkdir(exist_ok=True)
            (coco / split / image["file_name"]).rename(path)
            image["file_name"] = name

    change(coco, split, edit)


@pytest.mark.parametrize(
    "files, ids",
    [
        (["d1/a.jpg", "d2/a.jpg"], ["d1_a", "d2_a"]),
        (["a.jpg", "a.png"], ["a", "a_2"]),
        (["a.jpg", "A.jpg"], ["a_2", "A"]),
        (["a.jpg", "d1/b.jpg"], ["a", "d1_b"]),
    ],
)
def test_images_of_the_same_name_stay_apart(coco, output, files, ids):
    person = rectangle(13, 285, 1, 0, 0, 4, 4)
    change(coco, "val2017", lambda content: content["annotations"].append(person))
    rename(coco, "val2017", *files)
    prepare_coco.prepare_coco(coco, output, ["val2017"])
    name = f"folder:{output}:val2017"
    register_dataset(name)
    records = {record["image_id"]: record for record in DatasetCatalog.get(name)}
    for image_id, file, key, classes in zip((139, 285), files, ids, ([1], [0]), strict=True):
        record = records[image_id]
        assert record["image_name"] == key and record["image_labels"] == classes
        assert Path(record["file_name"]).resolve() == (coco / "val2017" / file).resolve()
        assert formats.read_points(record["points_files"]["Center_points"]).classes == classes


def test_an_image_with_the_name_of_one_of_another_split_is_refused(coco, output):
    rename(coco, "val2017", "000000000025.jpg", "b.jpg")
    prepare_coco.prepare_coco(coco, output, ["train2017"])
    link = output / "JPEGImages/000000000025.jpg"
    with pytest.raises(formats.DataError, match="train2017/000000000025.jpg' of train2017 and '.*"):
        prepare_coco.prepare_coco(coco, output, ["val2017"])
    assert link.resolve() == (coco / "train2017" / link.name).resolve()
    prepare_coco.prepare_coco(coco, output, ["train2017"])  # the same split is made again


@pytest.mark.parametrize("name", ["{}/own.jpg", "../own.jpg"])
def test_photos_outside_the_folder_are_refused_and_stay(coco, output, tmp_path, name):
    own = tmp_path / "coco/own.jpg"
    own.write_bytes(b"photo")
    name = name.format(own.parent)
    change(coco, "val2017", lambda content: content["images"][1].update(file_name=name))
    with pytest.raises(formats.DataError, match="own.jpg' is not a path inside its folder"):
        prepare_coco.prepare_coco(coco, output, ["val2017"])
    assert own.read_bytes() == b"photo" and not own.is_symlink()


def clicks_of(coco, output, **more):
    """(y, x) of the clicks of image 139, whose object has these fields, too."""
    change(coco, "val2017", lambda content: content["annotations"][0].update(more))
    prepare_coco.prepare_coco(coco, output, ["val2017"])
    return formats.read_points(output / "Center_points/000000000139.txt").yx.tolist()


def test_points_and_keypoints_mean_what_they_mean_in_the_importer(coco, output):
    assert clicks_of(coco, output, keypoints=[25, 15, 2]) == [[15, 25]]
    two = {"keypoints": [25, 15, 2, 1, 1, 2]}
    with pytest.raises(formats.DataError, match="annotation 12 has 2 visible keypoints"):
        clicks_of(coco, output, **two)
    with pytest.raises(formats.DataError, match="x 2.5, y 99 lies outside '000000000139.jpg' of"):
        clicks_of(coco, output, keypoints=None, point=[2.5, 99])


def test_an_object_whose_keypoint_is_not_visible_has_a_tag_but_no_click(coco, output):
    seen = rectangle(13, 139, 1, 9, 9, 4, 4) | {"point": [10, 11]}
    change(coco, "val2017", lambda content: content["annotations"].append(seen))
    assert clicks_of(coco, output, keypoints=[0, 0, 0]) == [[11, 10]]
    names = ["person", "dog", "toothbrush"]
    assert formats.read_image_labels(output, names)["000000000139"] == [0, 1]


def test_ids_and_flags_as_text_are_read_as_the_importer_reads_them(coco, output):
    def edit(content):
        for image in content["images"]:
            image["id"] = f"image {image['id']}"
        for category in content["categories"]:
            category["id"] = str(category["id"])
        first = content["annotations"][0]
        first.update(id="x", image_id="image 139", category_id="18", iscrowd="0")
        content["annotations"].append(first | {"id": "y", "iscrowd": "1"})

    change(coco, "val2017", edit)
    report = prepare_coco.prepare_coco(coco, output, ["val2017"])
    assert report == {"val2017": {"images": 2, "instances": 1}}
    made = formats.read_coco(output / "annotations/instances_val2017.json")
    assert [image["id"] for image in made["images"]] == [1, 2]
    found = [(a["id"], a["image_id"], a["category_id"], a["iscrowd"]) for a in made["annotations"]]
    assert found == [(1, 1, 2, 0), (2, 1, 2, 1)]
    assert [entry["coco_id"] for entry in made["categories"]] == [1, 18, 90]


def test_a_point_of_the_json_is_the_click(coco, output):
    change(coco, "val2017", lambda content: content["annotations"][0].update(point=[2.5, 1]))
    prepare_coco.prepare_coco(coco, output, ["val2017"])
    points = formats.read_points(output / "Center_points/000000000139.txt")
    assert points.yx.tolist() == [[1, 2.5]]


def test_several_keypoints_need_a_choice_and_hidden_ones_are_no_click(coco, output):
    keypoints = [1, 1, 2, 3, 2, 2]
    change(coco, "val2017", lambda content: content["annotations"][0].update(keypoints=keypoints))
    with pytest.raises(formats.DataError, match="2 visible keypoints"):
        prepare_coco.prepare_coco(coco, output, ["val2017"])
    prepare_coco.prepare_coco(coco, output, ["val2017"], keypoints="mean")
    points = formats.read_points(output / "Center_points/000000000139.txt")
    assert points.yx.tolist() == [[1.5, 2]]
    hidden = [1, 1, 0, 3, 2, 0]
    change(coco, "val2017", lambda content: content["annotations"][0].update(keypoints=hidden))
    prepare_coco.prepare_coco(coco, output, ["val2017"], overwrite=True)
    assert len(formats.read_points(output / "Center_points/000000000139.txt").yx) == 0
