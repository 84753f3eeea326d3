"""Pictures of a training: when they are drawn, of which images, and in which state of the model."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bestie.data import build_mapper, build_train_loader
from bestie.training.pictures import PictureHook, draws_pictures
from tests.data.conftest import cfg, root  # noqa: F401  (fixtures)


class Painter(torch.nn.Module):
    """Draws one picture per sample; remembers how it was asked."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def training_pictures(self, samples, iteration, input_format):
        self.calls.append((iteration, self.training, torch.is_grad_enabled(), input_format))
        return [np.full((2, 3, 3), 51, np.uint8) for _ in samples]


def hook_of(cfg, model, steps=5, period=2):  # noqa: F811
    cfg.VIS_PICTURE_PERIOD = period
    drawn = {}
    loader, _ = build_train_loader(cfg, build_mapper(cfg, True))
    hook = PictureHook(cfg, loader)
    storage = SimpleNamespace(put_image=lambda name, image: drawn.update({name: image}))
    hook.trainer = SimpleNamespace(iter=0, max_iter=steps, model=model, storage=storage)
    for hook.trainer.iter in range(steps):
        hook.after_step()
    return hook, drawn


def test_pictures_are_drawn_every_period_and_at_the_end(cfg):  # noqa: F811
    model = Painter().train()
    _, drawn = hook_of(cfg, model)
    assert [iteration for iteration, *_ in model.calls] == [1, 3, 4]
    assert {tuple(call[1:]) for call in model.calls} == {(False, False, "RGB")}
    assert model.training
    assert sorted(drawn) == [f"training/{number}" for number in range(4)]
    assert drawn["training/0"].shape == (3, 2, 3)  # channels first, in [0, 1]
    np.testing.assert_allclose(drawn["training/0"], 0.2)


def test_the_model_of_a_parallel_training_is_unwrapped(cfg):  # noqa: F811
    wrapped = torch.nn.Module()
    wrapped.module = Painter()
    hook_of(cfg, wrapped, steps=1)
    assert len(wrapped.module.calls) == 1


def test_the_samples_are_spread_over_the_data_and_the_same_every_time(cfg):  # noqa: F811
    first, _ = hook_of(cfg, Painter(), steps=0)
    again, _ = hook_of(cfg, Painter(), steps=0)
    assert [sample["image_name"] for sample in first.samples] == ["a", "b", "c", "d"]
    for one, other in zip(first.samples, again.samples, strict=True):
        assert torch.equal(one["image"], other["image"])


@pytest.mark.parametrize(("model", "draws"), [("BESTIE", True), ("GeneralizedRCNN", False)])
def test_models_that_can_draw_are_known(cfg, model, draws):  # noqa: F811
    cfg.MODEL.META_ARCHITECTURE = model
    assert draws_pictures(cfg) == draws
