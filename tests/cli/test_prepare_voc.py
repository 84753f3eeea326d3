import numpy as np
import pytest
from detectron2.data import DatasetCatalog
from scipy.io import savemat

from bestie import formats
from bestie.cli import prepare_voc
from bestie.cli.prepare_voc import VOC_CLASSES
from bestie.data import register_dataset

HEIGHT, WIDTH = 20, 30


def test_the_file_of_class_names_has_those_of_voc():
    found = formats.read_class_file(formats.configs_folder() / "voc_classes.txt")
    assert tuple(found) == VOC_CLASSES


def write_xml(path, names):
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(
        f"<object><name>{name}</name><difficult>1</difficult></object>" for name in names
    )
    path.write_text(f"<annotation><filename>{path.stem}.jpg</filename>{objects}</annotation>")


def write_image(root, image_id, names):
    image = np.full((HEIGHT, WIDTH), 99, np.uint8)
    formats.write_semantic_map(
        root / "JPEGImages" / f"{image_id}.jpg", image
    )  # content is not read
    write_xml(root / "Annotations" / f"{image_id}.xml", names)


def write_masks(root, image_id, rectangles):
    """Rectangles (top, bottom, left, right, object, class), each with a border of 255."""
    objects, class_map = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    for top, bottom, left, right, number, class_value in rectangles:
        for values, inner in ((objects, number), (class_map, class_value)):
            values[top:bottom, left:right] = 255
            values[top + 1 : bottom - 1, left + 1 : right - 1] = inner
    formats.write_semantic_map(root / "SegmentationObject" / f"{image_id}.png", objects)
    formats.write_semantic_map(root / "SegmentationClass" / f"{image_id}.png", class_map)


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    write_image(root, "2007_000032", ["cat", "dog", "cat"])
    write_masks(root, "2007_000032", [(0, 9, 0, 9, 1, 8), (10, 19, 10, 29, 2, 12)])
    write_image(root, "2007_000042", ["train"])
    write_masks(root, "2007_000042", [(2, 9, 2, 9, 1, 19)])
    splits = root / "ImageSets" / "Segmentation"
    splits.mkdir(parents=True)
    (splits / "train.txt").write_text("2007_000032\n")
    (splits / "val.txt").write_text("2007_000042\n")
    return root


@pytest.fixture
def sbd(tmp_path, voc):
    """SBD with both images of VOC (its masks of them are not used) and another one."""
    root = tmp_path / "benchmark_RELEASE" / "dataset"
    (root / "inst").mkdir(parents=True)
    (root / "train.txt").write_text("2007_000032\n2008_000099\n")
    (root / "val.txt").write_text("2007_000042\n")
    write_image(voc, "2008_000099", ["bird", "person"])
    objects = np.zeros((HEIGHT, WIDTH), np.uint8)
    objects[2:8, 3:10], objects[10:14, 20:28] = 1, 2
    truth = {"Segmentation": objects, "Categories": np.array([[15], [3]], np.uint8)}
    savemat(root / "inst" / "2008_000099.mat", {"GTinst": truth})
    return root


def test_tags_clicks_and_json_of_the_official_download(voc):
    report = prepare_voc.prepare_voc(voc)
    assert report == {
        "train": {"images": 1, "instances": 2},
        "val": {"images": 1, "instances": 1},
    }
    assert formats.read_class_names(voc) == list(VOC_CLASSES)
    tags = formats.read_image_labels(voc, list(VOC_CLASSES))
    assert tags == {"2007_000032": [7, 11], "2007_000042": [18]}
    clicks = formats.read_points(voc / "Center_points" / "2007_000032.txt")
    assert clicks.classes.tolist() == [7, 11]
    assert clicks.yx.tolist() == [[4, 4], [14, 19]]
    coco = formats.read_coco(voc / "annotations" / "instances_train.json")
    assert [entry["category_id"] for entry in coco["annotations"]] == [8, 12]
    assert coco["images"][0] == {
        "id": 2007000032,
        "file_name": "2007_000032.jpg",
        "height": HEIGHT,
        "width": WIDTH,
    }


def test_border_pixels_belong_to_nobody(voc):
    prepare_voc.prepare_voc(voc)
    coco = formats.read_coco(voc / "annotations" / "instances_val.json")
    (entry,) = coco["annotations"]
    assert entry["bbox"] == [3, 3, 5, 5] and entry["area"] == 25


def test_prepared_root_loads_as_a_data_set(voc):
    prepare_voc.prepare_voc(voc)
    name = f"folder:{voc}:train"
    register_dataset(name)
    (record,) = DatasetCatalog.get(name)
    assert record["image_id"] == 2007000032 and record["image_labels"] == [7, 11]
    assert (record["height"], record["width"]) == (HEIGHT, WIDTH)


def test_sbd_adds_masks_and_the_split_train_aug(voc, sbd):
    official = (voc / "SegmentationObject" / "2007_000032.png").read_bytes()
    report = prepare_voc.prepare_voc(voc, sbd)
    assert report["train_aug"] == {"images": 2, "instances": 4}
    assert formats.read_split(voc, "train_aug") == ["2007_000032", "2008_000099"]
    assert (voc / "SegmentationObject" / "2007_000032.png").read_bytes() == official
    instance_map, ignore, classes = formats.read_instances(
        voc / "SegmentationObject" / "2008_000099.png",
        voc / "SegmentationClass" / "2008_000099.png",
    )
    assert classes.tolist() == [14, 2] and not ignore.any()
    assert np.bincount(instance_map.ravel()).tolist() == [600 - 42 - 32, 42, 32]
    tags = formats.read_image_labels(voc, list(VOC_CLASSES))
    assert tags["2008_000099"] == [2, 14]


def test_sbd_can_be_added_later(voc, sbd):
    prepare_voc.prepare_voc(voc)
    prepare_voc.prepare_voc(voc, sbd)
    tags = formats.read_image_labels(voc, list(VOC_CLASSES))
    assert tags == {"2007_000032": [7, 11], "2007_000042": [18], "2008_000099": [2, 14]}


def test_existing_files_stay_unless_overwritten(voc):
    own = voc / "Center_points" / "2007_000042.txt"
    own.parent.mkdir()
    own.write_text("5 6 18 1.0\n")
    (voc / "classes.txt").write_text("\n".join(VOC_CLASSES))
    (voc / "image_labels.txt").write_text("2007_000042 0\n")
    prepare_voc.prepare_voc(voc)
    assert own.read_text() == "5 6 18 1.0\n"
    assert formats.read_image_labels(voc, list(VOC_CLASSES))["2007_000042"] == [0]
    prepare_voc.prepare_voc(voc, overwrite=True)
    assert formats.read_points(own).yx.tolist() == [[5, 5]]
    assert formats.read_image_labels(voc, list(VOC_CLASSES))["2007_000042"] == [18]


def test_an_interrupted_run_goes_on(voc, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(formats, "write_coco", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_voc.prepare_voc(voc)
    assert not (voc / "annotations").exists()
    before = (voc / "Center_points" / "2007_000032.txt").stat().st_mtime_ns
    prepare_voc.prepare_voc(voc)
    assert (voc / "annotations" / "instances_val.json").is_file()
    assert (voc / "Center_points" / "2007_000032.txt").stat().st_mtime_ns == before


def test_incomplete_download_names_all_missing_files_and_the_source(voc):
    (voc / "JPEGImages" / "2007_000032.jpg").unlink()
    (voc / "SegmentationClass" / "2007_000042.png").unlink()
    with pytest.raises(formats.DataError) as caught:
        prepare_voc.prepare_voc(voc)
    message = str(caught.value)
    assert "2 file(s) missing" in message and "JPEGImages/2007_000032.jpg" in message
    assert "SegmentationClass/2007_000042.png" in message and prepare_voc.VOC_URL in message
    assert not (voc / "classes.txt").exists()


def test_wrong_folder_says_which_one_is_wanted(voc, tmp_path):
    with pytest.raises(formats.DataError, match="give the folder VOCdevkit/VOC2012"):
        prepare_voc.prepare_voc(voc.parent)
    with pytest.raises(formats.DataError, match="give the folder benchmark_RELEASE/dataset"):
        prepare_voc.prepare_voc(voc, tmp_path)


def test_broken_sbd_file_is_named(voc, sbd):
    (sbd / "inst" / "2008_000099.mat").write_bytes(b"no mat file")
    with pytest.raises(formats.DataError, match="2008_000099.mat: is not an instance file of SBD"):
        prepare_voc.prepare_voc(voc, sbd)


def test_main_prints_the_numbers(voc, capsys):
    prepare_voc.main(["--root", str(voc)])
    printed = capsys.readouterr().out
    assert "train: 1 images, 2 instances" in printed and "without --sbd" in printed
