"""Every configuration key of the project, with its default, unit and symbol in the paper.

Comes in: a Detectron2 ``CfgNode``. Goes out: the same node with the keys below added. Called by
``bestie.training.setup`` and by anyone who builds a config by hand. Detectron2's own keys are
reused wherever one fits (``INPUT.CROP``, ``SOLVER.*``, ``TEST.DETECTIONS_PER_IMAGE``, ...); this
file holds the rest. "Paper" is BESTIE (Kim et al., CVPR 2022); numbers are those of the paper and
its reference implementation.
"""

from detectron2.config import CfgNode as CN

from bestie.methods.pointwssis.config import add_pointwssis_config
from bestie.methods.solo.config import add_solo_config

__all__ = ["add_bestie_config"]


def add_bestie_config(cfg: CN) -> None:
    """Add the keys of BESTIE, the PAM classifier and the trainer to ``cfg``, in place."""
    _add_backbone(cfg)
    _add_bestie(cfg)
    _add_pam(cfg)
    add_solo_config(cfg)
    add_pointwssis_config(cfg)
    _add_input(cfg)
    _add_solver_and_test(cfg)


def _add_backbone(cfg: CN) -> None:
    # Backbones from timm: MODEL.BACKBONE.NAME build_timm_backbone or build_timm_fpn_backbone.
    cfg.MODEL.TIMM = CN()
    # timm model name: hrnet_w48, hrnet_w32, hrnet_w18_small, resnet18, resnet50, resnet101, ...
    cfg.MODEL.TIMM.NAME = "hrnet_w48"
    # Stride of the deepest feature map: 32 (the reference networks), or 16, which dilates the last
    # stage (ResNets only).
    cfg.MODEL.TIMM.OUTPUT_STRIDE = 32
    # Batch norm of the backbone and of PanopticDeepLabHead: "BN", or "SyncBN" (synchronized over
    # GPU processes; BN in one process and in CPU processes).
    cfg.MODEL.TIMM.NORM = "SyncBN"
    # Initial weights of the backbone: "" random; a file (.pth, .safetensors: timm, torchvision or
    # official HRNet or BESTIE naming, or a checkpoint of this project); "timm" lets timm download
    # its default ImageNet weights.
    cfg.MODEL.TIMM.WEIGHTS = ""
    # Kind of labels that those weights were trained with, for the supervision ledger: "masks",
    # "boxes", "clicks", "tags", "none" or "unknown"; "": tags for "timm", unknown for a file.
    cfg.MODEL.TIMM.WEIGHTS_KIND = ""
    # Those labels in words ("ImageNet-21k image labels"); only shown. Needs WEIGHTS_KIND.
    cfg.MODEL.TIMM.WEIGHTS_LABELS = ""
    # The same two about MODEL.WEIGHTS; "": known for Detectron2's model zoo, unknown for a file.
    cfg.MODEL.WEIGHTS_KIND = ""
    cfg.MODEL.WEIGHTS_LABELS = ""


def _add_bestie(cfg: CN) -> None:
    cfg.MODEL.BESTIE = CN()
    model = cfg.MODEL.BESTIE
    # Number of foreground classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # What the points are: "tags" (instance cues found by a classifier from image tags) or "clicks"
    # (one true point an object).
    model.SUPERVISION = "tags"
    # Heads: "HRNetHead" (three 3x3-1x1 heads on the 1/4 map) or "PanopticDeepLabHead".
    model.HEAD = "HRNetHead"
    # Channels of the hidden convolution of the HRNet heads.
    model.HEAD_CHANNELS = 256
    # Components of the semantic map (and of the prediction) under this area are passed over,
    # pixels.
    model.MIN_AREA = 50
    # Standard deviation of the Gaussians in the center heatmap, sigma, pixels.
    model.SIGMA = 6.0
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
    # A component with more instances than this is left as it is.
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
    # Factor by which images are resized (after INPUT.TEST_SIZE) before the network sees them, for
    # small objects; outputs come back to the size before it, at which instances are grouped.
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
    # A component without any center is one instance (True) or nothing (False).
    model.TEST.KEEP_CENTERLESS = True
    # Image sides become multiples of SIZE_DIVISIBILITY, by mean padding ("pad") or resizing
    # ("resize").
    model.TEST.SIZE_DIVISIBILITY = 32
    model.TEST.FIT = "pad"


def _add_pam(cfg: CN) -> None:
    cfg.MODEL.PAM = CN()
    model = cfg.MODEL.PAM
    # Number of classes C; -1: as many as the training data set names.
    model.NUM_CLASSES = -1
    # Peak attention: values below ALPHA x the channel's maximum become zero; 0: a plain CAM
    # classifier.
    model.ALPHA = 0.7
    # Iteration from which there is peak attention. 0: always (the paper, from ImageNet weights). A
    # network that starts from random weights learns its features first.
    model.START_ITER = 0
    # Channels of the three extra convolutions.
    model.HEAD_CHANNELS = 512
    # torchvision's VGG16 weights file (vgg16-397923af.pth): path, or "" for random weights.
    model.VGG_WEIGHTS = ""
    # Kind of labels that those weights were trained with, for the supervision ledger: "masks",
    # "boxes", "clicks", "tags", "none" or "unknown"; "": tags for a file of torchvision's name,
    # unknown for another one.
    model.VGG_WEIGHTS_KIND = ""
    # Those labels in words; only shown. Needs VGG_WEIGHTS_KIND.
    model.VGG_WEIGHTS_LABELS = ""
    # Learning rate factors of biases and of the extra layers (biases there: the product).
    model.BIAS_LR_FACTOR = 2.0
    model.HEAD_LR_FACTOR = 10.0

    # Instance cues: local maxima of the activation maps.
    model.CUES = CN()
    # Side of the square input image, pixels.
    model.CUES.IMAGE_SIZE = 321
    # Side of the window of the local maxima, pixels, odd.
    model.CUES.KERNEL = 15
    # At most this many a class.
    model.CUES.TOP_K = 25
    # Confidence from which a cue is written.
    model.CUES.SCORE_THRESH = 0.1

    # Weak semantic maps from activation maps.
    model.MAPS = CN()
    # Scales of the image of the multi-scale activation maps (mirrored ones are always averaged in).
    model.MAPS.SCALES = [0.5, 1.0, 1.5, 2.0]
    # With peak attention, as in training. False: ReLU in its place, so that the maps cover objects
    # rather than their peaks.
    model.MAPS.ATTENTION = True
    # Score of the background class; pixels whose best class is below it are background.
    model.MAPS.BACKGROUND_SCORE = 0.3
    # Pixels whose best refined score beats the second by less than this are ignored (255); the
    # scores of background and tagged classes sum to 1.
    model.MAPS.IGNORE_MARGIN = 0.05
    # Pixel-adaptive refinement (Araslanov & Roth, CVPR 2020): dilations of the 8-neighbourhoods,
    # iterations; 0 iterations: none.
    model.MAPS.PAMR_DILATIONS = [1, 2, 4, 8, 12, 24]
    model.MAPS.PAMR_ITERATIONS = 10
    # Dense CRF after (or instead of) it; needs the extra `crf`.
    model.MAPS.CRF = False


def _add_input(cfg: CN) -> None:
    # Names of the classes, in the order of their numbers. Filled in from the data; the config.yaml
    # that a training writes keeps them, so that its checkpoint can be used without the data.
    cfg.DATASETS.CLASS_NAMES = []
    # How dataset dicts become training samples: "BESTIEMapper", "PAMMapper", "InstanceMapper"
    # (SOLO, Mask R-CNN and other Detectron2 models), "PromptMapper" (PromptedSOLO at inference),
    # "RefinerMapper" (MaskRefiner).
    cfg.INPUT.DATASET_MAPPER_NAME = "BESTIEMapper"
    # Folder of the points, under the data root or absolute; "": Peak_points for tags, Center_points
    # for clicks.
    cfg.INPUT.POINTS_DIR = ""
    # Folder of the weak semantic maps, under the data root or absolute.
    cfg.INPUT.MAPS_DIR = "WSSS_maps"
    # Points train above this confidence.
    cfg.INPUT.POINT_SCORE_THRESH = 0.7
    # BESTIE: bound of the longer side of the image before scaling and cropping, pixels; the side
    # becomes the largest multiple of 32, plus one, within it (480 gives 449). PAM: side of the
    # square that the image becomes (paper: 384). 0: not resized.
    cfg.INPUT.BASE_SIZE = 480
    # Length of the longer side of the image that the network sees at inference, pixels: larger and
    # smaller images are resized to it, and results come back at the size of the image. 0: the
    # original size, as the paper evaluates.
    cfg.INPUT.TEST_SIZE = 0
    # BESTIE: images whose longer side lies between these two keep their size all the same, pixels;
    # 0, 0: none. The pipeline sets it to the sizes of data that a preset is made for.
    cfg.INPUT.TEST_SIZE_KEPT = [0, 0]
    # Random scale factors, one drawn an image.
    cfg.INPUT.SCALES = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]
    # Photometric distortion (BESTIE): brightness +-16, contrast x 0.5..1.5, hue +-36 degrees.
    cfg.INPUT.COLOR_AUG = True
    # Colour jitter of the classifier: strengths of brightness, contrast, saturation, hue.
    cfg.INPUT.COLOR_JITTER = [0.3, 0.3, 0.3, 0.1]
    # Random quarter turns and vertical flips, for images without an upright direction (microscopy).
    cfg.INPUT.RANDOM_ROTATE90 = False


def _add_solver_and_test(cfg: CN) -> None:
    # Seed of the initial weights, the order of the images, their augmentation and every step.
    cfg.SEED = 0
    # "SGD" or "ADAM".
    cfg.SOLVER.OPTIMIZER = "SGD"
    # Polynomial decay (LR_SCHEDULER_NAME WarmupPolyLR).
    cfg.SOLVER.POLY_LR_POWER = 0.9
    cfg.SOLVER.POLY_LR_CONSTANT_ENDING = 0.0
    # Steps between pictures of targets and predictions in TensorBoard; 0: none.
    cfg.VIS_PICTURE_PERIOD = 1000
    # Evaluators of the test splits: "voc" (mAP 25/50/70/75), "coco" (AP, AP50, AP75), "tags"
    # (classifier).
    cfg.TEST.EVALUATORS = ["voc", "coco"]
    # Metric that picks model_best.pth, as the evaluators name it ("voc/mAP50"); "": none kept.
    cfg.TEST.BEST_METRIC = ""
