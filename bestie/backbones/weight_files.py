"""Reading weight files without executing code from them.

A path gives the tensors (or arrays) of the file by name.
"""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

__all__ = ["read_checkpoint", "read_model_file", "read_pickle", "read_weights"]

# Keys under which training programs keep the network's weights.
CONTAINERS = ("model", "state_dict", "model_state")


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a weight file, by name; a wrapping "module." of every name is removed.

    Args:
        path: .safetensors, .pkl (arrays only), or anything that ``torch.save`` wrote (tensors
            only). The weights may lie under "model", "state_dict" or "model_state".

    Raises:
        ValueError: the file is missing, damaged, or holds something else.
    """
    content = read_pickle(path) if str(path).endswith(".pkl") else read_checkpoint(path)
    for container in CONTAINERS:
        if isinstance(content.get(container), Mapping):
            content = content[container]
            break
    state = {}
    for name, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            value = torch.from_numpy(value)
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{path}: {name!r} is a {type(value).__name__}, expected are tensors by name "
                f"(or these under one of {', '.join(CONTAINERS)})."
            )
        state[name] = value
    return strip_wrapper(state)


def strip_wrapper(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the "module." that DistributedDataParallel puts before every name."""
    if not all(name.startswith("module.") for name in state):
        return dict(state)
    return {name.removeprefix("module."): value for name, value in state.items()}


def read_model_file(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a file in the form that Detectron2's checkpointer works on.

    Args:
        path: as of :func:`read_weights`, the model zoo's .pkl or pycls' .pyth.

    Returns:
        The weights by name under "model", next to the other entries of the file; "__author__" and
        "matching_heuristics" where Detectron2 is to match the names of another library.

    Raises:
        ValueError: the file is missing, damaged, or holds something else.
    """
    name = str(path)
    content = read_pickle(path) if name.endswith(".pkl") else read_checkpoint(path)
    if name.endswith(".pkl"):
        if "model" in content and "__author__" in content:
            return content
        state = content.get("blobs", content)
        author, dropped = "Caffe2", "_momentum"
    elif name.endswith(".pyth"):
        if not isinstance(content.get("model_state"), Mapping):
            raise ValueError(f"{path} has no model_state, where pycls stores the weights.")
        state = content["model_state"]
        author, dropped = "pycls", "num_batches_tracked"
    elif "model" in content:
        return content
    else:
        state = content.get("state_dict")
        return {"model": state if isinstance(state, Mapping) else content}
    kept = {key: value for key, value in state.items() if not key.endswith(dropped)}
    return {"model": kept, "__author__": author, "matching_heuristics": True}


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a .safetensors file or of what ``torch.save`` wrote, on the CPU.

    Raises:
        ValueError: the file is missing, damaged, or holds objects other than tensors and plain
            containers.
    """
    _check_exists(path)
    try:
        if str(path).endswith(".safetensors"):
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is damaged, or holds objects other than tensors and plain containers; loading "
            f"such could execute code, so it is refused. Save only its state dict. ({error})"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, SafetensorError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected are tensors by name.")
    return dict(content)


def read_pickle(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a .pkl file of a model zoo: arrays, strings, numbers and plain containers only.

    Raises:
        ValueError: the file is missing, damaged, or holds anything else.
    """
    _check_exists(path)
    try:
        with open(path, "rb") as file:
            content = _ArrayUnpickler(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected are arrays by name.")
    return dict(content)


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler that knows numpy arrays and nothing else that could be called."""

    ALLOWED = {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("collections", "OrderedDict"),
        ("_codecs", "encode"),  # bytes in pickles of protocol 2
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(
                f"it holds {module}.{name}; only arrays and plain containers are loaded"
            )
        # numpy 1 and 2 keep these functions in different places.
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _check_exists(path: str | os.PathLike) -> None:
    if not Path(path).is_file():
        raise ValueError(f"{path} is not a file.")


def _damaged(path: str | os.PathLike, error: Exception) -> ValueError:
    size = Path(path).stat().st_size
    return ValueError(
        f"{path} ({size} bytes) cannot be read as weights; is it truncated, damaged or of another "
        f"kind? ({error})"
    )
