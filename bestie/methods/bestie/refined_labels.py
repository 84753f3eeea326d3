"""The labels that self-refinement gives at a checkpoint, as instances (the paper's figure 6).

In training these labels are targets and are never written. Here a checkpoint, an image, its weak
map and its points give the same labels for the whole image: :class:`RefinementMapper` reads them,
:class:`RefinedLabels` is BESTIE with the same weights whose instances are refined labels. Used by
``bestie export`` with both names in the configuration.
"""

from typing import Any

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY

from bestie.data.mappers import MAPPER_REGISTRY, read_sample_map
from bestie.methods.bestie.batch_labels import collate_labels
from bestie.methods.bestie.grouping import GroupedInstances
from bestie.methods.bestie.inference import to_instances
from bestie.methods.bestie.mapper import BESTIEMapper
from bestie.methods.bestie.meta_arch import BESTIE, Outputs
from bestie.methods.bestie.targets import InstanceTargets

__all__ = ["RefinedLabels", "RefinementMapper"]


@MAPPER_REGISTRY.register()
class RefinementMapper(BESTIEMapper):
    """What BESTIE reads at inference, and the labels that it reads in training, not augmented.

    Returns what :class:`BESTIEMapper` returns at inference and, at the size of the grid on which
    instances are grouped, ``semantic_map``, ``points``, ``point_classes`` and the components.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = False) -> dict[str, Any]:
        if is_train:
            raise ValueError(
                "INPUT.DATASET_MAPPER_NAME: RefinementMapper is for inference; train with "
                "BESTIEMapper."
            )
        return super().from_config(cfg, is_train) | {"points_required": True}

    @classmethod
    def testing_needs(cls, cfg: CfgNode) -> set[str]:
        return cls.training_needs(cfg)

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        sample = super().__call__(dataset_dict)
        photo = (sample["height"], sample["width"])
        semantic_map = read_sample_map(dataset_dict, self.maps_dir, photo)
        height, width = sample.get("grid_size", photo)
        if (height, width) != photo:
            nearest = cv2.INTER_NEAREST
            semantic_map = cv2.resize(semantic_map, (width, height), interpolation=nearest)
        tags = dataset_dict["image_labels"]
        yx, classes = sample["points"].numpy(), sample["point_classes"].numpy()
        tagged = np.isin(classes, tags)
        image = sample["image"].permute(1, 2, 0).numpy()
        if self.split and image.shape[:2] != (height, width):  # nothing else looks at it
            image = cv2.resize(image, (width, height))
        sample |= self._sparse_labels(image, semantic_map, tags, yx[tagged], classes[tagged])
        return sample


@META_ARCH_REGISTRY.register()
class RefinedLabels(BESTIE):
    """BESTIE whose instances are the labels that self-refinement makes of its own outputs.

    The score of an instance is its confidence, which weighs it in the loss.
    """

    def _inference_single(self, sample: dict) -> dict:
        height, width = sample["semantic_map"].shape
        scale = 1.0 if "grid_size" in sample else self.inference_settings.scale
        outputs = self.predict_image(sample["image"], (height, width), scale)
        batch = Outputs(*(of_image.unsqueeze(0) for of_image in outputs))
        labels = collate_labels([sample], self.device)
        pseudo = self.pseudo_targets(labels, batch.center.shape)
        refined = self.refined_targets(labels, batch.semantic.log(), batch, pseudo)
        found = _as_instances(refined, labels.semantic_map[0])
        size = (sample["height"], sample["width"])
        return {"instances": to_instances(found, size), "sem_seg": outputs.semantic}


def _as_instances(targets: InstanceTargets, semantic_map: torch.Tensor) -> GroupedInstances:
    """Instances of the targets of one image, with a confidence; (H, W) map of its classes."""
    owner = targets.instances[0]
    kept, number = owner[owner >= 0].unique(return_inverse=True)
    instance_map = torch.zeros_like(owner)
    instance_map[owner >= 0] = number + 1
    classes = torch.zeros(len(kept), dtype=torch.int64, device=owner.device)
    # All pixels of an instance have its class.
    classes[number] = semantic_map[owner >= 0].long() - 1
    return GroupedInstances(
        instance_map=instance_map, classes=classes, scores=targets.confidence[kept]
    )
