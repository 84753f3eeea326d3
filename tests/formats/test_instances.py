import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from bestie import formats
from bestie.formats import instances


def test_click_is_the_centroid_of_a_convex_mask():
    mask = np.zeros((7, 9), bool)
    mask[1:4, 2:7] = True
    assert instances.mask_click(mask) == (2, 4)


def test_click_of_a_ring_lies_on_the_ring():
    mask = np.ones((5, 5), bool)
    mask[1:4, 1:4] = False
    y, x = instances.mask_click(mask)
    assert mask[y, x] and (y, x) in {(0, 2), (2, 0), (2, 4), (4, 2)}


@given(arrays(bool, (6, 8)).filter(np.any))
@settings(deadline=None)
def test_no_pixel_of_the_mask_is_nearer_to_the_centroid_than_the_click(mask):
    y, x = instances.mask_click(mask)
    pixels = np.argwhere(mask)
    distance = np.linalg.norm(pixels - pixels.mean(0), axis=1)
    assert mask[y, x]
    assert np.isclose(np.linalg.norm((y, x) - pixels.mean(0)), distance.min())


@given(arrays(np.uint8, (6, 8), elements=st.integers(0, 3)))
@settings(deadline=None)
def test_annotations_agree_with_their_masks(values):
    present = np.unique(values[values > 0])
    instance_map = np.searchsorted(np.append(0, present), values)
    classes = np.arange(len(present)) % 2
    found = instances.coco_annotations(instance_map, classes, image_id=9, first_id=5)
    assert [entry["id"] for entry in found] == list(range(5, 5 + len(present)))
    for i, entry in enumerate(found):
        np.testing.assert_array_equal(
            formats.decode_mask(entry["segmentation"], 6, 8), instance_map == i + 1
        )
        assert entry["area"] == coco_mask.area(entry["segmentation"])
        assert entry["bbox"] == coco_mask.toBbox(entry["segmentation"]).tolist()
        assert (entry["category_id"], entry["image_id"]) == (classes[i] + 1, 9)


def test_a_click_means_the_instance_of_its_class_under_it():
    large, small, ring = (np.zeros((9, 12), bool) for _ in range(3))
    large[0:6, 0:8] = True
    small[2:4, 2:4] = True  # inside the large one
    ring[6:9, 8:12] = True
    masks, classes = [large, small, ring], [0, 0, 1]
    clicks = instances.make_clicks(
        [(2.4, 2.6), (3, 4), (3, 5), (7, 9), (7, 9), (8.6, 11.7), (7, 9)], [0, 0, 0, 0, 1, 1, 1]
    )
    # The third is a second click of the large one, the fourth is of another class; of three clicks
    # on the last object, that next to its centroid counts.
    assert instances.match_clicks(clicks, masks, classes) == [1, 0, -1, -1, 2, -1, -1]
    assert instances.match_clicks(clicks, [], []) == [-1] * 7
    assert instances.match_clicks(instances.make_clicks([], []), masks, classes) == []


def test_centroids_are_computed_of_masks_with_a_click_only(monkeypatch):
    masks = np.zeros((3, 6, 6), bool)
    masks[0, :2], masks[1, 2:4], masks[2, 4:] = True, True, True
    measured, argwhere = [], np.argwhere
    monkeypatch.setattr(np, "argwhere", lambda mask: (measured.append(mask), argwhere(mask))[1])
    clicks = instances.make_clicks([(3, 3), (5, 0)], [0, 1])
    assert instances.match_clicks(clicks, masks, [0, 0, 0]) == [1, -1]
    assert len(measured) == 1 and (measured[0] == masks[1]).all()
