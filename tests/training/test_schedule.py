import numpy as np
import pytest
import torch

from bestie.training import Trainer, default_config
from tests.conftest import reference_cases


@pytest.mark.parametrize("case", reference_cases("lr"))
def test_learning_rate_of_the_papers_setting(case):
    data, _ = case.load()
    cfg = default_config()
    cfg.merge_from_file("configs/Base-BESTIE.yaml")
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=cfg.SOLVER.BASE_LR)
    scheduler = Trainer.build_lr_scheduler(cfg, optimizer)
    found = []
    for iteration in data["in_iteration"]:
        scheduler.last_epoch = int(iteration)
        found.append(scheduler.get_lr()[0] / cfg.SOLVER.BASE_LR)
    np.testing.assert_allclose(found, data["out_multiplier"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "kind"), [("SGD", torch.optim.SGD), ("ADAM", torch.optim.Adam)])
def test_optimizer_and_its_settings(name, kind):
    cfg = default_config()
    cfg.SOLVER.OPTIMIZER, cfg.SOLVER.BASE_LR, cfg.SOLVER.WEIGHT_DECAY = name, 0.25, 0.5
    optimizer = Trainer.build_optimizer(cfg, torch.nn.Linear(2, 2))
    assert type(optimizer) is kind
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}
    assert optimizer.param_groups[0]["weight_decay"] == 0.5
