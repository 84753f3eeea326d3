"""Tests of the references on another device."""

import numpy as np
import pytest
import torch

from tests.conftest import reference_cases
from tests.methods.reference_device import everything_on, why_not_on


def test_tensors_are_made_on_the_device_and_come_back_as_arrays(monkeypatch):
    moved, kept = [], torch.from_numpy
    monkeypatch.setattr(torch, "from_numpy", lambda array: moved.append(1) or kept(array))
    with everything_on("meta"):
        assert torch.from_numpy(np.ones(2)).is_meta and torch.zeros(3).is_meta and moved
        assert torch.nn.Linear(2, 2).weight.is_meta
    with everything_on("cpu:0"):
        tensor = torch.from_numpy(np.ones(2)) + torch.ones(2)
        np.testing.assert_array_equal(tensor, tensor.numpy())
    assert not torch.zeros(1).is_meta


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_missing_is_a_reason_to_skip():
    assert why_not_on("cuda") == "BESTIE_TEST_DEVICE cuda: PyTorch finds no GPU here"
    assert why_not_on("cpu:0") == ""


def test_products_are_in_full_float32_meanwhile():
    flags = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [flag.allow_tf32 for flag in flags]
    with everything_on("cpu"):
        assert not any(flag.allow_tf32 for flag in flags)
    assert [flag.allow_tf32 for flag in flags] == before


def test_all_families_have_the_marker_of_references():
    assert all("reference" in {m.name for m in p.marks} for p in reference_cases("grouping"))
