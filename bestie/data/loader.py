"""Loaders: samples as a pure function of the seed and the position in the training.

A batch is a list of mapped dicts. The trainer, the evaluation and the export use these loaders.

Position p of a training is the p-th sample that all processes together have consumed. Which image
that is, and every random number that its mapper draws, follows from (seed, p) alone. So a
run that resumes at iteration i by ``sampler.set_start(i * IMS_PER_BATCH)`` sees what the
uninterrupted run would have seen, for any number of workers; and the processes of a run together
see the global batches that a single process would have seen.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import (
    DatasetFromList,
    build_detection_test_loader,
    get_detection_dataset_dicts,
)
from detectron2.utils import comm
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from bestie.data.registration import register_dataset

__all__ = [
    "BatchLoader",
    "PositionSampler",
    "build_test_loader",
    "build_train_loader",
    "seeded",
]

# Every tensor in the buffer of a batch starts at a multiple of this many bytes, because
# ``Tensor.view(dtype)`` needs a start that is a multiple of the size of the dtype.
ALIGNMENT = 64


def build_train_loader(
    cfg: CfgNode, mapper: Callable[[dict], dict]
) -> tuple["BatchLoader", "PositionSampler"]:
    """Endless loader of DATASETS.TRAIN, SOLVER.IMS_PER_BATCH / processes samples per batch.

    Images without instance annotations are left out if DATALOADER.FILTER_EMPTY_ANNOTATIONS (data
    sets that come with annotations only).

    Returns:
        The loader, and its sampler, whose ``set_start`` must be called before the loader is
        iterated.

    Raises:
        ValueError: IMS_PER_BATCH is not a multiple of the processes, a data set is unknown, or no
            image is left.
    """
    world_size = comm.get_world_size()
    if cfg.SOLVER.IMS_PER_BATCH < 1 or cfg.SOLVER.IMS_PER_BATCH % world_size:
        raise ValueError(
            f"SOLVER.IMS_PER_BATCH must be a multiple of the {world_size} process(es), "
            f"got {cfg.SOLVER.IMS_PER_BATCH}."
        )
    for name in cfg.DATASETS.TRAIN:
        register_dataset(name)
    dicts = _samples(mapper, _training_dicts(cfg))
    sampler = PositionSampler(len(dicts), cfg.SEED, rank=comm.get_rank(), world_size=world_size)
    # PyTorch's own loader: it hands whole batches to the workers and returns them in order.
    # Detectron2's gives each worker a share of the positions, and which one depends on its version.
    loader = DataLoader(
        _SeededDataset(dicts, mapper, cfg.SEED),
        batch_sampler=BatchSampler(sampler, cfg.SOLVER.IMS_PER_BATCH // world_size, drop_last=True),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        collate_fn=_pack,
    )
    return BatchLoader(loader), sampler


def _samples(mapper: Callable[[dict], dict], dicts: list[dict]) -> list[dict] | DatasetFromList:
    """The dicts that a mapper makes samples of: the images, unless it has a method ``samples``.

    A mapper has one if its samples are not whole images, or if it needs the other images to make a
    sample; these it may keep and return serialized, so that all share them.
    """
    samples: Any = getattr(mapper, "samples", None)
    return dicts if samples is None else samples(dicts)


def _training_dicts(cfg: CfgNode) -> list[dict]:
    only_labeled = cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    try:
        return get_detection_dataset_dicts(list(cfg.DATASETS.TRAIN), filter_empty=only_labeled)
    except AssertionError as error:  # Detectron2's, for a list without an image
        raise ValueError(
            f"DATASETS.TRAIN: {error} Are all annotations crowd regions? Images without any other "
            "annotation are left out if DATALOADER.FILTER_EMPTY_ANNOTATIONS, which is "
            f"{only_labeled}."
        ) from error


def build_test_loader(cfg: CfgNode, name: str, mapper: Callable[[dict], dict]) -> DataLoader:
    """Loader of each image of one data set once, one per batch, distributed over the processes."""
    register_dataset(name)
    dicts = get_detection_dataset_dicts(name, filter_empty=False)
    return build_detection_test_loader(dicts, mapper=mapper, num_workers=cfg.DATALOADER.NUM_WORKERS)


class BatchLoader:
    """Iterates over the batches of a loader whose workers pack them: lists of mapped dicts."""

    def __init__(self, packed: DataLoader):
        self.packed = packed

    @property
    def size(self) -> int:
        """Number of samples that the training draws from."""
        return len(self._dataset)

    def sample(self, index: int) -> dict[str, Any]:
        """A sample as the training may see it; the same every time. ``index``: below ``size``."""
        return self._dataset[index, index]

    @property
    def _dataset(self) -> "_SeededDataset":
        return cast(_SeededDataset, self.packed.dataset)

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        for buffer, batch in self.packed:
            yield [
                {
                    key: value.of(buffer) if isinstance(value, _Packed) else value
                    for key, value in sample.items()
                }
                for sample in batch
            ]


@dataclass(frozen=True)
class _Packed:
    """A tensor's place in the buffer of its batch, bytes."""

    start: int
    size: int
    dtype: torch.dtype
    shape: torch.Size

    def of(self, buffer: torch.Tensor) -> torch.Tensor:
        return buffer[self.start : self.start + self.size].view(self.dtype).view(self.shape)


def _pack(batch: list[dict[str, Any]]) -> tuple[torch.Tensor, list[dict[str, Any]]]:
    """Move the tensors of a batch into one buffer.

    Each tensor that a worker sends costs a file descriptor and two messages, which takes as long as
    decoding a small picture, and a batch has tens of tensors. In one buffer, all of them cost as
    much as one. Example::

        buffer  |image 0|..|map 0|..|points 0|..|image 1|..|map 1| ...     .. = padding
        batch   {"image": _Packed(start, size, dtype, shape), "image_id": 7, ...}, ...

    :class:`BatchLoader` cuts the tensors out of the buffer again, as views without a copy.
    """
    places, end, packed = [], 0, []
    for sample in batch:
        packed.append(dict(sample))
        for key, value in sample.items():
            if isinstance(value, torch.Tensor):
                start = -(-end // ALIGNMENT) * ALIGNMENT
                packed[-1][key] = _Packed(start, value.nbytes, value.dtype, value.shape)
                places.append((packed[-1][key], value))
                end = start + value.nbytes
    buffer = torch.empty(end, dtype=torch.uint8)
    for place, value in places:
        place.of(buffer).copy_(value)
    return buffer, packed


class PositionSampler(Sampler):
    """Endless (position, index) pairs; the index is a pure function of (seed, position).

    Each epoch of ``size`` positions is a permutation of the indices. Process ``rank`` of
    ``world_size`` takes every ``world_size``-th position.

    Args:
        size: number of images.
        seed: 0 or more.
        shuffle: False: every epoch in the order of the data set.
        rank: of this process.
        world_size: number of processes.
        start: first position, over all processes; a multiple of ``world_size``.
    """

    def __init__(
        self,
        size: int,
        seed: int,
        *,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
    ):
        if size < 1:
            raise ValueError(f"a data set needs at least 1 image, got {size}")
        self.size, self.seed, self.shuffle = size, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.set_start(start)

    def set_start(self, position: int) -> None:
        """Set the first position of the iterators to come, over all processes."""
        assert position >= 0 and position % self.world_size == 0
        self.start = position

    def __iter__(self) -> Iterator[tuple[int, int]]:
        position = self.start + self.rank
        epoch, order = -1, np.arange(0)
        while True:
            if position // self.size != epoch:
                epoch = position // self.size
                order = self._order(epoch)
            yield position, int(order[position % self.size])
            position += self.world_size

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.size)
        return np.random.default_rng((self.seed, epoch)).permutation(self.size)


class _SeededDataset(Dataset):
    """Maps (position, index) to the mapped dict of the index, seeded by the position."""

    def __init__(
        self, dicts: list[dict] | DatasetFromList, mapper: Callable[[dict], dict], seed: int
    ):
        is_list = isinstance(dicts, list)
        self.dicts = DatasetFromList(dicts, copy=False) if is_list else dicts
        self.mapper = mapper
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dicts)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        position, index = key
        with seeded(self.seed, position):
            return self.mapper(self.dicts[index])


@contextlib.contextmanager
def seeded(*entropy: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's (CPU) global generators; restore their states at the end.

    Args:
        entropy: integers of 0 or more that the seeds are made of.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence(entropy).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.default_generator.manual_seed(int(words[2]))  # torch.manual_seed would reseed CUDA, too
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
