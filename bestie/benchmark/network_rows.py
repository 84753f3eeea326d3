"""Rows about networks: forward and backward pass, and full training steps.

The first row measures the time that all others are compared with.
"""

from collections.abc import Iterator
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
    """Training steps (labels, losses, backward pass, Adam) with refinement off and on, by turns."""
    few, many = bench.class_numbers
    for name in network_names(bench):
        measured = _measure_steps(bench, name, few, (False, True))
        measured |= _measure_steps(bench, name, many, (True,))
        for setting, measurement in measured.items():
            yield bench.row("training step", setting, measurement, BATCH)
        off, on, many_classes = measured.values()
        yield _refinement_row(bench, name, off, on)
        yield _class_row(bench, name, on, many_classes)


def _measure_steps(
    bench: Bench, name: str, classes: int, refinements: tuple[bool, ...]
) -> dict[str, Measurement]:
    """Steps of one model, with refinement switched off or on before each."""
    fewest, most, coverage = DENSITIES["medium"]
    size = (bench.side, bench.side)
    samples = simulate((fewest, most), coverage, size, BATCH, classes, bench.seed).samples
    model = build_network(name, classes, bench.device).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-7)

    def step(refine: bool) -> None:
        model.refine_settings = RefineSettings() if refine else None
        with EventStorage(1):
            losses = sum(model(samples).values())
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()

    steps = {
        f"{name}, C {classes}, refinement {'on' if refine else 'off'}": partial(step, refine)
        for refine in refinements
    }
    return measure_in_turn(steps, bench.device, network_repeat(bench))


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
