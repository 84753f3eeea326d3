"""Export of a model's instances as COCO JSON: labels that any other model trains on.

Predictions arrive image by image through Detectron2's ``inference_on_dataset``; the result is one
JSON with every image of the data set and its labels.

Each process writes the labels of its share of the images, one image per line, to its own file
under ``<output>.parts/``; the main process joins them in the order of the data set, one image
at a time, checks each label and renames the complete file. So memory does not grow with the images,
and the result does not depend on the number of processes. All processes must see the folder of the
output.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import Instances
from detectron2.utils import comm
from pycocotools import mask as mask_util

from bestie.evaluation.label_summary import LabelCounter, LabelSummary
from bestie.evaluation.masks import LabelledMasks
from bestie.formats import write_coco_stream
from bestie.formats.polygons import mask_polygons

__all__ = ["COCOExporter", "coco_labels", "label_annotations"]


def label_annotations(labels: LabelledMasks) -> list[dict]:
    """COCO annotations of one image's labels, without ids; the score is rounded to 6 decimals.

    Area and box are those of the mask: pixels; x, y, width, height. Labels of clicks also get their
    "point" [x, y] (pixel indices) and "class_score", the class probability apart from "score"; one
    that stands for several clicks gets their number, "clicks".
    """
    entries = [
        {
            "category_id": int(class_id) + 1,
            "segmentation": rle,
            "area": int(mask_util.area(rle)),
            "bbox": mask_util.toBbox(rle).tolist(),
            "iscrowd": 0,
            "score": round(float(score), 6),
        }
        for rle, class_id, score in zip(labels.rles, labels.classes, labels.scores, strict=True)
    ]
    if "points" in labels.extra:
        for entry, (y, x) in zip(entries, labels.extra["points"], strict=True):
            entry["point"] = [round(float(x), 3), round(float(y), 3)]
    if "class_scores" in labels.extra:
        for entry, score in zip(entries, labels.extra["class_scores"], strict=True):
            entry["class_score"] = round(float(score), 6)
    if "clicks" in labels.extra:
        for entry, clicks in zip(entries, labels.extra["clicks"], strict=True):
            entry |= {"clicks": int(clicks)} if clicks > 1 else {}
    return entries


def _with_polygons(entry: dict) -> dict:
    """An annotation with the outline of its mask, which draws exactly the same pixels."""
    polygons = mask_polygons(mask_util.decode(entry["segmentation"]).astype(bool))
    return entry | {"segmentation": polygons}


def coco_labels(
    records: Sequence[dict],
    annotations: Iterable[list[dict]],
    class_names: Sequence[str],
    image_root: str,
    description: str,
) -> dict:
    """Assemble a COCO dict.

    Args:
        records: dataset dicts; each becomes an image under its ``image_id``.
        annotations: those of each record, in the same order, as :func:`label_annotations` gives
            them; they are numbered from 1.
        class_names: class c becomes category c + 1.
        image_root: folder that the file names are relative to.
        description: where the labels come from.
    """
    head, images = _head_and_images(records, class_names, image_root, description)
    numbered = [entry for of_image in _numbered(images, annotations) for entry in of_image]
    return head | {"images": images, "annotations": numbered}


def _head_and_images(
    records: Sequence[dict], class_names: Sequence[str], image_root: str, description: str
) -> tuple[dict, list[dict]]:
    """What goes before the images of a COCO dict, and the images."""
    names = enumerate(class_names, 1)
    head = {
        "info": {"description": description},
        "licenses": [],
        "categories": [{"id": i, "name": name, "supercategory": name} for i, name in names],
    }
    images = [
        {
            "id": record["image_id"],
            "file_name": os.path.relpath(record["file_name"], image_root),
            "height": int(record["height"]),
            "width": int(record["width"]),
        }
        for record in records
    ]
    return head, images


def _numbered(images: Sequence[dict], annotations: Iterable[list[dict]]) -> Iterator[list[dict]]:
    """The annotations of each image with their ids."""
    number = 0
    for image, of_image in zip(images, annotations, strict=True):
        yield [
            {"id": number + index, "image_id": image["id"]} | entry
            for index, entry in enumerate(of_image, 1)
        ]
        number += len(of_image)


class COCOExporter(DatasetEvaluator):
    """Writes the instances of a whole data set to a COCO JSON."""

    def __init__(
        self,
        dataset_name: str,
        output: str | os.PathLike,
        *,
        score_threshold: float = 0.0,
        min_area: int = 1,
        use_tags: bool = True,
        masks: str = "rle",
        description: str = "pseudo labels",
    ):
        """
        Args:
            dataset_name: a registered data set; every image of it is listed.
            output: json file to write; one that is there is replaced, at the end.
            score_threshold: labels need this score.
            min_area: labels need this many pixels.
            use_tags: keep classes of the image's tags only.
            masks: "rle" (exact), or "polygons" (holes are cut in), which more tools can read.
            description: where the labels come from, for the json's "info".

        Raises:
            ValueError: a threshold out of range, or images without tags that ``use_tags`` needs.
        """
        if not 0 <= score_threshold <= 1:
            raise ValueError(f"the score threshold must lie in [0, 1], got {score_threshold}")
        if min_area < 1:
            raise ValueError(f"the minimum area must be 1 pixel or more, got {min_area}")
        if masks not in ("rle", "polygons"):
            raise ValueError(f"masks are written as rle or polygons, got {masks}")
        self._metadata = MetadataCatalog.get(dataset_name)
        self._records = DatasetCatalog.get(dataset_name)
        without_tags = [r["file_name"] for r in self._records if "image_labels" not in r]
        if use_tags and without_tags:
            raise ValueError(
                f"{len(without_tags)} images of '{dataset_name}' have no tags, the first being "
                f"{without_tags[0]}; add them to image_labels.txt or switch tags off (--no-tags)"
            )
        self._by_id = {record["image_id"]: record for record in self._records}
        self._output = Path(output)
        self._score_threshold = score_threshold
        self._min_area = min_area
        self._use_tags = use_tags
        self._masks = masks
        self._head, self._images = _head_and_images(
            self._records, self._metadata.thing_classes, self._metadata.image_root, description
        )
        self._shard: TextIO | None = None

    def reset(self) -> None:
        self._shard_folder.mkdir(parents=True, exist_ok=True)
        self._shard = open(self._shard_path(comm.get_rank()), "w", encoding="utf-8")

    @property
    def _open_shard(self) -> TextIO:
        assert self._shard is not None, "reset() comes before process() and evaluate()"
        return self._shard

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Write the ``instances`` of some images (by ``image_id``) to this process's file."""
        for given, output in zip(inputs, outputs, strict=True):
            labels = self._select(self._by_id[given["image_id"]], output["instances"])
            annotations = label_annotations(labels)
            if self._masks == "polygons":
                annotations = [_with_polygons(entry) for entry in annotations]
            line = {"image_id": given["image_id"], "annotations": annotations}
            self._open_shard.write(json.dumps(line) + "\n")

    def evaluate(self) -> dict[str, LabelSummary] | None:
        """Join the files; ``{"labels": LabelSummary}`` on the main process, None elsewhere.

        Raises:
            DataError: Detectron2 or pycocotools would reject the result; nothing is written then.
        """
        self._open_shard.close()
        comm.synchronize()
        if not comm.is_main_process():
            return None
        counter = LabelCounter(self._head["categories"])

        def counted_annotations() -> Iterator[list[dict]]:
            for of_image in _numbered(self._images, self._read_shards()):
                counter.add_image(of_image)
                yield of_image

        try:
            write_coco_stream(self._output, self._head, self._images, counted_annotations())
        finally:
            shutil.rmtree(self._shard_folder)
        return {"labels": counter.summary()}

    def _select(self, record: dict, instances: Instances) -> LabelledMasks:
        """The instances of an image that become labels."""
        size = (record["height"], record["width"])
        if instances.image_size != size:
            raise ValueError(
                f"the prediction for {record['file_name']} has the size {instances.image_size}, "
                f"the image {size} (height, width)"
            )
        num_classes = len(self._metadata.thing_classes)
        if (instances.pred_classes >= num_classes).any():
            raise ValueError(
                f"the model predicts class {int(instances.pred_classes.max())}, but the data set "
                f"has {num_classes} classes (MODEL.*.NUM_CLASSES)"
            )
        if not instances.scores.isfinite().all():
            raise ValueError(f"a score predicted for {record['file_name']} is not a number")
        keep = instances.scores >= self._score_threshold
        if self._use_tags:
            tagged = keep.new_zeros(num_classes)
            tagged[record["image_labels"]] = True
            keep &= tagged[instances.pred_classes]
        labels = LabelledMasks.from_instances(instances, keep)
        return labels.select(labels.areas() >= self._min_area)

    def _read_shards(self) -> Iterator[list[dict]]:
        """Annotations of each image, in the order of the data set."""
        expected = iter(self._records)
        for rank in range(comm.get_world_size()):
            # Detectron2's InferenceSampler gives each process a run of consecutive images.
            with open(self._shard_path(rank), encoding="utf-8") as shard:
                for text in shard:
                    line = json.loads(text)
                    assert line["image_id"] == next(expected)["image_id"], "images out of order"
                    yield line["annotations"]

    @property
    def _shard_folder(self) -> Path:
        return self._output.with_name(self._output.name + ".parts")

    def _shard_path(self, rank: int) -> Path:
        return self._shard_folder / f"{rank:04d}-of-{comm.get_world_size():04d}.jsonl"
