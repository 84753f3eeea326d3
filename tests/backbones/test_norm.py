"""Norms that a network of this run really uses."""

import pytest
from detectron2.utils import comm

from bestie.backbones.norm import resolve_norm


@pytest.mark.parametrize(
    ("processes", "device", "expected"),
    [(1, "cuda", "BN"), (2, "cpu", "BN"), (2, "cuda:1", "SyncBN")],
)
def test_batches_are_synchronized_on_several_gpus_only(monkeypatch, processes, device, expected):
    monkeypatch.setattr(comm, "get_world_size", lambda: processes)
    assert resolve_norm("SyncBN", device) == expected
    assert resolve_norm("BN", device) == "BN"


def test_other_norms_are_refused():
    with pytest.raises(ValueError, match="must be one of BN, SyncBN, got 'GN'"):
        resolve_norm("GN", "cpu")
