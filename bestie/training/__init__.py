"""Training of any model: configuration, model building, trainer, processes, prediction on files."""

from bestie.training.setup import default_config, load_model, merge_config, setup
from bestie.training.trainer import Trainer

__all__ = ["Trainer", "default_config", "load_model", "merge_config", "setup"]
