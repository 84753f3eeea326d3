"""The quality of the predictions for one image as one number: to rank images, not models.

The number is the panoptic quality of the instances.
"""

from bestie.evaluation.label_quality import match_labels
from bestie.evaluation.masks import LabelledMasks

__all__ = ["instance_quality"]


def instance_quality(
    predictions: LabelledMasks, objects: LabelledMasks, threshold: float = 0.5
) -> float:
    """Sum of the IoU of the matched pairs over the mean number of predictions and objects.

    It is panoptic quality (Kirillov et al., CVPR 2019) over all instances of one image, of any
    class; pairs are of one class. 1 is perfect; NaN if there is neither prediction nor
    object.

    Args:
        predictions: those that count; scores are not looked at.
        objects: the true instances.
        threshold: mask IoU that a pair needs.
    """
    number = len(predictions) + len(objects)
    if number == 0:
        return float("nan")
    return 2 * sum(iou for *_, iou in match_labels(predictions, objects, threshold)) / number
