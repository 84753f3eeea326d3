"""Places in a picture, and objects that others hide."""

import numpy as np

from bestie.data.shapes.layout import Item, drop_hidden, overlap_windows
from bestie.data.shapes.sprites import Sprite


def item(class_id, rows, columns):
    mask = np.zeros((8, 8), bool)
    mask[rows, columns] = True
    alpha = mask.astype(np.float32)
    return Item(Sprite(np.zeros((8, 8, 3), np.float32), alpha), 0, 0, class_id, mask)


def test_windows_of_a_sprite_that_reaches_over_the_border():
    inside, cut = overlap_windows((4, 4), (3, 3), -1, 2)
    assert inside == (slice(0, 2), slice(2, 4)) and cut == (slice(1, 3), slice(0, 2))
    inside, cut = overlap_windows((4, 4), (3, 3), 9, 0)
    assert np.zeros((4, 4))[inside].size == np.zeros((3, 3))[cut].size == 0


def test_the_most_hidden_object_goes_first_and_clutter_stays():
    behind = item(0, slice(0, 4), slice(0, 4))
    clutter = item(-1, slice(0, 3), slice(0, 4))
    assert drop_hidden([behind, clutter], min_area=1) == [clutter]
    beside = item(-1, slice(4, 8), slice(0, 4))
    assert drop_hidden([behind, beside], min_area=1) == [behind, beside]
    assert drop_hidden([behind, beside], min_area=17) == [beside]
