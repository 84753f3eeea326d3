"""How tests of the references run on another device without naming it.

What is compared are values: every tensor that a test or the code under test makes lies on the
device. That the code itself puts its tensors there is shown by a training on that device.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch


def why_not_on(device: str) -> str:
    """Why tests cannot run on a device; "": they can."""
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        return f"BESTIE_TEST_DEVICE {device}: PyTorch finds no GPU here"
    return ""


@contextmanager
def everything_on(device: str) -> Iterator[None]:
    """New tensors and arrays that become tensors lie on ``device``; arrays are made of any tensor.

    Products are calculated in full float32, not in TF32, as the references were.
    """
    from_numpy, to_array = torch.from_numpy, torch.Tensor.__array__
    with pytest.MonkeyPatch.context() as patch, torch.device(device):
        patch.setattr(torch, "from_numpy", lambda array: from_numpy(array).to(device))
        patch.setattr(torch.Tensor, "numpy", _wrap(torch.Tensor.numpy))
        patch.setattr(torch.Tensor, "__array__", _wrap(to_array))
        with _full_float32():
            yield


@contextmanager
def _full_float32() -> Iterator[None]:
    # Not by a MonkeyPatch: these flags cannot be deleted, as that of pytest 9.2 does to restore.
    flags = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = False
    try:
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


def _wrap(method):
    """A method of a tensor, called for its copy on the CPU."""
    return lambda tensor, *args, **options: method(tensor.cpu(), *args, **options)
