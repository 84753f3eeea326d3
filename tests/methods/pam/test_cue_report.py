import numpy as np
import pytest

from bestie.formats import Points
from bestie.methods.pam.cue_report import BACKGROUND, OTHER_CLASS, assign_cues, report_cues
from tests.evaluation.tiny_data import labels_of

# Two cats and a dog; see tiny_data for the size of the image.
OBJECTS = labels_of([(0, 0, 0, 4, 10), (0, 6, 0, 12, 10), (1, 0, 12, 12, 20)])


def cues_at(*rows: tuple) -> Points:
    """Rows (y, x, class) or (y, x, class, score)."""
    table = np.array([(*row, 0.95)[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
    return Points(table[:, :2], table[:, 2].astype(int), table[:, 3].astype(np.float32))


def test_cues_belong_to_the_object_of_their_class_that_they_lie_on():
    cues = cues_at((3.9, 9.5, 0), (4, 5, 0), (8, 5, 1), (11, 19, 1), (11, 19, 0), (2, 2, 0))
    owners = [0, BACKGROUND, OTHER_CLASS, 2, OTHER_CLASS, 0]
    assert assign_cues(cues, OBJECTS).tolist() == owners


def test_cues_belong_to_the_nearest_click_of_their_class():
    clicks = cues_at((2, 2, 0), (9, 9, 0), (9, 10, 1))
    cues = cues_at((3, 3, 0), (9, 11, 0), (0, 0, 1), (0, 0, 2))
    assert assign_cues(cues, clicks).tolist() == [0, 1, 2, BACKGROUND]


@pytest.mark.parametrize("objects", [labels_of([]), cues_at()])
def test_nothing_is_handled(objects):
    assert assign_cues(cues_at((1, 1, 0)), objects).tolist() == [BACKGROUND]
    assert assign_cues(cues_at(), objects).shape == (0,)


def test_objects_with_one_several_and_no_cue_are_counted_by_class():
    cues = cues_at((1, 1, 0), (2, 2, 0), (1, 15, 1), (5, 5, 0), (8, 5, 1), (8, 5, 0, 0.7))
    report = report_cues([(cues, OBJECTS), (cues_at(), labels_of([]))], ["cat", "dog"], 0.7)
    assert report.truth == "masks" and report.images == 2 and report.images_without_cues == 1
    assert report.cues == [3, 2]  # the cue of 0.7 is not above the threshold
    assert (report.one, report.several, report.none) == ([0, 1], [1, 0], [1, 0])
    assert (report.background, report.other_class) == ([1, 0], [0, 1])
    assert report.cues_per_image == {0: 1, 5: 1}
    assert sum(report.scores) == 6 and report.scores[9] == 5
    total = next(line for line in report.table().splitlines() if "total" in line)
    assert [int(cell) for cell in total.split("|")[2:-1]] == [5, 3, 1, 1, 1, 1, 1]


def test_without_ground_truth_cues_are_counted_alone():
    report = report_cues([(cues_at((1, 1, 1, 0.2)), None)], ["cat", "dog"], 0.1)
    assert report.truth == "" and report.cues == [0, 1] and report.none == [0, 0]
    assert "objects" not in report.table() and report.as_dict()["scores"][2] == 1


def test_no_image_gives_an_empty_report():
    report = report_cues([], ["cat"])
    assert report.images == 0 and report.cues == [0] and report.table()
