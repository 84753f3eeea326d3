"""BESTIE, as the rooms around it see it."""

from bestie.method import Method, register_method
from bestie.methods.bestie.config import ACCEPTED, add_bestie_keys, check_bestie_config
from bestie.methods.bestie.object_size import scale_lengths
from bestie.methods.bestie.official_names import convert_official_bestie

__all__ = ["METHOD"]

METHOD = register_method(
    Method(
        "bestie",
        add_config=add_bestie_keys,
        accepted=ACCEPTED,
        fill_in=scale_lengths,
        check_config=check_bestie_config,
        convert_weights=convert_official_bestie,
        official_weights="an official network of BESTIE, for a config of configs/BESTIE",
        label_keys={"tags": "MODEL.BESTIE.TEST.USE_TAGS", "clicks": "MODEL.BESTIE.TEST.USE_CLICKS"},
    )
)
