"""From command line arguments to a checked, frozen configuration, and from that to a loaded model.

A YAML file and KEY VALUE overrides become a config whose data sets are registered and whose class
numbers are those of the data. All mistakes are reported at once.
"""

import difflib
import logging
import os
import re
from argparse import Namespace

import torch
import yaml
from detectron2.config import CfgNode, get_cfg
from detectron2.data import MetadataCatalog
from detectron2.engine import default_setup
from detectron2.modeling import build_model as build_detectron2_model
from detectron2.projects.point_rend import add_pointrend_config
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger
from torch import nn

from bestie.backbones.weights import StrictCheckpointer
from bestie.config import add_bestie_config
from bestie.data import register_dataset
from bestie.method import METHODS
from bestie.training.class_counts import set_class_counts
from bestie.training.config_check import check_config
from bestie.training.config_node import Config

__all__ = ["build_model", "default_config", "load_model", "merge_config", "read_config", "setup"]

logger = logging.getLogger(__name__)

# Keys of Detectron2's main branch that the release 0.6 lacks, and their defaults there.
NEWER_SOLVER_KEYS = {"BASE_LR_END": 0.0, "RESCALE_INTERVAL": False}


def default_config() -> CfgNode:
    """Detectron2's defaults with the keys of PointRend and of this project."""
    cfg = Config.of(get_cfg())
    add_pointrend_config(cfg)
    for key, value in NEWER_SOLVER_KEYS.items():
        cfg.SOLVER.setdefault(key, value)
    add_bestie_config(cfg)
    return cfg


def merge_config(config_file: str, overrides: list[str]) -> CfgNode:
    """Defaults, a YAML file (no code in it is run) and KEY VALUE overrides; nothing is checked.

    This is the only reader of a configuration. Of a key that is given twice, the last value counts.

    Raises:
        ValueError: for unknown keys, values of a wrong type, and files that are not YAML.
    """
    cfg = default_config()
    try:
        if config_file:
            cfg.merge_from_file(config_file, allow_unsafe=False)
    except (KeyError, AssertionError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{config_file}: {_reason(error)}") from error
    except (AttributeError, TypeError) as error:  # a text, a list or a number
        raise ValueError(
            f"{config_file}: is not a configuration; a YAML file of keys is expected"
        ) from error
    if len(overrides) % 2:
        raise ValueError(f"settings come in pairs, KEY VALUE; '{overrides[-1]}' has no value")
    try:
        cfg.merge_from_list(overrides)
    except (KeyError, AssertionError, TypeError, ValueError) as error:
        reason = _reason(error)
        given = "" if any(key in reason for key in overrides[::2]) else f"; got {overrides}"
        raise ValueError(f"Settings: {reason}{given}") from error
    return cfg


def _reason(error: Exception) -> str:
    """What is wrong with a configuration; for an unknown key with the keys most like it."""
    if isinstance(error, yaml.YAMLError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text; a YAML file of keys is expected"
    text = str(error.args[0])
    unknown = re.fullmatch(r"Non-existent (?:config )?key: (\S+)", text)
    if unknown is None:
        return text
    keys = _all_keys(default_config())
    similar = difflib.get_close_matches(unknown[1], keys, n=3)
    # A part of a key, or the key without its nodes.
    similar = similar or [key for key in keys if unknown[1] in key][:3]
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"{unknown[1]} is not a key of the configuration{hint}"


def _all_keys(cfg: CfgNode, prefix: str = "") -> list[str]:
    keys = []
    for name, value in cfg.items():
        is_node = isinstance(value, CfgNode)
        keys += _all_keys(value, f"{prefix}{name}.") if is_node else [f"{prefix}{name}"]
    return keys


def read_config(
    config_file: str, overrides: list[str], *, training: bool = True, testing: bool = True
) -> CfgNode:
    """Read a configuration, register its data sets and fill in the number and names of classes.

    The number of classes is that of the data. Without ``training`` the training sets need not
    exist, without ``testing`` the test sets; if they exist, their classes must be those of the
    others.

    Raises:
        ValueError: for unknown keys, for data sets that cannot be registered, and for settings that
            contradict each other or cannot have an effect, all of the last at once.
    """
    cfg, notes = _read_config(config_file, overrides, training, testing)
    for note in notes:
        logger.info(note)
    return cfg


def _read_config(
    config_file: str, overrides: list[str], training: bool, testing: bool
) -> tuple[CfgNode, list[str]]:
    """As :func:`read_config`, with what was taken from the data, in words."""
    cfg = merge_config(config_file, overrides)
    if os.path.isfile(cfg.OUTPUT_DIR):
        raise ValueError(f"OUTPUT_DIR: {cfg.OUTPUT_DIR} is a file; a folder is expected")
    if training and not cfg.DATASETS.TRAIN:
        raise ValueError("DATASETS.TRAIN is empty; name the data to train on (folder:ROOT:SPLIT).")
    names = []
    for given, needed in ((cfg.DATASETS.TEST, testing), (cfg.DATASETS.TRAIN, training)):
        for name in given:
            try:
                register_dataset(name)
                names.append(name)
            except ValueError:
                if needed:
                    raise
                logger.info("%s not found; not needed for this command.", name)
    _fill_in(cfg, names)
    check_config(cfg)
    notes = [note for method in METHODS.values() for note in method.fill_in(cfg, training)]
    cfg.freeze()
    return cfg, notes


def setup(args: Namespace, *, training: bool = False) -> CfgNode:
    """Read the configuration of a tool, and start the logs.

    Args:
        args: with ``config_file`` and ``opts``, as Detectron2's argument parser gives them.
        training: also writes the environment, the log and ``config.yaml`` into OUTPUT_DIR and seeds
            the random numbers, as Detectron2's training scripts do.
    """
    # The logs are set up with it, so what it says waits for them.
    cfg, notes = _read_config(
        args.config_file,
        args.opts,
        training=training and not getattr(args, "eval_only", False),
        testing=training,
    )
    if training:
        default_setup(cfg, args)
    setup_logger(
        cfg.OUTPUT_DIR if training else None, distributed_rank=comm.get_rank(), name="bestie"
    )
    if not training:
        setup_logger(distributed_rank=comm.get_rank())
    for note in notes:
        logger.info(note)
    return cfg


def _fill_in(cfg: CfgNode, names: list[str]) -> None:
    classes = {name: MetadataCatalog.get(name).thing_classes for name in names}
    if cfg.DATASETS.CLASS_NAMES:
        classes = {"DATASETS.CLASS_NAMES": list(cfg.DATASETS.CLASS_NAMES)} | classes
    if classes:
        source, first = next(iter(classes.items()))
        for name, these in classes.items():
            if these != first:
                raise ValueError(
                    f"DATASETS: {source} has the {len(first)} classes {first[:5]}..., but {name} "
                    f"has the {len(these)} classes {these[:5]}...; they must be the same, in order."
                )
        set_class_counts(cfg, len(first), source)
        cfg.DATASETS.CLASS_NAMES = list(first)
    cfg.OUTPUT_DIR = os.path.normpath(cfg.OUTPUT_DIR)


def build_model(cfg: CfgNode) -> nn.Module:
    """Detectron2's ``build_model``, with bounded memory and a fast memory format.

    Methods replace some of Detectron2's models by their own, which give the same results
    (``Method.replaced_models``). Channels last saves time on CPUs, and on GPUs with mixed
    precision.
    """
    for method in METHODS.values():
        if cfg.MODEL.META_ARCHITECTURE in method.replaced_models:
            cfg = cfg.clone()
            cfg.defrost()
            cfg.MODEL.META_ARCHITECTURE = method.replaced_models[cfg.MODEL.META_ARCHITECTURE]
    return build_detectron2_model(cfg).to(memory_format=torch.channels_last)


def load_model(cfg: CfgNode, *, resume: bool = False) -> nn.Module:
    """Build the model of a config with all the weights of MODEL.WEIGHTS, in evaluation mode.

    Args:
        cfg: the config.
        resume: take the last checkpoint of OUTPUT_DIR instead.

    Raises:
        ValueError: if MODEL.WEIGHTS is empty or does not fit.
    """
    weights = cfg.MODEL.WEIGHTS
    if resume:
        last = StrictCheckpointer(nn.Module(), cfg.OUTPUT_DIR)
        if not last.has_checkpoint():
            raise ValueError(f"--resume: no checkpoint in OUTPUT_DIR {cfg.OUTPUT_DIR}.")
        weights = last.get_checkpoint_file()
    if not weights:
        raise ValueError("MODEL.WEIGHTS is empty; give the checkpoint to load.")
    cfg = cfg.clone()
    cfg.defrost()
    # The checkpoint holds everything: the files that a training starts from are not needed.
    cfg.MODEL.TIMM.WEIGHTS = ""
    for method in METHODS.values():
        cfg.merge_from_list([part for key in method.weights for part in (key, "")])
    model = build_model(cfg)
    StrictCheckpointer(model).load(weights)
    logger.info("Loaded %s.", weights)
    return model.eval()
