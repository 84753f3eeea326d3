"""The ranking of the tiny run, and the files that it leaves."""

import json
import shutil

import numpy as np

from bestie.cli import export
from bestie.formats import Points, encode_mask, write_points, write_semantic_map
from bestie.methods.bestie.recipe import RECIPE
from bestie.report.doubtful import LIST, RANKING, doubtful_section, rank_images
from bestie.report.run_folder import RunFolder
from bestie.visualization.page import Commands, Paragraph, Strip


def folder(run) -> RunFolder:
    return RunFolder(run, RECIPE.report_plan)


def ranking(run) -> dict[str, float]:
    return {image.name: round(image.doubt.total, 3) for image in rank_images(folder(run))}


def labels(run):
    return json.loads((run / "labels/labels.json").read_text())


def change_scores(run, **scores):
    """Give the labels of some images a score, and those of the others 1."""
    content = labels(run)
    names = {image["id"]: image["file_name"].split(".")[0] for image in content["images"]}
    for entry in content["annotations"]:
        entry["score"] = scores.get(names[entry["image_id"]], 1.0)
    (run / "labels/labels.json").write_text(json.dumps(content))


def test_low_scores_come_first_and_equal_images_stay_in_order(run):
    change_scores(run, img3=0.25)
    found = ranking(run)
    assert next(iter(found)) == "img3.png" and len(found) == 5
    rest = [name for name, doubt in found.items() if doubt == found["img0.png"]]
    assert rest == sorted(rest)


def test_cues_and_maps_of_the_run_take_part(run):
    change_scores(run)
    before = ranking(run)
    image = next(i for i in labels(run)["images"] if i["file_name"] == "img3.png")
    size = (image["height"], image["width"])
    point = Points(np.array([[0.0, 0.0]]), np.array([1]), np.array([0.9], np.float32))
    write_points(run / "cues/img3.txt", point)
    write_semantic_map(run / "maps/img3.png", np.full(size, 2, np.uint8))
    after = ranking(run)
    assert after["img3.png"] > before["img3.png"] and next(iter(after)) == "img3.png"
    (ranked,) = [r for r in rank_images(folder(run)) if r.name == "img3.png"]
    assert ranked.doubt.points is not None and ranked.doubt.maps is not None
    section = doubtful_section(folder(run))
    strip = next(block for block in section.blocks if isinstance(block, Strip))
    titles = [title for title, _ in strip.panels]
    assert titles == ["image, tags", "points (cues)", "weak map", "labels"]


def test_the_files_are_what_the_export_reads(run, tmp_path):
    change_scores(run, img3=0.25)
    section = doubtful_section(folder(run))
    assert (run / LIST).read_text().splitlines()[0] == "img3.png"
    header, first, *others = (run / RANKING).read_text().splitlines()
    assert header.split("\t")[:2] == ["image", "doubt"] and first.startswith("img3.png\t")
    assert len(others) == 4
    (commands,) = [block for block in section.blocks if isinstance(block, Commands)]
    ((_, command),) = commands.commands
    arguments = command.split()[2:-1]
    export.main([*arguments, str(tmp_path / "package")])
    content = json.loads((tmp_path / "package/img3.json").read_text())
    assert content["shapes"][0]["description"] == "score 0.25"


def test_without_labels_there_is_no_ranking(run):
    shutil.rmtree(run / "labels")
    (block,) = doubtful_section(folder(run)).blocks
    assert isinstance(block, Paragraph) and "“Labels”" in block.text
    assert not (run / LIST).exists()


def test_labels_that_do_not_fit_the_data_are_named(run):
    content = labels(run)
    content["categories"][0]["name"] = "zebra"
    (run / "labels/labels.json").write_text(json.dumps(content))
    (block,) = doubtful_section(folder(run)).blocks
    assert "the labels have the class 'zebra'" in block.text


def test_a_broken_mask_is_named(run):
    content = labels(run)
    content["annotations"][0]["segmentation"] = encode_mask(np.ones((2, 2), bool))
    (run / "labels/labels.json").write_text(json.dumps(content))
    (block,) = doubtful_section(folder(run)).blocks
    assert "The labels cannot be ranked" in block.text
