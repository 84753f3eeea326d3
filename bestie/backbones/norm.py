"""The batch normalization that a network of this run really uses.

MODEL.TIMM.NORM and the device decide the name that is given to Detectron2's ``get_norm``.
"""

from detectron2.utils import comm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["resolve_norm", "set_momentum"]

NORMS = ("BN", "SyncBN")


def resolve_norm(norm: str, device: str) -> str:
    """``norm``, or "BN" where synchronization is impossible or needless.

    torch's SyncBatchNorm runs on GPUs only. In one process it equals plain batch norm; on CPU
    processes (gloo) each process normalizes with the statistics of its own share of the batch, and
    the running statistics that are saved are those of the main process.

    Args:
        norm: "BN" or "SyncBN".
        device: cfg.MODEL.DEVICE.

    Raises:
        ValueError: any other norm.
    """
    if norm not in NORMS:
        raise ValueError(f"MODEL.TIMM.NORM must be one of {', '.join(NORMS)}, got {norm!r}.")
    if norm == "SyncBN" and (comm.get_world_size() == 1 or not device.startswith("cuda")):
        return "BN"
    return norm


def set_momentum(network: nn.Module, momentum: float) -> None:
    """Give all batch norms of a network MODEL.TIMM.BN_MOMENTUM; 0: they keep theirs."""
    for layer in network.modules():
        if momentum and isinstance(layer, _BatchNorm):
            layer.momentum = momentum
