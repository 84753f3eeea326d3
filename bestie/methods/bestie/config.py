"""Configuration keys of BESTIE, with their defaults, units and symbols in the paper.

"Paper" is BESTIE (Kim et al., CVPR 2022); numbers are those of the paper and its reference
implementation. A function that adds the keys, the values that they accept, and a function that
checks what was set.
"""

from math import inf

from detectron2.config import CfgNode as CN

from bestie.method import AcceptedValues
from bestie.methods.bestie.heads import BESTIE_HEADS_REGISTRY

__all__ = ["ACCEPTED", "add_bestie_keys", "check_bestie_config"]

ACCEPTED = AcceptedValues(
    choices={
        "MODEL.BESTIE.SUPERVISION": ("tags", "clicks"),
        "MODEL.BESTIE.TEST.FIT": ("pad", "resize"),
    },
    registries={"MODEL.BESTIE.HEAD": BESTIE_HEADS_REGISTRY},
    ranges={
        "MODEL.BESTIE.ASPP_DROPOUT": (0, 1),
        "MODEL.BESTIE.CENTER_WEIGHT": (0, inf),
        "MODEL.BESTIE.CLUSTER.AREA": (0, inf),
        "MODEL.BESTIE.CLUSTER.CENTER_THRESH": (0, 1),
        "MODEL.BESTIE.CLUSTER.MIN_DISTANCE": (0, inf),
        "MODEL.BESTIE.CLUSTER.OFFSET_THRESH": (1e-6, inf),
        "MODEL.BESTIE.COPY_PASTE": (0, 1),
        "MODEL.BESTIE.COPY_PASTE_SAME_CLASS": (0, 1),
        "MODEL.BESTIE.HEAD_CHANNELS": (1, inf),
        "MODEL.BESTIE.HEAD_LR_FACTOR": (0, inf),
        "MODEL.BESTIE.HEAD_STD": (0, inf),
        "MODEL.BESTIE.MIN_AREA": (1, inf),
        "MODEL.BESTIE.OBJECT_SIZE": (0, inf),
        "MODEL.BESTIE.OFFSET_LR_FACTOR": (0, inf),
        "MODEL.BESTIE.OFFSET_WEIGHT": (0, inf),
        "MODEL.BESTIE.REFINE.CENTER_THRESH": (0, 1),
        "MODEL.BESTIE.REFINE.MAX_INSTANCES": (1, inf),
        "MODEL.BESTIE.REFINE.START_ITER": (0, inf),
        "MODEL.BESTIE.SEMANTIC_TOP_K": (1e-6, 1),
        "MODEL.BESTIE.SEMANTIC_WEIGHT": (0, inf),
        "MODEL.BESTIE.SIGMA": (0.1, 1000),
        "MODEL.BESTIE.SPLIT": (0, 1),
        "MODEL.BESTIE.SPLIT_EDGE_COST": (0, inf),
        "MODEL.BESTIE.TEST.CENTER_THRESH": (0, 1),
        "MODEL.BESTIE.TEST.SCALE": (0.1, 10),
        "MODEL.BESTIE.TEST.SIZE_DIVISIBILITY": (1, inf),
    },
    lists={"MODEL.BESTIE.DECODER_CHANNELS": (8, inf, (2,))},
    odd=("MODEL.BESTIE.REFINE.KERNEL", "MODEL.BESTIE.TEST.KERNEL"),
)


def add_bestie_keys(cfg: CN) -> None:
    """Add the keys of BESTIE to ``cfg``, in place."""
    cfg.MODEL.BESTIE = CN()
    model = cfg.MODEL.BESTIE
    # Number of foreground classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # What the points are: "tags" (instance cues found by a classifier from image tags) or "clicks"
    # (one true point per object).
    model.SUPERVISION = "tags"
    # Heads: "HRNetHead" (three 3x3-1x1 heads on the 1/4 map) or "PanopticDeepLabHead".
    model.HEAD = "HRNetHead"
    # Channels of the hidden convolution of the HRNet heads.
    model.HEAD_CHANNELS = 256
    # Channels of the semantic and of the instance decoder of PanopticDeepLabHead, multiples of 8.
    model.DECODER_CHANNELS = [256, 128]
    # Standard deviation of the initial weights of all convolutions of the head (the reference
    # implementation: 0.001); 0: by the number of their channels (He et al.), and 0.001 for the last
    # ones.
    model.HEAD_STD = 0.0
    # Learning rate of the head, as a factor of SOLVER.BASE_LR: in a short training, layers that
    # start from random weights need more than a pretrained backbone tolerates. The log shows the
    # rate of the largest group of parameters.
    model.HEAD_LR_FACTOR = 1.0
    # Further factor for the layer that gives the offsets. Adam moves a weight by about the learning
    # rate a step, and offsets are in pixels: those of large objects need many or large steps.
    model.OFFSET_LR_FACTOR = 1.0
    # Dropout after the pyramid pooling of PanopticDeepLabHead, in training (the reference
    # implementation: 0.5).
    model.ASPP_DROPOUT = 0.1
    _add_pseudo_labels(model)
    # Instance-aware guidance (paper, section 3.3): losses on trusted pixels only. False:
    # everywhere.
    model.IAG = True
    # Loss weights, lambda of the paper's total loss.
    model.SEMANTIC_WEIGHT = 1.0
    model.CENTER_WEIGHT = 200.0
    model.OFFSET_WEIGHT = 0.01
    # Share of the pixels, the hardest ones, that the semantic loss averages over; 1: plain mean.
    model.SEMANTIC_TOP_K = 0.2
    _add_refinement(model)
    _add_inference(model)
    _add_input(cfg)


def _add_pseudo_labels(model: CN) -> None:
    """Semantic knowledge transfer (paper, section 3.2): what is trusted, and its targets."""
    # Components of the semantic map (and of the prediction) smaller than this (pixels) are ignored.
    model.MIN_AREA = 50
    # Components with several points are cut into one piece per point, along edges of the image, and
    # the pieces trusted as instances with this weight (without IAG: 1). 0: they are skipped (the
    # paper).
    model.SPLIT = 0.0
    # What a change of color by one unit of 8-bit CIELAB adds to a step of one pixel on the way from
    # a point to a pixel of its piece, pixels; 0: edges of the image do not matter.
    model.SPLIT_EDGE_COST = 0.3
    # Probability that a training image is chosen for copy-paste: a trusted instance of an image
    # drawn at random, augmented as usual, is pasted at a random place. Nothing is pasted if the
    # crop of that image contains no complete one.
    model.COPY_PASTE = 0.0
    # How often the pasted instance is to be of a class of the image's tags.
    model.COPY_PASTE_SAME_CLASS = 0.5
    # Side of the objects (square root of their area, as the network sees them) that SIGMA,
    # REFINE.KERNEL, CLUSTER.MIN_DISTANCE and TEST.KERNEL are set for, pixels. They are scaled to
    # the objects of the training data: the median of the components with exactly one point. 0: they
    # stay as they are (the paper); with lengths of your own, set it to 0.
    model.OBJECT_SIZE = 0.0
    # Standard deviation of the Gaussians in the center heatmap, sigma, pixels.
    model.SIGMA = 6.0


def _add_refinement(model: CN) -> None:
    # Self-refinement (paper, section 3.4).
    model.REFINE = CN()
    # False: the network trains on the pseudo labels alone.
    model.REFINE.ENABLED = True
    # Iteration from which refined targets enter the loss.
    model.REFINE.START_ITER = 0
    # A local maximum of the center map counts as a center above this value.
    model.REFINE.CENTER_THRESH = 0.3
    # Side of the square window of the local maxima, pixels, odd.
    model.REFINE.KERNEL = 41
    # A component with more instances than this is not refined.
    model.REFINE.MAX_INSTANCES = 5

    # Clicks only: guide the refined center term by all pixels of the clicked classes. False: by
    # accepted components, as the pseudo term (what the reference implementation does).
    model.REFINE.GUIDE_CENTERS = False

    # Center clustering (paper, section 3.4): blobs of short offsets propose centers.
    model.CLUSTER = CN()
    # False: local maxima of the center map are the only centers of the refinement.
    model.CLUSTER.ENABLED = True
    # Offsets shorter than this belong to a blob, pixels.
    model.CLUSTER.OFFSET_THRESH = 2.5
    # Blobs with AREA - BETA < area < AREA + BETA propose a center, pixels. beta of the paper.
    model.CLUSTER.AREA = 21.0
    model.CLUSTER.BETA = 3.0
    # Center value that a proposal needs.
    model.CLUSTER.CENTER_THRESH = 0.05
    # Distance to every local maximum that a proposal needs, pixels.
    model.CLUSTER.MIN_DISTANCE = 100.0


def _add_inference(model: CN) -> None:
    # Inference.
    model.TEST = CN()
    # Extra factor (after INPUT.TEST_SIZE) by which images are resized before the network sees them,
    # for small objects; instances are grouped at the size before this factor.
    model.TEST.SCALE = 1.0
    # A local maximum of the center map counts as a center above this value.
    model.TEST.CENTER_THRESH = 0.1
    # Side of the square window of the local maxima, pixels, odd.
    model.TEST.KERNEL = 41
    # Average class probabilities and center maps with those of the mirrored image.
    model.TEST.FLIP = False
    # Restrict the classes to the image's tags (for labels of the training set).
    model.TEST.USE_TAGS = False
    # Assign pixels to the given clicks instead of predicted centers (for labels of the training
    # set).
    model.TEST.USE_CLICKS = False
    # A component without any center becomes one instance (True) or is dropped (False).
    model.TEST.KEEP_CENTERLESS = True
    # Image sides become multiples of SIZE_DIVISIBILITY, by mean padding ("pad") or resizing
    # ("resize").
    model.TEST.SIZE_DIVISIBILITY = 32
    model.TEST.FIT = "pad"


def _add_input(cfg: CN) -> None:
    # How dataset dicts become training samples: "BESTIEMapper", "PAMMapper", "WeakMapMapper"
    # (WeakMapSegmenter), "InstanceMapper" (SOLO, Mask R-CNN and other Detectron2 models),
    # "PromptMapper" (PromptedSOLO at inference), "RefinerMapper" (MaskRefiner).
    cfg.INPUT.DATASET_MAPPER_NAME = "BESTIEMapper"


def check_bestie_config(cfg: CN) -> list[str]:
    """Settings that contradict each other or have no effect, one message each."""
    if cfg.MODEL.META_ARCHITECTURE != "BESTIE":
        return []
    problems = []
    node = cfg.MODEL.BESTIE
    if node.REFINE.ENABLED and node.REFINE.START_ITER >= cfg.SOLVER.MAX_ITER:
        problems.append(
            f"MODEL.BESTIE.REFINE.START_ITER {node.REFINE.START_ITER} lies beyond SOLVER.MAX_ITER "
            f"{cfg.SOLVER.MAX_ITER}: refinement would never start; set MODEL.BESTIE.REFINE.ENABLED "
            "False to switch it off."
        )
    if node.CLUSTER.ENABLED and node.CLUSTER.BETA <= 0:
        problems.append(
            f"MODEL.BESTIE.CLUSTER.BETA {node.CLUSTER.BETA} accepts no blob; set "
            "MODEL.BESTIE.CLUSTER.ENABLED False to switch center clustering off."
        )
    if node.TEST.USE_CLICKS and node.SUPERVISION != "clicks":
        problems.append(
            "MODEL.BESTIE.TEST.USE_CLICKS needs MODEL.BESTIE.SUPERVISION clicks: "
            "cues from a classifier are not one point an object."
        )
    if node.REFINE.GUIDE_CENTERS and not (
        node.REFINE.ENABLED and node.IAG and node.SUPERVISION == "clicks"
    ):
        problems.append(
            "MODEL.BESTIE.REFINE.GUIDE_CENTERS has an effect only with "
            "MODEL.BESTIE.REFINE.ENABLED, MODEL.BESTIE.IAG and MODEL.BESTIE.SUPERVISION clicks."
        )
    if any(channels % 8 for channels in node.DECODER_CHANNELS):
        problems.append(
            "MODEL.BESTIE.DECODER_CHANNELS must be multiples of 8, got "
            f"{list(node.DECODER_CHANNELS)}."
        )
    if cfg.MODEL.TIMM.NAME.startswith("hrnet"):
        sides = {"INPUT.CROP.SIZE": list(cfg.INPUT.CROP.SIZE)}
        sides["MODEL.BESTIE.TEST.SIZE_DIVISIBILITY"] = [node.TEST.SIZE_DIVISIBILITY]
        problems += [
            f"{key} must be a multiple of 32 with {cfg.MODEL.TIMM.NAME}, got {value}."
            for key, values in sides.items()
            for value in values
            if value % 32
        ]
    if not cfg.INPUT.CROP.ENABLED:
        problems.append("BESTIE trains on crops of one size: set INPUT.CROP.ENABLED True.")
    return problems
