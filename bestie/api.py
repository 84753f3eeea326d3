"""The package in Python: from data to a run, from a run to the masks of a photo.

:func:`run` does what ``bestie run`` does, :func:`load` and :class:`Model` what ``bestie predict``
does. ``docs/python-api.md`` has examples. The engine and the networks are imported when they are
first needed: every process of this package imports this module.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from bestie.formats.images import upright_photo

if TYPE_CHECKING:
    from detectron2.config import CfgNode
    from detectron2.structures import Instances

__all__ = ["Model", "load", "run"]


def run(
    data: str | os.PathLike,
    *,
    supervision: str,
    output: str | os.PathLike,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    num_gpus: int = 1,
    keypoints: str | None = None,
    boxes_as_clicks: bool = False,
) -> Path:
    """Train on a data set with cheap labels, from the check of the data to the report.

    The same call again resumes a run that was interrupted, and repeats nothing that is done.
    Progress is printed. Each stage is a process of its own; the program that calls this function
    needs no ``if __name__ == "__main__"``.

    Args:
        data: root in the folder contract, or "coco:JSON:IMAGE_DIR".
        supervision: "tags" (image-level labels), "clicks" (one point per object) or "masks+clicks"
            (masks of the images of one split, clicks of those of another).
        output: folder of the run.
        preset: "quick" or "small" (both run on a CPU; "small" starts from ImageNet weights), "r50"
            or "hrnet48"; of masks+clicks "quick", "small", "r50" or "r101". None: "small" for
            photographs, "quick" for the drawings of ``bestie make-shapes``; a run that is resumed
            keeps its own.
        options: settings, key -> value; "SOLVER.MAX_ITER"-like keys, for one training with its name
            in front ("bestie:SOLVER.MAX_ITER"), and DEVICE.
        num_gpus: processes of a training.
        keypoints: with clicks of a COCO json, the click of an object with several visible
            keypoints: "first", "mean" or the name of a keypoint; None: such an object is a mistake.
        boxes_as_clicks: with clicks of a COCO json, the middle of a box is the click of an object
            without a point.

    Returns:
        The folder of the run: ``report.html`` is in it, and :func:`load` takes it.

    Raises:
        ValueError: mistakes in arguments, settings or data; nothing has been trained then.
        bestie.pipeline.StageError: a stage failed; the message names its log.
    """
    from bestie.formats.labels.base import ReadOptions
    from bestie.pipeline import Request, choose_preset, run_pipeline

    given = os.fspath(data)
    root = given if given.startswith("coco:") else os.path.realpath(given)
    folder = Path(output).resolve()
    chosen, why = (preset, "") if preset else choose_preset(root, folder)
    settings = [str(part) for setting in (options or {}).items() for part in setting]
    request = Request(
        data=root,
        supervision=supervision,
        output=folder,
        preset=chosen,
        notes=(why,) if why else (),
        num_gpus=num_gpus,
        read=ReadOptions(keypoints=keypoints, boxes_as_clicks=boxes_as_clicks),
        options=tuple(settings),
        command=f"bestie.run({given!r}, ...) in {os.path.basename(sys.argv[0]) or 'Python'}",
    )
    run_pipeline(request)
    return Path(output)


def load(
    source: str | os.PathLike,
    *,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> "Model":
    """Load a trained model.

    Args:
        source: the folder of a run (then its last training is loaded), the OUTPUT_DIR of a
            finished training, or a checkpoint that lies in such a folder beside ``config.yaml``.
        device: "cpu", "cuda", "cuda:1", ...; None: the GPU if PyTorch finds one, else the CPU.
        options: settings, key -> value, that replace those of the training ("INPUT.TEST_SIZE").

    Raises:
        ValueError: nothing to load there, a training that is not finished, weights that do not fit
            the config, or a model that predicts no instances.
    """
    from bestie.training.predict import demo_overrides
    from bestie.training.run_files import find_checkpoint
    from bestie.training.setup import load_model, read_config

    config_file, weights = find_checkpoint(source)
    config = str(config_file)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    given: dict[str, Any] = dict(options or {})
    given |= {"MODEL.WEIGHTS": str(weights), "MODEL.DEVICE": device}
    settings = [part for setting in given.items() for part in setting]
    cfg = read_config(config, demo_overrides(config, settings), training=False, testing=False)
    return Model(load_model(cfg), cfg, weights)


class Model:
    """A trained model; :func:`load` makes it.

    Attributes:
        class_names (list[str]): name of class 0, 1, ...
        weights (Path): the checkpoint.
        network (nn.Module): the Detectron2 model, in evaluation mode.
    """

    def __init__(self, network: nn.Module, cfg: "CfgNode", weights: Path):
        """
        Args:
            network: see Attributes.
            cfg: its config, which names the classes.
            weights: where it comes from.
        """
        from bestie.data import build_mapper

        self.network, self.weights = network, weights
        self.class_names = list(cfg.DATASETS.CLASS_NAMES)
        self._mapper = build_mapper(cfg, is_train=False)

    def predict(
        self, image: "str | os.PathLike | Image.Image | np.ndarray", *, min_score: float = 0.0
    ) -> "Instances":
        """Find the objects of a photo.

        Args:
            image: a file; a PIL image; or an array (H, W, 3) uint8 in the order red, green, blue.
                The EXIF orientation of files and PIL images is applied, as by ``bestie predict``.
            min_score: instances need at least this score, in [0, 1].

        Returns:
            N instances on the CPU, by descending score, at the size of the upright photo
            (``image_size`` is (H, W)): ``pred_masks`` (run-length codes;
            ``np.asarray(instances.pred_masks)`` gives (N, H, W) bool, iteration one (H, W) mask
            after the other), ``pred_boxes`` (x0, y0, x1, y1 in pixels, ends exclusive), ``scores``
            (N,) float in [0, 1] and ``pred_classes`` (N,) int64, indices of ``class_names``.

        Raises:
            bestie.formats.DataError: (a ValueError) a file that cannot be read as an image, or a
                file or PIL image with more than 8 bits per channel or with several pictures.
            ValueError: an array of another shape, or ``min_score`` outside [0, 1].
            TypeError: something else than the above, or an array that is not uint8.
        """
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must lie in [0, 1], got {min_score}")
        if isinstance(image, str | os.PathLike):
            return self._predict_file(Path(image), min_score)
        with tempfile.TemporaryDirectory() as folder:
            # A file, because that is what every mapper reads; PNG keeps each pixel as it is.
            path = Path(folder, "image.png")
            _as_pil(image).save(path, compress_level=1)
            return self._predict_file(path, min_score)

    def _predict_file(self, path: Path, min_score: float) -> "Instances":
        from bestie.evaluation.masks import LabelledMasks
        from bestie.formats import RLEMasks, read_image

        height, width = read_image(path).shape[:2]
        record = {"file_name": str(path), "height": height, "width": width, "image_id": 1}
        with torch.no_grad():
            found = self.network([self._mapper(record)])[0]["instances"].to("cpu")
        rles = LabelledMasks.from_instances(found).rles
        found.pred_masks = RLEMasks(rles, (height, width))
        # A mask without a pixel is not an object.
        kept = (found.scores >= min_score) & torch.from_numpy(found.pred_masks.areas() > 0)
        order = torch.argsort(found.scores, descending=True, stable=True)
        return found[order[kept[order]]]


def _as_pil(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return upright_photo(image, "the PIL image")
    if not isinstance(image, np.ndarray):
        raise TypeError(f"a path, a PIL image or an array is expected, got {type(image).__name__}")
    if image.dtype != np.uint8:
        raise TypeError(f"an array must be uint8 with values 0 to 255, got {image.dtype}")
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"an array must be (H, W, 3), red, green, blue; got {image.shape}")
    return Image.fromarray(image)
