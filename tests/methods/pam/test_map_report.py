import json

import numpy as np
import pytest

from bestie.evaluation.semantic_iou import count_confusions
from bestie.methods.pam.map_report import measure_map, report_maps


def test_statistics_by_hand():
    semantic_map = np.array(
        [
            [1, 1, 1, 0, 255],
            [1, 0, 1, 0, 0],
            [1, 1, 1, 3, 255],
        ],
        np.uint8,
    )
    found = measure_map(semantic_map, [0, 1])
    assert (found.pixels, found.foreground, found.ignored) == (15, 9, 2)
    assert (found.holes, found.hole_pixels) == (1, 1)  # the other background touches the border
    assert (found.tags, found.tags_without_pixels, found.untagged) == (2, 1, 1)
    unknown = measure_map(semantic_map, None)
    assert (unknown.tags, unknown.tags_without_pixels, unknown.untagged) == (0, 0, 0)


def pseudo_label() -> np.ndarray:
    semantic_map = np.zeros((20, 20), np.uint8)
    semantic_map[4:15, 4:15] = 255
    semantic_map[5:14, 5:14] = 1
    return semantic_map


def test_restricted_compact_maps_with_doubts_look_like_pseudo_labels():
    report = report_maps([(pseudo_label(), [0]), (np.zeros((4, 4), np.uint8), [])], ["a", "b"])
    assert report.images == 2 and report.findings() == []
    assert "look like pseudo labels" in report.table()


@pytest.mark.parametrize(
    "rows, columns, value, tags, finding",
    [
        ((0, 3), (0, 3), 2, [0], "not tags of the image"),
        ((0, 0), (0, 0), 0, [0, 1], "1 of 2 tags have no pixel"),
        ((6, 9), (6, 9), 0, [0], "1 holes"),
        ((0, 20), (0, 12), 255, [0], "pixels are ignored"),
        ((0, 20), (0, 20), 1, [0], "no pixel is ignored"),
    ],
)
def test_each_sign_of_predictions_is_found(rows, columns, value, tags, finding):
    semantic_map = pseudo_label()
    semantic_map[slice(*rows), slice(*columns)] = value
    (found,) = report_maps([(semantic_map, tags)], ["a", "b"]).findings()
    assert finding in found


def test_maps_without_any_object_are_no_pseudo_labels():
    semantic_map = np.zeros((20, 20), np.uint8)
    semantic_map[0, 0] = 255
    assert report_maps([(semantic_map, None)], ["a"]).findings() == ["no pixel is of any class"]


def test_mean_iou_is_over_what_occurs_and_json_has_no_nan():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    confusion = count_confusions(truth, np.array([[0, 1, 1, 1]], np.uint8), 2)
    report = report_maps([], ["a", "b"], {"as written": confusion})
    assert report.mean_iou()["as written"] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    content = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert content["IoU"]["as written"]["b"] is None
    assert "as written" in report.table()
