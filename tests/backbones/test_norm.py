"""Norms that a network of this run really uses."""

import pytest
from detectron2.utils import comm
from torch import nn

from bestie.backbones.norm import resolve_norm, set_momentum


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


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, [0.3, 0.1]), (0.01, [0.01, 0.01])])
def test_momentum_of_all_norms_or_their_own(momentum, expected):
    network = nn.Sequential(nn.BatchNorm2d(2, momentum=0.3), nn.ReLU(), nn.SyncBatchNorm(2))
    set_momentum(network, momentum)
    assert [network[0].momentum, network[2].momentum] == expected
