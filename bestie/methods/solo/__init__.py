"""SOLO: instance masks from kernels at grid cells (Wang et al., SOLOv2, NeurIPS 2020)."""

from bestie.methods.solo.meta_arch import SOLO
from bestie.methods.solo.method import METHOD

__all__ = ["METHOD", "SOLO"]
