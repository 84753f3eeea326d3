"""Loading checkpoints: all or nothing; a layer left at random initialization is an error.

Weight files are read into models completely, or an error says what is missing. The initial weights
of backbones are read in ``bestie.backbones.initial_weights``.
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any, cast

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.modeling import GeneralizedRCNN
from fvcore.common.checkpoint import Checkpointer
from torch import Tensor, nn

from bestie.backbones.downloads import fetch_file
from bestie.backbones.networks import model_hint, network_hint
from bestie.backbones.weight_files import read_model_file, strip_wrapper
from bestie.formats import atomic_write
from bestie.method import METHODS

__all__ = [
    "StrictCheckpointer",
    "check_incompatible",
    "convert_official",
    "describe_mismatch",
    "needed_names",
]

logger = logging.getLogger(__name__)

# Names and shapes in an error message, per kind.
MAX_LISTED = 10

Mismatch = tuple[str, tuple[int, ...], tuple[int, ...]]


class StrictCheckpointer(DetectionCheckpointer):
    """Detectron2's checkpointer, which loads all or nothing and never code.

    Files are read with ``weights_only`` (.pkl: arrays only), official weights of the methods are
    renamed, and what does not fit is an error. Files are written to a temporary name and renamed.
    """

    def __init__(
        self, model: nn.Module, *args: Any, allow_backbone_only: bool = False, **kwargs: Any
    ):
        """
        Args:
            model: network to fill or to save.
            *args: as Detectron2's.
            allow_backbone_only: a detector may start from a file of its backbone alone (training).
            **kwargs: as Detectron2's.
        """
        super().__init__(model, *args, **kwargs)
        self.allow_backbone_only = allow_backbone_only
        self._source = ""
        self._match_by_heuristics = False

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As Detectron2's; every version takes "FILE?matching_heuristics=True".

        Raises:
            ValueError: the file is missing, cannot be fetched, is damaged, or does not fit the
                model; another query.
        """
        address, query = path or "", ""
        if "?" in address and not os.path.isfile(address):
            address, query = address.rsplit("?", 1)
        if query not in ("", "matching_heuristics=True", "matching_heuristics=False"):
            raise ValueError(
                f"MODEL.WEIGHTS: after the ? of {path} matching_heuristics=True or False is "
                f"accepted, got {query}."
            )
        if address and "://" not in address and not os.path.isfile(address):
            raise ValueError(f"MODEL.WEIGHTS: {path} is not a file.")
        self._source, self._match_by_heuristics = path, query == "matching_heuristics=True"
        if "://" not in address:
            # Detectron2's own would take what follows a ? in the name of a folder for a query.
            return Checkpointer.load(self, address, *args, **kwargs)
        fetch_file(address, "MODEL.WEIGHTS")  # its message names the address
        try:
            return super().load(address, *args, **kwargs)
        finally:
            # Detectron2's main branch keeps it after an error, and then refuses to load again.
            self._parsed_url_during_load = None

    def save(self, name: str, **kwargs: Any) -> None:
        """Write ``name``.pth (model, checkpointables, ``kwargs``), then tag it as the last one.

        Raises:
            OSError: it cannot be written (a full disk); what was there stays.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        content = {"model": self.model.state_dict()}
        content |= {key: thing.state_dict() for key, thing in self.checkpointables.items()}
        path = os.path.join(self.save_dir, f"{name}.pth")
        self.logger.info("Saving checkpoint to %s", path)
        with atomic_write(path, "wb") as file:
            _save(content | kwargs, file, path)
        self.tag_last_checkpoint(os.path.basename(path))

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        with atomic_write(os.path.join(self.save_dir, "last_checkpoint"), "w") as file:
            file.write(last_filename_basename)

    def _load_file(self, filename: str) -> dict[str, Any]:
        # Detectron2's would execute code, by ways that differ between its versions.
        content = read_model_file(filename)
        return content | {"matching_heuristics": True} if self._match_by_heuristics else content

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        given = strip_wrapper(checkpoint["model"])
        state = convert_official(given)
        checkpoint["model"] = dict(state)  # Detectron2 removes what does not fit
        incompatible = super()._load_model(checkpoint)
        check_incompatible(
            self.model,
            missing=incompatible.missing_keys,
            unexpected=incompatible.unexpected_keys,
            mismatched=incompatible.incorrect_shapes,
            source=f"MODEL.WEIGHTS: {self._source}",
            state=state,
            origin=_official_origin(given),
            allow_backbone_only=self.allow_backbone_only,
        )
        return incompatible


def _save(content: dict[str, Any], file: IO[bytes], path: str) -> None:
    """``torch.save`` that reports an error of the file (a full disk) as an OSError."""
    errors: list[OSError] = []

    class Writer:
        def write(self, data: Any) -> int:
            try:
                return file.write(data)
            except OSError as error:
                errors.append(error)
                raise

        def flush(self) -> None:
            file.flush()

    try:
        torch.save(content, cast(IO[bytes], Writer()))  # which it only writes to and flushes
    except RuntimeError as error:
        if not errors:
            raise
        raise OSError(errors[0].errno, errors[0].strerror, path) from error


def check_incompatible(
    model: nn.Module,
    *,
    missing: Iterable[str],
    unexpected: Iterable[str],
    mismatched: Iterable[Mismatch],
    source: str,
    state: Mapping[str, Tensor] | None = None,
    origin: str = "",
    allow_backbone_only: bool = False,
) -> None:
    """Check that a file filled all of the model.

    Args:
        model: network that was loaded.
        missing: names in the model that are missing in the file.
        unexpected: names in the file that the model does not have.
        mismatched: (name, shape in the file, shape in the model).
        source: the file, opens the message.
        state: what is in the file, for the likely cause of what does not fit.
        origin: of official weights, what they are and which configs they belong to.
        allow_backbone_only: also accept a file that filled only the backbone of a detector.

    Raises:
        ValueError: it did not; says the likely cause, and lists the first names of each kind.
    """
    mismatched = list(mismatched)
    known = {name for name, *_ in mismatched}  # fvcore lists these under missing, too
    missing = [name for name in missing if name in needed_names(model) - known]
    unexpected = [name for name in unexpected if name not in ("pixel_mean", "pixel_std")]
    if allow_backbone_only and _is_imagenet_backbone(model, missing, mismatched):
        # What is left of the ImageNet classifier, as the converters call it.
        unexpected = [name for name in unexpected if not re.match(r"(stem\.)?fc\d*[._]", name)]
        logger.warning("%s holds the backbone only; the heads start from random weights.", source)
        missing = []
    if not (missing or unexpected or mismatched):
        return
    network = network_hint(state or {}, model.state_dict())
    cause = network or _class_hint(mismatched) or model_hint(state or {}, model.state_dict())
    if not mismatched and set(missing) == needed_names(model):
        # Nothing in the file has a name of the model.
        is_model = any(name.startswith("backbone.") for name in unexpected)
        if origin:
            cause = f"the file is {origin}"
        elif not is_model:
            cause = _backbone_hint() + (f"; {network}" if network else "")
    raise ValueError(
        f"{source} does not fit the model: "
        + describe_mismatch(cause, missing, unexpected, mismatched)
    )


def _is_imagenet_backbone(model: nn.Module, missing: list[str], mismatched: list[Mismatch]) -> bool:
    """Whether a file filled all of a detector's bottom-up network and none of its other layers."""
    takes_backbone = getattr(model, "starts_from_backbone", isinstance(model, GeneralizedRCNN))
    if not takes_backbone or mismatched or not missing:
        return False
    prefix = "backbone.bottom_up." if hasattr(model.backbone, "bottom_up") else "backbone."
    return set(missing) == {name for name in needed_names(model) if not name.startswith(prefix)}


def needed_names(module: nn.Module) -> set[str]:
    """Names that a file must have; counters of batch norms are absent from old ones."""
    return {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}


def convert_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename official weights of a method, recognized by their names; keep all others."""
    for method in METHODS.values():
        converted = method.convert_weights(state)
        if converted is not None:
            return converted
    return dict(state)


def _official_origin(state: Mapping[str, Tensor]) -> str:
    """What official weights of a method are, and their configs; "" for all other weights."""
    found = (m.official_weights for m in METHODS.values() if m.convert_weights(state) is not None)
    return next(found, "")


def describe_mismatch(
    cause: str, missing: list[str], unexpected: list[str], mismatched: list[Mismatch]
) -> str:
    """The end of a message about a file that does not fit.

    Args:
        cause: the likely one; "": unknown.
        missing, unexpected, mismatched: see :func:`check_incompatible`.
    """

    def listed(names: list[str]) -> str:
        return ", ".join(names[:MAX_LISTED]) + (", ..." if len(names) > MAX_LISTED else "")

    parts = []
    if missing:
        parts.append(f"{len(missing)} missing in the file ({listed(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} in the file only ({listed(unexpected)})")
    if mismatched:
        shapes = [f"{name} {in_file} in the file, {own} here" for name, in_file, own in mismatched]
        parts.append(f"{len(mismatched)} of another shape ({listed(shapes)})")
    layers = "; ".join(parts)
    return f"{cause}. Layers: {layers}." if cause else f"{layers}."


def _backbone_hint() -> str:
    """The likely cause where nothing in a file has a name of the model."""
    keys = ["MODEL.TIMM.WEIGHTS", *(k for m in METHODS.values() for k in m.described_weights)]
    return (
        "nothing in the file has a name of the model; weights of the backbone alone belong to "
        f"{' or '.join(keys)}"
    )


def _class_hint(mismatched: list[Mismatch]) -> str:
    """The likely cause if the file was made for another number of classes."""
    # Layers with one output channel per class, and how many channels they have on top of that.
    layers = {
        r"head\.center(\.2|_predictor)\.weight": 0,
        r"head\.classifier\.weight": 0,
        r"roi_heads\.box_predictor\.cls_score\.weight": 1,
    }
    for name, in_file, own in mismatched:
        for pattern, more in layers.items():
            if re.fullmatch(pattern, name) and in_file[1:] == own[1:]:
                return f"the file is for {in_file[0] - more} classes, the model for {own[0] - more}"
    return ""
