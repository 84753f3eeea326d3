"""Lengths that follow the objects of the training data, and when they cannot."""

from argparse import Namespace

import numpy as np
import pytest
from detectron2.data import DatasetCatalog
from PIL import Image

from bestie.formats import Points, write_points, write_semantic_map
from bestie.methods.bestie import object_size
from bestie.methods.bestie.object_size import measure_objects, scale_lengths
from bestie.training.setup import read_config, setup

# Still: images keep their size in training and at inference.
STILL = ("INPUT.BASE_SIZE", "0", "INPUT.SCALES", "[1.0]", "INPUT.TEST_SIZE", "0")
MADE_FOR = ("MODEL.BESTIE.OBJECT_SIZE", "20")


@pytest.fixture(autouse=True)
def few_suffice(monkeypatch):
    monkeypatch.setattr(object_size, "MIN_OBJECTS", 1)


@pytest.fixture
def root(tmp_path):
    """Images of 60 x 80 pixels, of the class box."""
    root = tmp_path / "root"
    for folder in ("JPEGImages", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("box\n")
    for split, ids in (("train", "abc"), ("val", "d")):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(ids) + "\n")
        for image_id in ids:
            Image.new("RGB", (80, 60)).save(root / "JPEGImages" / f"{image_id}.png")
    (root / "image_labels.txt").write_text("".join(f"{image_id} 0\n" for image_id in "abcd"))
    return root


def write_labels(root, image_id, squares):
    """A weak map of squares (top, left, side, points on it) that do not touch."""
    semantic_map = np.zeros((60, 80), np.uint8)
    yx = []
    for top, left, side, points in squares:
        semantic_map[top : top + side, left : left + side] = 1
        yx += [(top + n, left + n) for n in range(points)]
    write_semantic_map(root / f"WSSS_maps/{image_id}.png", semantic_map)
    classes, scores = np.zeros(len(yx), np.int64), np.ones(len(yx), np.float32)
    write_points(root / f"Peak_points/{image_id}.txt", Points(np.array(yx), classes, scores))


@pytest.fixture
def labeled(root):
    write_labels(root, "a", [(0, 0, 10, 1), (0, 20, 30, 2), (40, 60, 12, 0)])
    write_labels(root, "b", [(5, 5, 40, 1)])
    write_labels(root, "c", [(5, 5, 16, 1)])
    return root


def read(root, *options, training=True):
    data = [f"DATASETS.{part}" for part in ("TRAIN", "TEST")]
    names = [data[0], f"('folder:{root}:train',)", data[1], f"('folder:{root}:val',)"]
    options = ["MODEL.BESTIE.SUPERVISION", "tags", "INPUT.POINTS_DIR", "Peak_points", *options]
    return read_config("configs/quick/shapes_tags.yaml", [*names, *options], training=training)


def lengths(cfg):
    node = cfg.MODEL.BESTIE
    return node.SIGMA, node.REFINE.KERNEL, node.CLUSTER.MIN_DISTANCE, node.TEST.KERNEL


def test_lengths_are_scaled_to_components_with_exactly_one_point(labeled):
    plain = read(labeled, *STILL)
    assert lengths(plain) == (4.0, 21, 40.0, 21)
    cfg = read(labeled, *STILL, *MADE_FOR)
    # Sides 10, 16 and 40: the median, 16, is 0.8 times 20.
    assert lengths(cfg) == (3.2, 17, 32.0, 17)
    assert cfg.MODEL.BESTIE.OBJECT_SIZE == 0


def test_sizes_are_those_that_the_network_sees(labeled):
    cfg = read(labeled, "INPUT.BASE_SIZE", "0", "INPUT.SCALES", "[1.5, 2.0, 2.5]", *STILL[4:])
    cfg = cfg.clone()
    cfg.defrost()
    cfg.INPUT.TEST_SIZE, cfg.MODEL.BESTIE.TEST.SCALE = 40, 3.0
    sizes = measure_objects(cfg, DatasetCatalog.get(cfg.DATASETS.TRAIN[0]))
    assert sizes == (32.0, 8.0, 3)


def test_a_config_of_a_training_is_final(labeled, tmp_path):
    cfg = read(labeled, *STILL, *MADE_FOR)
    path = tmp_path / "config.yaml"
    path.write_text(cfg.dump())
    assert lengths(read_config(str(path), [])) == lengths(cfg)
    # Neither data nor labels of the training are needed any more.
    gone = ["DATASETS.TRAIN", "('folder:nowhere:train',)", "INPUT.MAPS_DIR", "nowhere"]
    assert lengths(read_config(str(path), gone, training=False)) == lengths(cfg)


def test_tiny_objects_get_the_shortest_lengths(root):
    write_labels(root, "a", [(0, 0, 8, 1)])
    cfg = read(root, *STILL, "MODEL.BESTIE.OBJECT_SIZE", "500")
    assert lengths(cfg) == (2.0, 3, 0.6, 3)


def test_without_labels_a_training_reports_them_and_inference_refuses(root):
    cfg = read(root, *STILL, *MADE_FOR)
    assert lengths(cfg) == (4.0, 21, 40.0, 21) and cfg.MODEL.BESTIE.OBJECT_SIZE == 20
    with pytest.raises(ValueError, match=r"OBJECT_SIZE 20 takes lengths .*config.yaml that the"):
        read(root, *STILL, *MADE_FOR, training=False)


def test_without_any_data_of_the_training_inference_refuses():
    options = ["MODEL.BESTIE.OBJECT_SIZE", "20", "DATASETS.TRAIN", "()", "DATASETS.TEST", "()"]
    with pytest.raises(ValueError, match="OBJECT_SIZE 20 takes lengths"):
        read_config("configs/quick/shapes_tags.yaml", list(options), training=False, testing=False)


def test_without_a_component_of_one_point_the_lengths_stay(root, caplog):
    write_labels(root, "a", [(0, 0, 20, 2), (30, 30, 20, 0)])
    with caplog.at_level("INFO"):
        cfg = read(root, *STILL, *MADE_FOR)
    assert lengths(cfg) == (4.0, 21, 40.0, 21) and cfg.MODEL.BESTIE.OBJECT_SIZE == 0
    assert "Only 0 components hold exactly one point" in caplog.text


def test_what_was_measured_and_changed_is_logged(labeled, caplog):
    with caplog.at_level("INFO"):
        read(labeled, *STILL, *MADE_FOR)
    assert "side of 16 pixels in training and 16 at inference" in caplog.text
    changed = "SIGMA 4 -> 3.2, REFINE.KERNEL 21 -> 17, TEST.KERNEL 21 -> 17"
    assert f"{changed}, CLUSTER.MIN_DISTANCE 40 -> 32." in caplog.text


def test_the_paper_s_lengths_are_not_touched(labeled):
    cfg = read(labeled, *STILL).clone()
    cfg.defrost()
    assert scale_lengths(cfg, training=False) == [] and lengths(cfg) == (4.0, 21, 40.0, 21)


def test_a_few_components_change_nothing(labeled, monkeypatch, caplog):
    monkeypatch.setattr(object_size, "MIN_OBJECTS", 4)
    with caplog.at_level("INFO"):
        cfg = read(labeled, *STILL, *MADE_FOR)
    assert lengths(cfg) == (4.0, 21, 40.0, 21) and cfg.MODEL.BESTIE.OBJECT_SIZE == 0
    assert "Only 3 components hold exactly one point" in caplog.text


def test_a_sigma_below_the_shortest_one_is_not_raised(labeled):
    assert lengths(read(labeled, *STILL, *MADE_FOR, "MODEL.BESTIE.SIGMA", "1.0"))[0] == 1.0


def test_other_models_have_no_such_lengths(labeled):
    cfg = read(labeled, *STILL).clone()
    cfg.defrost()
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.BESTIE.OBJECT_SIZE = "GeneralizedRCNN", 20.0
    assert scale_lengths(cfg, training=True) == [] and cfg.MODEL.BESTIE.OBJECT_SIZE == 20


@pytest.mark.parametrize("training", [True, False])
def test_a_missing_image_of_the_training_is_left_to_its_checks(labeled, training):
    cfg = read(labeled, *STILL).clone()
    cfg.defrost()
    cfg.MODEL.BESTIE.OBJECT_SIZE = 20.0
    (labeled / "JPEGImages/b.png").unlink()
    if training:
        assert scale_lengths(cfg, training) == []
    else:
        with pytest.raises(ValueError, match="OBJECT_SIZE 20 takes lengths"):
            scale_lengths(cfg, training)


def test_a_training_writes_the_final_lengths_and_logs_them(labeled, tmp_path):
    options = ["DATASETS.TRAIN", f"('folder:{labeled}:train',)", "DATASETS.TEST", "()"]
    options += ["INPUT.POINTS_DIR", "Peak_points", "OUTPUT_DIR", str(tmp_path / "out")]
    options += [*STILL, *MADE_FOR]
    file = "configs/quick/shapes_tags.yaml"
    setup(Namespace(config_file=file, opts=options, eval_only=False), training=True)
    written = read_config(str(tmp_path / "out/config.yaml"), [])
    assert lengths(written) == (3.2, 17, 32.0, 17)
    assert "SIGMA 4 -> 3.2" in (tmp_path / "out/log.txt").read_text()
