"""The trainer: killed runs resume to the same losses, two processes train, wrong data stops it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from detectron2.engine import HookBase
from detectron2.utils.events import EventStorage

from bestie.formats import Points, write_points
from bestie.training import Trainer
from bestie.training.failures import TrainingError
from bestie.training.precision import cpu_multiplies_bfloat16
from bestie.training.setup import read_config
from bestie.training.trainer import StrictJSONWriter
from bestie.visualization import read_metrics
from tests.conftest import PROJECT
from tests.evaluation.tiny_data import OBJECTS, write_root

SETTINGS = {
    "MODEL.TIMM.NAME": "resnet18",  # its first stage is all that the heads read
    "MODEL.BESTIE.HEAD_CHANNELS": 8,
    "MODEL.BESTIE.MIN_AREA": 10,
    "MODEL.BESTIE.REFINE.START_ITER": 2,
    "INPUT.CROP.SIZE": "[32, 32]",
    "INPUT.SCALES": "[2.0, 3.0]",
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.CHECKPOINT_PERIOD": 2,
    "DATALOADER.NUM_WORKERS": 0,
    "VIS_PICTURE_PERIOD": 3,
    "TEST.EVALUATORS": "['voc']",
}
SMALL = [str(part) for setting in SETTINGS.items() for part in setting]


@pytest.fixture
def data(tmp_path):
    """The tiny root, with a click in the middle of each object."""
    name = write_root(tmp_path / "root")
    for number, objects in enumerate(OBJECTS):
        middles = [
            ((top + bottom) / 2, (left + right) / 2) for _, top, left, bottom, right in objects
        ]
        points = Points(
            np.array(middles).reshape(-1, 2),
            np.array([box[0] for box in objects], np.int64),
            np.ones(len(objects), np.float32),
        )
        write_points(tmp_path / f"root/Center_points/img{number}.txt", points)
    return name


def settings(data, output, *more):
    names = ["DATASETS.TRAIN", f"('{data}',)", "DATASETS.TEST", f"('{data}',)"]
    return [*names, *SMALL, "OUTPUT_DIR", str(output), "SOLVER.MAX_ITER", "6", *more]


class Recorder(HookBase):
    """Losses of every step; raises after step ``stop``, as a crash would."""

    def __init__(self, stop=None):
        self.losses, self.stop = {}, stop

    def after_step(self):
        scalars = self.trainer.storage.latest()
        self.losses[self.trainer.iter] = {
            key: value for key, (value, _) in scalars.items() if "loss" in key
        }
        if self.trainer.iter == self.stop:
            raise KeyboardInterrupt


def train(data, output, resume=False, stop=None, more=()):
    cfg = read_config("configs/quick/shapes_tags.yaml", settings(data, output, *more))
    trainer = Trainer(cfg)
    recorder = Recorder(stop)
    trainer.register_hooks([recorder])
    trainer.resume_or_load(resume=resume)
    if stop is None:
        trainer.train()
    else:
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    return recorder.losses


def test_a_stopped_run_resumes_to_the_losses_of_an_undisturbed_one(data, tmp_path):
    whole = train(data, tmp_path / "whole")
    before = train(data, tmp_path / "stopped", stop=4)
    after = train(data, tmp_path / "stopped", resume=True)
    assert sorted(before) == [0, 1, 2, 3, 4] and sorted(after) == [4, 5]
    assert before == {iteration: whole[iteration] for iteration in before}
    assert after == {iteration: whole[iteration] for iteration in after}
    assert "loss_center_refined" in whole[5]


def test_resuming_without_a_checkpoint_is_reported(data, tmp_path, caplog):
    cfg = read_config("configs/quick/shapes_tags.yaml", settings(data, tmp_path / "new"))
    with caplog.at_level("WARNING", "bestie"):
        Trainer(cfg).resume_or_load(resume=True)
    (message,) = [m for m in caplog.messages if "--resume" in m]
    assert "holds no checkpoint; the training starts from the beginning" in message


def test_a_run_with_other_rates_for_parts_of_the_model_is_not_resumed(data, tmp_path):
    train(data, tmp_path, stop=2)
    with pytest.raises(ValueError, match="LR_FACTOR or .* resume with its config.yaml"):
        train(data, tmp_path, resume=True, more=["MODEL.BESTIE.HEAD_LR_FACTOR", 4.0])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # no step is made
def test_a_longer_training_resumes_on_the_schedule_of_its_config(data, tmp_path):
    def trainer(steps):
        more = ("SOLVER.MAX_ITER", steps, "SOLVER.LR_SCHEDULER_NAME", "WarmupPolyLR")
        cfg = read_config("configs/quick/shapes_tags.yaml", settings(data, tmp_path / steps, *more))
        return Trainer(cfg)

    short, longer = trainer("4"), trainer("8")
    for short.iter in range(4):
        short.scheduler.step()
    state = short.state_dict()
    longer.load_state_dict(state)
    assert (longer.scheduler.last_epoch, longer.scheduler.max_iters) == (4, 8)
    longer.scheduler.step()  # beyond the end of the shorter one
    assert longer.scheduler.get_last_lr()[0] > 0


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # no step is made
@pytest.mark.parametrize("schedule", ["WarmupPolyLR", "WarmupMultiStepLR", "WarmupCosineLR"])
def test_a_resumed_training_has_the_learning_rate_of_its_config(data, tmp_path, schedule):
    def trainer(rate):
        more = ("SOLVER.BASE_LR", rate, "SOLVER.LR_SCHEDULER_NAME", schedule)
        cfg = read_config("configs/quick/shapes_tags.yaml", settings(data, tmp_path / rate, *more))
        return Trainer(cfg)

    before, after = trainer("0.01"), trainer("0.001")
    before.scheduler.step()
    after.load_state_dict(before.state_dict())
    for each in (before, after):
        each.scheduler.step()
    rates = [each.scheduler.get_last_lr()[0] for each in (before, after)]
    assert rates[1] == pytest.approx(rates[0] / 10)


@pytest.mark.skipif(
    not cpu_multiplies_bfloat16(), reason="this CPU has no instructions for bfloat16"
)
def test_bfloat16_gives_the_same_losses_again_and_nearly_those_of_float32(data, tmp_path):
    more = ("SOLVER.AMP.ENABLED", "True")
    once = train(data, tmp_path / "once", more=more)
    again = train(data, tmp_path / "again", more=more)
    float32 = train(data, tmp_path / "float32")
    assert once == again and once != float32
    first = [losses[0]["total_loss"] for losses in (once, float32)]
    assert first[0] == pytest.approx(first[1], rel=0.02)


def test_samples_do_not_depend_on_the_number_of_workers(data, tmp_path):
    none = train(data, tmp_path / "none", stop=1)
    two = train(data, tmp_path / "two", stop=1, more=("DATALOADER.NUM_WORKERS", "2"))
    assert none == two


def test_broken_data_stops_the_training_before_it_starts(data, tmp_path):
    (tmp_path / "root/WSSS_maps/img1.png").unlink()
    (tmp_path / "root/JPEGImages/img3.png").write_bytes(b"no picture")
    with pytest.raises(ValueError) as caught:
        train(data, tmp_path / "out")
    assert "img1.png" in str(caught.value) and "img3.png" in str(caught.value)


def test_a_resumed_run_knows_the_best_metric(data, tmp_path):
    more = ("TEST.EVAL_PERIOD", "2", "TEST.BEST_METRIC", "voc/mAP25")
    train(data, tmp_path / "out", more=more, stop=4)
    record = tmp_path / "out/model_best.json"
    assert (tmp_path / "out/model_best.pth").exists()
    record.write_text('{"metric": 101.0, "iteration": 1}')
    before = (tmp_path / "out/model_best.pth").read_bytes()
    train(data, tmp_path / "out", more=more, resume=True)
    assert (tmp_path / "out/model_best.pth").read_bytes() == before


def command(data, output, *more):
    return [
        sys.executable,
        str(PROJECT / "tools/train_net.py"),
        "--config-file",
        str(PROJECT / "configs/quick/shapes_tags.yaml"),
        *more,
        *settings(data, output, "SOLVER.MAX_ITER", "12"),
    ]


RECORDED_RUN = """
import json, sys
from tests.training.test_trainer import Recorder, Trainer, read_config

class Writer(Recorder):
    def after_step(self):
        super().after_step()
        with open(sys.argv[1], "a") as file:
            file.write(json.dumps([self.trainer.iter, self.losses[self.trainer.iter]]) + "\\n")

trainer = Trainer(read_config("configs/quick/shapes_tags.yaml", sys.argv[3:]))
trainer.register_hooks([Writer()])
trainer.resume_or_load(resume=sys.argv[2] == "resume")
trainer.train()
"""


def recorded_run(data, output, resume="anew"):
    """A process that trains 12 steps and appends the losses of each to a file."""
    arguments = settings(data, output, "SOLVER.MAX_ITER", "12")
    script = [sys.executable, "-c", RECORDED_RUN, f"{output}.jsonl", resume, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(script, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)


def losses_of(output):
    return [json.loads(line) for line in open(f"{output}.jsonl")]


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_losses_of_an_undisturbed_one(data, tmp_path):
    assert recorded_run(data, tmp_path / "whole").wait() == 0
    process = recorded_run(data, tmp_path / "killed")
    while not (tmp_path / "killed/last_checkpoint").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/model_final.pth").exists(), "killed too late to tell"
    before = len(losses_of(tmp_path / "killed"))
    assert recorded_run(data, tmp_path / "killed", "resume").wait() == 0
    whole, killed = losses_of(tmp_path / "whole"), losses_of(tmp_path / "killed")
    assert len(whole) == 12 and len(killed) >= 12 > before
    assert all(step in whole for step in killed)
    assert killed[-1] == whole[-1]


@pytest.mark.slow
def test_two_processes_train(data, tmp_path):
    subprocess.run(
        command(data, tmp_path / "two", "--num-gpus", "2"), check=True, capture_output=True
    )
    assert (tmp_path / "two/model_final.pth").exists()


def test_the_tool_ends_a_mistake_in_one_line(data, tmp_path):
    failed = subprocess.run(
        [*command(data, tmp_path / "out"), "MODEL.BESTIE.SIGMA", "0.0"],
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert "MODEL.BESTIE.SIGMA must lie in" in failed.stderr


def run_tool(data, output, *more):
    """tools/train_net.py in a process of its own."""
    command = [sys.executable, PROJECT / "tools/train_net.py", "--config-file"]
    command += ["configs/quick/shapes_tags.yaml", *settings(data, output, *more)]
    return subprocess.run(
        list(map(str, command)), cwd=PROJECT, capture_output=True, text=True, timeout=300
    )


def test_a_loss_that_is_not_finite_ends_in_a_message(data, tmp_path):
    # The first steps are normal (warm-up from 0), a checkpoint is written after each.
    more = ["SOLVER.BASE_LR", "1e30", "SOLVER.WARMUP_FACTOR", "0", "SOLVER.WARMUP_ITERS", "1"]
    more += ["SOLVER.OPTIMIZER", "SGD", "SOLVER.CHECKPOINT_PERIOD", "1"]
    more += ["SOLVER.CLIP_GRADIENTS.ENABLED", "False"]
    done = run_tool(data, tmp_path / "run", *more)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    message = done.stderr[done.stderr.index("train_net.py: ") :]
    assert "the loss became infinite or NaN at iteration" in message
    assert "SOLVER.BASE_LR below 1e+30" in message
    assert f"Last good checkpoint: {tmp_path / 'run/model_0000000.pth'}" in message


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
        MemoryError(),
    ],
)
def test_memory_that_ran_out_ends_in_a_message(data, tmp_path, caplog, error):
    class Raiser(HookBase):
        def after_step(self):
            if self.trainer.iter == 3:
                raise error

    cfg = read_config("configs/quick/shapes_tags.yaml", settings(data, tmp_path / "run"))
    trainer = Trainer(cfg)
    trainer.register_hooks([Raiser()])
    with pytest.raises(TrainingError) as found:
        trainer.train()
    message = str(found.value)
    assert message.startswith("the memory ran out at iteration 3 of 6 on cpu: ")
    assert "SOLVER.IMS_PER_BATCH below 2" in message and "more" not in message
    assert f"Last good checkpoint: {tmp_path / 'run/model_0000003.pth'}" in message
    assert "Traceback" not in caplog.text


def test_other_errors_of_a_training_are_raised_as_they_are(data, tmp_path):
    class Raiser(HookBase):
        def after_step(self):
            raise RuntimeError("shapes do not match")

    cfg = read_config("configs/quick/shapes_tags.yaml", settings(data, tmp_path / "run"))
    trainer = Trainer(cfg)
    trainer.register_hooks([Raiser()])
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trainer.train()


def test_metrics_that_are_not_defined_are_null(tmp_path):
    with EventStorage(4) as storage:
        storage.put_scalar("voc/mAP50", float("nan"))
        storage.put_scalar("lr", 0.5)
        writer = StrictJSONWriter(str(tmp_path / "metrics.json"))
        writer.write()
        writer.write()  # nothing new
        writer.close()
    text = (tmp_path / "metrics.json").read_text()
    assert text == '{"iteration": 4, "lr": 0.5, "voc/mAP50": null}\n'
    assert np.isnan(read_metrics(tmp_path / "metrics.json")["voc/mAP50"][1]).all()
