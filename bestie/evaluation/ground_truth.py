"""The true instances of a registered data set.

Gives, for the name of a registered data set, the objects of every image id as
:class:`~bestie.evaluation.masks.LabelledMasks`.
"""

import os

from detectron2.data import DatasetCatalog, MetadataCatalog

from bestie.evaluation.masks import LabelledMasks, annotations_by_image
from bestie.formats import DataError, read_coco, read_instances

__all__ = ["GroundTruth", "has_ground_truth"]


def has_ground_truth(dataset_name: str) -> bool:
    """Whether a registered data set comes with masks for each image, as files or as COCO JSON."""
    if MetadataCatalog.get(dataset_name).get("json_file"):
        return True
    return all("instance_file" in record for record in DatasetCatalog.get(dataset_name))


class GroundTruth:
    """Objects per image, read when asked for.

    From the SegmentationObject and SegmentationClass files where every image has them (pixels 255
    belong to no object), else from the data set's COCO JSON (without crowd regions).
    """

    def __init__(self, dataset_name: str):
        """
        Args:
            dataset_name: a registered data set.

        Raises:
            ValueError: the data set has neither kind of ground truth.
        """
        self.metadata = MetadataCatalog.get(dataset_name)
        self.records = {record["image_id"]: record for record in DatasetCatalog.get(dataset_name)}
        self._annotations = None
        without_files = [
            record for record in self.records.values() if "instance_file" not in record
        ]
        if not without_files:
            return
        json_file = self.metadata.get("json_file")
        if json_file is None or not os.path.isfile(json_file):
            raise ValueError(
                f"data set '{dataset_name}' has no ground truth masks: "
                f"{without_files[0]['file_name']} ({len(without_files)} of {len(self.records)} "
                "images) has no SegmentationObject/<id>.png or SegmentationClass/<id>.png, and "
                f"no COCO json exists ({json_file or 'annotations/instances_<split>.json'})"
            )
        self._annotations = annotations_by_image(read_coco(json_file))
        unknown = [image_id for image_id in self.records if image_id not in self._annotations]
        if unknown:
            raise DataError(
                f"does not list {len(unknown)} images of data set '{dataset_name}', "
                f"the first being image id {unknown[0]}",
                json_file,
            )

    @property
    def class_names(self) -> list[str]:
        """Names of the C classes."""
        return self.metadata.thing_classes

    def objects(self, image_id: int) -> LabelledMasks:
        """The objects of an image; their scores are 1."""
        record = self.records[image_id]
        if self._annotations is None:
            instance_map, _, classes = read_instances(record["instance_file"], record["class_file"])
            return LabelledMasks.from_label_map(instance_map, classes)
        return LabelledMasks.from_annotations(
            self._annotations[image_id],
            (record["height"], record["width"]),
            self.metadata.thing_dataset_id_to_contiguous_id,
        )
