"""Data: names of data sets, checks of their files, joint augmentation, mappers, loaders.

From files on disk to batches for a model. Data sets are registered by name; a mapper turns each
dataset dict into a sample; the loaders collect samples into batches.
"""

from bestie.data.augmentation import augment
from bestie.data.checks.dataset import (
    DatasetReport,
    Problem,
    check_coco,
    check_dataset,
    check_datasets,
    inspect_dataset,
    raise_on_errors,
)
from bestie.data.checks.survey import survey_data
from bestie.data.loader import (
    BatchLoader,
    PositionSampler,
    build_test_loader,
    build_train_loader,
    seeded,
)
from bestie.data.mappers import MAPPER_REGISTRY, build_mapper, points_folder
from bestie.data.registration import BUILTIN_DATASETS, register_builtin_datasets, register_dataset

__all__ = [
    "BUILTIN_DATASETS",
    "MAPPER_REGISTRY",
    "BatchLoader",
    "DatasetReport",
    "PositionSampler",
    "Problem",
    "augment",
    "build_mapper",
    "build_test_loader",
    "build_train_loader",
    "check_coco",
    "check_dataset",
    "check_datasets",
    "inspect_dataset",
    "points_folder",
    "raise_on_errors",
    "register_builtin_datasets",
    "register_dataset",
    "seeded",
    "survey_data",
]

register_builtin_datasets()
