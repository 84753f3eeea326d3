"""Weight files on servers: one short attempt, and an error that names the address.

Left alone, timm's client tries for a minute without a word where there is no network, and a
connection that is never answered has no limit at all.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
import torch
from detectron2.utils.file_io import PathManager
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor

__all__ = ["FetchError", "fetch_file", "read_timm_weights"]

logger = logging.getLogger(__name__)

# How long a server may take to answer, seconds.
TIMEOUT = 10.0
# Where "detectron2://" leads.
DETECTRON2_FILES = "https://dl.fbaipublicfiles.com/detectron2/"
# Name of a file of weights on the hub, unless timm says another one.
HUB_FILE = "model.safetensors"


class FetchError(ValueError):
    """A file cannot be fetched.

    Attributes:
        reason: why, and from where to get it.
        key: config key that takes its path.
    """

    def __init__(self, what: str, address: str, key: str, error: Exception):
        self.key = key
        self.reason = (
            f"{what} cannot be fetched ({type(error).__name__}: {error}). Get the file from "
            f"{address} and name it"
        )
        super().__init__(f"{self.reason}: {key} FILE")


def fetch_file(path: str, key: str) -> str:
    """Local path of a file; one that lies on a server ("detectron2://...") is fetched first.

    Args:
        path: of the file, or its address.
        key: config key of the path, for messages.

    Raises:
        FetchError: it cannot be fetched; says from where to get it.
    """
    try:
        with _limited_waiting():
            return PathManager.get_local_path(path)
    except Exception as error:  # whatever the ways of downloading raise
        address = path.replace("detectron2://", DETECTRON2_FILES)
        raise FetchError(f"{key} {path}", address, key, error) from error


def read_timm_weights(name: str, key: str) -> dict[str, Tensor]:
    """timm's default ImageNet weights of a network, by name; fetched if they are not there yet.

    Args:
        name: timm's name of the network.
        key: config key that asks for them, for messages.

    Raises:
        ValueError: there are none.
        FetchError: they cannot be fetched; says from where to get the file.
    """
    source = timm.models.get_pretrained_cfg(name)
    if source is None or not (source.hf_hub_id or source.url):
        raise ValueError(f"{key} timm: timm has no weights of {name}; name a file instead.")
    url = source.url[0] if isinstance(source.url, tuple) else source.url or ""
    address, cached = _hub_file(source) if source.hf_hub_id else _plain_file(url)
    if cached is None:
        logger.info("Fetching the weights of %s from %s", name, address)
    try:
        if cached is None and source.hf_hub_id:
            _ask_hub(address)
        overlay = {"file": cached} if cached else {}
        with _limited_waiting():
            model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # whatever the ways of downloading raise
        what = f"{key} timm: the weights of {name}"
        raise FetchError(what, address, key, error) from error
    return model.state_dict()


def _hub_file(source: Any) -> tuple[str, str | None]:
    """Address of a network's weights on the hub, and their path where they are there already."""
    repository, _, revision = source.hf_hub_id.partition("@")
    file = source.hf_hub_filename or HUB_FILE
    cached = try_to_load_from_cache(repository, file, revision=revision or None)
    address = hf_hub_url(repository, file, revision=revision or None)
    return address, cached if isinstance(cached, str) else None


def _plain_file(address: str) -> tuple[str, str | None]:
    cached = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
    return address, str(cached) if cached.is_file() else None


def _ask_hub(address: str) -> None:
    """Ask once for a file; its download would retry for a minute in silence."""
    try:
        get_hf_file_metadata(address, timeout=TIMEOUT)
    except EntryNotFoundError:
        pass  # the server answers; timm knows other names of the file


@contextmanager
def _limited_waiting() -> Iterator[None]:
    """Connections that nobody answers end after :data:`TIMEOUT`."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
