import json

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode

from bestie.formats import Points, read_points, write_points
from bestie.methods.pam import cues
from bestie.methods.pam.cues import extract_points, image_cues
from bestie.training.launch import launch
from bestie.training.setup import default_config, merge_config
from tests.conftest import PROJECT
from tests.evaluation.tiny_data import HEIGHT, OBJECTS, WIDTH, write_root
from tests.methods.pam.tiny_classifier import write_classifier


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def name(root):
    return write_root(root)


def all_files(folder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_each_image_gets_cues_of_its_tags_inside_it(tmp_path, root, name):
    cfg = write_classifier(tmp_path / "model", name)
    report = extract_points(cfg, name, report_dir=tmp_path / "report")
    total = 0
    for number, boxes in enumerate(OBJECTS):
        points = read_points(root / "Peak_points" / f"img{number}.txt")
        assert set(points.classes) == {box[0] for box in boxes}
        assert (points.yx >= 0).all() and (points.yx < (HEIGHT, WIDTH)).all()
        assert (points.yx == np.round(points.yx)).all() and (points.scores >= 0.1).all()
        total += len(points)
    assert report.images == 5 and sum(report.scores) == total and report.truth == "masks"
    assert np.sum([report.one, report.several, report.none]) == sum(map(len, OBJECTS))
    assert json.loads((tmp_path / "report/cues.json").read_text())["images"] == 5
    assert (tmp_path / "report/cues.png").stat().st_size > 1000


def test_a_stopped_run_goes_on_and_other_weights_are_refused(tmp_path, root, name):
    cfg = write_classifier(tmp_path / "model", name)
    extract_points(cfg, name)
    folder = root / "Peak_points"
    before = all_files(folder)
    (folder / "img1.txt").unlink()
    (folder / "img3.txt").write_text("1 2 0\n")  # broken
    kept = (folder / "img0.txt").stat().st_mtime_ns
    extract_points(cfg, name)
    assert all_files(folder) == before and (folder / "img0.txt").stat().st_mtime_ns == kept
    other = write_classifier(tmp_path / "model", name, "MODEL.PAM.CUES.TOP_K", "1")
    with pytest.raises(ValueError, match="settings TOP_K 25, now 1; --overwrite"):
        extract_points(other, name)
    assert all_files(folder) == before
    extract_points(other, name, overwrite=True)
    assert len(read_points(folder / "img0.txt")) == 1
    extract_points(cfg, name, tmp_path / "elsewhere")
    assert all_files(tmp_path / "elsewhere") == before


def test_an_overwriting_run_that_is_killed_leaves_no_old_files(tmp_path, root, name, monkeypatch):
    extract_points(write_classifier(tmp_path / "model", name), name)
    other = write_classifier(tmp_path / "model", name, "MODEL.PAM.ALPHA", "0.2")
    write = cues.write_points

    def killed(path, points):
        if path.stem == "img2":
            raise KeyboardInterrupt
        write(path, points)

    monkeypatch.setattr(cues, "write_points", killed)
    with pytest.raises(KeyboardInterrupt):
        extract_points(other, name, overwrite=True)
    assert sorted(path.stem for path in (root / "Peak_points").glob("*.txt")) == ["img0", "img1"]
    monkeypatch.undo()
    extract_points(other, name)
    extract_points(other, name, tmp_path / "fresh")
    assert all_files(root / "Peak_points") == all_files(tmp_path / "fresh")


def test_splits_that_share_images_share_their_files(tmp_path, root, name):
    cfg = write_classifier(tmp_path / "model", name)
    extract_points(cfg, name)
    (root / "ImageSets/Segmentation/some.txt").write_text("img0\nimg3\n")
    extract_points(cfg, f"folder:{root}:some")
    other = write_classifier(tmp_path / "model", name, "MODEL.PAM.ALPHA", "0.2")
    with pytest.raises(ValueError, match="settings MODEL.PAM.ALPHA 0.7, now 0.2"):
        extract_points(other, f"folder:{root}:some")


def test_files_of_unknown_origin_are_not_taken_for_cues_of_this_classifier(tmp_path, root, name):
    cfg = write_classifier(tmp_path / "model", name)
    points = Points(np.zeros((1, 2)), np.array([0]), np.ones(1, np.float32))
    write_points(root / "Peak_points/img2.txt", points)
    with pytest.raises(ValueError, match="holds 1 of the files already.* ledger is missing"):
        extract_points(cfg, name)


def _extract(cfg, name, output):
    extract_points(cfg, name, output)


def test_two_processes_write_what_one_does(tmp_path, name):
    cfg = write_classifier(tmp_path / "model", name)
    for number in (1, 2):
        launch(_extract, number, args=(cfg, name, tmp_path / str(number)), device="cpu")
    assert all_files(tmp_path / "1") == all_files(tmp_path / "2")


def test_clicks_stand_in_for_masks(tmp_path, root):
    name = write_root(root, pngs=False, json=False)
    for number, boxes in enumerate(OBJECTS):
        yx = np.array([[box[1] + 1, box[2] + 1] for box in boxes], float).reshape(-1, 2)
        classes = np.array([box[0] for box in boxes], int)
        points = Points(yx, classes, np.ones(len(boxes), np.float32))
        write_points(root / f"Center_points/img{number}.txt", points)
    report = extract_points(write_classifier(tmp_path / "model", name), name)
    assert report.truth == "clicks"
    assert np.sum([report.one, report.several, report.none]) == sum(map(len, OBJECTS))


def test_images_need_tags(tmp_path, root):
    name = write_root(root, tags=False)
    with pytest.raises(ValueError, match="have no tags"):
        extract_points(write_classifier(tmp_path / "model", name), name)


def cue_options(**changed) -> CfgNode:
    options = default_config().MODEL.PAM.CUES
    options.merge_from_list([part for pair in {"KERNEL": 3, **changed}.items() for part in pair])
    return options


class Gradient:
    """A network whose only map rises to the right lower corner; it notes what it sees."""

    device = torch.device("cpu")

    def __init__(self):
        self.seen = []

    def tag_maps(self, image, image_labels, size, attend):
        self.seen.append((tuple(image.shape[-2:]), tuple(size)))
        y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
        mirrored = len(self.seen) % 2 == 0
        map_ = (y + x).float() / (size[0] + size[1] - 2)
        return (map_.flip(-1) if mirrored else map_).unsqueeze(0)


def test_cues_can_be_found_on_the_image_and_over_several_scales():
    image, tag = torch.zeros(3, 40, 60, dtype=torch.uint8), torch.tensor([True])
    square, on_image = Gradient(), Gradient()
    image_cues(square, image, tag, cue_options(IMAGE_SIZE=32))
    assert square.seen == [((32, 32), (32, 32))] * 2
    options = cue_options(IMAGE_SIZE=32, GRID="image", SCALES=[1.0, 2.0])
    cues = image_cues(on_image, image, tag, options)
    assert on_image.seen == [((32, 32), (40, 60))] * 2 + [((64, 64), (40, 60))] * 2
    assert cues.yx.tolist() == [[38, 58]]  # zeros around the image lower its border
    # The photo is twice as large as the image: the pixel that holds the middle of that of the peak.
    assert image_cues(on_image, image, tag, options, (80, 120)).yx.tolist() == [[77, 117]]


@pytest.mark.parametrize(
    ("config", "grid"),
    [
        ("PAM/voc_vgg16", (375, 500)),
        ("PAM/coco_vgg16", (375, 500)),
        ("pipeline/r50/classifier", (375, 500)),
        ("pipeline/hrnet48/classifier", (375, 500)),
        ("pipeline/quick/classifier", (320, 320)),
        ("pipeline/small/classifier", (375, 500)),
    ],
)
def test_configs_of_the_paper_and_for_photos_find_cues_on_the_grid_of_the_photo(config, grid):
    cfg = merge_config(str(PROJECT / f"configs/{config}.yaml"), [])
    assert cfg.INPUT.TEST_SIZE == 0 or not config.startswith("PAM/")
    network, photo = Gradient(), torch.zeros(3, 375, 500, dtype=torch.uint8)
    options = cfg.MODEL.PAM.CUES
    cues = image_cues(network, photo, torch.tensor([True]), options)
    assert [size for _, size in network.seen] == [grid] * 2 * len(options.SCALES)
    if grid == (375, 500):
        assert cues.yx.tolist() == [[373, 498]]  # zeros around the image lower its border


def test_points_are_scaled_to_the_pixels_of_the_image():
    class OneSpike:
        device = torch.device("cpu")

        def tag_maps(self, image, image_labels, size, attend):
            assert attend and image_labels.tolist() == [True, False, True]
            mirrored = bool(image[0, 0, 0])
            maps = torch.zeros(2, *size)
            maps[1, 8, size[1] - 1 - 24 if mirrored else 24] = 1.0
            return maps

    options = cue_options(IMAGE_SIZE=32)
    image = torch.zeros(3, 64, 128, dtype=torch.uint8)
    image[:, :, -8:] = 255  # the first column of the mirror image is bright
    given = OneSpike(), image, torch.tensor([True, False, True]), options
    cues = image_cues(*given)
    # The 3x3 mean of the spike is a plateau around (8, 24), of which all pixels are points.
    assert len(cues) == 9 and set(cues.classes) == {2}
    np.testing.assert_allclose(cues.yx.mean(axis=0), [(8.5) * 2, 24.5 * 4])
    np.testing.assert_allclose(cues.scores, 1 / 9, rtol=1e-6)
    # The image may be a photo of another size, brought to INPUT.TEST_SIZE.
    cues = image_cues(*given, size=(480, 320))
    np.testing.assert_allclose(np.sort(np.unique(cues.yx[:, 0])), [112, 127, 142])  # 15 x 7.5 ...
    np.testing.assert_allclose(np.sort(np.unique(cues.yx[:, 1])), [235, 245, 255])


def test_another_test_size_is_another_setting(tmp_path, root, name):
    extract_points(write_classifier(tmp_path / "model", name), name)
    other = write_classifier(tmp_path / "model", name, "INPUT.TEST_SIZE", "64")
    with pytest.raises(ValueError, match="settings INPUT.TEST_SIZE None, now 64; --overwrite"):
        extract_points(other, name)
    extract_points(other, name, overwrite=True)
    points = read_points(root / "Peak_points" / "img0.txt")
    assert len(points) and (points.yx < (HEIGHT, WIDTH)).all()
