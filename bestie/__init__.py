"""From cheap labels to instance segmentation, in Detectron2.

Importing the package registers its backbones, heads, meta-architectures, mappers and built-in data
sets with Detectron2; the imports below without a visible use are there for that.
"""

# ruff: noqa: E402
import warnings

# Before the imports: Detectron2 uses it while it is imported, and no user can change that.
warnings.filterwarnings("ignore", ".torch.jit.script. is deprecated", FutureWarning)

from bestie import backbones, data, evaluation, methods  # noqa: F401  (registration)
from bestie.api import Model, load, run
from bestie.config import add_bestie_config
from bestie.formats import DatasetFolder, Points
from bestie.formats.labels.importer import import_labels

__version__ = "0.1.0"

__all__ = [
    "DatasetFolder",
    "Model",
    "Points",
    "add_bestie_config",
    "import_labels",
    "load",
    "run",
]
