"""report.html from whole, partial and damaged output folders."""

import json
import re
import shutil

import pytest

from bestie.formats import DataError
from bestie.methods.bestie.recipe import RECIPE
from bestie.progress import duration
from bestie.report import write_report
from tests.report.conftest import write_json


def text_of(run) -> str:
    """The page without its pictures."""
    path = write_report(run, RECIPE.for_run("quick", {}).report_plan)
    assert path == run / "report.html"
    html = path.read_text(encoding="utf-8")
    assert not re.search(r"<script|https?:|url\(", html)
    return re.sub(r"data:image/webp;base64,[^\"]*", "", html)


def set_stage(run, name, **fields):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["stages"][name] |= fields
    write_json(run / "manifest.json", manifest)


def test_a_whole_run_is_told_completely(run):
    html = text_of(run)
    for said in (
        "<dt>state</dt><dd>finished</dd>",
        "<dt>started</dt><dd>2030-01-02 03:04</dd>",
        "BESTIE 61.2, Mask R-CNN on its labels 61.2.",
        "6 labels on 5 training images.",
        "50.0 % of the labels are true positives",
        "a.txt, line 3: an odd point",
        "1 min 05 s",
        '<td>dog</td><td class="number">3</td>',
        "2.0 GiB",
        "this page",
        "BESTIE: losses: loss_a",
        "Labels while BESTIE trains: true positives, labels",
        "cues on pixels of their class in the map",
        "Instance cues, some images",
        '<td>cat</td><td class="number">70.5</td>',
        "img4: quality 0 of 100",
        '<pre tabindex="0">python tools/maskrcnn.py</pre>',
    ):
        assert said in html, said
    assert "Nothing here" not in html


def test_a_failed_stage_is_named_and_what_follows_is_missing(run):
    set_stage(run, "bestie", status="failed", reason="no space left on device")
    for name in ("labels", "quality", "maskrcnn", "evaluation"):
        shutil.rmtree(run / name)
    shutil.rmtree(run / "bestie/inference")
    (run / "bestie/metrics.json").unlink()
    html = text_of(run)
    assert "<dd>failed in BESTIE</dd>" in html
    assert "“BESTIE” failed: no space left on device (logs/bestie.log)" in html
    assert "Nothing here: the stage “BESTIE” failed: no space left on device." in html
    assert "mAP50 on" not in html


def test_without_ground_truth_it_says_so(run):
    quality = json.loads((run / "quality/quality.json").read_text())
    quality |= {"truth": False, "labels": None, "baseline": None}
    quality["over_training"][0] |= dict.fromkeys(("true_positives", "precision", "recall"))
    write_json(run / "quality/quality.json", quality)
    write_json(run / "evaluation/results.json", {"skipped": "there is no split 'val'"})
    html = text_of(run)
    assert "no ground truth: nobody can say how many labels are right" in html
    assert "Not measured: there is no split &#39;val&#39;." in html
    assert "Coverage: tags with a label" in html
    assert "Precision and recall" not in html


def test_a_manifest_alone_is_enough(tmp_path):
    write_json(tmp_path / "manifest.json", {"version": 1, "stages": {}})
    html = text_of(tmp_path)
    assert "no training has run yet" in html
    assert html.count("Nothing here: the stage") >= 7
    assert "The manifest records no command." in html


def test_damaged_files_are_named_and_the_rest_is_told(run):
    names = (
        "check/dataset.json",
        "quality/quality.json",
        "labels/summary.json",
        "bestie/metrics.json",
        "maskrcnn/config.yaml",
        "cues/report/cues.png",
        "cues/supervision_ledger.json",
        "maskrcnn/inference/coco_instances_results.json",
    )
    for name in names:
        (run / name).write_bytes(b"\xff{ [")
    html = text_of(run)
    for name in names:
        assert re.search(f"{name}(:|, line| cannot be read)", html), name
    assert "AP50 per class" in html
    assert "python tools/maskrcnn.py" in html


@pytest.mark.parametrize("content", [None, "{", "[]", '{"version": 1}'])
def test_without_a_usable_manifest_there_is_no_report(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match="manifest.json"):
        write_report(tmp_path, RECIPE.report_plan)
    assert not (tmp_path / "report.html").exists()


def test_missing_images_leave_out_the_galleries_alone(run, tmp_path):
    shutil.rmtree(tmp_path / "root/JPEGImages")
    html = text_of(run)
    assert "The images cannot be drawn:" in html
    assert "AP50 per class" in html


def test_durations_are_readable():
    assert [duration(s) for s in (None, 0.4, 59, 59.6, 185, 7800)] == [
        *("–", "0 s", "59 s", "1 min 00 s", "3 min 05 s", "2 h 10 min")
    ]


def test_stages_that_were_kept_although_their_code_changed_are_named(run):
    assert "--keep-code" not in text_of(run)
    files = [f"code (bestie/file_{number}.py)" for number in range(22)]
    kept = {"changed": files, "made_with": "a" * 64, "now": "b" * 64}
    set_stage(run, "bestie", kept_code=kept)
    html = text_of(run)
    assert "Kept with --keep-code although the code or a library has changed since" in html
    assert "BESTIE: code (bestie/file_0.py)" in html and "and 2 more (made with code aaaa" in html
