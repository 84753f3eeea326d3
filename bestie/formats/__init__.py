"""The only reader and writer of point, label, map, image and COCO json files.

Ground floor of the package: everybody who touches one of these files calls this module. Comes in: a
path (or a folder-contract root). Goes out: plain arrays, lists and dicts in the package's
convention, (y, x) and classes counted from 0. Every mistake in a file is a :class:`DataError` that
names the file and, for text files, the line, says what was found and what is accepted. Every file
is written to a temporary name and renamed, so that a reader never sees half of one.

Files hold (x, y); the swap happens here and nowhere else (besides the augmentation).

The parts: ``base`` (the error, atomic writing), ``text`` (names, splits, tags, points), ``images``
(photographs, semantic maps, ground-truth masks), ``coco`` (COCO json), ``coco_check`` and ``rle``
(masks as run-length codes).
"""

from bestie.formats.base import (
    DataError,
    atomic_write,
    configs_folder,
    hash_file,
    join_errors,
    plain_json,
    to_json,
)
from bestie.formats.coco import (
    check_coco_dict,
    decode_mask,
    read_coco,
    read_coco_or_results,
    segmentation_rle,
    write_coco,
    write_coco_stream,
)
from bestie.formats.images import (
    find_image,
    missing_image,
    read_image,
    read_image_size,
    read_instances,
    read_semantic_map,
    voc_palette,
    write_semantic_map,
)
from bestie.formats.rle import RLEMasks, encode_label_map, encode_mask, encode_window
from bestie.formats.text import (
    MAX_CLASSES,
    Points,
    list_splits,
    read_class_file,
    read_class_names,
    read_image_labels,
    read_points,
    read_split,
    read_xml_labels,
    write_points,
)

__all__ = [
    "MAX_CLASSES",
    "DataError",
    "Points",
    "RLEMasks",
    "atomic_write",
    "check_coco_dict",
    "configs_folder",
    "decode_mask",
    "encode_label_map",
    "encode_mask",
    "encode_window",
    "find_image",
    "hash_file",
    "join_errors",
    "list_splits",
    "missing_image",
    "plain_json",
    "read_class_file",
    "read_class_names",
    "read_coco",
    "read_coco_or_results",
    "read_image",
    "read_image_labels",
    "read_image_size",
    "read_instances",
    "read_points",
    "read_semantic_map",
    "read_split",
    "read_xml_labels",
    "segmentation_rle",
    "to_json",
    "voc_palette",
    "write_coco",
    "write_coco_stream",
    "write_points",
    "write_semantic_map",
]
