import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bestie.methods.pointwssis.pairing import nearest_instances


def test_pairs_are_of_one_image_and_class():
    found = nearest_instances(
        points=torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 9.0], [9.0, 9.0]]),
        classes=torch.tensor([0, 1, 0, 2]),
        images=torch.tensor([0, 0, 1, 1]),
        true_centers=torch.tensor([[5.0, 5.0], [1.0, 1.0], [2.0, 2.0], [9.0, 9.0]]),
        true_classes=torch.tensor([0, 1, 0, 0]),
        true_images=torch.tensor([0, 0, 0, 1]),
    )
    assert found.tolist() == [2, 1, 3, -1]


def test_distance_limit_and_no_instances():
    point, zero = torch.tensor([[0.0, 0.0]]), torch.tensor([0])
    near = torch.tensor([[3.0, 4.0]])
    assert nearest_instances(point, zero, zero, near, zero, zero, 5.0).tolist() == [0]
    assert nearest_instances(point, zero, zero, near, zero, zero, 4.9).tolist() == [-1]
    assert nearest_instances(point, zero, zero, near[:0], zero[:0], zero[:0]).tolist() == [-1]


def test_several_rough_masks_may_share_an_instance_and_the_first_wins_a_tie():
    zero = torch.zeros(3, dtype=torch.int64)
    points = torch.tensor([[0.0, 1.0], [0.0, 9.0], [0.0, 5.0]])
    centers = torch.tensor([[0.0, 0.0], [0.0, 10.0]])
    found = nearest_instances(points, zero, zero, centers, zero[:2], zero[:2])
    assert found.tolist() == [0, 1, 0]


coordinates = st.tuples(st.integers(0, 4000), st.integers(0, 4000))
labels = st.tuples(coordinates, st.integers(0, 2), st.integers(0, 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(labels, min_size=1, max_size=6), st.lists(labels, max_size=6))
def test_the_pair_is_the_one_of_a_loop(rough, true):
    def columns(entries):
        points = torch.tensor([p for p, _, _ in entries], dtype=torch.float64).view(-1, 2)
        kinds = (torch.tensor([e[i] for e in entries], dtype=torch.int64) for i in (1, 2))
        return points, *kinds

    found = nearest_instances(*columns(rough), *columns(true)).tolist()
    for ((y, x), class_id, image), pair in zip(rough, found, strict=True):
        distances = {
            k: (y - v) ** 2 + (x - u) ** 2
            for k, ((v, u), c, i) in enumerate(true)
            if (c, i) == (class_id, image)
        }
        assert pair == (min(distances, key=distances.get) if distances else -1)
