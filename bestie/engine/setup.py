"""From command line arguments to a checked, frozen configuration, and from that to a loaded model.

Comes in: a YAML file and KEY VALUE overrides. Goes out: a config whose data sets are registered,
whose class numbers are those of the data, and whose mistakes were reported all at once. Called by
the tools and the pipeline.
"""

import logging
import os
from argparse import Namespace

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import MetadataCatalog
from detectron2.engine import default_setup
from detectron2.modeling import build_model as build_detectron2_model
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger
from torch import nn

from bestie.config import add_bestie_config
from bestie.data import register_dataset
from bestie.engine.check import check_config
from bestie.modeling.weights import StrictCheckpointer

__all__ = ["build_model", "default_config", "load_model", "read_config", "setup"]

POINT_FOLDERS = {"tags": "Peak_points", "clicks": "Center_points"}


def default_config() -> CfgNode:
    """Detectron2's defaults with the keys of this project."""
    cfg = get_cfg()
    add_bestie_config(cfg)
    return cfg


def read_config(config_file: str, overrides: list[str]) -> CfgNode:
    """Read a YAML file and KEY VALUE overrides, register the data sets and fill in what they tell.

    Number of classes: that of the data. Point folder: that of the supervision.

    Raises:
        ValueError: for unknown keys, for data sets that cannot be registered, and for settings that
            contradict each other or cannot have an effect, all of the last at once.
    """
    cfg = default_config()
    try:
        if config_file:
            cfg.merge_from_file(config_file)
        cfg.merge_from_list(overrides)
    except (KeyError, AssertionError) as error:
        raise ValueError(f"Config {config_file} with {overrides}: {error.args[0]}") from error
    for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        register_dataset(name)
    _fill_in(cfg)
    check_config(cfg)
    cfg.freeze()
    return cfg


def setup(args: Namespace, *, training: bool = False) -> CfgNode:
    """Read the configuration of a tool, and start the logs.

    Args:
        args: with ``config_file`` and ``opts``, as Detectron2's argument parser gives them.
        training: also writes the environment, the log and ``config.yaml`` into OUTPUT_DIR and seeds
            the random numbers, as Detectron2's training scripts do.
    """
    cfg = read_config(args.config_file, args.opts)
    if training:
        default_setup(cfg, args)
    setup_logger(
        cfg.OUTPUT_DIR if training else None, distributed_rank=comm.get_rank(), name="bestie"
    )
    if not training:
        setup_logger(distributed_rank=comm.get_rank())
    return cfg


def _fill_in(cfg: CfgNode) -> None:
    names = (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)
    if names:
        classes = {name: MetadataCatalog.get(name).thing_classes for name in names}
        first = classes[names[0]]
        for name, these in classes.items():
            if these != first:
                raise ValueError(
                    f"DATASETS: {names[0]} has the {len(first)} classes {first[:5]}..., but {name} "
                    f"has the {len(these)} classes {these[:5]}...; they must be the same, in order."
                )
        for node in (cfg.MODEL.BESTIE, cfg.MODEL.PAM):
            if node.NUM_CLASSES == -1:
                node.NUM_CLASSES = len(first)
        cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(first)
    if not cfg.INPUT.POINTS_DIR:
        cfg.INPUT.POINTS_DIR = POINT_FOLDERS.get(cfg.MODEL.BESTIE.SUPERVISION, "")
    cfg.OUTPUT_DIR = os.path.normpath(cfg.OUTPUT_DIR)


def build_model(cfg: CfgNode) -> nn.Module:
    """Detectron2's ``build_model``, with the memory format that convolutions run fastest in.

    Channels last saves time on CPUs, and on GPUs with mixed precision.
    """
    return build_detectron2_model(cfg).to(memory_format=torch.channels_last)


def load_model(cfg: CfgNode) -> nn.Module:
    """Build the model of a config with all the weights of MODEL.WEIGHTS, in evaluation mode.

    Raises:
        ValueError: if MODEL.WEIGHTS is empty or does not fit.
    """
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty; give the checkpoint to load.")
    cfg = cfg.clone()
    cfg.defrost()
    # The checkpoint holds everything: the files that a training starts from are not needed.
    cfg.MODEL.TIMM.WEIGHTS = cfg.MODEL.PAM.VGG_WEIGHTS = ""
    model = build_model(cfg)
    StrictCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    logging.getLogger(__name__).info("Loaded %s.", cfg.MODEL.WEIGHTS)
    return model.eval()
