import pytest

from bestie.formats import DataError
from bestie.visualization.label_file import read_label_file

RECORDS = [{"file_name": "a.png", "image_id": 3}]


def test_a_model_that_found_nothing_leaves_an_empty_list(tmp_path):
    (tmp_path / "results.json").write_text("[]")
    assert read_label_file(tmp_path / "results.json", RECORDS, ["cat"]).of(RECORDS[0]) == []


def test_results_of_other_images_are_refused(tmp_path):
    row = '{"image_id": 4, "category_id": 1, "segmentation": [], "score": 0.5}'
    (tmp_path / "results.json").write_text(f"[{row}]")
    with pytest.raises(DataError, match="holds none of the 1 chosen images"):
        read_label_file(tmp_path / "results.json", RECORDS, ["cat"])
