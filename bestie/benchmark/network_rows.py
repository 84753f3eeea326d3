"""Rows about networks: forward and backward pass, and full training steps.

The first row measures the time that all others are compared with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from detectron2.config import CfgNode
from detectron2.utils.events import EventStorage

from bestie.benchmark.rows import NOT_MEASURED, Bench, Row
from bestie.benchmark.scenes import DENSITIES, simulate
from bestie.benchmark.timing import Measurement, measure, measure_in_turn
from bestie.methods.bestie.meta_arch import BESTIE
from bestie.methods.bestie.refinement import RefineSettings
from bestie.training.setup import build_model, default_config

__all__ = ["build_network", "network_rows", "step_rows"]

BATCH = 4
# Repetitions on a CPU, where a pass takes up to a minute.
CPU_REPEAT = 2
HEADS = {"hrnet": "HRNetHead", "resnet": "PanopticDeepLabHead"}


def network_names(bench: Bench) -> tuple[str, str]:
    """The two networks of the steps; the first is the one that others are compared with."""
    return ("hrnet_w18_small", "resnet18") if bench.quick else ("hrnet_w48", "resnet50")


def build_network(name: str, classes: int, device: torch.device) -> BESTIE:
    """BESTIE on a timm network with random weights, in the paper's setting."""
    cfg: CfgNode = default_config()
    cfg.MODEL.META_ARCHITECTURE = "BESTIE"
    cfg.MODEL.DEVICE = str(device)
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]
    cfg.MODEL.BACKBONE.NAME = "build_timm_backbone"
    cfg.MODEL.TIMM.NAME, cfg.MODEL.TIMM.NORM = name, "BN"
    cfg.MODEL.BESTIE.NUM_CLASSES = classes
    cfg.MODEL.BESTIE.HEAD = HEADS[name.rstrip("_0123456789").split("_")[0]]
    model = build_model(cfg)
    assert isinstance(model, BESTIE)
    return model


def network_rows(bench: Bench) -> Iterator[Row]:
    """Forward and backward pass alone, of the batch that the targets name."""
    name, _ = network_names(bench)
    model = build_network(name, bench.class_numbers[0], bench.device).train()
    images = torch.randn(BATCH, 3, bench.side, bench.side, device=bench.device)
    images = images.contiguous(memory_format=torch.channels_last)

    def forward_and_backward() -> None:
        model.zero_grad(set_to_none=True)
        outputs = model.head(model.backbone(images), images.shape[-2:])
        torch.stack([output.mean() for output in outputs]).sum().backward()

    measurement = measure(forward_and_backward, bench.device, network_repeat(bench))
    bench.network_seconds = measurement.median / BATCH
    setting = f"{name}, C {bench.class_numbers[0]}, {bench.side}x{bench.side}, batch {BATCH}"
    yield bench.row("network, forward and backward", setting, measurement, BATCH)


def network_repeat(bench: Bench) -> int:
    """Repetitions of a network's pass or step."""
    return bench.repeat if bench.device.type == "cuda" else min(bench.repeat, CPU_REPEAT)


def step_rows(bench: Bench) -> Iterator[Row]:
    """Training steps (labels, losses, backward pass, Adam) by turns: refinement off and on, and on
    a GPU also with the network in bfloat16."""
    few, many = bench.class_numbers
    steps = [Step(refine=False), Step()]
    if bench.device.type == "cuda":
        steps.append(Step(bfloat16=True))
    for name in network_names(bench):
        measured = _measure_steps(bench, name, few, steps)
        (many_classes,) = _measure_steps(bench, name, many, [Step()]).values()
        for step, measurement in measured.items():
            yield bench.row("training step", f"{name}, C {few}, {step}", measurement, BATCH)
        yield bench.row("training step", f"{name}, C {many}, {Step()}", many_classes, BATCH)
        off, on = (measured[step] for step in steps[:2])
        yield _refinement_row(bench, name, off, on)
        yield _class_row(bench, name, on, many_classes)
        for step in steps[2:]:
            yield _bfloat16_row(name, on, measured[step])


@dataclass(frozen=True)
class Step:
    """A kind of training step.

    Attributes:
        refine: with self-refinement.
        bfloat16: the network calculates in bfloat16, labels and losses in float32.
    """

    refine: bool = True
    bfloat16: bool = False

    def __str__(self) -> str:
        refinement = f"refinement {'on' if self.refine else 'off'}"
        return f"{refinement}, bfloat16" if self.bfloat16 else refinement


def _measure_steps(
    bench: Bench, name: str, classes: int, kinds: Sequence[Step]
) -> dict[Step, Measurement]:
    """Steps of one model, of several kinds by turns."""
    fewest, most, coverage = DENSITIES["medium"]
    size = (bench.side, bench.side)
    samples = simulate((fewest, most), coverage, size, BATCH, classes, bench.seed).samples
    model = build_network(name, classes, bench.device).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-7)

    def run(kind: Step) -> None:
        model.refine_settings = RefineSettings() if kind.refine else None
        half = torch.autocast(bench.device.type, torch.bfloat16, enabled=kind.bfloat16)
        with EventStorage(1), half:
            losses = sum(model(samples).values())
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()

    calls = {kind: partial(run, kind) for kind in kinds}
    return measure_in_turn(calls, bench.device, network_repeat(bench))


def _refinement_row(bench: Bench, name: str, off: Measurement, on: Measurement) -> Row:
    factor = on.median / off.median
    on_gpu = bench.device.type == "cuda"
    return Row(
        "training step, refinement on against off",
        name,
        value=f"x {factor:.3f}" + ("" if on_gpu else f" on the CPU; GPU {NOT_MEASURED}"),
        target="<= 1.05 on a GPU",
        met=bench.judge(factor <= 1.05) if on_gpu else None,
    )


def _bfloat16_row(name: str, full: Measurement, half: Measurement) -> Row:
    value = f"time x {half.median / full.median:.2f}"
    if full.peak_memory and half.peak_memory:
        value += f", peak memory x {half.peak_memory / full.peak_memory:.2f}"
    return Row("training step, bfloat16 against float32", name, value=value)


def _class_row(bench: Bench, name: str, few: Measurement, many: Measurement) -> Row:
    time = many.median / few.median
    value = f"time x {time:.2f}"
    memory: float | None = None
    if few.peak_memory and many.peak_memory:
        memory = many.peak_memory / few.peak_memory
        value += f", peak memory x {memory:.2f}"
    return Row(
        "training step, C 80 against C 20",
        name,
        value=value,
        target="<= 1.3",
        met=bench.judge(time <= 1.3, None if memory is None else memory <= 1.3),
    )
