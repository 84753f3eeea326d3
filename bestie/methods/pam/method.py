"""PAM, as the rooms around it see it."""

from bestie.method import Method, register_method
from bestie.methods.pam.config import ACCEPTED, add_pam_config, check_pam_config
from bestie.methods.pam.official_names import convert_official_pam

__all__ = ["METHOD"]

METHOD = register_method(
    Method(
        "pam",
        add_config=add_pam_config,
        accepted=ACCEPTED,
        check_config=check_pam_config,
        weights=("MODEL.PAM.VGG_WEIGHTS",),
        described_weights={"MODEL.PAM.VGG_WEIGHTS": "build_vgg16_backbone"},
        convert_weights=convert_official_pam,
    )
)
