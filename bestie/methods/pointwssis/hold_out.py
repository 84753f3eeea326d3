"""Choosing the refiner's checkpoint on strong images that it does not train on.

The official code picks the checkpoint by masks of 1,000 weak images, which are labels that the
method claims not to need. Here a share of the strong images, MODEL.REFINER.HOLD_OUT, is left out of
the training. At every checkpoint the refiner corrects their rough masks; the weights with the
highest mean IoU become ``model_final.pth``. ``hold_out.json`` in OUTPUT_DIR names the images and
the result, and the supervision ledger there says what chose the checkpoint.
"""

import json
import logging
import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.engine import HookBase
from torch import Tensor

from bestie.backbones.weights import StrictCheckpointer
from bestie.formats import atomic_write, to_json
from bestie.formats.ledger import CHECKPOINT, write_ledger_entry
from bestie.formats.supervision import LabelKind

__all__ = ["RECORD", "ChooseCheckpoint", "held_out_images", "mask_iou"]

logger = logging.getLogger(__name__)

RECORD = "hold_out.json"


def held_out_images(names: Collection[str], share: float, seed: int) -> frozenset[str]:
    """The images that are left out of the training; the same for any order of the names.

    Args:
        names: file names of the strong images with pairs.
        share: MODEL.REFINER.HOLD_OUT in [0, 1); 0: none. At least 1 image is left out, and at least
            1 trains.
        seed: of the draw.
    """
    ordered = sorted(set(names))
    number = min(max(1, round(share * len(ordered))), len(ordered) - 1) if share else 0
    drawn = np.random.default_rng((seed, len(ordered))).permutation(len(ordered))[: max(0, number)]
    return frozenset(ordered[index] for index in drawn)


class ChooseCheckpoint(HookBase):
    """Measures every checkpoint on held-out pairs and ends the training with the best weights.

    It must run before the hook that writes the checkpoints.
    """

    def __init__(
        self,
        samples: Sequence[dict[str, Any]],
        measure: Callable[[list[dict[str, Any]]], tuple[Tensor, Tensor]],
        *,
        period: int,
        batch_size: int,
        output_dir: str,
    ):
        """
        Args:
            samples: held-out pairs, as ``RefinerMapper.held_out`` gives them.
            measure: a batch of these to the IoU of the refined and of the rough masks, (N,) each.
            period: steps between two measurements (SOLVER.CHECKPOINT_PERIOD).
            batch_size: pairs that are refined at once.
            output_dir: where the checkpoints and the record go.
        """
        self.samples, self.measure = samples, measure
        self.period, self.batch_size = period, batch_size
        self.output_dir = output_dir
        self.best: dict[str, Any] = {}

    def before_train(self) -> None:
        path = os.path.join(self.output_dir, RECORD)
        if self.trainer.start_iter > 0 and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.best = json.load(file)

    def after_step(self) -> None:
        steps = self.trainer.iter + 1
        last = steps == self.trainer.max_iter
        if not last and (self.period <= 0 or steps % self.period):
            return
        refined, rough = self._measure_all()
        self.trainer.storage.put_scalars(
            **{"hold_out/IoU": 100 * refined, "hold_out/IoU_rough": 100 * rough},
            smoothing_hint=False,
        )
        if not self.best or refined > self.best["IoU"]:
            self._keep(steps, refined, rough)
        elif last and self.best["step"] != steps:
            self._take_best()

    def _measure_all(self) -> tuple[float, float]:
        """Mean IoU of the refined and of the rough masks of all held-out pairs."""
        model = self.trainer.model
        was_training = model.training
        model.eval()
        found = []
        with torch.no_grad():
            for part in torch.arange(len(self.samples)).split(self.batch_size):
                batch = [self.samples[index] for index in part.tolist()]
                found.append(torch.stack(self.measure(batch), dim=1).cpu())
        model.train(was_training)
        refined, rough = torch.cat(found).double().mean(dim=0).tolist()
        return refined, rough

    def _keep(self, steps: int, refined: float, rough: float) -> None:
        images = sorted({sample["file_name"] for sample in self.samples})
        self.best = {"step": steps, "IoU": refined, "IoU_rough": rough}
        self.best |= {"pairs": len(self.samples), "images": images}
        with atomic_write(os.path.join(self.output_dir, RECORD)) as file:
            file.write(to_json(self.best, indent=1))

    def _take_best(self) -> None:
        """Load the checkpoint that the trainer wrote after the best step."""
        file = f"model_{self.best['step'] - 1:07d}.pth"
        StrictCheckpointer(self.trainer.model).load(os.path.join(self.output_dir, file))
        logger.info("The weights of step %d are the final ones.", self.best["step"])

    def after_train(self) -> None:
        if not self.best or self.trainer.iter + 1 < self.trainer.max_iter:
            return
        images = len(self.best["images"])
        labels = f"masks of {images} image{'s' * (images != 1)}"
        entry = {
            "stage": "choice of the checkpoint",
            "consumed": [
                {
                    "kind": LabelKind.MASKS,
                    "labels": f"{labels} with masks, held out from the training",
                    "images": images,
                }
            ],
            "settings": {key: self.best[key] for key in ("step", "IoU", "IoU_rough", "pairs")},
        }
        write_ledger_entry(self.output_dir, CHECKPOINT, entry)


def mask_iou(found: Tensor, target: Tensor) -> Tensor:
    """Intersection over union of pairs of masks.

    Args:
        found: (N, S, S) bool.
        target: (N, S, S) bool.

    Returns:
        (N,) float32; 1 for two empty masks.
    """
    union = (found | target).sum(dim=(1, 2))
    both = (found & target).sum(dim=(1, 2))
    return torch.where(union > 0, both / union.clamp(min=1), torch.ones_like(both / 1.0))
