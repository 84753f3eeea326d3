"""Joins everything: configuration, trainer, processes, and the stages of the pipeline."""

from bestie.engine.setup import default_config, load_model, merge_config, setup
from bestie.engine.trainer import Trainer

__all__ = ["Trainer", "default_config", "load_model", "merge_config", "setup"]
