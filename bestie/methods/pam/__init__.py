"""PAM (peak attention module): the classifier, and the peak points and weak maps that it gives.

``classifier`` and ``backbone`` (the network), ``official_names`` (the paper's weights), ``mapper``
and ``augmentation`` (what it reads), ``peak_points``, ``semantic_maps`` and ``background`` (the
paper and more, as pure functions), ``stage``, ``cues``, ``maps`` and ``map_files`` (writing them
for a data set), ``cue_report`` and ``map_report`` (how good they are). ``segmenter`` with
``segmenter_loss`` and ``segmenter_mapper`` is a segmentation network that learns the weak maps;
``predicted_maps`` writes its predictions, which are better maps.
"""

from bestie.methods.pam.backbone import build_vgg16_backbone
from bestie.methods.pam.classifier import PAMClassifier, peak_attention
from bestie.methods.pam.mapper import PAMMapper
from bestie.methods.pam.method import METHOD
from bestie.methods.pam.segmenter import WeakMapSegmenter
from bestie.methods.pam.segmenter_mapper import WeakMapMapper

__all__ = [
    "METHOD",
    "PAMClassifier",
    "PAMMapper",
    "WeakMapMapper",
    "WeakMapSegmenter",
    "build_vgg16_backbone",
    "peak_attention",
]
