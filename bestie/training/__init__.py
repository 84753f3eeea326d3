"""Joins everything: configuration, trainer, processes, and the stages of the pipeline."""

from bestie.training.setup import default_config, load_model, merge_config, setup
from bestie.training.trainer import Trainer

__all__ = ["Trainer", "default_config", "load_model", "merge_config", "setup"]
