"""BESTIE, as the rooms around it see it."""

from bestie.method import Method, register_method
from bestie.methods.bestie.config import ACCEPTED, add_bestie_keys, check_bestie_config

__all__ = ["METHOD"]

METHOD = register_method(
    Method(
        "bestie",
        add_config=add_bestie_keys,
        accepted=ACCEPTED,
        check_config=check_bestie_config,
    )
)
