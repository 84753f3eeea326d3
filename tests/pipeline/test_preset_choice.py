"""The preset of a run that names none, and the one that fits."""

import json

import pytest

from bestie.pipeline.preset_choice import choose_preset, fitting_preset


def test_drawings_are_learned_from_scratch_and_photographs_are_not(tmp_path):
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes/shapes.json").write_text("{}")
    preset, why = choose_preset(str(tmp_path / "shapes"), tmp_path / "run")
    assert preset == "quick" and "bestie make-shapes; --preset names another one" in why
    preset, why = choose_preset(str(tmp_path / "photos"), tmp_path / "run")
    assert preset == "small" and why.startswith("preset small, for photographs")
    assert choose_preset("coco:a.json:images", tmp_path / "run")[0] == "small"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"preset": 1}'])
def test_a_run_keeps_its_preset(tmp_path, text):
    begun = {"preset": "hrnet48", "stages": {"check": {"inputs": {}}, "classifier": {"inputs": {}}}}
    (tmp_path / "manifest.json").write_text(json.dumps(begun))
    assert choose_preset("photos", tmp_path) == ("hrnet48", "preset hrnet48, as this run began")
    (tmp_path / "manifest.json").write_text(text)
    assert choose_preset("photos", tmp_path)[0] == "small"
    begun["stages"].pop("classifier")  # it ended in the check: nothing is kept
    (tmp_path / "manifest.json").write_text(json.dumps(begun))
    assert choose_preset("photos", tmp_path)[0] == "small"


def test_full_size_networks_need_a_gpu_and_many_images():
    def fitting(images, has_gpu, is_drawn=False):
        return fitting_preset(is_drawn=is_drawn, images=images, has_gpu=has_gpu)

    assert fitting(300, True) == fitting(300, False) == fitting(5000, False) == "small"
    assert fitting(5000, True) == "r50" and fitting(5000, True, is_drawn=True) == "quick"
