import numpy as np
import pytest

from bestie.formats import read_coco
from bestie.methods.pam.cue_ablation import COLUMNS, CueAblation, ablate_cues
from tests.evaluation.tiny_data import write_root
from tests.methods.pam.tiny_classifier import CONFIG


def test_table_has_means_over_seeds_and_the_ratio_to_cam():
    values = np.zeros((2, 2, len(COLUMNS)))
    values[0, :, -1] = 10, 20
    values[1, :, -1] = 30, 45
    table = CueAblation([0.0, 0.7], [0, 1], values).table().splitlines()
    assert table[2].startswith("| 0 (CAM)") and table[3].startswith("| 0.7")
    assert [cell.strip() for cell in table[2].split("|")[-4:-1]] == ["15", "10 / 20", "1.00"]
    assert [cell.strip() for cell in table[3].split("|")[-4:-1]] == ["38", "30 / 45", "2.50"]
    assert "ratio" not in CueAblation([0.5], [0, 1], values[:1]).table()


@pytest.mark.parametrize("alphas, seeds", [([], [0]), ([0.5, 0.5], [0]), ([0.5], [])])
def test_nothing_is_trained_without_alphas_and_seeds_that_differ(alphas, seeds, tmp_path):
    with pytest.raises(ValueError, match="values must differ"):
        ablate_cues("c.yaml", tmp_path / "out", alphas=alphas, seeds=seeds)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["MODEL.PAM.ALPHA", "SEED", "OUTPUT_DIR"])
def test_settings_that_differ_between_the_trainings_are_no_options(tmp_path, key):
    with pytest.raises(ValueError, match=f"{key} differs between the trainings"):
        ablate_cues("c.yaml", tmp_path, alphas=[0.5], seeds=[0], options=[key, "1"])


def test_a_folder_with_results_of_other_settings_is_left_alone(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/settings.yaml").write_text("SEED: 1\n")
    given = dict(alphas=[0.5], seeds=[0])
    with pytest.raises(ValueError, match="one data set is expected in DATASETS.TRAIN, got"):
        ablate_cues(str(tmp_path / "config.yaml"), tmp_path / "out", **given)
    bare = write_root(tmp_path / "bare", pngs=False, json=False)
    given["options"] = ["DATASETS.TRAIN", f"('{bare}',)"]
    with pytest.raises(ValueError, match="has no ground truth"):
        ablate_cues(str(tmp_path / "config.yaml"), tmp_path / "out", **given)
    given["options"] = ["DATASETS.TRAIN", f"('{write_root(tmp_path / 'root')}',)"]
    with pytest.raises(ValueError, match="'tags' in TEST.EVALUATORS are needed, got"):
        ablate_cues(str(tmp_path / "config.yaml"), tmp_path / "out", **given)
    given["options"] += ["DATASETS.TEST", "('folder:x:val',)"]
    with pytest.raises(ValueError, match="holds results of other settings"):
        ablate_cues(str(tmp_path / "config.yaml"), tmp_path / "out", **given)


@pytest.mark.slow
def test_every_alpha_is_trained_and_scored_over_the_same_maps(tmp_path):
    name = write_root(tmp_path / "root")
    (tmp_path / "config.yaml").write_text(CONFIG)
    options = ["DATASETS.TRAIN", f"('{name}',)", "DATASETS.TEST", f"('{name}',)"]
    options += ["SOLVER.MAX_ITER", "2", "SOLVER.IMS_PER_BATCH", "2", "INPUT.CROP.ENABLED", "True"]
    options += ["INPUT.CROP.TYPE", "absolute", "INPUT.CROP.SIZE", "[32, 32]"]
    told = []
    result = ablate_cues(
        str(tmp_path / "config.yaml"),
        tmp_path / "out",
        alphas=[0.7, 0.0],
        seeds=[0],
        options=options,
        notify=told.append,
    )
    assert result.alphas == [0.0, 0.7] and result.values.shape == (2, 1, len(COLUMNS))
    assert np.isfinite(result.values).all()
    assert len(told) == 7 and sum("make_semantic_maps.py" in line for line in told) == 1
    for alpha, values in zip(("0", "0.7"), result.values[:, 0], strict=True):
        labels = read_coco(tmp_path / f"out/seed0_alpha{alpha}/pseudo_labels.json")
        assert len(labels["annotations"]) == values[COLUMNS.index("pseudo instances")]
