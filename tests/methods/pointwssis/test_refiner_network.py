"""Parity of the refiner's network, loss and schedule with the reference families."""

import re

import numpy as np
import pytest
import torch

from bestie.methods.pointwssis.crops import gaussian_maps
from bestie.methods.pointwssis.losses import two_class_dice
from bestie.methods.pointwssis.refiner_network import RefinerNetwork
from bestie.training.setup import default_config
from bestie.training.trainer import Trainer
from tests.conftest import reference_cases
from tests.methods.reference_arrays import unpack_masks
from tests.methods.test_reference_networks import assert_close, rebuild_weights

NAMES = [
    (r"^layer0\.0\.", "encoder.conv1."),
    (r"^layer0\.1\.", "encoder.bn1."),
    (r"^layer1\.1\.", "encoder.layer1."),
    (r"^layer", "encoder.layer"),
    (r"^aspp\.convs\.0\.1\.", "aspp.pooled."),
    (r"^aspp\.convs\.(\d)\.", lambda m: f"aspp.branches.{int(m[1]) - 1}."),
    (r"^decoder_(\d)\.conv\.", lambda m: f"decoder.{3 - int(m[1])}."),
    (r"^head\.", "predictor."),
]


def renamed(weights):
    found = {}
    for name, value in weights.items():
        for pattern, replacement in NAMES:
            if re.match(pattern, name):
                name = re.sub(pattern, replacement, name)
                break
        found[name] = value
    return found


@pytest.mark.parametrize("case", reference_cases("refine_network"))
@torch.no_grad()
def test_network(case):
    data, parameters = case.load()
    height, width = parameters["size"]
    planes = parameters["num_classes"] + 1
    network = RefinerNetwork("resnet101", in_channels=3 + planes + 1)
    network.load_state_dict(renamed(rebuild_weights(parameters)))
    network.eval()
    # Maps of the larger side, cut: here the crops are no squares.
    points = torch.from_numpy(data["in_point"]).long()
    maps = gaussian_maps(points, max(height, width), 6.0)[:, :height, :width]
    of_classes = torch.zeros(len(maps), planes, height, width)
    of_classes[torch.arange(len(maps)), data["in_point_channel"]] = maps
    mask = unpack_masks(data["in_mask_bits"], height, width).float().unsqueeze(1)
    image = torch.from_numpy(data["in_image"].astype(np.float32))
    logits = network(torch.cat([image, of_classes, mask], dim=1))
    assert_close(logits, data["out_logits"])


@pytest.mark.parametrize("case", reference_cases("refine_loss"))
def test_loss(case):
    data, parameters = case.load()
    logits = torch.from_numpy(data["in_logits"].astype(np.float32)).requires_grad_()
    target = torch.from_numpy(data["in_target"]).bool()
    # The reference sums over batch and rows only: its loss is the mean over single columns.
    columns = zip(logits.unbind(3), target.unbind(2), strict=True)
    losses = [
        two_class_dice(column.unsqueeze(3), of_column.unsqueeze(2), parameters["epsilon"])
        for column, of_column in columns
    ]
    loss = torch.stack(losses).mean()
    loss.backward()
    np.testing.assert_allclose(loss.item(), data["out_loss"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(logits.grad, data["out_grad"], rtol=0, atol=1e-7)


@pytest.mark.parametrize("case", reference_cases("refine_lr"))
def test_learning_rate_is_a_matter_of_configuration(case):
    data, parameters = case.load()
    cfg = default_config()
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupCosineLR"
    cfg.SOLVER.BASE_LR = parameters["base_lr"]
    cfg.SOLVER.BASE_LR_END = parameters["base_lr"] / 100
    cfg.SOLVER.MAX_ITER = parameters["steps"]
    cfg.SOLVER.WARMUP_ITERS = parameters["warmup"]
    cfg.SOLVER.WARMUP_FACTOR = 0.01
    cfg.SOLVER.RESCALE_INTERVAL = True
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=cfg.SOLVER.BASE_LR)
    scheduler = Trainer.build_lr_scheduler(cfg, optimizer)
    found = []
    for iteration in data["in_iteration"]:
        scheduler.last_epoch = int(iteration)
        found.append(scheduler.get_lr()[0])
    np.testing.assert_allclose(found, data["out_lr"], rtol=1e-9)
