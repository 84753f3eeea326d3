"""Detectron2's ``GeneralizedRCNN`` (Mask R-CNN, PointRend) with masks as run-length codes.

Detectron2 pastes all masks of an image into one (N, H, W) tensor: 1.7 GiB for 150 objects in a
12-megapixel photo. Here each is pasted and coded before the next one; the masks are the same.
``bestie.training.setup.build_model`` builds this class where a config names ``GeneralizedRCNN``.
"""

from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.layers import paste_masks_in_image
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Instances, ROIMasks
from torch import Tensor

from bestie.formats import RLEMasks, encode_window
from bestie.methods.mask_rcnn.weighted import weighted_heads

__all__ = ["CodedMasksRCNN"]

# Of Detectron2's postprocessing.
MASK_THRESHOLD = 0.5


@META_ARCH_REGISTRY.register()
class CodedMasksRCNN(GeneralizedRCNN):
    """``GeneralizedRCNN`` whose instances have ``pred_masks`` as ``RLEMasks``.

    With MODEL.MASK_RCNN.WEIGHT_BY_SCORE its heads weight the losses by the scores of the labels.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        return super().from_config(weighted_heads(cfg))

    def inference(
        self,
        batched_inputs: list[dict],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list:
        """See ``GeneralizedRCNN.inference``."""
        found = super().inference(batched_inputs, detected_instances, do_postprocess=False)
        if not do_postprocess:
            return found
        processed = []
        for given, instances in zip(batched_inputs, found, strict=True):
            height, width = instances.image_size
            size = (given.get("height", height), given.get("width", width))
            processed.append({"instances": _postprocess(instances, size)})
        return processed


def _postprocess(instances: Instances, size: tuple[int, int]) -> Instances:
    """Bring boxes and masks to the (height, width) of the photo; empty boxes are left out."""
    if not instances.has("pred_masks"):
        return detector_postprocess(instances, *size)
    # Under another name Detectron2 selects the masks together with the boxes and pastes none.
    masks = instances.pred_masks
    instances.remove("pred_masks")
    instances.soft_masks = masks.tensor if isinstance(masks, ROIMasks) else masks[:, 0]
    instances = detector_postprocess(instances, *size)
    soft_masks = instances.soft_masks.float().cpu()
    instances.remove("soft_masks")
    instances.pred_masks = RLEMasks(
        [
            _paste(mask, box, size)
            for mask, box in zip(soft_masks, instances.pred_boxes.tensor.cpu(), strict=True)
        ],
        size,
    )
    return instances


def _paste(soft_mask: Tensor, box: Tensor, size: tuple[int, int]) -> dict:
    """Code of an (M, M) mask at the place of its box, (4,) x0, y0, x1, y1."""
    pasted = paste_masks_in_image(soft_mask[None], box[None], size, MASK_THRESHOLD)[0].numpy()
    x0, y0 = np.maximum(np.floor(box[:2].numpy()).astype(int) - 1, 0)
    x1, y1 = np.ceil(box[2:].numpy()).astype(int) + 1
    return encode_window(pasted[y0:y1, x0:x1], int(y0), int(x0), size)
