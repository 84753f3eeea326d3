"""The trainer: Detectron2's, with the parts of this project behind its ``build_*`` hooks.

Trains any model of this project and writes checkpoints, logs and evaluation results to OUTPUT_DIR.

A run is a function of (config, seed, iteration): samples are seeded by their position in the
training (see ``data.loader``) and the step's own random numbers by the iteration, so a killed run
that resumes does what the uninterrupted one would have done.
"""

import json
import logging
import os
import random
import weakref
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.engine import AMPTrainer, DefaultTrainer, HookBase, SimpleTrainer, hooks
from detectron2.engine.defaults import create_ddp_model
from detectron2.evaluation import DatasetEvaluators
from detectron2.projects.deeplab import build_lr_scheduler
from detectron2.solver import LRMultiplier
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventWriter,
    JSONWriter,
    TensorboardXWriter,
    get_event_storage,
)
from fvcore.common.param_scheduler import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    CosineParamScheduler,
    LinearParamScheduler,
    ParamScheduler,
)
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from bestie.backbones.weights import StrictCheckpointer
from bestie.data import build_mapper, build_test_loader, build_train_loader, check_datasets
from bestie.data.loader import BatchLoader
from bestie.evaluation import build_evaluator
from bestie.formats import atomic_write, to_json
from bestie.training.failures import TrainingError, explain_failure, hide_traceback
from bestie.training.optimizer import build_optimizer
from bestie.training.pictures import PictureHook, draws_pictures
from bestie.training.precision import BFloat16Trainer, describe_precision
from bestie.training.setup import build_model

__all__ = ["Trainer"]

logger = logging.getLogger(__name__)

# What schedules take from the config.
SCHEDULE = {
    "base_lrs",
    *("max_iters", "power", "constant_ending"),
    *("warmup_factor", "warmup_iters", "warmup_method"),
}


class Trainer(DefaultTrainer):
    """Trains any model of this project; see the module's docstring."""

    def __init__(self, cfg: CfgNode):
        super(DefaultTrainer, self).__init__()
        if comm.get_local_rank() == 0:  # each machine has its own files, or its own view of them
            check_datasets(cfg)
        comm.synchronize()
        seed_all_rng(cfg.SEED + comm.get_rank())  # the initial weights
        model = self.build_model(cfg)
        optimizer = self.build_optimizer(cfg, model)
        data_loader, self.sampler = build_train_loader(cfg, build_mapper(cfg, is_train=True))
        devices = None if cfg.MODEL.DEVICE == "cpu" else [comm.get_local_rank()]
        model = create_ddp_model(model, broadcast_buffers=False, device_ids=devices)
        trainer_class = {
            "float32": SimpleTrainer,
            "float16": AMPTrainer,
            "bfloat16": BFloat16Trainer,
        }[describe_precision(cfg)]
        self._trainer = trainer_class(model, data_loader, optimizer)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = StrictCheckpointer(
            model, cfg.OUTPUT_DIR, allow_backbone_only=True, trainer=weakref.proxy(self)
        )
        self.start_iter = 0
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.cfg = cfg
        self.register_hooks(self.build_hooks())

    def resume_or_load(self, resume: bool = True) -> None:
        """Load MODEL.WEIGHTS, or resume from the last checkpoint and the samples that follow it."""
        if resume and not self.checkpointer.has_checkpoint():
            logger.warning(
                "--resume: OUTPUT_DIR %s holds no checkpoint; the training starts from the "
                "beginning.",
                self.cfg.OUTPUT_DIR,
            )
        super().resume_or_load(resume=resume)
        self.sampler.set_start(self.start_iter * self.cfg.SOLVER.IMS_PER_BATCH)

    def train(self) -> Mapping[str, Any] | None:
        """Train from ``start_iter`` to ``max_iter``; the last evaluation, if there was one.

        Raises:
            TrainingError: the loss is not finite any more, or the memory ran out.
        """
        loop = logging.getLogger("detectron2.engine.train_loop")
        loop.addFilter(hide_traceback)
        try:
            return super().train()
        except (FloatingPointError, MemoryError, RuntimeError) as error:
            message = explain_failure(error, self.cfg, self.iter)
            if message is None:
                raise
            raise TrainingError(message) from error
        finally:
            loop.removeFilter(hide_traceback)

    def state_dict(self) -> dict[str, Any]:
        """Iteration, hooks and optimizer; Detectron2 0.6 alone would leave the optimizer out."""
        return super(DefaultTrainer, self).state_dict() | {"_trainer": self._trainer.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a checkpoint, on the schedule of the config.

        Schedules keep their learning rate in the checkpoint, and WarmupPolyLR its length: without
        this, a smaller SOLVER.BASE_LR would change nothing in a resumed training, and one with a
        larger SOLVER.MAX_ITER would run past its end.
        """
        schedule = {key: value for key, value in vars(self.scheduler).items() if key in SCHEDULE}
        super(DefaultTrainer, self).load_state_dict(state_dict)
        vars(self.scheduler).update(schedule)
        try:
            self._trainer.load_state_dict(state_dict["_trainer"])
        except ValueError as error:  # torch: the groups of parameters are others
            raise ValueError(
                f"the last checkpoint of {self.cfg.OUTPUT_DIR} was trained with other groups of "
                f"parameters: {error}. Their learning rates and weight decays are set by keys with "
                "LR_FACTOR or WEIGHT_DECAY in their names; resume with its config.yaml, or train "
                "into another OUTPUT_DIR"
            ) from error

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        return build_model(cfg)

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRScheduler:
        if cfg.SOLVER.LR_SCHEDULER_NAME == "WarmupCosineLR":
            return _warmup_cosine(cfg, optimizer)
        return build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> BatchLoader:
        return build_train_loader(cfg, build_mapper(cfg, is_train=True))[0]

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> DataLoader:
        return build_test_loader(cfg, dataset_name, build_mapper(cfg, is_train=False))

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, output_folder: str | None = None
    ) -> DatasetEvaluators:
        return build_evaluator(cfg, dataset_name, output_folder or f"{cfg.OUTPUT_DIR}/inference")

    def build_writers(self) -> list[EventWriter]:
        """Detectron2's, with a metrics.json that every json reader takes."""
        os.makedirs(self.cfg.OUTPUT_DIR, exist_ok=True)
        return [
            CommonMetricPrinter(self.max_iter),
            StrictJSONWriter(os.path.join(self.cfg.OUTPUT_DIR, "metrics.json")),
            TensorboardXWriter(self.cfg.OUTPUT_DIR),
        ]

    def build_hooks(self) -> list[HookBase | None]:
        """Detectron2's hooks, seeded steps, the best checkpoint and pictures."""
        cfg = self.cfg
        before = super().build_hooks()
        writer = [before.pop()] if comm.is_main_process() else []  # it comes last
        extra = []
        if comm.is_main_process():
            if cfg.TEST.BEST_METRIC:
                extra.append(
                    BestCheckpointer(cfg.TEST.EVAL_PERIOD, self.checkpointer, cfg.TEST.BEST_METRIC)
                )
            if cfg.VIS_PICTURE_PERIOD > 0 and draws_pictures(cfg):
                extra.append(PictureHook(cfg, self.data_loader))
        return [SeedStep(cfg.SEED), *self._hooks_of_the_model(), *before, *extra, *writer]

    def _hooks_of_the_model(self) -> list[HookBase]:
        """What a model adds to its training, before its checkpoints are written."""
        model = self.model.module if isinstance(self.model, DistributedDataParallel) else self.model
        hooks_of_model = getattr(model, "training_hooks", None)
        if hooks_of_model is None or not comm.is_main_process():
            return []
        return hooks_of_model(self.cfg)


class BestCheckpointer(hooks.BestCheckpointer):
    """Detectron2's, with the best metric in model_best.json, so that a resumed run knows it."""

    @property
    def _record(self) -> str:
        return os.path.join(self._checkpointer.save_dir, "model_best.json")

    def before_train(self) -> None:
        if self.trainer.start_iter > 0 and os.path.exists(self._record):
            with open(self._record) as file:
                record = json.load(file)
            self.best_metric, self.best_iter = record["metric"], record["iteration"]

    def _update_best(self, val: float, iteration: int) -> bool:
        updated = super()._update_best(val, iteration)
        if updated:
            with atomic_write(self._record, "w") as file:
                file.write(to_json({"metric": val, "iteration": iteration}))
        return updated


class StrictJSONWriter(JSONWriter):
    """Detectron2's writer of metrics.json; a metric that is not defined becomes null, not NaN."""

    _last_write: int  # of Detectron2's class, which does not declare its type

    def write(self) -> None:
        rows: dict[int, dict[str, float]] = defaultdict(dict)
        latest = get_event_storage().latest_with_smoothing_hint(self._window_size)
        for name, (value, iteration) in latest.items():
            if iteration > self._last_write:
                rows[iteration][name] = value
        self._last_write = max([self._last_write, *rows])
        for iteration in sorted(rows):
            row = rows[iteration] | {"iteration": iteration}
            self._file_handle.write(to_json(row, sort_keys=True) + "\n")
        self._file_handle.flush()


class SeedStep(HookBase):
    """Seeds the random numbers of each step by (seed, iteration, rank)."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_step(self) -> None:
        entropy = (self.seed, self.trainer.iter, comm.get_rank())
        state = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        random.seed(state)
        np.random.seed(state)
        torch.manual_seed(state)


def _warmup_cosine(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRMultiplier:
    """Half a cosine from BASE_LR to BASE_LR_END after the warm-up.

    As Detectron2's main branch builds it; release 0.6 has neither BASE_LR_END nor RESCALE_INTERVAL.

    Raises:
        ValueError: SOLVER.WARMUP_METHOD is neither "linear" nor "constant".
    """
    solver = cfg.SOLVER
    cosine = CosineParamScheduler(1, solver.BASE_LR_END / solver.BASE_LR)
    length = min(solver.WARMUP_ITERS / solver.MAX_ITER, 1.0)
    start = solver.WARMUP_FACTOR * cosine(0.0)
    # What the warm-up ends at: where the cosine goes on, from its start or from its middle.
    end = cosine(0.0 if solver.RESCALE_INTERVAL else length)
    if solver.WARMUP_METHOD not in ("linear", "constant"):
        raise ValueError(
            f"SOLVER.WARMUP_METHOD must be linear or constant, got '{solver.WARMUP_METHOD}'"
        )
    warmup: ParamScheduler = ConstantParamScheduler(start)
    if solver.WARMUP_METHOD == "linear":
        warmup = LinearParamScheduler(start, end)
    schedule = warmup  # of a training that ends before its warm-up does
    if length < 1.0:
        schedule = CompositeParamScheduler(
            [warmup, cosine],
            interval_scaling=["rescaled", "rescaled" if solver.RESCALE_INTERVAL else "fixed"],
            lengths=[length, 1 - length],
        )
    return LRMultiplier(optimizer, multiplier=schedule, max_iter=solver.MAX_ITER)
