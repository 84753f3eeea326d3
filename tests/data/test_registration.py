"""Registration: what a name becomes, and which names are refused."""

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.data import register_builtin_datasets, register_dataset
from bestie.data.registration import load_folder, sample_dicts
from bestie.formats import DataError, read_coco, write_coco


@pytest.fixture
def registered():
    """Registers names and forgets them after the test."""
    names = []

    def register(name):
        names.append(name)
        register_dataset(name)
        return MetadataCatalog.get(name), DatasetCatalog.get(name)

    yield register
    for name in set(names) & set(DatasetCatalog.list()):
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_folder_root(root, registered):
    metadata, dicts = registered(f"folder:{root}:train")
    assert metadata.thing_classes == ["disc", "square", "cross"]
    assert metadata.thing_dataset_id_to_contiguous_id == {1: 0, 2: 1, 3: 2}
    assert (metadata.root, metadata.split, metadata.evaluator_type) == (
        str(root),
        "train",
        "bestie",
    )
    assert metadata.json_file == f"{root}/annotations/instances_train.json"
    assert metadata.image_root == f"{root}/JPEGImages"
    assert [record["image_name"] for record in dicts] == ["a", "b", "c", "d"]
    assert dicts[0] == {
        "root": str(root),
        "image_name": "a",
        "file_name": f"{root}/JPEGImages/a.png",
        "image_id": 10,
        "height": 40,
        "width": 56,
        "image_labels": [0, 1],
        "semantic_map_file": f"{root}/WSSS_maps/a.png",
        "points_files": {
            "Peak_points": f"{root}/Peak_points/a.txt",
            "Center_points": f"{root}/Center_points/a.txt",
        },
        "instance_file": f"{root}/SegmentationObject/a.png",
        "class_file": f"{root}/SegmentationClass/a.png",
    }


def test_root_of_images_alone(root, registered):
    (root / "annotations" / "instances_train.json").unlink()
    (root / "image_labels.txt").unlink()
    (root / "SegmentationClass" / "a.png").unlink()
    metadata, dicts = registered(f"folder:{root}:train")
    assert metadata.get("json_file") is None
    assert [record["image_id"] for record in dicts] == [1, 2, 3, 4]
    assert (dicts[0]["height"], dicts[0]["width"]) == (40, 56)
    assert "image_labels" not in dicts[0] and "instance_file" not in dicts[0]


def test_registering_twice_is_harmless(root, registered):
    registered(f"folder:{root}:train")
    registered(f"folder:{root}:train")


def test_image_that_the_json_lacks_is_an_error(root, registered):
    path = root / "annotations" / "instances_train.json"
    coco = read_coco(path)
    coco["images"] = [image for image in coco["images"] if image["file_name"] != "d.png"]
    write_coco(path, coco)
    with pytest.raises(DataError, match="does not list the image 'd'"):
        registered(f"folder:{root}:train")


def test_json_with_other_category_ids_is_an_error(root, registered):
    path = root / "annotations" / "instances_train.json"
    coco = read_coco(path)
    number = {1: 2, 2: 1, 3: 3}
    for entry in coco["categories"]:
        entry["id"] = number[entry["id"]]
    for entry in coco["annotations"]:
        entry["category_id"] = number[entry["category_id"]]
    write_coco(path, coco)
    found = "instances_train.json: .*found {1: square, 2: disc}, accepted {1: disc, 2: square}"
    with pytest.raises(DataError, match=found):
        registered(f"folder:{root}:train")


def test_mistakes_in_classes_and_split_are_named_together(root):
    (root / "classes.txt").write_text("disc\n\ndisc\n")
    with pytest.raises(DataError, match="2 error") as caught:
        register_dataset(f"folder:{root}:train")
    assert "classes.txt, line 2" in str(caught.value) and "line 3" in str(caught.value)
    with pytest.raises(DataError, match="3 error.*\n.*classes.txt.*\n.*classes.txt.*\n.*val.txt"):
        register_dataset(f"folder:{root}:val")


def test_missing_image_is_named(root, registered):
    (root / "JPEGImages" / "c.png").unlink()
    with pytest.raises(DataError, match="JPEGImages/c: image does not exist"):
        registered(f"folder:{root}:train")


def test_coco_json(root, registered):
    name = f"coco:{root}/annotations/instances_train.json:{root}/JPEGImages"
    metadata, dicts = registered(name)
    assert metadata.thing_classes == ["disc", "square", "cross"]
    assert (
        metadata.json_file.endswith("instances_train.json") and metadata.evaluator_type == "bestie"
    )
    assert [record["image_labels"] for record in dicts] == [[0, 1], [1], [2], []]
    assert [record["image_name"] for record in dicts] == ["a", "b", "c", "d"]
    assert len(dicts[0]["annotations"]) == 2


def test_category_ids_with_gaps_become_contiguous(root, registered):
    path = root / "annotations" / "instances_train.json"
    coco = read_coco(path)
    for entry in coco["categories"]:
        entry["id"] *= 10
    for entry in coco["annotations"]:
        entry["category_id"] *= 10
    write_coco(path, coco)
    metadata, dicts = registered(f"coco:{path}:{root}/JPEGImages")
    assert metadata.thing_dataset_id_to_contiguous_id == {10: 0, 20: 1, 30: 2}
    assert dicts[0]["image_labels"] == [0, 1]


@pytest.mark.parametrize("name", ["voc", "folder:", "folder:root", "coco::images", "csv:a:b"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="accepted are folder:ROOT:SPLIT, coco:JSON:IMAGE_DIR"):
        register_dataset(name)


def test_names_of_detectron2_pass():
    register_dataset("coco_2017_val")


def test_missing_root_split_and_images_are_named(root):
    with pytest.raises(DataError, match="nowhere: root of data set"):
        register_dataset(f"folder:{root}/nowhere:train")
    with pytest.raises(DataError, match=r"val.txt: file does not exist.*\['train'\]"):
        register_dataset(f"folder:{root}:val")
    with pytest.raises(DataError, match="nowhere: image folder of data set"):
        register_dataset(f"coco:{root}/annotations/instances_train.json:{root}/nowhere")


def test_builtin_names_resolve_under_detectron2_datasets(root, registered, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root.parent / "nowhere"))
    with pytest.raises(DataError, match="DETECTRON2_DATASETS"):
        register_dataset("voc2012_wsis_train")
    register_builtin_datasets()
    assert "voc2012_wsis_train" not in DatasetCatalog.list()
    root.rename(root.parent / "VOC2012")
    splits = root.parent / "VOC2012" / "ImageSets" / "Segmentation"
    (splits / "train.txt").rename(splits / "train_aug.txt")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root.parent))
    register_builtin_datasets()
    assert "voc2012_wsis_train" in DatasetCatalog.list()
    assert "voc2012_wsis_val" not in DatasetCatalog.list()
    metadata, dicts = registered("voc2012_wsis_train")
    assert len(dicts) == 4 and metadata.split == "train_aug"


def test_a_sample_is_drawn_from_all_sets_in_proportion(root):
    names = [f"folder:{root}:train", "of_a_user"]
    register_dataset(names[0])
    DatasetCatalog.register("of_a_user", lambda: [{"image_id": index} for index in range(12)])
    MetadataCatalog.get("of_a_user").set(split="train")  # as Detectron2's sets of VOC have one
    try:
        sample = sample_dicts(names, 4)
    finally:
        DatasetCatalog.remove("of_a_user")
        MetadataCatalog.remove("of_a_user")
    assert [record.get("image_name") for record in sample] == ["a", None, None, None]
    assert [record["image_id"] for record in sample[1:]] == [0, 4, 8]
    assert sample[0] == load_folder(str(root), "train")[0]
