import numpy as np
import pytest
import torch

from bestie.modeling.losses import guided_l1, guided_mse, hard_pixel_cross_entropy
from tests.conftest import reference_cases


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
        loss = function(
            logits, torch.from_numpy(data["in_target"]), torch.from_numpy(data["in_weight"])
        )
        expected_gradient = data["out_grad_pred"]
    loss.backward()
    np.testing.assert_allclose(loss.item(), data["out_loss"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(logits.grad.numpy(), expected_gradient, rtol=1e-5, atol=1e-7)


def test_guided_mse_of_two_pixels_by_hand():
    prediction = torch.tensor([[[[1.0, 3.0, 5.0]], [[0.0, 0.0, 9.0]]]])
    weight = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    loss = guided_mse(prediction, torch.zeros_like(prediction), weight)
    assert loss.item() == pytest.approx((1 + 0.5 * 9) / 2)


def test_no_guided_pixel_gives_zero_loss_and_zero_gradient():
    prediction = torch.ones(1, 2, 3, 3, requires_grad=True)
    loss = guided_l1(prediction, torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3))
    loss.backward()
    assert loss.item() == 0 and not prediction.grad.any()
