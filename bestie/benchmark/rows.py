"""One row of the benchmark, and what all groups of rows share.

A measurement becomes a row with its ratio to the network and its target.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from bestie.benchmark.timing import Measurement

__all__ = ["NOT_MEASURED", "Bench", "Curves", "Row", "density_name"]

NOT_MEASURED = "not measured (no GPU)"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name (str): what was measured.
        setting (str): on what.
        milliseconds (float | None): median per image; None if the row is not a time.
        spread (float | None): see ``Measurement``.
        ratio (float | None): to the network's forward and backward pass, per image.
        peak_memory (float | None): MiB.
        synchronisations (int | None): waits for the device.
        value (str): the row's own figure, if it is not the time.
        target (str): the value to reach, in words.
        met (bool | None): whether it was reached; None without a target or a measurement.
    """

    name: str
    setting: str
    milliseconds: float | None = None
    spread: float | None = None
    ratio: float | None = None
    peak_memory: float | None = None
    synchronisations: int | None = None
    value: str = ""
    target: str = ""
    met: bool | None = None


# What was measured -> call -> (x, milliseconds).
Curves = dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]


@dataclass
class Bench:
    """Settings of a run, the network's time once it is known, and the curves that were measured.

    Attributes:
        device (torch.device): that labels and networks run on.
        repeat (int): repetitions that count; networks on the CPU take fewer.
        quick (bool): small images and networks, to try the commands; no target is judged.
        seed (int): of the simulated scenes.
        workers (tuple[int, ...]): numbers of the loader's workers.
        network_seconds (float | None): forward and backward pass of the reference network, per
            image.
        curves: see :data:`Curves`; rows about scaling add theirs.
    """

    device: torch.device
    repeat: int = 9
    quick: bool = False
    seed: int = 0
    workers: tuple[int, ...] = (0, 2)
    network_seconds: float | None = None
    curves: Curves = field(default_factory=dict)

    @property
    def side(self) -> int:
        """Side of the training crop, pixels."""
        return 96 if self.quick else 416

    @property
    def class_numbers(self) -> tuple[int, int]:
        """Few and many classes, as VOC and COCO have."""
        return (20, 80)

    def row(
        self,
        name: str,
        setting: str,
        measurement: Measurement,
        images: int = 1,
        *,
        limit_ms: float | None = None,
        limit_ratio: float | None = None,
        **more: Any,
    ) -> Row:
        """A row of a time.

        Args:
            name, setting: see ``Row``.
            measurement: of ``images`` images together.
            images: see there.
            limit_ms: target, milliseconds per image; judged on the CPU and at full size.
            limit_ratio: target, share of the network's forward and backward pass.
            more: other columns.
        """
        seconds = measurement.median / images
        ratio = seconds / self.network_seconds if self.network_seconds else None
        targets: list[str] = []
        judgements: list[bool | None] = []
        if limit_ms is not None:
            targets.append(f"<= {limit_ms:g} ms")
            judgements.append(1000 * seconds <= limit_ms)
        if limit_ratio is not None:
            targets.append(f"<= {100 * limit_ratio:g} % of the network")
            judgements.append(None if ratio is None else ratio <= limit_ratio)
        if targets:
            more |= {"target": "; ".join(targets), "met": self.judge(*judgements)}
        columns = {
            "milliseconds": 1000 * seconds,
            "spread": measurement.spread,
            "ratio": ratio,
            "peak_memory": measurement.peak_memory,
        }
        return Row(name, setting, **columns | more)

    def judge(self, *judgements: bool | None) -> bool | None:
        """Whether all targets of a row are met; None if one was not measured, or in quick mode."""
        return None if self.quick or None in judgements else all(judgements)


def density_name(density: str, classes: int, batch: int | None = None) -> str:
    """How rows name simulated scenes."""
    return f"{density}, C {classes}" + (f", batch {batch}" if batch else "")
