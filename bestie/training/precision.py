"""Mixed precision: where it is possible, which type it uses, and where it would only cost time.

SOLVER.AMP.ENABLED runs the network of a training in 16 bits; labels and losses stay in float32. On
a GPU that is float16 with a gradient scaler, as in Detectron2; on a CPU it is bfloat16, which needs
no scaler. Inference is in float32, so that a trained model gives the same instances on every
machine.
"""

import platform
import time
from functools import lru_cache
from pathlib import Path

import timm
import torch
from detectron2.config import CfgNode
from detectron2.engine import SimpleTrainer
from torch import nn

__all__ = ["BFloat16Trainer", "cpu_multiplies_bfloat16", "describe_precision", "why_no_bfloat16"]

# Instructions for products of bfloat16 numbers, as Linux names them. Without them PyTorch converts
# every number to float32 and back, which is slower than float32 alone.
CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
# From this share of depthwise convolutions on, bfloat16 saves no time on a CPU: they wait for
# memory, and the conversions cost what the other layers save (docs/BENCHMARKS.md).
MAX_DEPTHWISE_SHARE = 0.2


class BFloat16Trainer(SimpleTrainer):
    """Detectron2's trainer with the forward pass in bfloat16, on the CPU.

    Parameters, gradients and the optimizer stay in float32. The range of bfloat16 is that of
    float32: gradients need no scaling, and checkpoints are those of a float32 training.
    """

    def run_step(self) -> None:
        start = time.perf_counter()
        data = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        with torch.autocast("cpu", torch.bfloat16):
            losses = self.model(data)
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        self._write_metrics(losses, data_time)
        self.optimizer.step()


def why_no_bfloat16(cfg: CfgNode) -> str:
    """Why a training of ``cfg`` on the CPU cannot use bfloat16, or would not be faster; "": it can.

    Args:
        cfg: of any model; MODEL.DEVICE is not read.
    """
    if not cpu_multiplies_bfloat16():
        flags = " or ".join(sorted(CPU_FLAGS))
        return f"bfloat16 is slower than float32 on this CPU, which does not have {flags}"
    name = cfg.MODEL.TIMM.NAME
    if "timm" in cfg.MODEL.BACKBONE.NAME and _depthwise_share(name) > MAX_DEPTHWISE_SHARE:
        return f"bfloat16 is not faster than float32 on the depthwise convolutions of {name}"
    return ""


def describe_precision(cfg: CfgNode) -> str:
    """ "float32", or "bfloat16" or "float16" for mixed precision: the numbers that a network trains
    with."""
    if not cfg.SOLVER.AMP.ENABLED:
        return "float32"
    return "bfloat16" if cfg.MODEL.DEVICE == "cpu" else "float16"


@lru_cache
def cpu_multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; False where that is not known."""
    cpuinfo = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return not CPU_FLAGS.isdisjoint(flags.split())


@lru_cache
def _depthwise_share(name: str) -> float:
    """Share of depthwise layers among the convolutions of a timm model; 0 for unknown models."""
    if not timm.is_model(name):  # the backbone's builder reports it
        return 0.0
    with torch.device("meta"):  # no memory, no random numbers
        model = timm.create_model(name, pretrained=False)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    depthwise = sum(layer.groups == layer.in_channels > 1 for layer in layers)
    return depthwise / max(1, len(layers))
