"""Map files and the report on them, whatever makes the maps."""

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from bestie.formats import DataError, write_semantic_map
from bestie.methods.pam.map_files import is_complete, refined_scores, report_on_files
from tests.evaluation.tiny_data import HEIGHT, WIDTH, write_root


def test_no_iteration_leaves_the_scores():
    scores = torch.rand(2, 6, 8).softmax(0)
    image = torch.randint(0, 256, (3, 6, 8), dtype=torch.uint8)
    options = CfgNode({"PAMR_DILATIONS": [1, 2], "PAMR_ITERATIONS": 0, "CRF": False})
    assert torch.equal(refined_scores(scores, image, options), scores)
    options.PAMR_ITERATIONS = 2
    refined = refined_scores(scores, image, options)
    assert not torch.equal(refined, scores)
    torch.testing.assert_close(refined.sum(0), torch.ones(6, 8))


def test_a_map_is_complete_if_it_has_the_size_of_its_image(tmp_path):
    record, path = {"height": 4, "width": 5}, tmp_path / "a.png"
    write_semantic_map(path, np.zeros((4, 5), np.uint8))
    assert is_complete(record, path)
    write_semantic_map(path, np.zeros((5, 4), np.uint8))
    assert not is_complete(record, path)
    path.write_bytes(b"no picture")
    assert not is_complete(record, path)


def test_all_wrong_maps_are_named_at_once(tmp_path):
    name = write_root(tmp_path / "root")
    records = DatasetCatalog.get(name)
    maps = tmp_path / "root/WSSS_maps"
    write_semantic_map(maps / "img0.png", np.full((HEIGHT, WIDTH), 7, np.uint8))
    (maps / "img3.png").unlink()
    with pytest.raises(DataError, match=r"img0.png: has the values \[7\](.|\n)*img3.png"):
        report_on_files(name, records, lambda record: maps / f"{record['image_name']}.png", {})
