"""Pictures of the training in TensorBoard.

A hook of the trainer asks a model that can draw them (``training_pictures``) for pictures of a few
training images, with their labels and its predictions, and writes them to the event storage.
"""

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import HookBase
from detectron2.modeling import META_ARCH_REGISTRY

from bestie.data import build_mapper, seeded, training_samples

__all__ = ["PictureHook", "draws_pictures"]

NUMBER_OF_PICTURES = 4


def draws_pictures(cfg: CfgNode) -> bool:
    """Whether the model of a config draws pictures of its training."""
    return hasattr(META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE), "training_pictures")


class PictureHook(HookBase):
    """Draws the same few training images every VIS_PICTURE_PERIOD steps: one sees them change."""

    def __init__(self, cfg: CfgNode):
        self.period = cfg.VIS_PICTURE_PERIOD
        self.input_format = cfg.INPUT.FORMAT
        mapper = build_mapper(cfg, is_train=True)
        dicts = training_samples(mapper, DatasetCatalog.get(cfg.DATASETS.TRAIN[0]))
        step = max(1, len(dicts) // NUMBER_OF_PICTURES)
        chosen = dicts[::step][:NUMBER_OF_PICTURES]
        with seeded(cfg.SEED):
            self.samples = [mapper(sample) for sample in chosen]

    def after_step(self) -> None:
        iteration = self.trainer.iter + 1
        if iteration % self.period == 0 or iteration == self.trainer.max_iter:
            self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        model = getattr(self.trainer.model, "module", self.trainer.model)
        model.eval()
        pictures = model.training_pictures(self.samples, self.trainer.iter, self.input_format)
        model.train()
        for index, picture in enumerate(pictures):
            self.trainer.storage.put_image(f"training/{index}", picture.transpose(2, 0, 1) / 255.0)
