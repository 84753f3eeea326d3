import time

import pytest
import torch

from bestie.benchmark.timing import (
    Measurement,
    count_synchronisations,
    measure,
    measure_in_turn,
    resident_memory,
)

CPU = torch.device("cpu")
VALUES = torch.tensor([0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: VALUES.tolist(), {"tolist": 1}),
        (lambda: VALUES.cpu().numpy(), {"cpu": 1, "numpy": 1}),
        (lambda: int(VALUES.max()), {"_local_scalar_dense": 1}),
        (lambda: VALUES[VALUES > 0], {"index": 1}),
        (lambda: VALUES.clone().index_put_((VALUES > 0,), VALUES[0]), {"index_put_": 1}),
        (lambda: VALUES.nonzero(), {"nonzero": 1}),
        (lambda: VALUES.unique(), {"_unique2": 1}),
        (lambda: torch.repeat_interleave(torch.tensor([1, 2])), {"repeat_interleave": 1}),
        (lambda: VALUES[torch.tensor([0, 2])], {}),
        (lambda: torch.nonzero_static(VALUES, size=2), {}),
        (lambda: torch.where(VALUES > 0, VALUES, 0).sum().clamp(min=1), {}),
    ],
)
def test_operations_that_would_wait_for_a_gpu_are_counted(call, found):
    assert dict(count_synchronisations(call, CPU)) == found


def test_warm_up_calls_do_not_count_and_calls_take_turns():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    measured = measure_in_turn(calls, CPU, repeat=2, warm_up=1)
    assert order == list("ab" * 3)
    assert [len(measured[name].seconds) for name in "ab"] == [2, 2]


def test_median_and_spread_by_hand():
    measurement = Measurement((1.0, 4.0, 2.0), None)
    assert measurement.median == 2 and measurement.spread == 0.75


def test_the_wall_clock_sees_waiting():
    measured = measure(lambda: time.sleep(0.02), CPU, 1, wall_clock=True)
    assert measured.median >= 0.02


@pytest.mark.skipif(resident_memory() is None, reason="no /proc/self/status on this system")
def test_peak_memory_is_that_of_the_call_alone():
    def large():
        torch.ones(64 * 2**20, dtype=torch.uint8)

    before = measure(lambda: None, CPU, 1).peak_memory
    assert measure(large, CPU, 1).peak_memory > before + 60
    assert measure(lambda: None, CPU, 1).peak_memory < before + 30
