from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from bestie.formats import DataError, encode_mask, write_semantic_map
from bestie.visualization.layers import LAYERS, ImageLayers, LayerSettings, available_layers
from tests.evaluation.tiny_data import CLASS_NAMES, HEIGHT, WIDTH

SETTINGS = LayerSettings(class_names=CLASS_NAMES, side=80, min_area=4)


def record_of(dataset: str, number: int) -> dict:
    return DatasetCatalog.get(dataset)[number]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("number", [0, 2])
def test_every_layer_has_a_title_and_a_panel_of_the_wanted_width(dataset, layer, number):
    title, panel = ImageLayers(record_of(dataset, number), SETTINGS).draw(layer)
    assert title and panel.dtype == np.uint8
    assert panel.shape[1] == 80 and panel.shape[0] > 80 * HEIGHT // WIDTH


def test_layers_are_those_whose_files_are_there(dataset):
    record = record_of(dataset, 0)
    assert available_layers(record) == ["tags", "points", "map", "pseudo", "gt"]
    Path(record["semantic_map_file"]).unlink()
    assert available_layers(record) == ["tags", "points", "gt"]
    assert available_layers({"file_name": "a.jpg"}) == ["image"]


def test_pseudo_labels_are_components_with_one_point(dataset, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "bestie.visualization.layers.draw_instances",
        lambda image, masks, texts: drawn.append(masks) or image,
    )
    record = record_of(dataset, 0)  # two cats apart, one point each
    ImageLayers(record, SETTINGS).draw("pseudo")
    clicks = Path(record["points_files"]["Center_points"])
    clicks.write_text(clicks.read_text() + "1 1 0 1.0\n")  # a second point on the first cat
    ImageLayers(record, SETTINGS).draw("pseudo")
    clicks.write_text("1 1 0 0.6\n4 8 0 0.9\n")  # cues, the first not confident enough
    ImageLayers(record, SETTINGS).draw("pseudo")
    ImageLayers(record, LayerSettings(CLASS_NAMES, min_area=1000)).draw("pseudo")
    assert [len(masks) for masks in drawn] == [2, 1, 1, 0]


def test_annotations_under_the_score_are_counted_not_drawn(dataset, monkeypatch):
    legends = []
    monkeypatch.setattr(
        "bestie.visualization.layers.add_legend",
        lambda image, entries: legends.append([text for text, _ in entries]) or image,
    )
    layers = ImageLayers(record_of(dataset, 0), SETTINGS)
    mask = np.ones((HEIGHT, WIDTH), bool)
    annotations = [
        {"segmentation": encode_mask(mask), "class_id": 1, "score": score}
        for score in (0.9, 0.1, None)
    ]
    layers.draw_annotations(annotations)
    layers.draw_annotations([])
    assert legends == [["dog × 2", "1 more under score 0.3"], ["none"]]


def test_unknown_layer_is_named(dataset):
    with pytest.raises(ValueError, match="'depth' is not a layer; the layers are image, tags"):
        ImageLayers(record_of(dataset, 0), SETTINGS).draw("depth")


@pytest.mark.parametrize("layer", ["tags", "points", "map", "pseudo", "gt"])
def test_missing_parts_are_named(dataset, layer):
    bare = {"file_name": record_of(dataset, 0)["file_name"]}
    with pytest.raises(DataError, match=r"img0\.png: the image has no "):
        ImageLayers(bare, SETTINGS).draw(layer)


def test_map_of_another_size_is_named(dataset):
    record = record_of(dataset, 0)
    write_semantic_map(record["semantic_map_file"], np.zeros((3, 4), np.uint8))
    with pytest.raises(DataError, match=r"WSSS_maps.img0\.png: has the size \(3, 4\), its image"):
        ImageLayers(record, SETTINGS).draw("map")


def test_class_out_of_range_is_named(dataset):
    record = record_of(dataset, 0)
    write_semantic_map(record["semantic_map_file"], np.full((HEIGHT, WIDTH), 9, np.uint8))
    with pytest.raises(DataError, match=r"holds the class 8; classes are 0\.\.1"):
        ImageLayers(record, SETTINGS).draw("map")
    Path(record["points_files"]["Center_points"]).write_text("1 1 5 1.0\n")
    with pytest.raises(DataError, match=r"holds the class 5; classes are 0\.\.1"):
        ImageLayers(record, SETTINGS).draw("points")


def test_annotation_of_another_size_is_named(dataset):
    layers = ImageLayers(record_of(dataset, 0), SETTINGS)
    wrong = {"segmentation": encode_mask(np.ones((2, 2), bool)), "class_id": 0, "score": None}
    with pytest.raises(DataError, match=r"an annotation has the size \(2, 2\)"):
        layers.draw_annotations([wrong])
