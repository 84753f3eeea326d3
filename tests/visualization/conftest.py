"""A tiny registered root with tags, clicks, weak maps and ground truth."""

from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.formats import Points, write_points
from tests.evaluation.tiny_data import OBJECTS, write_root


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    """Name of the data set: img0 .. img4, cats and dogs, a click in the middle of each."""
    name = write_root(tmp_path / "root")
    for number, objects in enumerate(OBJECTS):
        middles = [((t + b - 1) / 2, (x + r - 1) / 2) for _, t, x, b, r in objects]
        points = Points(
            np.array(middles).reshape(-1, 2),
            np.array([class_id for class_id, *_ in objects], np.int64),
            np.ones(len(objects), np.float32),
        )
        write_points(tmp_path / "root" / "Center_points" / f"img{number}.txt", points)
    yield name
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)
