"""BESTIE: from weak semantic maps and points to instances.

The paper as pure functions on arrays and tensors, in the order of the steps: ``pseudo_labels``
(maps and points to accepted instances), ``targets`` (instances to regression targets), ``centers``
and ``grouping`` (network outputs to instances), ``refinement`` (network outputs to refined
targets); ``reference`` is the same written naively. The network: ``heads``, ``losses``,
``meta_arch`` with ``settings`` and ``batch_labels``, ``official_names`` (the paper's weights),
``training_picture``. ``mapper`` feeds it, with ``copy_paste``; ``object_size`` scales lengths to
the objects of the data. ``tables`` has the paper's tables; ``stages``, ``rounds`` and
``refined_labels`` are what only those need.
"""

from bestie.methods.bestie.heads import (
    BESTIE_HEADS_REGISTRY,
    HRNetHead,
    PanopticDeepLabHead,
    build_bestie_head,
)
from bestie.methods.bestie.mapper import BESTIEMapper
from bestie.methods.bestie.meta_arch import BESTIE
from bestie.methods.bestie.method import METHOD
from bestie.methods.bestie.recipe import RECIPE
from bestie.methods.bestie.refined_labels import RefinedLabels, RefinementMapper
from bestie.methods.bestie.tables import TABLES

__all__ = [
    "BESTIE",
    "BESTIE_HEADS_REGISTRY",
    "METHOD",
    "RECIPE",
    "TABLES",
    "BESTIEMapper",
    "HRNetHead",
    "PanopticDeepLabHead",
    "RefinedLabels",
    "RefinementMapper",
    "build_bestie_head",
]
