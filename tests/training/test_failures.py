"""Messages about trainings that cannot continue."""

import pytest
import torch

from bestie.training.failures import explain_failure, memory_message
from bestie.training.setup import merge_config


def config(tmp_path, *settings):
    common = ["OUTPUT_DIR", str(tmp_path), "MODEL.DEVICE", "cpu", "SOLVER.MAX_ITER", "1000"]
    return merge_config("", [*common, *settings])


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore"), True),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_of_memory_are_recognized(error, is_memory):
    message = memory_message(error)
    assert (message is not None) == is_memory
    assert not message or "\n" not in message


def test_what_reduces_the_memory_depends_on_the_mapper(tmp_path):
    for mapper, keys in (
        ("BESTIEMapper", "INPUT.CROP.SIZE"),
        ("InstanceMapper", "INPUT.MIN_SIZE_TRAIN and INPUT.MAX_SIZE_TRAIN"),
        ("RefinerMapper", "the size of the images"),
    ):
        settings = ["INPUT.DATASET_MAPPER_NAME", mapper, "SOLVER.IMS_PER_BATCH", "8"]
        text = explain_failure(MemoryError(), config(tmp_path, *settings), 5)
        assert f"smaller {keys}" in text and "SOLVER.IMS_PER_BATCH below 8" in text
        assert "at iteration 5 of 1000 on cpu" in text and "No good checkpoint" in text


def test_a_loss_that_is_not_finite_names_the_last_checkpoint_of_finite_weights(tmp_path):
    for step, value in ((99, 1.0), (199, float("nan")), (299, 1.0)):
        content = {"model": {"w": torch.tensor([value])}}
        torch.save(content, tmp_path / f"model_{step:07d}.pth")
    error = FloatingPointError("Loss became infinite or NaN: {'loss_center': nan, 'loss_x': 1.0}")
    text = explain_failure(error, config(tmp_path), 250)
    assert "(loss_center)" in text and "SOLVER.BASE_LR below" in text
    assert f"Last good checkpoint: {tmp_path / 'model_0000099.pth'}" in text


def test_other_errors_are_left_alone(tmp_path):
    assert explain_failure(KeyError("a"), config(tmp_path), 1) is None
