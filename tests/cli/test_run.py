import json

import pytest

from bestie.cli import run as TOOL
from bestie.pipeline import StageError
from tests.pipeline.tiny_root import write_tiny_root


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "root", train=3, val=2)


def run(data, *arguments, supervision="tags", output=None):
    """Run on a root, or with ``output`` on "coco:...", whose clicks are its supervision."""
    given = ["--data", str(data), "--supervision", "clicks" if output else supervision]
    given += ["--output", str(output or data.parent / "run")]
    given += [] if "--preset" in arguments else ["--preset", "quick"]
    TOOL.main([*given, *arguments])


def plan(data, capsys, *arguments, **fields) -> dict[str, str]:
    """Stage -> action of a dry run."""
    run(data, "--dry-run", *arguments, **fields)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {line[0]: line[1] for line in lines if line[0] != "note:"}


def test_settings_and_flags_may_come_in_any_order():
    given = "--data a SEED 1 --supervision tags DEVICE cpu --output b --dry-run"
    args = TOOL.parse_arguments(given.split())
    assert args.opts == ["SEED", "1", "DEVICE", "cpu"] and args.dry_run and args.output == "b"


def test_a_dry_run_tells_the_plan_and_does_nothing(root, capsys):
    assert set(plan(root, capsys).values()) == {"run"}
    assert not (root.parent / "run").exists()


def test_a_run_that_names_no_preset_says_which_one_it_takes(root, capsys):
    given = ["--data", str(root), "--supervision", "tags", "--output", str(root.parent / "run")]
    TOOL.main([*given, "--dry-run"])
    assert "note: preset small, for photographs; --preset" in capsys.readouterr().out
    (root / "shapes.json").write_text("{}")
    TOOL.main([*given, "--dry-run"])
    assert "note: preset quick, for the drawings" in capsys.readouterr().out
    no_file = ["classifier:MODEL.PAM.VGG_WEIGHTS", ""]
    TOOL.main([*given, "--dry-run", "--preset", "r50", "DEVICE", "cpu", *no_file])
    assert "note: preset" not in capsys.readouterr().out


def test_supplied_files_stand_in_for_stages(root, capsys, tmp_path):
    cues = tmp_path / "cues"
    cues.mkdir()
    (root / "WSSS_maps").mkdir()
    for number in range(3):
        (root / f"WSSS_maps/train_0{number}.png").touch()
    actions = plan(root, capsys)
    assert actions["classifier"] == actions["cues"] == "run" and actions["maps"] == "replaced"
    actions = plan(root, capsys, "--cues", str(cues))
    assert actions["classifier"] == actions["cues"] == actions["maps"] == "replaced"


def test_clicks_need_a_classifier_for_maps_only_and_tags_may_follow_from_them(root, capsys):
    (root / "Center_points").mkdir()
    for number in range(3):
        (root / f"Center_points/train_0{number}.txt").write_text("30 30 0 1.0\n")
    (root / "image_labels.txt").unlink()
    run(root, "--dry-run", supervision="clicks")
    text = capsys.readouterr().out
    assert "note: there are no tags: those of an image are the classes of its clicks" in text
    assert "cues        replaced  clicks are given" in text
    assert "classifier  run" in text and not (root.parent / "run").exists()


def test_from_and_to_choose_stages(root, capsys):
    actions = plan(root, capsys, "--from", "bestie", "--to", "labels")
    assert [name for name, action in actions.items() if action == "run"] == ["bestie", "labels"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "labels", "--to", "cues"], "--from labels comes after --to cues"),
        (["--force", "report", "--to", "cues"], "--force report lies outside"),
        (["SEED"], "'SEED' has no value"),
        (["SOLVER.NO_SUCH_KEY", "1"], "NO_SUCH_KEY"),
        (["SEED", "x"], "SEED"),
        (["--split", "all"], "no split 'all'"),
        (["--num-gpus", "0"], "--num-gpus must be 1 or more"),
        (["--cues", "nowhere"], "--cues: .*nowhere is not a folder"),
        (["--val", "coco:a:b"], "--val goes with"),
    ],
)
def test_mistakes_in_the_command_are_named_before_anything_is_done(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(root, "--dry-run", *arguments)


def test_all_mistakes_in_the_data_are_told_by_the_check(root):
    (root / "JPEGImages/train_01.png").unlink()
    (root / "JPEGImages/val_01.png").write_bytes(b"no image")
    (root / "image_labels.txt").write_text("train_00 0\ntrain_01 7\ntrain_02 0\nval_00 0\nval_01 0")
    with pytest.raises(StageError) as caught:
        run(root)
    text = str(caught.value)
    assert text.startswith("stage check failed") and "train_01: image does not exist" in text
    assert "val_01.png" in text and "image_labels.txt, line 2: class 7 is out of range" in text
    assert (root.parent / "run/check/dataset.json").is_file()


def test_settings_of_all_trainings_are_checked_before_the_first_one(root):
    wrong = ["classifier:MODEL.PAM.ALPHA", "3.0", "bestie:INPUT.CROP.SIZE", "[50, 50]"]
    with pytest.raises(StageError) as caught:
        run(root, *wrong, "maskrcnn:SOLVER.OPTIMIZER", "LION")
    text = str(caught.value)
    for part in ("classifier: ", "MODEL.PAM.ALPHA", "bestie: ", "CROP.SIZE", "maskrcnn: ", "LION"):
        assert part in text


def test_a_dry_run_refuses_settings_that_the_check_would_refuse(root):
    wrong = ["classifier:MODEL.PAM.ALPHA", "3.0", "maskrcnn:SOLVER.OPTIMIZER", "LION"]
    with pytest.raises(ValueError, match="(?s)classifier: .*MODEL.PAM.ALPHA.*maskrcnn: .*LION"):
        run(root, "--dry-run", *wrong)
    assert not (root.parent / "run").exists()


def test_a_dry_run_names_files_that_are_missing_and_fetches_none(root, tmp_path):
    (tmp_path / "own.pth").touch()
    given = ["DEVICE", "cpu", "bestie:MODEL.TIMM.WEIGHTS", str(tmp_path / "own.pth")]
    wrong = ["maskrcnn:MODEL.WEIGHTS", "nowhere.pth"]
    with pytest.raises(ValueError) as caught:
        run(root, "--dry-run", "--preset", "r50", *given, *wrong)
    classifier, maskrcnn = str(caught.value).splitlines()
    assert classifier.startswith("classifier: MODEL.PAM.VGG_WEIGHTS: ")
    assert "vgg16-397923af.pth" in classifier
    assert maskrcnn == "maskrcnn: MODEL.WEIGHTS: nowhere.pth is not a file."
    # Another backbone does not read VGG16's file.
    other = ["classifier:MODEL.BACKBONE.NAME", "build_timm_backbone"]
    run(root, "--dry-run", "--preset", "r50", *given, *other)


def test_missing_weights_are_named_with_the_place_to_get_them(root):
    # The others of this preset would be downloaded.
    random = ["bestie:MODEL.TIMM.WEIGHTS", "", "maskrcnn:MODEL.WEIGHTS", str(root / "none.pkl")]
    with pytest.raises(StageError) as caught:
        run(root, "--preset", "r50", "DEVICE", "cpu", *random)
    text = str(caught.value)
    assert "vgg16-397923af.pth" in text and "downloads them" in text and "none.pkl" in text


def test_a_folder_of_something_else_is_left_alone(root):
    (root.parent / "run").mkdir()
    (root.parent / "run/thesis.tex").touch()
    with pytest.raises(ValueError, match="holds no manifest.json"):
        run(root)
    assert [path.name for path in (root.parent / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "has 2 visible keypoints"),
        (["--keypoints", "ear"], "--keypoints ear is not a keypoint of its category"),
        (["--keypoints", "first"], None),
        (["--keypoints", "tail", "--boxes-as-clicks"], None),
    ],
)
def test_the_click_of_a_skeleton_is_chosen(root, capsys, arguments, message):
    content = json.loads((root / "annotations/instances_train.json").read_text())
    for entry in content["annotations"]:
        x, y = entry["bbox"][:2]
        entry["keypoints"] = [x + 1, y + 1, 2, x + 2, y + 2, 2]
    for category in content["categories"]:
        category["keypoints"] = ["nose", "tail"]
    (root.parent / "keypoints.json").write_text(json.dumps(content))
    data = f"coco:{root.parent / 'keypoints.json'}:{root / 'JPEGImages'}"
    if message is None:
        assert "check" in plan(data, capsys, *arguments, output=root.parent / "run")
        return
    with pytest.raises(ValueError, match=message):
        plan(data, capsys, *arguments, output=root.parent / "run")
