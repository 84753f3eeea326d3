"""A training that cannot continue: a loss that is not finite, or memory that ran out.

Both end in one message with the iteration, what to change, and the last checkpoint whose weights
are finite, instead of a traceback. Used by the trainer and the launcher.
"""

import logging
import os
import re
from pathlib import Path

import torch
from detectron2.config import CfgNode

from bestie.data.mappers import mapper_class

__all__ = ["TrainingError", "explain_failure", "hide_traceback", "memory_message"]

# What PyTorch's allocators and its data loader say when memory ran out, apart from their types.
MEMORY_SIGNS = (
    "out of memory",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
# A worker that the system killed: in nearly all cases, memory (or shared memory) ran out.
WORKER_SIGN = re.compile(r"DataLoader worker \(pid.*\) (is killed by signal|exited unexpectedly)")


class TrainingError(Exception):
    """A training ended early; the message says why, where, and what to change."""


def explain_failure(error: BaseException, cfg: CfgNode, iteration: int) -> str | None:
    """Message about an error of a training; None if the error is of another kind.

    Args:
        error: what was raised.
        cfg: of the training.
        iteration: the iteration that failed, from 0.
    """
    if isinstance(error, FloatingPointError):
        # The weights after step iteration - 1 gave this loss: those of a step before are good.
        last = _last_good(cfg.OUTPUT_DIR, iteration - 2)
        return "\n".join([*_not_finite(error, cfg, iteration), last])
    reason = memory_message(error)
    if reason is None:
        return None
    batch = cfg.SOLVER.IMS_PER_BATCH
    hints = [f"SOLVER.IMS_PER_BATCH below {batch} (and SOLVER.BASE_LR in proportion)"] * (batch > 1)
    hints += [f"smaller {mapper_class(cfg).size_keys}"]
    if cfg.MODEL.DEVICE.startswith("cuda") and not cfg.SOLVER.AMP.ENABLED:
        hints.append("SOLVER.AMP.ENABLED True")
    if WORKER_SIGN.search(str(error)) and cfg.DATALOADER.NUM_WORKERS:
        hints.append(f"DATALOADER.NUM_WORKERS below {cfg.DATALOADER.NUM_WORKERS}")
    lines = [
        f"the memory ran out at iteration {iteration} of {cfg.SOLVER.MAX_ITER} on "
        f"{cfg.MODEL.DEVICE}: {reason}",
        f"What to change: {'; '.join(hints)}.",
    ]
    return "\n".join([*lines, _last_good(cfg.OUTPUT_DIR, iteration)])


def memory_message(error: BaseException) -> str | None:
    """The first line of an error that says that memory ran out; None for other errors."""
    text = str(error).strip() or type(error).__name__
    is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and (any(sign in text for sign in MEMORY_SIGNS) or bool(WORKER_SIGN.search(text)))
    )
    return text.splitlines()[0] if is_memory else None


def hide_traceback(record: logging.LogRecord) -> bool:
    """Filter for the log of Detectron2's loop: no traceback of what gets a message of ours."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, FloatingPointError) or error and memory_message(error))


def _not_finite(error: FloatingPointError, cfg: CfgNode, iteration: int) -> list[str]:
    wrong = re.findall(r"'([^']+)': (?:nan|-?inf)", str(error))
    names = f" ({', '.join(wrong)})" if wrong else ""
    hints = [f"SOLVER.BASE_LR below {cfg.SOLVER.BASE_LR:g}"]
    if iteration < cfg.SOLVER.MAX_ITER // 10:
        hints.append(f"a longer warm-up (SOLVER.WARMUP_ITERS, now {cfg.SOLVER.WARMUP_ITERS})")
    if not cfg.SOLVER.CLIP_GRADIENTS.ENABLED:
        hints.append("SOLVER.CLIP_GRADIENTS.ENABLED True")
    if cfg.SOLVER.AMP.ENABLED:
        hints.append("SOLVER.AMP.ENABLED False")
    return [
        f"the loss became infinite or NaN at iteration {iteration} of {cfg.SOLVER.MAX_ITER}{names}",
        f"What to change: {'; '.join(hints)}.",
    ]


def _last_good(folder: str | os.PathLike, last: int) -> str:
    """A sentence about the last checkpoint, of iteration ``last`` or before, of finite weights."""
    # The numbers in their names have seven digits.
    for path in sorted(Path(folder).glob("model_[0-9]*.pth"), reverse=True):
        if int(path.stem.removeprefix("model_")) <= last and _is_finite(path):
            return (
                f"Last good checkpoint: {path}; MODEL.WEIGHTS {path} starts a new training from "
                "its weights."
            )
    return f"No good checkpoint has been written to {folder} yet."


def _is_finite(path: Path) -> bool:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # a file of a killed run may be broken in any way
        return False
    tensors = [value for value in content.get("model", {}).values() if torch.is_tensor(value)]
    return bool(tensors) and all(
        bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point()
    )
