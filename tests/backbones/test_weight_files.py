"""Weight files: containers, wrappers and formats, and files that are refused."""

import pickle
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from bestie.backbones.weight_files import read_weights
from bestie.backbones.weights import StrictCheckpointer


@pytest.mark.parametrize("container", [None, "model", "state_dict"])
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_tensors_are_found_in_containers_and_wrappers(tmp_path, container, wrapper):
    state = {f"{wrapper}a.weight": torch.ones(2), f"{wrapper}b": torch.zeros(1)}
    torch.save({container: state, "iteration": 3} if container else state, tmp_path / "w.pth")
    assert list(read_weights(tmp_path / "w.pth")) == ["a.weight", "b"]


def test_pickles_of_arrays_are_read(tmp_path):
    path = tmp_path / "w.pkl"
    for protocol in (2, 5):
        content = {"model": {"a": np.arange(3.0)}, "__author__": "somebody", "blob": b"\x00\xff"}
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        assert read_weights(path)["a"].tolist() == [0, 1, 2]


class Evil:
    def __reduce__(self):
        return (eval, ("__import__('pathlib').Path('executed').touch()",))


@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_code_in_a_file_is_not_executed(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"evil{suffix}"
    if suffix == ".pth":
        torch.save({"model": Evil()}, path)
    else:
        path.write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(ValueError, match="evil"):
        read_weights(path)
    with pytest.raises(ValueError, match="evil"):
        StrictCheckpointer(nn.Linear(2, 1)).load(str(path))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_truncated_files_are_named(tmp_path, suffix, share):
    path, state = tmp_path / f"cut{suffix}", {"layer.weight": torch.ones(100, 100)}
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    elif suffix == ".pkl":
        path.write_bytes(pickle.dumps({name: value.numpy() for name, value in state.items()}))
    else:
        torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read_weights(path)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        StrictCheckpointer(nn.Linear(2, 1)).load(str(path))


@pytest.mark.parametrize("content", [{"a": 1}, [1.0], {"a": np.array(["x"])}])
def test_files_without_tensors_are_refused(tmp_path, content):
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="w.pkl.* expected are"):
        read_weights(path)
