"""Own labels become a root that the checks accept; mistakes name file and line, all at once."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bestie import formats
from bestie.data import survey_data
from bestie.formats.labels import importer
from bestie.formats.labels.base import ReadOptions
from tests.conftest import PROJECT
from tests.formats.labels.reading import import_mistakes as mistakes

TAGGED = ReadOptions(flags_are_tags=True)
TAGS = "image,class\ncat 1.jpg,cat\nsub/dog.PNG,dog;cat\nscan.tif,\n"
CLICKS = "image,x,y,class\ncat 1.jpg,3,4.5,cat\ncat 1.jpg,39,29,cat\nsub/dog.PNG,7,8,dog\n"


def coco(*annotations, **image):
    return {
        "images": [{"id": 5, "file_name": "cat 1.jpg", **image}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [{"id": i, "image_id": 5, **a} for i, a in enumerate(annotations, 1)],
    }


def labelme(*shapes, **content):
    return {"imagePath": "..\\my photos\\cat 1.jpg", "shapes": list(shapes), **content}


def point(label, x, y, kind="point"):
    return {"label": label, "points": [[x, y]], "shape_type": kind}


def test_tags_from_csv(make, write):
    root, made = make(write(TAGS), val_share=0)
    assert made.kind == "tags" and made.splits == {"train": ["cat_1", "scan", "sub_dog"]}
    assert formats.read_class_names(root) == ["cat", "dog"]
    assert formats.read_image_labels(root, ["cat", "dog"]) == {
        "cat_1": [0],
        "scan": [],
        "sub_dog": [0, 1],
    }
    assert not (root / "Center_points").exists()
    assert survey_data(str(root), supervision="tags")["train"].problems == []


def test_clicks_from_csv(make, write):
    root, made = make(write(CLICKS), val_share=0)
    clicks = formats.read_points(root / "Center_points" / "cat_1.txt")
    np.testing.assert_array_equal(clicks.yx, [[4.5, 3], [29, 39]])
    assert clicks.classes.tolist() == [0, 0] and clicks.scores.tolist() == [1, 1]
    assert formats.read_image_labels(root, ["cat", "dog"]) == {"cat_1": [0], "sub_dog": [1]}
    assert made.kind == "clicks" and made.left_out == 1
    small = survey_data(str(root), supervision="clicks")["train"]
    assert small.count("error") == 0 and small.points_per_class["Center_points"].tolist() == [2, 1]


def test_images_are_links_copies_or_converted(make, write, photos):
    root, _ = make(write(TAGS))
    images = root / "JPEGImages"
    assert sorted(path.name for path in images.iterdir()) == [
        "cat_1.jpg",
        "scan.png",
        "sub_dog.png",
    ]
    assert (images / "cat_1.jpg").is_symlink()
    assert (images / "cat_1.jpg").resolve() == photos / "cat 1.jpg"
    assert not (images / "scan.png").is_symlink()


def test_copied_images_do_not_need_the_originals(make, write):
    root, _ = make(write(TAGS), copy=True)
    assert not any(path.is_symlink() for path in (root / "JPEGImages").iterdir())


def test_names_that_would_be_the_same_are_numbered(make, write, photos):
    for name in ("a b.png", "a_b.png", "A b.png"):
        Image.new("RGB", (20, 20)).save(photos / name)
    root, made = make(write("image,class\na b.png,x\na_b.png,x\nA b.png,x\n"), val_share=0)
    assert made.splits["train"] == ["A_b", "a_b_2", "a_b_3"]
    table = dict(line.split("\t") for line in (root / "source_files.tsv").read_text().splitlines())
    assert table["a_b_2"].endswith("a b.png") and table["a_b_3"].endswith("a_b.png")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffFilename;X;Y;Label\r\ncat 1;3;4;cat\r\n",
        "image\tx\ty\tclass\textra\ncat 1.jpg\t3\t4\tcat\tyes\n\n",
        'image,x,y,class\n"cat 1.jpg","3","4","cat"\n',
    ],
)
def test_dialects_of_csv(make, write, text):
    root, _ = make(write(text))
    assert formats.read_points(root / "Center_points" / "cat_1.txt").yx.tolist() == [[4, 3]]


def test_csv_row_without_click_is_an_image_without_object(make, write):
    root, made = make(write(CLICKS + "scan.tif,,,\n"), val_share=0)
    assert len(formats.read_points(root / "Center_points" / "scan.txt")) == 0
    assert "scan" in made.splits["train"]


def test_unlabelled_images_can_be_kept(make, write):
    _, made = make(write(CLICKS), keep_unlabelled=True, val_share=0)
    assert made.splits["train"] == ["cat_1", "scan", "sub_dog"] and made.left_out == 0


@pytest.mark.parametrize(
    "annotation",
    [
        {"keypoints": [3, 4, 2, 0, 0, 0]},
        {"point": [3, 4]},
        {"points": [[3, 4]]},
        {"points": [3, 4]},
    ],
)
def test_points_of_coco_are_clicks(make, write, annotation):
    content = coco({"category_id": 9, **annotation}, {"category_id": 3, "iscrowd": 1})
    root, _ = make(write(content, "coco.json"))
    assert formats.read_class_names(root) == ["cat", "dog"]  # in the order of COCO's ids
    clicks = formats.read_points(root / "Center_points" / "cat_1.txt")
    assert clicks.yx.tolist() == [[4, 3]] and clicks.classes.tolist() == [1]


def test_coco_without_points_gives_tags(make, write):
    content = coco({"category_id": 3, "bbox": [1, 1, 5, 5]}, height=30, width=40)
    root, made = make(write(content, "coco.json"))
    assert made.kind == "tags" and formats.read_image_labels(root, ["cat", "dog"]) == {"cat_1": [0]}


def test_labelme_points_are_clicks_and_flags_are_tags(make, write):
    path = write(labelme(point("cat", 3, 4), point("dog", 5, 6)), "labelme/cat 1.json")
    root, made = make(path.parent)
    assert made.kind == "clicks" and made.clicks_per_class == {"cat": 1, "dog": 1}
    (root / "classes.txt").unlink()
    path = write(labelme(flags={"cat": True, "dog": False}), "flags/cat 1.json")
    assert importer.read_labels(path.parent, options=TAGGED).rows[0].classes == ("cat",)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "it must name the columns"),
        ("cat 1.jpg,3,4,cat\n", 1, "its first line is 'cat 1.jpg, 3, 4, cat'"),
        ("image,x,class\n", 1, "image,x,y,class for clicks"),
        ("image,x,y,class\ncat 1.jpg,3,4\n", 2, "3 fields under 4 columns"),
        ("image,x,y,class\ncat 1.jpg,three,4,cat\n", 2, "x 'three', y '4' are not two numbers"),
        ("image,x,y,class\ncat 1.jpg,nan,4,cat\n", 2, "not two numbers"),
        ("image,x,y,class\ncat 1.jpg,3,4,\n", 2, "names no class"),
        ("image,x,y,class\n,3,4,cat\n", 2, "names no image"),
        ("image,x,y,class\ncat 1.jpg,40,4,cat\n", 2, "x 40, y 4 lies outside"),
        ("image,class\nbear.jpg,bear\n", 2, "image 'bear.jpg' is not in"),
        ("image,class\ncat 1.jpg,\n", None, "no image has a class"),
        ("image,class\ncat 1.jpg,caf\udce9\n", 2, "not UTF-8 text"),
        ("image,x,y,class\n" + "cat 1.jpg,.3,.4,cat\n" * 4, None, "lie in [0, 1]; pixels"),
    ],
)
def test_mistakes_in_csv(make, write, tmp_path, text, line, message):
    path = write("")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    place = f"{path}{'' if line is None else f', line {line}'}: "
    found = mistakes(make, path)
    assert any(place in mistake and message in mistake for mistake in found), found
    assert not (tmp_path / "root").exists()


def test_all_mistakes_at_once(make, write):
    found = mistakes(make, write(CLICKS + "bear.jpg,1,1,bear\ncat 1.jpg,1,99,cat\n"))
    assert len(found) == 2 and "line 5" in found[0] and "line 6" in found[1]


def test_name_in_two_folders_is_not_clear(make, write, photos):
    Image.new("RGB", (20, 20)).save(photos / "dog.PNG")
    (found,) = mistakes(make, write("image,class\ndog,x\n"))
    assert "'dog' stands for several: dog.PNG, sub/dog.PNG" in found


def test_an_image_that_two_files_label_is_refused(make, tmp_path):
    """They label another image of that name, or one is a copy: nobody knows which is meant."""
    for name in ("d1/cat 1.json", "d2/cat 1.json", "d2/cat 1.jpg.json"):
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(labelme(point("cat", 3, 2))))
    problems = mistakes(make, tmp_path / "labels")
    assert len(problems) == 2
    for problem in problems:
        assert "labels 'cat 1.jpg', which " in problem and "does, too" in problem


def test_a_file_of_labelme_is_about_the_image_of_its_own_name(make, write):
    """Another name is that of a copy for another photo, which exists, too."""
    path = write(labelme(point("cat", 3, 2)), "labels/sub/dog.json")
    (problem,) = mistakes(make, path.parent)
    assert "dog.json: is about '../my photos/cat 1.jpg', but its own name is another" in problem


def test_an_image_may_stand_in_several_files_of_cvat(make, tmp_path):
    """One per class, for example."""
    for name, x in (("cat", 3), ("dog", 5)):
        points = f'<points label="{name}" points="{x},2"></points>'
        text = f'<annotations><image name="cat 1.jpg">{points}</image></annotations>'
        _made(tmp_path / f"labels/{name}.xml").write_text(text)
    root, _ = make(tmp_path / "labels", val_share=0)
    assert (root / "Center_points/cat_1.txt").read_text().splitlines() == ["3 2 0 1.0", "5 2 1 1.0"]


def test_label_files_in_the_folders_of_the_photos_find_them(make, tmp_path, photos):
    for number, folder in enumerate(("d1", "d2")):
        Image.new("RGB", (30, 20)).save(_made(photos / folder / "a.png"))
        content = labelme(point("cat", 3 + number, 2), imagePath="a.png")
        _made(tmp_path / "labels" / folder / "a.json").write_text(json.dumps(content))
    root, made = make(tmp_path / "labels", val_share=0)
    assert made.splits == {"train": ["d1_a", "d2_a"]}
    assert (root / "Center_points/d1_a.txt").read_text().startswith("3 2 ")
    assert (root / "Center_points/d2_a.txt").read_text().startswith("4 2 ")


def test_a_photo_that_links_to_itself_is_named(make, write, photos):
    (photos / "loop.png").symlink_to("loop.png")
    labels = write("image,class\nloop.png,cat\n")
    (problem,) = mistakes(make, labels)
    assert "loop.png" in problem


def _made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_class_that_is_not_listed(make, write):
    classes = write("cat\n", "classes.txt")
    (found,) = mistakes(make, write(TAGS), classes=classes)
    assert "labels.csv, line 3: class 'dog' is not in" in found


def test_broken_image(make, write, photos):
    (photos / "cat 1.jpg").write_text("hello")
    (found,) = mistakes(make, write(CLICKS))
    assert "cat 1.jpg: is " in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1: is not well-formed json"),
        ([], "is a json list"),
        ({"images": []}, "annotations, categories, images missing"),
        (coco({"category_id": 4}), "annotation 1: category_id 4 is not in the file"),
        (coco({"category_id": 3, "point": [1, "x"]}), 'its point [1, "x"] is not [x, y]'),
        (coco({"category_id": 3, "point": [1, 2]}, {"category_id": 3}), "annotation 2 has neither"),
        (coco({"category_id": [3]}), "annotation 1: category_id [3] is not in the file"),
        (coco({"category_id": 3}, id=5.5), "image number 1: id 5.5 is not an id"),
        (coco() | {"categories": [{"id": i, "name": "cat"} for i in (1, 2)]}, "have the same name"),
        (coco({"category_id": 3, "point": [1, 2]}, height=60, width=80), "labelled at 60 x 80"),
        (coco({"category_id": 3, "point": [1, 2]}, width="80"), "labelled at ? x 80"),
    ],
)
def test_mistakes_in_coco(make, write, content, message):
    path = write(content, "coco.json")
    found = mistakes(make, path)
    assert any(str(path) in mistake and message in mistake for mistake in found), found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"shapes": []}, "LabelMe's json is expected"),
        (labelme(point("cat", 3, 4, "rectangle")), "shape 1 is a rectangle without two"),
        (labelme(point("", 3, 4)), "shape 1 has no label"),
        (labelme(point("cat", 3, 4), flags=["cat"]), "its flags are not an object"),
        (labelme(point("cat", "x", 4)), "shape 1 is not a single point"),
    ],
)
def test_mistakes_in_labelme(make, write, content, message):
    path = write(content, "labelme/cat 1.json")
    found = mistakes(make, path.parent)
    assert any(str(path) in mistake and message in mistake for mistake in found), found


def test_what_cannot_be_begun(make, write, photos, tmp_path):
    for options, message in [({"val_share": 1}, "val-share"), ({"format": None}, "not known")]:
        with pytest.raises(ValueError, match=message):
            make(write(TAGS, "labels.doc"), **options)
    with pytest.raises(formats.DataError, match="does not exist"):
        make(tmp_path / "none.csv")
    with pytest.raises(formats.DataError, match="is not a folder"):
        importer.import_labels(tmp_path / "none", write(TAGS), tmp_path / "root")
    make(write(TAGS))
    with pytest.raises(formats.DataError, match="--output exists already"):
        make(write(TAGS))


def test_command_says_what_comes_next(photos, write, tmp_path):
    command = [sys.executable, "datasets/import_labels.py", "--images", str(photos), "--labels"]
    root = ["--output", str(tmp_path / "root")]
    run = {"cwd": PROJECT, "capture_output": True, "text": True}
    done = subprocess.run([*command, str(write(TAGS)), *root], **run)
    assert "bestie run --data" in done.stdout and done.returncode == 0
    done = subprocess.run([*command, str(write("x\n")), *root], **run)
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_a_kind_that_no_object_has_is_refused(make, write):
    assert (
        "--as masks: no object has an outline"
        in mistakes(make, write(CLICKS), options=ReadOptions(objects_as="masks"))[0]
    )
    assert (
        "--as clicks: no object has a point"
        in mistakes(make, write(TAGS), options=ReadOptions(objects_as="clicks"))[0]
    )


def test_clicks_of_one_class_need_no_column_for_it(make, write):
    labels = write("image,x,y\ncat 1.jpg,3,4.5\ncat 1.jpg,39,29\n")
    assert "--class NAME is the class of clicks without that column" in mistakes(make, labels)[0]
    boxes = write("image,x,y,width,height\ncat 1.jpg,3,4,5,6\n", "boxes.csv")
    found = mistakes(make, boxes, options=ReadOptions(class_name="cell"))
    assert "is a table of boxes" in found[0]
    _, made = make(labels, options=ReadOptions(class_name="cell"))
    assert made.class_names == ["cell"] and made.clicks_per_class["cell"] == 2


def test_a_folder_without_images_is_named(write, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(formats.DataError, match=r"--images: holds no images \(.jpg"):
        importer.import_labels(tmp_path / "empty", write(CLICKS), tmp_path / "root")


def test_paths_may_be_text(photos, write, tmp_path):
    classes = write("dog\ncat\n", "classes.txt")
    made = importer.import_labels(
        str(photos), str(write(CLICKS)), str(tmp_path / "root"), classes=str(classes)
    )
    assert made.kind == "clicks" and made.class_names == ["dog", "cat"]


def test_a_split_that_has_to_be_without_objects_is_noted(tmp_path):
    for number in range(3):
        path = tmp_path / f"photos/{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    (tmp_path / "tags.csv").write_text("image,class\n0.png,cat\n1.png,\n2.png,\n")
    made = importer.import_labels(tmp_path / "photos", tmp_path / "tags.csv", tmp_path / "root")
    assert any("only one image shows an object" in note for note in made.notes)
