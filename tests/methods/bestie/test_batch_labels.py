import torch

from bestie.methods.bestie.batch_labels import collate_labels


def sample_of(components, classes, accepted, points, tags):
    components = torch.tensor(components, dtype=torch.int16)
    return {
        "semantic_map": (components > 0).to(torch.uint8),
        "image_labels": torch.tensor(tags),
        "components": components,
        "component_classes": torch.tensor(classes, dtype=torch.int64),
        "component_centroids": torch.zeros(len(classes), 2, dtype=torch.int64),
        "component_confidence": torch.tensor(accepted, dtype=torch.float32),
        "points": torch.tensor(points).view(-1, 2),
        "point_classes": torch.zeros(len(points), dtype=torch.int64),
    }


def test_components_and_points_are_numbered_through_the_batch():
    labels = collate_labels(
        [
            sample_of([[1, 1, 2]], [0, 2], [True, False], [[0.0, 1.0]], [True, False, True]),
            sample_of([[0, 0, 0]], [], [], [], [False, False, False]),
            sample_of([[1, 0, 0]], [1], [True], [[0.0, 2.0], [0.0, 0.0]], [False, True, False]),
        ],
        torch.device("cpu"),
    )
    assert labels.regions.map.tolist() == [[[1, 1, 2]], [[0, 0, 0]], [[3, 0, 0]]]
    assert labels.regions.images.tolist() == [0, 0, 2]
    assert labels.accepted_pixels == 3
    assert labels.tags.tolist() == [[0, 2], [3, 3], [1, 3]]  # 3 = C fills up
    assert labels.points.yx.tolist() == [[0, 1], [0, 2], [0, 0]]
    assert labels.points.images.tolist() == [0, 2, 2]


def test_images_without_tags_still_get_a_column():
    labels = collate_labels([sample_of([[0]], [], [], [], [False, False])], torch.device("cpu"))
    assert labels.tags.tolist() == [[2]] and labels.accepted_pixels == 0


def test_all_tensors_move_to_the_device():
    labels = collate_labels([sample_of([[1]], [0], [True], [], [True])], torch.device("meta"))
    tensors = [labels.semantic_map, labels.image_labels, labels.tags]
    tensors += [*vars(labels.regions).values(), *vars(labels.points).values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
