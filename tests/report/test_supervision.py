"""The answer to "does this use masks?" for what a training may start from."""

import json

import pytest

from bestie.formats.ledger import CHECKPOINT, entry_of_images, write_ledger_entry
from bestie.formats.supervision import LabelKind
from bestie.methods.bestie.recipe import RECIPE
from bestie.pipeline.coco_source import BOXES
from bestie.report.run_folder import RunFolder
from bestie.report.supervision import answer, ingredients, supervision_section
from tests.report.conftest import write_config


def change(run, stage, **values):
    """Change settings in the config that a training wrote."""
    cfg = RunFolder(run, RECIPE.report_plan).config(stage)
    known = {f"DATASETS__{key}": cfg.DATASETS[key] for key in ("TRAIN", "TEST")}
    known["MODEL__BACKBONE__NAME"] = cfg.MODEL.BACKBONE.NAME
    for key in ("POINTS_DIR", "MAPS_DIR"):
        known[f"INPUT__{key}"] = cfg.INPUT[key]
    known["MODEL__TIMM__WEIGHTS"] = cfg.MODEL.TIMM.WEIGHTS
    write_config(run / stage, **(known | values))


def rows(run) -> set[tuple[str, str, str]]:
    """(input, labels behind it, used by)."""
    return {
        (item.what, item.labels, item.used_by)
        for item in ingredients(RunFolder(run, RECIPE.report_plan))
    }


def test_own_products_bring_no_labels_but_those_of_the_classifier(run):
    assert rows(run) == {
        ("images", "", "PAM classifier"),
        ("tags", "image tags", "PAM classifier"),
        ("initial weights", "", "PAM classifier"),
        ("images", "", "BESTIE"),
        ("tags", "image tags", "BESTIE"),
        ("cues", "image tags", "BESTIE"),
        ("weak maps", "image tags", "BESTIE"),
        ("initial weights", "", "BESTIE"),
        ("labels", "", "Mask R-CNN"),
        ("initial weights", "", "Mask R-CNN"),
    }
    said = answer(RunFolder(run, RECIPE.report_plan))
    assert said.text == "Does this use masks? No. The labels behind it: image tags."
    assert said.tone == "good"


@pytest.mark.parametrize("folder", ["Center_points", "my_clicks", "Peak_points"])
def test_the_supervision_and_not_the_name_of_the_folder_makes_points_clicks(run, folder):
    change(run, "bestie", INPUT__POINTS_DIR=folder, MODEL__BESTIE__SUPERVISION="clicks")
    assert ("clicks", "one point per object", "BESTIE") in rows(run)
    said = answer(RunFolder(run, RECIPE.report_plan))
    assert said.tone == "good" and "image tags, one point per object" in said.text


def test_cues_without_a_ledger_are_not_known_whatever_their_folder(run):
    change(run, "bestie", INPUT__POINTS_DIR="Center_points", MODEL__BESTIE__SUPERVISION="tags")
    assert ("cues", "not known", "BESTIE") in rows(run)
    assert answer(RunFolder(run, RECIPE.report_plan)).tone == "warn"


@pytest.mark.parametrize(
    ("kind", "prose", "tone"),
    [
        ("tags", "image tags, no masks used", "good"),
        ("clicks", "one click per outlined object", "good"),
        ("none", "self-supervised, without boxes", "good"),
        ("boxes", "drawn quickly", "warn"),
        ("masks", "labels of a colleague", "bad"),
        ("unknown", "image tags", "warn"),
    ],
)
def test_the_kind_decides_and_the_prose_is_only_shown(run, tmp_path, kind, prose, tone):
    change(run, "bestie", INPUT__MAPS_DIR="WSSS_maps")
    entry = {"consumed": [{"kind": kind, "labels": prose}]}
    write_ledger_entry(tmp_path / "root/WSSS_maps", "train", entry)
    assert answer(RunFolder(run, RECIPE.report_plan)).tone == tone
    settings = {"WEIGHTS": "/else/net.pth", "WEIGHTS_KIND": kind, "WEIGHTS_LABELS": prose}
    change(run, "bestie", **{f"MODEL__TIMM__{key}": value for key, value in settings.items()})
    change(run, "maskrcnn", **{f"MODEL__{key}": value for key, value in settings.items()})
    assert answer(RunFolder(run, RECIPE.report_plan)).tone == tone


def test_an_unknown_kind_in_a_ledger_is_noted_and_nothing_is_guessed(run, tmp_path):
    change(run, "bestie", INPUT__MAPS_DIR="WSSS_maps")
    (tmp_path / "root/WSSS_maps").mkdir(exist_ok=True)
    text = '{"train": {"consumed": [{"kind": "tag", "labels": "image tags"}]}}'
    (tmp_path / "root/WSSS_maps/supervision_ledger.json").write_text(text)
    folder = RunFolder(run, RECIPE.report_plan)
    assert answer(folder).tone == "warn"
    assert "kind of labels 'tag'; accepted are masks, boxes, clicks, tags" in folder.notes[0]


def test_boxes_that_stand_in_for_clicks_are_told_by_their_ledger(run, tmp_path):
    change(run, "bestie", INPUT__POINTS_DIR="Center_points", MODEL__BESTIE__SUPERVISION="clicks")
    consumed = [{"kind": "boxes", "labels": BOXES, "objects": 3}]
    write_ledger_entry(tmp_path / "root/Center_points", "train", {"consumed": consumed})
    assert ("clicks", BOXES, "BESTIE") in rows(run)
    said = answer(RunFolder(run, RECIPE.report_plan))
    assert said.tone == "warn" and "one point per object" not in said.text
    assert "Boxes are among them." in said.text


def test_given_maps_without_a_ledger_are_not_known(run, tmp_path):
    change(run, "bestie", INPUT__MAPS_DIR="WSSS_maps")
    said = answer(RunFolder(run, RECIPE.report_plan))
    assert said.tone == "warn" and "No." not in said.text
    assert f"the weak maps of BESTIE ({tmp_path}/root/WSSS_maps)" in said.text


def test_given_maps_tell_by_their_ledger_who_made_them(run, tmp_path):
    change(run, "bestie", INPUT__MAPS_DIR="WSSS_maps")
    weights = {"file": "vgg.pth", "kind": "tags", "labels": "ImageNet-1k image labels"}
    tags = {"kind": "tags", "labels": "image tags"}
    entry = {"consumed": [tags], "classifier": {**tags, "file": "pam.pth", "pretrained": weights}}
    write_ledger_entry(tmp_path / "root/WSSS_maps", "train", entry)
    assert ("classifier", "image tags", "the weak maps") in rows(run)
    assert "image tags, ImageNet-1k image labels" in answer(RunFolder(run, RECIPE.report_plan)).text


@pytest.mark.parametrize(
    ("stage", "settings", "tone", "text"),
    [
        (
            "maskrcnn",
            {"MODEL__WEIGHTS": "detectron2://COCO-InstanceSegmentation/x/model.pkl"},
            "bad",
            "Yes: the initial weights of Mask R-CNN (detectron2://COCO-InstanceSegmentation/x",
        ),
        ("maskrcnn", {"MODEL__WEIGHTS": "/else/model.pth"}, "warn", "nothing tells which labels"),
        ("maskrcnn", {"MODEL__WEIGHTS": "/LVIS/ImageNetPretrained/a.pkl"}, "warn", "which labels"),
        (
            "maskrcnn",
            {"MODEL__WEIGHTS": "detectron2://ImageNetPretrained/MSRA/R-50.pkl"},
            "good",
            "image tags, ImageNet-1k image labels",
        ),
        (
            "bestie",
            {
                "MODEL__TIMM__WEIGHTS": "/else/seg.pth",
                "MODEL__TIMM__WEIGHTS_KIND": "masks",
                "MODEL__TIMM__WEIGHTS_LABELS": "COCO instance masks",
            },
            "bad",
            "COCO instance masks",
        ),
        ("bestie", {"MODEL__TIMM__WEIGHTS": "/else/seg.pth"}, "warn", "nothing tells which labels"),
        (
            "bestie",
            {"MODEL__TIMM__WEIGHTS": "timm"},
            "good",
            "image tags, ImageNet-1k image labels",
        ),
        (
            "bestie",
            {
                "MODEL__TIMM__WEIGHTS": "/else/det.pth",
                "MODEL__TIMM__WEIGHTS_KIND": "boxes",
                "MODEL__TIMM__WEIGHTS_LABELS": "Objects365 boxes",
            },
            "warn",
            "No. The labels behind it: image tags, Objects365 boxes. Boxes are among them.",
        ),
        (
            "classifier",
            {"MODEL__PAM__VGG_WEIGHTS": "/else/vgg16-397923af.pth"},
            "good",
            "ImageNet-1k image labels",
        ),
        (
            "classifier",
            {"MODEL__PAM__VGG_WEIGHTS": "/else/vgg16.pth"},
            "warn",
            "nothing tells which labels",
        ),
        ("maskrcnn", {"DATASETS__TRAIN": ("coco:/else/truth.json:/else",)}, "warn", "truth.json"),
        ("maskrcnn", {"DATASETS__TRAIN": ("coco_2017_train",)}, "warn", "coco_2017_train"),
    ],
)
def test_pretrained_weights_and_foreign_labels_are_told(run, stage, settings, tone, text):
    change(run, stage, **settings)
    said = answer(RunFolder(run, RECIPE.report_plan))
    assert text in said.text
    assert said.tone == tone


def test_ground_truth_is_said_to_measure_only(run):
    text = supervision_section(RunFolder(run, RECIPE.report_plan)).blocks[-1].text
    assert "Ground-truth masks measured the quality of the labels and the results" in text
    for folder in ("quality", "evaluation"):
        next((run / folder).iterdir()).unlink()
    text = supervision_section(RunFolder(run, RECIPE.report_plan)).blocks[-1].text
    assert "measured the models while they trained" in text
    for stage in ("bestie", "maskrcnn"):
        change(run, stage, DATASETS__TEST=())
    text = supervision_section(RunFolder(run, RECIPE.report_plan)).blocks[-1].text
    assert "were not used at all" in text


@pytest.fixture
def mixed(run):
    """The same folder as a run on masks of 2 images and clicks of 3, with a ledger that says so."""
    manifest = json.loads((run / "manifest.json").read_text()) | {"supervision": "masks+clicks"}
    (run / "manifest.json").write_text(json.dumps(manifest))
    for stage in ("classifier", "bestie"):
        (run / stage / "config.yaml").unlink()
    counts = {LabelKind.MASKS: 2, LabelKind.CLICKS: 3}
    origins = dict.fromkeys(counts, "ROOT")
    write_ledger_entry(run / "labels", "labels", entry_of_images("Merge", counts, origins))
    return run


def test_declared_masks_are_counted_and_nothing_else_is_said_to_be_used(mixed):
    said = answer(RunFolder(mixed, RECIPE.report_plan))
    assert said.tone == "good"
    assert said.text == (
        "What went in: masks of 2 images, clicks of 3 images. Nothing else. Masks of the clicked "
        "images, which the data has too, were used for measuring only."
    )
    section = supervision_section(RunFolder(mixed, RECIPE.report_plan))
    told = [row[2] for row in section.blocks[0].rows]
    assert told[:2] == ["masks of 2 images", "clicks of 3 images"]
    assert "Other masks measured" in section.blocks[-1].text
    (mixed / "quality/quality.json").unlink()
    assert answer(RunFolder(mixed, RECIPE.report_plan)).text.endswith("Nothing else.")


def test_masks_behind_weights_are_not_among_those_declared(mixed):
    change(mixed, "maskrcnn", MODEL__WEIGHTS="detectron2://COCO-InstanceSegmentation/x/model.pkl")
    said = answer(RunFolder(mixed, RECIPE.report_plan))
    assert said.tone == "bad" and "Masks beyond those declared: the initial weights" in said.text
    change(mixed, "maskrcnn", MODEL__WEIGHTS="/else/model.pth")
    said = answer(RunFolder(mixed, RECIPE.report_plan))
    assert said.tone == "warn" and "It is not known which labels are behind" in said.text


def test_without_a_training_there_is_nothing_to_answer(run):
    for stage in ("classifier", "bestie", "maskrcnn"):
        (run / stage / "config.yaml").unlink()
    assert "no training has run yet" in answer(RunFolder(run, RECIPE.report_plan)).text


def test_a_broken_ledger_is_noted_and_counts_as_none(run):
    (run / "maps/supervision_ledger.json").write_text("{")
    folder = RunFolder(run, RECIPE.report_plan)
    assert ("weak maps", "not known", "BESTIE") in {
        (item.what, item.labels, item.used_by) for item in ingredients(folder)
    }
    assert "supervision_ledger.json" in folder.notes[0]


def test_maps_of_another_run_name_the_weights_behind_both_of_their_networks(run, tmp_path):
    change(run, "bestie", INPUT__MAPS_DIR="WSSS_maps")
    tags = {"kind": "tags", "labels": "image tags"}
    segmenter = {"pretrained": {"file": "net.pth", "kind": "masks", "labels": "outlines"}}
    entry = {"consumed": [tags], "classifier": {**tags, "pretrained": None}, "segmenter": segmenter}
    write_ledger_entry(tmp_path / "root/WSSS_maps", "train", entry)
    assert ("initial weights", "outlines", "the segmenter of the weak maps") in rows(run)
    assert answer(RunFolder(run, RECIPE.report_plan)).tone == "bad"


def test_labels_that_chose_a_checkpoint_are_named(run):
    entry = {"consumed": [{"kind": "masks", "labels": "masks of 2 images held out", "images": 2}]}
    write_ledger_entry(run / "bestie", CHECKPOINT, entry)
    *_, said = supervision_section(RunFolder(run, RECIPE.report_plan)).blocks
    assert said.text == "The checkpoint of BESTIE was chosen by masks of 2 images held out."
