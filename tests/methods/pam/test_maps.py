import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bestie.formats import DataError, read_semantic_map, write_semantic_map
from bestie.methods.pam.affinity import RandomWalk
from bestie.methods.pam.maps import check_semantic_maps, image_scores, make_semantic_maps
from bestie.methods.pam.semantic_maps import class_scores
from bestie.methods.pam.stage import mirrored_activation_maps, pair_of_maps
from bestie.training.launch import launch
from bestie.training.setup import load_model
from tests.evaluation.tiny_data import HEIGHT, OBJECTS, WIDTH, write_root
from tests.methods.pam.tiny_classifier import write_classifier


@pytest.fixture
def name(tmp_path):
    return write_root(tmp_path / "root")


def all_maps(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_each_image_gets_a_map_of_its_tags(tmp_path, name):
    cfg = write_classifier(tmp_path / "model", name)
    report = make_semantic_maps(cfg, name, tmp_path / "maps", report_dir=tmp_path / "report")
    for number, boxes in enumerate(OBJECTS):
        map_ = read_semantic_map(tmp_path / f"maps/img{number}.png")
        assert map_.shape == (HEIGHT, WIDTH)
        assert set(np.unique(map_)) <= {0, 255, *(box[0] + 1 for box in boxes)}
        assert bool((map_ > 0).any()) == bool(boxes)
    stages = ["before refinement", "after refinement", "as written"]
    assert list(report.mean_iou()) == stages and report.statistics.untagged == 0
    pixels = 5 * HEIGHT * WIDTH
    assert report.confusions["before refinement"].sum() == pixels
    assert report.confusions["as written"].sum() == pixels - report.statistics.ignored
    content = json.loads((tmp_path / "report/maps.json").read_text())
    assert content["mIoU"] == report.mean_iou()
    assert (tmp_path / "report/maps.png").stat().st_size > 1000


def test_without_ground_truth_there_is_no_iou(tmp_path):
    name = write_root(tmp_path / "root", pngs=False, json=False)
    cfg = write_classifier(tmp_path / "model", name)
    assert not make_semantic_maps(cfg, name, tmp_path / "maps").confusions


def test_no_iteration_leaves_the_scores(tmp_path, name):
    cfg = write_classifier(tmp_path / "model", name, "MODEL.PAM.MAPS.PAMR_ITERATIONS", "0")
    confusions = make_semantic_maps(cfg, name, tmp_path / "maps").confusions
    np.testing.assert_array_equal(confusions["before refinement"], confusions["after refinement"])


def test_passes_are_compared_after_the_walk(tmp_path, name, monkeypatch):
    settings = ["MODEL.PAM.MAPS.BACKGROUND", "agreement", "MODEL.PAM.MAPS.AFFINITY_STEPS", "2"]
    settings += ["MODEL.PAM.MAPS.SCALES", "[1.0]", "MODEL.PAM.MAPS.PAMR_ITERATIONS", "0"]
    cfg = write_classifier(tmp_path / "model", name, *settings)
    model, options = load_model(cfg), cfg.MODEL.PAM.MAPS
    image = torch.randint(0, 256, (3, 64, 48), dtype=torch.uint8)
    tags = torch.tensor([True, False])
    seen = []
    monkeypatch.setattr(
        "bestie.methods.pam.maps.agreed_background", lambda passes: seen.append(passes) or 0.25
    )
    image_scores(model, image, tags, options)
    walk = RandomWalk(model.features(image, "res3"), options.AFFINITY_POWER, 2)
    maps, mirrored = pair_of_maps(model, image, tags, (64, 48), (64, 48), options.ATTENTION)
    expected = torch.stack([walk(maps), walk(mirrored.flip(-1))])
    torch.testing.assert_close(seen[0], F.avg_pool2d(expected, 4))


def test_maps_of_a_walk_have_the_scores_of_the_walk(name, tmp_path):
    """By hand: activation maps, walk over the features of the network, background score."""
    settings = ["MODEL.PAM.MAPS.AFFINITY_STEPS", "3", "MODEL.PAM.MAPS.AFFINITY_POWER", "2.0"]
    settings += ["MODEL.PAM.MAPS.PAMR_ITERATIONS", "0", "MODEL.PAM.MAPS.SCALES", "[1.0]"]
    cfg = write_classifier(tmp_path / "model", name, *settings)
    model, options = load_model(cfg), cfg.MODEL.PAM.MAPS
    image = torch.randint(0, 256, (3, 64, 48), dtype=torch.uint8)
    tags = torch.tensor([True, False])
    scores, _ = image_scores(model, image, tags, options)
    maps = mirrored_activation_maps(model, image, tags, (64, 48), (64, 48))
    maps = maps / maps.max()
    features = model.backbone(model._normalize(image[None]))["res3"][0]
    expected = class_scores(RandomWalk(features, 2.0, 3)(maps), options.BACKGROUND_SCORE)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)


def test_a_stopped_run_goes_on(tmp_path, name):
    cfg, folder = write_classifier(tmp_path / "model", name), tmp_path / "maps"
    make_semantic_maps(cfg, name, folder)
    before = all_maps(folder)
    (folder / "img1.png").unlink()
    (folder / "img3.png").write_bytes(before["img3.png"][:60])  # half a file
    report = make_semantic_maps(cfg, name, folder)
    assert all_maps(folder) == before
    # Only the maps of this call have a stage before refinement.
    assert report.confusions["before refinement"].sum() == 2 * HEIGHT * WIDTH
    report = make_semantic_maps(cfg, name, folder)
    assert list(report.confusions) == ["as written"]


def _make(cfg, name, output):
    report = make_semantic_maps(cfg, name, output)
    if report is not None:
        (output / "report.json").write_text(json.dumps(report.as_dict()))


def test_two_processes_write_what_one_does(tmp_path, name):
    cfg = write_classifier(tmp_path / "model", name)
    for number in (1, 2):
        launch(_make, number, args=(cfg, name, tmp_path / str(number)), device="cpu")
    assert all_maps(tmp_path / "1") == all_maps(tmp_path / "2")
    reports = [(tmp_path / f"{number}/report.json").read_text() for number in (1, 2)]
    assert reports[0] == reports[1]


def test_maps_of_any_method_are_checked(tmp_path, name):
    report = check_semantic_maps(name, report_dir=tmp_path / "report")  # the true maps
    assert report.mean_iou() == {"as written": 100.0}
    assert report.findings() == ["no pixel is ignored (255); pseudo labels leave doubts out"]
    assert (tmp_path / "report/maps.json").is_file()


@pytest.mark.parametrize(
    "shape, value, message",
    [((HEIGHT, WIDTH + 1), 0, "its image"), ((HEIGHT, WIDTH), 3, r"values \[3\]; accepted: 0")],
)
def test_maps_that_do_not_fit_are_named(tmp_path, name, shape, value, message):
    path = tmp_path / "root/WSSS_maps/img2.png"
    write_semantic_map(path, np.full(shape, value, np.uint8))
    (tmp_path / "root/WSSS_maps/img4.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=f"img2.png: .*{message}(.|\n)*img4.png: "):
        check_semantic_maps(name)


@pytest.mark.parametrize("key, value", [("SCALES", "[]"), ("PAMR_DILATIONS", "[0, 1]")])
def test_scales_and_dilations_must_be_positive(tmp_path, name, key, value):
    with pytest.raises(ValueError, match=f"MODEL.PAM.MAPS.{key}"):
        write_classifier(tmp_path / "model", name, f"MODEL.PAM.MAPS.{key}", value)


def test_maps_have_the_size_of_the_photo_whatever_the_network_sees(tmp_path, name):
    cfg = write_classifier(tmp_path / "model", name, "INPUT.TEST_SIZE", "40")
    report = make_semantic_maps(cfg, name, tmp_path / "maps")
    assert report.confusions["before refinement"].sum() == 5 * HEIGHT * WIDTH
    for number, boxes in enumerate(OBJECTS):
        map_ = read_semantic_map(tmp_path / f"maps/img{number}.png")
        assert map_.shape == (HEIGHT, WIDTH) and bool((map_ > 0).any()) == bool(boxes)


def test_the_background_score_can_be_chosen_for_each_image(tmp_path, name, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "bestie.methods.pam.maps.agreed_background",
        lambda passes: seen.append(tuple(passes.shape)) or 1.0,
    )
    cfg = write_classifier(tmp_path / "model", name, "MODEL.PAM.MAPS.BACKGROUND", "agreement")
    report = make_semantic_maps(cfg, name, tmp_path / "maps")
    # Two scales, mirrored, a quarter of the size; the image without tags has nothing to choose.
    assert seen == [(4, 1, 3, 5), (4, 1, 3, 5), (4, 2, 3, 5), (4, 1, 3, 5)]
    assert report.statistics.foreground == 0  # no activation reaches a score of 1
