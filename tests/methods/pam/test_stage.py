"""What cues and maps share: folders, images that are left to do, and maps of mirrored images."""

import pytest
import torch

from bestie.formats import read_image
from bestie.formats.ledger import read_ledger
from bestie.methods.pam.stage import (
    ClassifierStage,
    mirrored_activation_maps,
    save_sheet,
    stage_folder,
)
from tests.evaluation.tiny_data import OBJECTS, write_root
from tests.methods.pam.tiny_classifier import write_classifier


@pytest.fixture
def name(tmp_path):
    return write_root(tmp_path / "root")


def stage(tmp_path, name, *overrides, output=None):
    cfg = write_classifier(tmp_path / "model", name, *overrides)
    options = {"name": "cues", "folder": "Peak_points", "suffix": ".txt"}
    return ClassifierStage(cfg, name, output, **options, settings=cfg.MODEL.PAM.CUES)


def is_complete(record, path):
    return path.read_text() == "whole"


def test_the_folder_is_that_of_the_root_unless_one_is_named(tmp_path, name):
    assert stage_folder(name, None, "Peak_points") == tmp_path / "root/Peak_points"
    assert stage_folder(name, tmp_path / "x", "Peak_points") == tmp_path / "x"
    with pytest.raises(ValueError, match="has no root that Peak_points could lie in; .*--output"):
        stage_folder("elsewhere", None, "Peak_points")


def test_files_that_are_incomplete_or_missing_are_left_to_do(tmp_path, name):
    made = stage(tmp_path, name)
    assert [r["image_name"] for r in made.begin(is_complete, False)] == [
        f"img{number}" for number in range(len(OBJECTS))
    ]
    entry = read_ledger(made.folder)["train"]
    assert entry["stage"] == "cues" and entry["settings"]["TOP_K"] == 25
    made.path(made.records[0]).write_text("whole")
    made.path(made.records[2]).write_text("part")
    pending = [r["image_name"] for r in made.begin(is_complete, False)]
    assert pending == ["img1", "img2", "img3", "img4"]


def test_other_settings_are_refused_or_overwrite_what_is_there(tmp_path, name):
    first = stage(tmp_path, name)
    first.begin(is_complete, False)
    path = first.path(first.records[1])
    path.write_text("whole")
    other = stage(tmp_path, name, "MODEL.PAM.CUES.TOP_K", "3")
    with pytest.raises(ValueError, match="holds 1 of the files already, .* TOP_K 25, now 3"):
        other.begin(is_complete, False)
    assert path.read_text() == "whole"
    assert len(other.begin(is_complete, True)) == len(OBJECTS)
    assert not path.exists() and read_ledger(first.folder)["train"]["settings"]["TOP_K"] == 3


def test_samples_are_the_chosen_images_in_their_order(tmp_path, name):
    made = stage(tmp_path, name)
    chosen = [made.records[3], made.records[1]]
    assert [sample["image_name"] for sample in made.samples(chosen)] == ["img3", "img1"]
    assert list(made.samples([])) == []


def test_another_model_and_another_number_of_classes_are_refused(tmp_path, name):
    stage(tmp_path, name)
    with pytest.raises(ValueError, match="must be PAMClassifier, got BESTIE"):
        stage(tmp_path, name, "MODEL.META_ARCHITECTURE", "BESTIE", "INPUT.CROP.ENABLED", "True")
    cfg = write_classifier(tmp_path / "model", name).clone()
    cfg.defrost()
    cfg.MODEL.PAM.NUM_CLASSES = 3
    options = {"name": "cues", "folder": "Peak_points", "suffix": ".txt"}
    with pytest.raises(ValueError, match="has 2 classes, the classifier 3"):
        ClassifierStage(cfg, name, None, **options, settings=cfg.MODEL.PAM.CUES)


def test_images_without_tags_are_counted_and_the_first_is_named(tmp_path, name):
    (tmp_path / "root/image_labels.txt").unlink()
    bare = write_root(tmp_path / "bare", tags=False)
    with pytest.raises(ValueError, match="5 images of .* have no tags, .*img0.png"):
        stage(tmp_path, bare)


class Ramp:
    """A network whose map of the only tag is the red channel."""

    device = torch.device("cpu")

    def __init__(self):
        self.seen = []

    def tag_maps(self, image, image_labels, size, attend):
        self.seen.append((tuple(image.shape), attend))
        return torch.nn.functional.interpolate(image[None, :1], size)[0] / 255


def test_maps_of_the_mirror_image_are_mirrored_back():
    image = torch.zeros(3, 4, 6, dtype=torch.uint8)
    image[0, 1, 4] = 255
    model = Ramp()
    maps = mirrored_activation_maps(model, image, torch.tensor([True]), (4, 6), (4, 6), False)
    assert model.seen == [((3, 4, 6), False)] * 2
    expected = torch.zeros(1, 4, 6)
    expected[0, 1, 4] = 1
    torch.testing.assert_close(maps, expected)


def test_the_image_gets_the_size_of_the_network_and_the_maps_theirs():
    model = Ramp()
    image = torch.full((3, 4, 6), 102, dtype=torch.uint8)
    maps = mirrored_activation_maps(model, image, torch.tensor([True]), (8, 10), (3, 5))
    assert model.seen == [((3, 8, 10), True)] * 2
    torch.testing.assert_close(maps, torch.full((1, 3, 5), 0.4))


def test_a_sheet_shows_the_new_layer_and_the_truth_if_all_images_have_it(tmp_path, name):
    records = stage(tmp_path, name).records
    layer = {"semantic_map_file": str(tmp_path / "root/WSSS_maps/img0.png")}
    save_sheet(tmp_path / "with.png", records, ["cat", "dog"], "map", lambda r: layer)
    without = [{k: v for k, v in r.items() if "file" not in k or k == "file_name"} for r in records]
    without = [{k: v for k, v in r.items() if k != "annotations"} for r in without]
    save_sheet(tmp_path / "without.png", without, ["cat", "dog"], "map", lambda r: layer)
    wide, narrow = (read_image(tmp_path / f"{n}.png").shape for n in ("with", "without"))
    assert wide[0] * wide[1] > narrow[0] * narrow[1]
