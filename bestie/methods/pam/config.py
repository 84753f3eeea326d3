"""Configuration keys of PAM: classifier, cues, weak maps, and the network that learns them.

"Paper" is BESTIE (Kim et al., CVPR 2022); numbers are those of the paper and its reference
implementation. A function that adds the keys, the values that they accept, and a function that
checks what was set.
"""

from math import inf

from detectron2.config import CfgNode as CN

from bestie.backbones.timm_backbone import FEATURES as TIMM_FEATURES
from bestie.backbones.vgg import FEATURES as VGG_FEATURES
from bestie.method import AcceptedValues

__all__ = ["ACCEPTED", "add_pam_config", "check_pam_config"]

ACCEPTED = AcceptedValues(
    choices={
        "MODEL.PAM.CUES.GRID": ("square", "image"),
        "MODEL.PAM.MAPS.AFFINITY_FEATURE": (*TIMM_FEATURES, *VGG_FEATURES),
        "MODEL.PAM.MAPS.BACKGROUND": ("constant", "agreement"),
    },
    ranges={
        "MODEL.PAM.ALPHA": (0, 1),
        "MODEL.PAM.BIAS_LR_FACTOR": (0, inf),
        "MODEL.PAM.CLASSIFIER_STD": (0, inf),
        "MODEL.PAM.CUES.IMAGE_SIZE": (32, inf),
        "MODEL.PAM.CUES.SCORE_THRESH": (0, 1),
        "MODEL.PAM.CUES.TOP_K": (1, inf),
        "MODEL.PAM.HEAD_CHANNELS": (1, inf),
        "MODEL.PAM.HEAD_LR_FACTOR": (0, inf),
        "MODEL.PAM.MAPS.AFFINITY_POWER": (1e-6, inf),
        "MODEL.PAM.MAPS.AFFINITY_STEPS": (0, inf),
        "MODEL.PAM.MAPS.BACKGROUND_SCORE": (1e-6, 1),
        "MODEL.PAM.MAPS.IGNORE_MARGIN": (0, 1),
        "MODEL.PAM.MAPS.PAMR_ITERATIONS": (0, inf),
        "MODEL.PAM.START_ITER": (0, inf),
        "MODEL.SEMANTIC.CHANNELS": (1, inf),
        "MODEL.SEMANTIC.DROP_START_ITER": (0, inf),
        "MODEL.SEMANTIC.KEPT_SHARE": (1e-6, 1),
        "MODEL.SEMANTIC.MAPS.IGNORE_MARGIN": (0, 1),
        "MODEL.SEMANTIC.MAPS.PAMR_ITERATIONS": (0, inf),
        "MODEL.SEMANTIC.SYMMETRIC_WEIGHT": (0, inf),
    },
    lists={
        "INPUT.COLOR_JITTER": (0, inf, (4,)),
        "MODEL.PAM.CUES.SCALES": (1e-6, inf, ()),
        "MODEL.PAM.MAPS.PAMR_DILATIONS": (1, inf, ()),
        "MODEL.PAM.MAPS.SCALES": (1e-6, inf, ()),
        "MODEL.SEMANTIC.MAPS.PAMR_DILATIONS": (1, inf, ()),
        "MODEL.SEMANTIC.MAPS.SCALES": (1e-6, inf, ()),
    },
    odd=("MODEL.PAM.CUES.KERNEL",),
)


def add_pam_config(cfg: CN) -> None:
    """Add the keys of PAM to ``cfg``, in place."""
    cfg.MODEL.PAM = CN()
    model = cfg.MODEL.PAM
    # Number of classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # Peak attention: values below ALPHA x the channel's maximum become zero; 0: a plain CAM
    # classifier.
    model.ALPHA = 0.7
    # Iteration at which peak attention starts. 0: always (the paper, from ImageNet weights). A
    # network that starts from random weights learns its features first.
    model.START_ITER = 0
    # Channels of the three extra convolutions.
    model.HEAD_CHANNELS = 512
    # Standard deviation of the initial weights of the last convolution, to the classes; 0: that of
    # He et al. (ICCV 2015), sqrt(2 / HEAD_CHANNELS).
    model.CLASSIFIER_STD = 0.01
    # torchvision's VGG16 weights file (vgg16-397923af.pth): path, or "" for random weights.
    model.VGG_WEIGHTS = ""
    # Kind of labels those weights were trained with; recorded in the supervision ledger: "masks",
    # "boxes", "clicks", "tags", "none" or "unknown"; "": tags for a file of torchvision's name,
    # unknown for another one.
    model.VGG_WEIGHTS_KIND = ""
    # Description of those labels; only displayed. Needs VGG_WEIGHTS_KIND.
    model.VGG_WEIGHTS_LABELS = ""
    # Learning rate factors of biases and of the extra layers (biases there: the product).
    model.BIAS_LR_FACTOR = 2.0
    model.HEAD_LR_FACTOR = 10.0

    _add_cues(cfg)
    _add_maps(cfg)
    _add_semantic(cfg)
    # Color jitter of the classifier: strengths of brightness, contrast, saturation, hue.
    cfg.INPUT.COLOR_JITTER = [0.3, 0.3, 0.3, 0.1]


def _add_cues(cfg: CN) -> None:
    model = cfg.MODEL.PAM
    # Instance cues: local maxima of the activation maps.
    model.CUES = CN()
    # Side of the square input image, pixels.
    model.CUES.IMAGE_SIZE = 321
    # Scales of that square; the activation maps of several are averaged.
    model.CUES.SCALES = [1.0]
    # Where the local maxima are found: on the "square" that the network sees, or on the "image" at
    # INPUT.TEST_SIZE (0: the photo, as the official code does), to which the maps are resized.
    model.CUES.GRID = "square"
    # Local maxima that touch each other, such as those of a peak at the border, become one cue.
    model.CUES.MERGE_TOUCHING = False
    # Side of the window of the local maxima, pixels of that grid, odd.
    model.CUES.KERNEL = 15
    # Most cues per class and image.
    model.CUES.TOP_K = 25
    # Cues below this confidence are not written.
    model.CUES.SCORE_THRESH = 0.1


def _add_maps(cfg: CN) -> None:
    model = cfg.MODEL.PAM
    # Weak semantic maps from activation maps.
    model.MAPS = CN()
    # Scales of the image of the multi-scale activation maps (mirrored ones are always averaged in).
    model.MAPS.SCALES = [0.5, 1.0, 1.5, 2.0]
    # With peak attention, as in training. False: ReLU in its place, so that the maps cover objects
    # rather than their peaks.
    model.MAPS.ATTENTION = True
    # Random walk of the maps over pixels with similar features: steps; 0: none (the paper).
    model.MAPS.AFFINITY_STEPS = 0
    # Power of the similarities, cosines of the features; a higher one keeps to more similar pixels.
    model.MAPS.AFFINITY_POWER = 6.0
    # Feature map of the classifier's backbone: "res2" to "res5", of VGG16 "conv1" to "conv5".
    model.MAPS.AFFINITY_FEATURE = "res3"
    # Score of the background class: "constant" (BACKGROUND_SCORE), or "agreement": for each image
    # the score at which its scales and mirror images agree best; no ground truth is read.
    model.MAPS.BACKGROUND = "constant"
    # Score of the background class; pixels whose best class is below it are background.
    model.MAPS.BACKGROUND_SCORE = 0.3
    # Pixels whose best refined score is less than this above the second are ignored (255); the
    # scores of background and tagged classes sum to 1.
    model.MAPS.IGNORE_MARGIN = 0.05
    # Pixel-adaptive refinement (Araslanov & Roth, CVPR 2020): dilations of the 8-neighborhoods,
    # iterations; 0 iterations: none.
    model.MAPS.PAMR_DILATIONS = [1, 2, 4, 8, 12, 24]
    model.MAPS.PAMR_ITERATIONS = 10
    # Dense CRF after (or instead of) it; needs the extra `crf`.
    model.MAPS.CRF = False


def _add_semantic(cfg: CN) -> None:
    # The segmentation network that learns weak maps (MODEL.META_ARCHITECTURE WeakMapSegmenter); its
    # predictions, restricted to the tags, are maps for BESTIE (paper, section 4.1).
    cfg.MODEL.SEMANTIC = CN()
    model = cfg.MODEL.SEMANTIC
    # Number of classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # Channels of the decoder (Semantic FPN).
    model.CHANNELS = 128
    # Share of the labeled pixels of a batch that the loss averages over, those of the lowest loss;
    # 1: all. The others are regarded as wrong labels.
    model.KEPT_SHARE = 1.0
    # Iteration from which pixels are left out: at first, those of small objects have the highest
    # loss.
    model.DROP_START_ITER = 0
    # Weight of the reverse cross-entropy (Wang et al., ICCV 2019), which tolerates wrong labels;
    # 0: none.
    model.SYMMETRIC_WEIGHT = 0.0

    # Semantic maps from its predictions; keys as those of MODEL.PAM.MAPS.
    model.MAPS = CN()
    # Scales of the image over which predictions are averaged (mirrored ones are always averaged
    # in); scaled sides become multiples of 32 pixels.
    model.MAPS.SCALES = [0.75, 1.0, 1.25]
    # Pixels whose best refined score is less than this above the second are ignored (255).
    model.MAPS.IGNORE_MARGIN = 0.05
    # Pixel-adaptive refinement: dilations of the 8-neighborhoods, iterations; 0 iterations: none.
    model.MAPS.PAMR_DILATIONS = [1, 2, 4, 8, 12, 24]
    model.MAPS.PAMR_ITERATIONS = 10
    # Dense CRF after (or instead of) it; needs the extra `crf`.
    model.MAPS.CRF = False


def check_pam_config(cfg: CN) -> list[str]:
    """Settings that contradict each other or have no effect, one message each."""
    if cfg.MODEL.META_ARCHITECTURE == "WeakMapSegmenter":
        return _problems_of_segmenter(cfg)
    if cfg.MODEL.META_ARCHITECTURE != "PAMClassifier":
        return []
    node = cfg.MODEL.PAM
    problems = []
    if node.ALPHA > 0 and node.START_ITER >= cfg.SOLVER.MAX_ITER:
        problems.append(
            f"MODEL.PAM.START_ITER {node.START_ITER} lies beyond SOLVER.MAX_ITER "
            f"{cfg.SOLVER.MAX_ITER}: peak attention would never start; set MODEL.PAM.ALPHA 0 "
            "for a plain CAM classifier."
        )
    return problems + (_problems_of_affinity(cfg) if node.MAPS.AFFINITY_STEPS else [])


def _problems_of_affinity(cfg: CN) -> list[str]:
    name, feature = cfg.MODEL.BACKBONE.NAME, cfg.MODEL.PAM.MAPS.AFFINITY_FEATURE
    is_vgg = name == "build_vgg16_backbone"
    if not is_vgg and name != "build_timm_backbone":
        return [
            "MODEL.PAM.MAPS.AFFINITY_STEPS needs MODEL.BACKBONE.NAME build_timm_backbone or "
            f"build_vgg16_backbone, got {name}."
        ]
    if not is_vgg and cfg.MODEL.TIMM.NAME.startswith("hrnet") and feature != "res5":
        # Its shallower maps have layers that feed no other one, so that no tag would train them.
        return [
            f"MODEL.PAM.MAPS.AFFINITY_FEATURE must be res5 with {cfg.MODEL.TIMM.NAME}, got "
            f"{feature}."
        ]
    given = VGG_FEATURES if is_vgg else TIMM_FEATURES
    if feature in given:
        return []
    return [
        f"MODEL.PAM.MAPS.AFFINITY_FEATURE must be one of {', '.join(given)} with "
        f"MODEL.BACKBONE.NAME {name}, got {feature}."
    ]


def _problems_of_segmenter(cfg: CN) -> list[str]:
    node = cfg.MODEL.SEMANTIC
    problems = []
    if node.KEPT_SHARE < 1 and node.DROP_START_ITER >= cfg.SOLVER.MAX_ITER:
        problems.append(
            f"MODEL.SEMANTIC.DROP_START_ITER {node.DROP_START_ITER} lies beyond SOLVER.MAX_ITER "
            f"{cfg.SOLVER.MAX_ITER}: no pixel would be left out; set MODEL.SEMANTIC.KEPT_SHARE 1."
        )
    if node.KEPT_SHARE == 1 and node.DROP_START_ITER > 0:
        problems.append(
            f"MODEL.SEMANTIC.DROP_START_ITER {node.DROP_START_ITER} has no effect with "
            "MODEL.SEMANTIC.KEPT_SHARE 1."
        )
    if not cfg.INPUT.CROP.ENABLED:
        problems.append(
            "WeakMapSegmenter trains on crops of one size: set INPUT.CROP.ENABLED True."
        )
    if any(side % 32 for side in cfg.INPUT.CROP.SIZE):
        problems.append(
            "INPUT.CROP.SIZE must be multiples of 32 for WeakMapSegmenter, got "
            f"{list(cfg.INPUT.CROP.SIZE)}."
        )
    return problems
