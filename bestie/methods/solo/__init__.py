"""SOLO: instance masks from kernels at grid cells (Wang et al., SOLOv2, NeurIPS 2020)."""
