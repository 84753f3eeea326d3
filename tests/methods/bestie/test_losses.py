import numpy as np
import pytest
import torch

from bestie.methods.bestie.losses import guided_l1, guided_mse, hard_pixel_cross_entropy
from tests.conftest import reference_cases


def loss_of(function, prediction, target, weight):
    """The loss with all pixels given."""
    target, weight = (maps.permute(0, 2, 3, 1).flatten(0, 2) for maps in (target, weight))
    pixels = torch.arange(len(weight))
    if function is guided_mse:
        channels = torch.arange(target.shape[1]).expand_as(target)
        return guided_mse(prediction, target, channels, weight, pixels)
    return guided_l1(prediction, target, weight, pixels)


@pytest.mark.parametrize("case", reference_cases("losses"))
def test_losses(case):
    data, parameters = case.load()
    if parameters["kind"] == "hard_pixel_cross_entropy":
        logits = torch.from_numpy(data["in_logits"]).requires_grad_()
        loss = hard_pixel_cross_entropy(logits.log_softmax(1), torch.from_numpy(data["in_target"]))
        expected_gradient = data["out_grad_logits"]
    else:
        function = {"weighted_l1": guided_l1, "weighted_mse": guided_mse}[parameters["kind"]]
        logits = torch.from_numpy(data["in_pred"]).requires_grad_()
        target, weight = torch.from_numpy(data["in_target"]), torch.from_numpy(data["in_weight"])
        loss = loss_of(function, logits, target, weight)
        expected_gradient = data["out_grad_pred"]
    loss.backward()
    np.testing.assert_allclose(loss.item(), data["out_loss"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(logits.grad.numpy(), expected_gradient, rtol=1e-5, atol=1e-7)


def test_guided_mse_of_two_pixels_by_hand():
    prediction = torch.tensor([[[[1.0, 3.0, 5.0]], [[0.0, 0.0, 9.0]]]])
    weight = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    loss = loss_of(guided_mse, prediction, torch.zeros_like(prediction), weight)
    assert loss.item() == pytest.approx((1 + 0.5 * 9) / 2)


def test_no_guided_pixel_gives_zero_loss_and_zero_gradient():
    prediction = torch.ones(1, 2, 3, 3, requires_grad=True)
    nothing = torch.zeros(1, 1, 3, 3)
    loss = loss_of(guided_l1, prediction, torch.zeros(1, 2, 3, 3), nothing)
    loss.backward()
    assert loss.item() == 0 and not prediction.grad.any()


def test_pixels_left_out_or_not_guided_change_nothing_whatever_is_predicted_there():
    prediction = torch.tensor([[[[1.0, torch.inf, 2.0, torch.nan]]]], requires_grad=True)
    target, weight = torch.zeros(3, 1), torch.tensor([[1.0], [0.0], [0.5]])
    channels = torch.zeros(3, 1, dtype=torch.int64)
    loss = guided_mse(prediction, target, channels, weight, torch.tensor([0, 1, 2]))
    loss.backward()
    assert loss.item() == pytest.approx((1 + 0.5 * 4) / 2)
    assert prediction.grad.tolist() == [[[[1.0, 0.0, 1.0, 0.0]]]]
