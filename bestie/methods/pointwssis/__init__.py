"""PointWSSIS: masks of a few images, clicks on the rest (Kim et al., CVPR 2023)."""

from bestie.methods.pointwssis.mappers import PromptMapper, RefinerMapper
from bestie.methods.pointwssis.method import METHOD
from bestie.methods.pointwssis.prompted_solo import PromptedSOLO
from bestie.methods.pointwssis.recipe import RECIPE
from bestie.methods.pointwssis.refiner import MaskRefiner

__all__ = ["METHOD", "RECIPE", "MaskRefiner", "PromptMapper", "PromptedSOLO", "RefinerMapper"]
