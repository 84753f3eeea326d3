import pytest
import torch

from bestie.regions import PointSet, Regions


def two_images() -> Regions:
    return Regions.join(
        maps=[torch.tensor([[1, 0, 2]], dtype=torch.int16), torch.tensor([[0, 1, 1]])],
        classes=[torch.tensor([0, 4]), torch.tensor([2])],
        centroids=[torch.tensor([[0, 0], [0, 2]]), torch.tensor([[0, 1]])],
        confidence=[torch.tensor([1.0, 0.0]), torch.tensor([0.5])],
    )


def test_regions_of_single_images_are_numbered_through_the_batch():
    regions = two_images()
    assert len(regions) == 3 and regions.map.dtype == torch.int64
    assert regions.map.tolist() == [[[1, 0, 2]], [[0, 3, 3]]]
    assert regions.images.tolist() == [0, 0, 1] and regions.classes.tolist() == [0, 4, 2]
    assert regions.accepted.tolist() == [True, False, True]


def test_images_without_regions_take_no_number():
    none = torch.zeros(0, dtype=torch.int64)
    regions = Regions.join(
        maps=[torch.zeros(1, 2), torch.tensor([[1, 1]])],
        classes=[none, torch.tensor([3])],
        centroids=[none.view(0, 2), torch.tensor([[0, 0]])],
        confidence=[none.float(), torch.tensor([1.0])],
    )
    assert regions.map.tolist() == [[[0, 0]], [[1, 1]]] and regions.images.tolist() == [1]


def test_centroids_are_points():
    points = two_images().centroid_points()
    assert len(points) == 3 and points.yx.tolist() == [[0, 0], [0, 2], [0, 1]]
    assert points.images.tolist() == [0, 0, 1] and points.classes.tolist() == [0, 4, 2]


def test_all_tensors_move_to_the_device():
    regions, points = two_images().to("meta"), two_images().centroid_points().to("meta")
    for moved in (regions, points):
        assert {tensor.device.type for tensor in vars(moved).values()} == {"meta"}


@pytest.mark.parametrize("kind", [PointSet, Regions])
def test_tensors_are_given_by_name(kind):
    with pytest.raises(TypeError, match="positional"):
        kind(torch.zeros(0, 2), torch.zeros(0), torch.zeros(0))
