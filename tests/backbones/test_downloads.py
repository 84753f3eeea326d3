"""Files on servers: one attempt, and a message with the address."""

import socket

import pytest
import timm
from safetensors.torch import save_file
from torch import nn

from bestie.backbones import downloads
from bestie.backbones.downloads import fetch_file, read_timm_weights
from bestie.backbones.initial_weights import load_initial_weights


def offline(*args, **kwargs):
    raise OSError("no network")


def test_a_file_that_cannot_be_fetched_says_where_it_is(monkeypatch):
    monkeypatch.setattr(downloads.PathManager, "get_local_path", offline)
    with pytest.raises(ValueError) as caught:
        fetch_file("detectron2://a/b.pkl", "MODEL.WEIGHTS")
    text = str(caught.value)
    assert "MODEL.WEIGHTS detectron2://a/b.pkl cannot be fetched (OSError: no network)" in text
    assert "https://dl.fbaipublicfiles.com/detectron2/a/b.pkl" in text
    assert text.endswith("MODEL.WEIGHTS FILE")
    assert socket.getdefaulttimeout() is None


def test_waiting_for_a_server_is_limited(monkeypatch):
    found = []

    def look(path):
        found.append(socket.getdefaulttimeout())
        return path

    monkeypatch.setattr(downloads.PathManager, "get_local_path", look)
    assert fetch_file("/a/file", "MODEL.WEIGHTS") == "/a/file"
    assert found == [downloads.TIMEOUT]


@pytest.mark.parametrize("name", ["resnet50", "hrnet_w48"])
def test_timms_server_is_asked_once_and_never_by_its_download(name, monkeypatch):
    """The download retries for a minute; the question before it does not."""
    asked = []

    def ask(address, timeout):
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(downloads, "get_hf_file_metadata", ask)
    monkeypatch.setattr(downloads, "try_to_load_from_cache", lambda *args, **kwargs: None)
    monkeypatch.setattr("timm.create_model", lambda *args, **kwargs: pytest.fail("it downloads"))
    with pytest.raises(ValueError) as caught:
        load_initial_weights(nn.Module(), "timm", name)
    (address,) = asked
    assert address.startswith(f"https://huggingface.co/timm/{name}.")
    assert address.endswith("/resolve/main/model.safetensors")
    message = f"MODEL.TIMM.WEIGHTS timm: the weights of {name} cannot be fetched (OSError: no "
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(f"from {address} and name it: MODEL.TIMM.WEIGHTS FILE")


def test_a_file_that_is_there_already_needs_no_server(monkeypatch, tmp_path):
    path = tmp_path / "model.safetensors"
    state = timm.create_model("resnet18").state_dict()
    save_file(state, path)
    monkeypatch.setattr(downloads, "get_hf_file_metadata", offline)
    monkeypatch.setattr(downloads, "try_to_load_from_cache", lambda *args, **kwargs: str(path))
    found = read_timm_weights("resnet18", "MODEL.TIMM.WEIGHTS")
    assert found.keys() == state.keys() and found["conv1.weight"].equal(state["conv1.weight"])


def test_networks_without_weights_of_timm_are_named(monkeypatch):
    with pytest.raises(ValueError, match="timm has no weights of vgg_nothing"):
        read_timm_weights("vgg_nothing", "MODEL.TIMM.WEIGHTS")
