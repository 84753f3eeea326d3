"""Time, peak memory and device synchronizations of a call.

A function and a device give a ``Measurement``.

On a GPU the clock is read after the device has finished, memory is what PyTorch's allocator held at
most, and synchronizations are those that PyTorch itself reports. On the CPU memory is the peak of
the process's resident set, and operations are counted that would make a GPU wait. With one thread
the clock is that of the process, which stands still while other processes have the core.
"""

import ctypes
import re
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from bestie.regions.blobs import blobs_as_on_a_gpu

__all__ = [
    "Measurement",
    "count_synchronisations",
    "measure",
    "measure_in_turn",
    "private_memory",
    "resident_memory",
]

MIB = 2**20
Name = TypeVar("Name", bound=Hashable)
# Operations whose result has a size, or becomes a Python value, that only the device knows.
WAITING_OPERATIONS = {
    "_local_scalar_dense",
    "_unique",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
WAITING_METHODS = {Tensor.cpu: "cpu", Tensor.numpy: "numpy", Tensor.tolist: "tolist"}


@dataclass(frozen=True)
class Measurement:
    """Repeated timings of one call.

    Attributes:
        seconds (tuple[float, ...]): of each repetition.
        peak_memory (float | None): MiB; None if the system does not report it.
    """

    seconds: tuple[float, ...]
    peak_memory: float | None

    @property
    def median(self) -> float:
        """Median of the repetitions, seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance of the slowest from the fastest repetition, share of the median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / self.median


def measure(
    function: Callable[[], object],
    device: torch.device,
    repeat: int,
    warm_up: int = 1,
    **options: Any,
) -> Measurement:
    """Time a call ``repeat`` times after ``warm_up`` calls that do not count."""
    return measure_in_turn({"": function}, device, repeat, warm_up, **options)[""]


def measure_in_turn(
    functions: Mapping[Name, Callable[[], object]],
    device: torch.device,
    repeat: int,
    warm_up: int = 1,
    *,
    wall_clock: bool = False,
) -> dict[Name, Measurement]:
    """Time several calls by turns, so that a drift of the machine's speed meets all of them.

    Args:
        functions: what to call, by name.
        device: where the work is done.
        repeat: timings of each.
        warm_up: calls before; peak memory is taken at these, since memory is given back before,
            and getting it again takes time.
        wall_clock: read the wall clock also where one thread works; for calls that wait for other
            processes.
    """
    own_time = device.type == "cpu" and torch.get_num_threads() == 1 and not wall_clock
    clock = time.process_time if own_time else time.perf_counter
    seconds: dict[Name, list[float]] = {name: [] for name in functions}
    peaks: dict[Name, float | None] = dict.fromkeys(functions)
    for turn in range(warm_up + repeat):
        for name, function in functions.items():
            if turn < warm_up:
                _reset_peak_memory(device)
            elapsed = _time(function, device, clock)
            if turn < warm_up:
                peaks[name] = _peak_memory(device)
            else:
                seconds[name].append(elapsed)
    return {name: Measurement(tuple(seconds[name]), peaks[name]) for name in functions}


def _time(
    function: Callable[[], object], device: torch.device, clock: Callable[[], float]
) -> float:
    _synchronise(device)
    start = clock()
    result = function()
    _synchronise(device)
    elapsed = clock() - start
    del result
    return elapsed


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        give_back_memory()
        if (clear := Path("/proc/self/clear_refs")).exists():
            clear.write_text("5")  # the peak starts again from what is resident now


def _peak_memory(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    return _status("VmHWM")


def resident_memory() -> float | None:
    """Resident set of this process, MiB, after freed memory was given back; None if unknown."""
    give_back_memory()
    return _status("VmRSS")


def private_memory() -> float | None:
    """Memory that this process shares with no other one (USS), MiB; None if unknown."""
    file = Path("/proc/self/smaps_rollup")
    if not file.exists():
        return None
    found = re.findall(r"Private_(?:Clean|Dirty):\s+(\d+) kB", file.read_text())
    return sum(map(int, found)) / 1024


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library (glibc) can."""
    if hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def _status(key: str) -> float | None:
    """A number of /proc/self/status, kB there, MiB here."""
    status = Path("/proc/self/status")
    found = re.search(rf"{key}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def count_synchronisations(function: Callable[[], object], device: torch.device) -> Counter:
    """Operations of a call that wait for the device, by name; on the CPU, that would on a GPU.

    On the CPU the blobs of center clustering are found by the GPU's algorithm meanwhile.
    """
    if device.type == "cuda":
        return _reported_synchronisations(function)
    found: Counter = Counter()
    with blobs_as_on_a_gpu(), _WaitingMethods(found), _WaitingOperations(found):
        function()
    return found


def _reported_synchronisations(function: Callable[[], object]) -> Counter:
    """What torch.cuda.set_sync_debug_mode reports."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places = (
        f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchroniz" in str(w.message)
    )
    return Counter(places)


class _WaitingOperations(TorchDispatchMode):
    """Counts operations whose outcome has to be known on the host."""

    def __init__(self, found: Counter):
        super().__init__()
        self._found = found

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = operation.overloadpacket.__name__
        sized_by_mask = name.startswith(("index", "_index_put_impl")) and any(
            isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)
            for index in (args[1] if isinstance(args[1], list | tuple) else ())
        )
        unsized_repeat = name == "repeat_interleave" and (kwargs or {}).get("output_size") is None
        if name in WAITING_OPERATIONS or sized_by_mask or unsized_repeat:
            self._found[name] += 1
        return operation(*args, **(kwargs or {}))


class _WaitingMethods(TorchFunctionMode):
    """Counts copies to the host, which are not operations on the CPU."""

    def __init__(self, found: Counter):
        super().__init__()
        self._found = found

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in WAITING_METHODS:
            self._found[WAITING_METHODS[function]] += 1
        return function(*args, **(kwargs or {}))
