"""A trained detector as a file that needs neither Detectron2 nor this package: TorchScript or ONNX.

A config with MODEL.WEIGHTS and some images give the exported model and a json that says what it
takes and gives. Detectron2's exporter (``TracingAdapter``) traces the network on one image; the
file is written only if it gives what the model itself gives on every image.

What is exported is the network with its normalization of pixels: an image of the network's size
comes in, boxes, scores, classes and masks at that size come out. Resizing a photo before, and
pasting the masks into it afterwards, is left to the caller (``docs/deployment.md``).
"""

import importlib.util
import io
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import detectron2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import ROIMasks
from torch import Tensor, nn

from bestie.data import build_mapper
from bestie.formats import atomic_write, read_image, to_json
from bestie.training.setup import load_model

__all__ = ["FORMATS", "export_model"]

# Format -> suffix of the file.
FORMATS = {"torchscript": ".ts", "onnx": ".onnx"}
# Packages that a format needs besides PyTorch; they are no requirements of this project.
NEEDED: dict[str, tuple[str, ...]] = {"torchscript": (), "onnx": ("onnx", "onnxruntime")}
# Of the operators of ONNX; the version that has RoiAlign as Detectron2 computes it.
OPSET = 16
# The meta-architecture that can be exported.
EXPORTED = "GeneralizedRCNN"
# Output -> largest accepted difference from the model: pixels, probabilities, class ids.
TOLERANCES = {"boxes": 0.05, "scores": 1e-3, "classes": 0.0, "masks": 5e-3}

Network = Callable[[Tensor], Sequence[Any]]


def export_model(
    cfg: CfgNode, images: Sequence[Path], output: str | Path, *, format: str = "torchscript"
) -> dict[str, Any]:
    """Export a detector, if the file gives what the model gives.

    Args:
        cfg: config of a detector with MODEL.WEIGHTS and DATASETS.CLASS_NAMES.
        images: files to compare on; the one with the most instances is also traced.
        output: folder; it gets ``model.ts`` or ``model.onnx``, and ``model.json``.
        format: of FORMATS.

    Returns:
        What ``model.json`` holds: "input", "outputs", "classes", "checked", versions.

    Raises:
        ValueError: a model of another kind, weights that do not fit, packages that are missing, an
            operator that the format does not have, outputs that differ, or images without any
            instance, which show nothing.
    """
    _check_request(cfg, images, format)
    model, mapper = load_model(cfg), build_mapper(cfg, is_train=False)
    samples = []
    for path in images:
        height, width = read_image(path).shape[:2]
        record = {"file_name": str(path), "height": height, "width": width}
        samples.append(mapper(record)["image"].to(cfg.MODEL.DEVICE))
    with torch.no_grad():
        wanted = [_numpy(_outputs(model, sample)) for sample in samples]
        if not any(len(outputs[0]) for outputs in wanted):
            raise ValueError(
                f"the model finds no instance in the {len(images)} image(s), so nothing would be "
                "compared; give images that show objects (--input)"
            )
        # Traced where there are instances: what is empty may leave parts of the network out.
        traced = max(range(len(samples)), key=lambda index: len(wanted[index][0]))
        with warnings.catch_warnings():
            # "The trace might be incorrect": whether it is, the comparison tells.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            content, network = _EXPORTERS[format](model, samples[traced])
        differences = _compare(network, samples, wanted, images, format)
    names = list(TOLERANCES)[: len(wanted[0]) - 1]
    about = {
        "format": format,
        "input": _describe_input(cfg),
        "outputs": [*names, "size"],
        "classes": list(cfg.DATASETS.CLASS_NAMES),
        "checked": {
            "images": len(images),
            "instances": sum(len(outputs[0]) for outputs in wanted),
            "largest_differences": differences,
        },
        "torch": torch.__version__,
    }
    with atomic_write(Path(output, f"model{FORMATS[format]}"), "wb") as file:
        file.write(content)
    with atomic_write(Path(output, "model.json")) as file:
        file.write(to_json(about, indent=1) + "\n")
    return about


def _check_request(cfg: CfgNode, images: Sequence[Path], format: str) -> None:
    if format not in FORMATS:
        raise ValueError(f"--format must be one of {', '.join(FORMATS)}, got '{format}'")
    if cfg.MODEL.META_ARCHITECTURE != EXPORTED:
        raise ValueError(
            f"MODEL.META_ARCHITECTURE {cfg.MODEL.META_ARCHITECTURE} cannot be exported, only "
            f"{EXPORTED}: Detectron2's exporter traces its detectors. The last training of a run "
            "is one"
        )
    if not images:
        raise ValueError("no image to compare the exported model on; give some (--input)")
    missing = [name for name in NEEDED[format] if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"--format {format} needs packages that are not installed: pip install "
            f"{' '.join(missing)}. --format torchscript needs none"
        )


def _outputs(model: Any, image: Tensor) -> tuple[Tensor, ...]:
    """Boxes (N, 4) x0, y0, x1, y1, scores (N,), classes (N,), masks (N, 1, M, M) if the model has
    them, and the size (2,) height, width that the boxes refer to."""
    (found,) = model.inference([{"image": image}], do_postprocess=False)
    outputs = [found.pred_boxes.tensor, found.scores, found.pred_classes]
    if found.has("pred_masks"):
        masks = found.pred_masks
        outputs.append(masks.tensor if isinstance(masks, ROIMasks) else masks)
    size = found.image_size
    is_traced = isinstance(size, Tensor)
    return (*outputs, size if is_traced else torch.stack([torch.as_tensor(side) for side in size]))


def _adapter(model: Any, image: Tensor) -> nn.Module:
    """Detectron2's adapter from tensors to a model's inputs."""
    try:
        from detectron2.export import TracingAdapter
    except ImportError:
        # Release 0.6 imports its exporter for Caffe2 first, which PyTorch no longer has: the
        # modules beside it are imported without what the package itself imports.
        package = ModuleType("detectron2.export")
        package.__path__ = [str(Path(detectron2.__file__).with_name("export"))]
        sys.modules[package.__name__] = package
        from detectron2.export.flatten import TracingAdapter
    return TracingAdapter(model, image, inference_func=_outputs).eval()


def _to_torchscript(model: Any, image: Tensor) -> tuple[bytes, Network]:
    # Traced once only: the outputs are compared afterwards, on more images.
    traced = torch.jit.trace(_adapter(model, image), (image,), check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    return buffer.getvalue(), torch.jit.load(io.BytesIO(buffer.getvalue()), image.device)


def _to_onnx(model: Any, image: Tensor) -> tuple[bytes, Network]:
    import onnxruntime  # not a requirement; _check_request has looked

    names = [*list(TOLERANCES)[: len(_outputs(model, image)) - 1], "size"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        try:
            torch.onnx.export(
                _adapter(model, image),
                (image,),
                path,
                opset_version=OPSET,
                input_names=["image"],
                output_names=names,
                dynamic_axes={"image": {1: "height", 2: "width"}}
                | {name: {0: "n"} for name in names[:-1]},
                dynamo=False,  # the exporter that traces, as Detectron2's adapter expects
            )
            content = path.read_bytes()
            session = onnxruntime.InferenceSession(content)
        except Exception as error:  # of the exporter and of the runtime, which share no class
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"ONNX (operators of version {OPSET}) cannot hold this model: {reason} "
                f"({type(error).__name__}). --format torchscript can"
            ) from error
    return content, lambda sample: session.run(None, {"image": sample.cpu().numpy()})


_EXPORTERS: dict[str, Callable[[Any, Tensor], tuple[bytes, Network]]] = {
    "torchscript": _to_torchscript,
    "onnx": _to_onnx,
}


def _numpy(outputs: Sequence[Any]) -> list[np.ndarray]:
    return [out.cpu().numpy() if isinstance(out, Tensor) else np.asarray(out) for out in outputs]


def _compare(
    network: Network,
    samples: Sequence[Tensor],
    wanted: Sequence[list[np.ndarray]],
    images: Sequence[Path],
    format: str,
) -> dict[str, float]:
    """Output -> largest difference between the exported network and the model.

    Raises:
        ValueError: one is too large, or the instances are others.
    """
    largest = dict.fromkeys(list(TOLERANCES)[: len(wanted[0]) - 1], 0.0)
    for sample, expected, path in zip(samples, wanted, images, strict=True):
        try:
            found = _numpy(network(sample))
        except RuntimeError as error:  # also that of onnxruntime
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"the exported {format} fails on {path}: {reason}") from error
        if len(found[0]) != len(expected[0]) or (found[-1] != expected[-1]).any():
            raise ValueError(
                f"the exported {format} differs from the model: on {path} it finds {len(found[0])} "
                f"instances at {found[-1].tolist()} pixels (height, width), the model "
                f"{len(expected[0])} at {expected[-1].tolist()}. Nothing is written"
            )
        found = _in_order_of(expected, found)
        for name, got, value in zip(largest, found, expected, strict=False):
            difference = np.abs(got.astype(np.float64) - value).max(initial=0.0)
            if not difference <= TOLERANCES[name]:  # also where it is not a number
                raise ValueError(
                    f"the exported {format} differs from the model: {name} on {path} by "
                    f"{difference:.3g}, accepted is {TOLERANCES[name]:g}. Nothing is written"
                )
            largest[name] = max(largest[name], float(difference))
    return largest


def _in_order_of(expected: list[np.ndarray], found: list[np.ndarray]) -> list[np.ndarray]:
    """The found instances in the order of the expected ones, by class, box and score.

    Instances of the same or nearly the same score may change places, by the last bit of a sum.
    """
    distance = np.abs(expected[0][:, None] - found[0]).max(axis=2, initial=0.0)
    # Of boxes without area there may be two. Scores that are no numbers are left to the comparison.
    distance += np.nan_to_num(np.abs(expected[1][:, None] - found[1]))
    distance[expected[2][:, None] != found[2]] = np.inf
    order: list[int] = []
    for row in distance:
        row[order] = np.inf
        order.append(int(np.nan_to_num(row, nan=np.inf).argmin()))
    return [*(values[order] for values in found[:-1]), found[-1]]


def _describe_input(cfg: CfgNode) -> dict[str, Any]:
    """How a photo becomes the input of the exported network."""
    resize = {}  # a photo comes in as it is
    if cfg.INPUT.TEST_SIZE:
        resize = {"longer_side": cfg.INPUT.TEST_SIZE}
    elif cfg.INPUT.MIN_SIZE_TEST:
        resize = {
            "shorter_side": cfg.INPUT.MIN_SIZE_TEST,
            "longer_side_at_most": cfg.INPUT.MAX_SIZE_TEST,
        }
    return {
        "name": "image",
        "shape": [3, "height", "width"],
        "dtype": "uint8",
        "channels": cfg.INPUT.FORMAT,
        "resize": resize,
        "device": cfg.MODEL.DEVICE,
    }
