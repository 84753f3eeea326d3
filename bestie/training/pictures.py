"""Pictures of the training in TensorBoard.

A hook of the trainer asks a model that can draw them (``training_pictures``) for pictures of a few
training images, with their labels and its predictions, and writes them to the event storage.
"""

import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.modeling import META_ARCH_REGISTRY

from bestie.data import BatchLoader

__all__ = ["PictureHook", "draws_pictures"]

NUMBER_OF_PICTURES = 4


def draws_pictures(cfg: CfgNode) -> bool:
    """Whether the model of a config draws pictures of its training."""
    return hasattr(META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE), "training_pictures")


class PictureHook(HookBase):
    """Draws the same few training images every VIS_PICTURE_PERIOD steps: one sees them change."""

    def __init__(self, cfg: CfgNode, loader: BatchLoader):
        """
        Args:
            cfg: of the training.
            loader: of its samples.
        """
        self.period = cfg.VIS_PICTURE_PERIOD
        self.input_format = cfg.INPUT.FORMAT
        step = max(1, loader.size // NUMBER_OF_PICTURES)
        chosen = range(0, loader.size, step)[:NUMBER_OF_PICTURES]
        self.samples = [loader.sample(index) for index in chosen]

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
