"""PAM (peak attention module): the classifier, and the peak points and weak maps that it gives.

``classifier`` and ``backbone`` (the network), ``official_names`` (the paper's weights), ``mapper``
and ``augmentation`` (what it reads), ``peak_points`` and ``semantic_maps`` (the paper, as pure
functions), ``stage``, ``cues`` and ``maps`` (writing them for a data set), ``cue_report`` and
``map_report`` (how good they are).
"""

from bestie.methods.pam.backbone import build_vgg16_backbone
from bestie.methods.pam.classifier import PAMClassifier, peak_attention
from bestie.methods.pam.mapper import PAMMapper
from bestie.methods.pam.method import METHOD

__all__ = ["METHOD", "PAMClassifier", "PAMMapper", "build_vgg16_backbone", "peak_attention"]
