"""PointWSSIS: masks of a few images, clicks on the rest (Kim et al., CVPR 2023)."""

from bestie.methods.pointwssis.mappers import PromptMapper, RefinerMapper
from bestie.methods.pointwssis.method import METHOD
from bestie.methods.pointwssis.prompted_solo import PromptedSOLO
from bestie.methods.pointwssis.recipe import RECIPE
from bestie.methods.pointwssis.refiner import MaskRefiner
from bestie.methods.pointwssis.tables import TABLES

__all__ = [
    "METHOD",
    "RECIPE",
    "TABLES",
    "MaskRefiner",
    "PromptMapper",
    "PromptedSOLO",
    "RefinerMapper",
]
