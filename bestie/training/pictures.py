"""Pictures of the training in TensorBoard: image, map, labels, refined labels and prediction.

A hook of the trainer asks the model for a picture and writes it to the event storage.
"""

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import HookBase

from bestie.data import build_mapper, seeded
from bestie.visualization import NetworkView, training_picture

__all__ = ["PictureHook"]

NUMBER_OF_PICTURES = 4


class PictureHook(HookBase):
    """Draws the same few training images every VIS_PICTURE_PERIOD steps: one sees them change."""

    def __init__(self, cfg: CfgNode):
        self.period = cfg.VIS_PICTURE_PERIOD
        self.input_format = cfg.INPUT.FORMAT
        mapper = build_mapper(cfg, is_train=True)
        dicts = DatasetCatalog.get(cfg.DATASETS.TRAIN[0])
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
        pseudo, refined, outputs, instances = model.describe(self.samples, self.trainer.iter)
        model.train()
        for index, sample in enumerate(self.samples):
            image = sample["image"]
            if self.input_format == "BGR":
                image = image.flip(0)
            view = NetworkView(
                outputs.semantic[index],
                outputs.center[index],
                outputs.offset[index],
                instances[index].instance_map,
            )
            picture = training_picture(
                image, sample["semantic_map"], pseudo, refined, view, index=index
            )
            self.trainer.storage.put_image(f"training/{index}", picture.transpose(2, 0, 1) / 255.0)
