"""Which images stand in which gallery."""

import shutil

from detectron2.data import DatasetCatalog

from bestie.evaluation.ground_truth import GroundTruth
from bestie.methods.bestie.recipe import RECIPE
from bestie.report.galleries import gallery_section, rank_images
from bestie.report.run_folder import RunFolder
from bestie.visualization.label_file import read_label_file
from bestie.visualization.page import Heading, Paragraph, Strip
from tests.evaluation.tiny_data import CLASS_NAMES

PREDICTIONS = "maskrcnn/inference/coco_instances_results.json"


def ranked(run, data, truth):
    records = DatasetCatalog.get(data)
    labels = read_label_file(run / PREDICTIONS, records, CLASS_NAMES)
    return [(round(s, 3), r["image_name"]) for s, r in rank_images(records, labels, truth)]


def test_images_are_ranked_by_their_fit_and_empty_ones_left_out(run, data):
    # img1: one pair of IoU 1/2; img2 has neither objects nor predictions.
    expected = [(1.0, "img0"), (1.0, "img3"), (0.5, "img1"), (0.0, "img4")]
    assert ranked(run, data, GroundTruth(data)) == expected


def test_without_ground_truth_they_are_ranked_by_confidence(run, data):
    expected = [(0.9, "img0"), (0.9, "img1"), (0.9, "img3"), (0.0, "img2"), (0.0, "img4")]
    assert ranked(run, data, None) == expected


def strips(section) -> list[str]:
    kinds = (Heading, Strip)
    chosen = [block for block in section.blocks if isinstance(block, kinds)]
    return [b.text if isinstance(b, Heading) else b.title.split(":")[0] for b in chosen]


def test_best_median_and_worst_share_no_image(run):
    section = gallery_section(RunFolder(run, RECIPE.report_plan))
    assert strips(section) == ["Best", "img0", "Median", "img3", "Worst", "img4"]
    panels = [title for title, _ in section.blocks[2].panels]
    assert panels == ["image, tags", "ground truth", "BESTIE", "Mask R-CNN"]
    assert "4 of 5 images" in section.blocks[0].text


def test_without_predictions_the_labels_are_shown(run):
    for stage in ("bestie", "maskrcnn"):
        shutil.rmtree(run / stage / "inference")
    section = gallery_section(RunFolder(run, RECIPE.report_plan))
    assert [title for title, _ in section.blocks[2].panels][-1] == "labels"


def test_without_labels_there_is_nothing_to_draw(run):
    for name in ("bestie/inference", "maskrcnn/inference", "labels"):
        shutil.rmtree(run / name)
    (block,) = gallery_section(RunFolder(run, RECIPE.report_plan)).blocks
    assert isinstance(block, Paragraph) and "“Labels”" in block.text


def test_the_truth_of_a_json_is_drawn_where_images_have_no_mask_files(run, data, tmp_path):
    for folder in ("SegmentationObject", "SegmentationClass"):
        shutil.rmtree(tmp_path / "root" / folder)
    section = gallery_section(RunFolder(run, RECIPE.report_plan))
    assert strips(section) == ["Best", "img0", "Median", "img3", "Worst", "img4"]
    panels = [title for title, _ in section.blocks[2].panels]
    assert panels == ["image, tags", "ground truth", "BESTIE", "Mask R-CNN"]
