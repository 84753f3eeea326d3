"""PAM, as the rooms around it see it."""

from detectron2.config import CfgNode

from bestie.method import Method, register_method
from bestie.methods.pam.backbone import WHERE_TO_GET_VGG
from bestie.methods.pam.config import ACCEPTED, add_pam_config, check_pam_config
from bestie.methods.pam.official_names import convert_official_pam

__all__ = ["METHOD"]


def _vgg_weights(cfg: CfgNode) -> tuple[str, str, str] | None:
    if cfg.MODEL.BACKBONE.NAME != "build_vgg16_backbone":
        return None
    node = cfg.MODEL.PAM
    return node.VGG_WEIGHTS, node.VGG_WEIGHTS_KIND, node.VGG_WEIGHTS_LABELS


METHOD = register_method(
    Method(
        "pam",
        add_config=add_pam_config,
        accepted=ACCEPTED,
        check_config=check_pam_config,
        weights={"MODEL.PAM.VGG_WEIGHTS": WHERE_TO_GET_VGG},
        described_weights=("MODEL.PAM.VGG_WEIGHTS",),
        backbone_weights=_vgg_weights,
        convert_weights=convert_official_pam,
        official_weights="the official PAM classifier, for a config of configs/PAM",
    )
)
