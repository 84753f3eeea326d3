import pytest
from torch import nn

from bestie.training import default_config
from bestie.training.optimizer import build_optimizer, parameter_groups


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def rates_of(groups, network):
    """Learning rate and weight decay of each parameter, by name."""
    of = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    return {name: of[id(parameter)] for name, parameter in network.named_parameters()}


def test_groups_have_the_rates_and_decays_of_the_solver():
    cfg = default_config()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.BIAS_LR_FACTOR = 0.1, 2.0
    cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.WEIGHT_DECAY_NORM = 0.01, 0.0
    model = network()
    assert rates_of(parameter_groups(cfg, {model: 1.0, model[1]: 4.0}), model) == {
        "0.weight": (pytest.approx(0.1), 0.01),
        "0.bias": (pytest.approx(0.2), 0.01),
        "1.weight": (pytest.approx(0.4), 0.0),
        "1.bias": (pytest.approx(0.8), 0.0),
    }


def test_without_factors_there_is_one_group_in_the_order_of_the_model():
    cfg, model = default_config(), network()
    cfg.SOLVER.WEIGHT_DECAY = cfg.SOLVER.WEIGHT_DECAY_NORM = 0.0
    groups = parameter_groups(cfg, {model: 1.0, model[1]: 1.0})
    assert len(groups) == 1
    assert all(a is b for a, b in zip(groups[0]["params"], model.parameters(), strict=True))


def test_a_model_may_give_its_own_groups():
    class Model(nn.Linear):
        def optimizer_parameters(self, cfg):
            return [{"params": [self.weight], "lr": 0.25}, {"params": [self.bias], "lr": 0.5}]

    groups = build_optimizer(default_config(), Model(2, 2)).param_groups
    assert [group["lr"] for group in groups] == [0.25, 0.5]
