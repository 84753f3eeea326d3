"""One package per method: its configuration keys, its paper as pure functions, its network.

The imports register networks and mappers in Detectron2's registries, and one
:class:`bestie.method.Method` for each folder.
"""

# ruff: noqa: F401  (registration)
from bestie.methods import bestie, mask_rcnn, pam
from bestie.methods.bestie import method as bestie_method
from bestie.methods.mask_rcnn import method as mask_rcnn_method
from bestie.methods.mask_rcnn import rcnn
from bestie.methods.pam import method as pam_method
from bestie.methods.pointwssis import mappers, prompted_solo, refiner
from bestie.methods.pointwssis import method as pointwssis_method
from bestie.methods.solo import meta_arch
from bestie.methods.solo import method as solo_method
