"""The only reader and writer of point, label, map, image and COCO json files.

Everything that touches one of these files calls this module. A path (or a folder-contract root)
gives plain arrays, lists and dicts in the package's convention, (y, x) and classes counted from 0.
Every mistake in a file is a :class:`DataError` that names the file and, for text files, the line,
says what was found and what is accepted. Every file is written to a temporary name and renamed, so
that a reader never sees half of one.

Files hold (x, y); the swap happens here and nowhere else (besides the augmentation).

The parts: ``dataset_folder`` (where the files of a data set lie), ``base`` (the error, atomic
writing), ``text`` (names, splits, tags, points), ``images`` (photographs, semantic maps,
ground-truth masks), ``coco`` (COCO json), ``coco_check``, ``rle`` (masks as run-length codes),
``instances`` (true instances to clicks and annotations), ``labels`` (label files of other tools),
``ledger`` and ``supervision``.
"""

from bestie.formats.base import (
    DataError,
    atomic_write,
    configs_folder,
    error_text,
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
from bestie.formats.dataset_folder import (
    POINT_FOLDERS,
    DatasetFolder,
    find_image,
    list_splits,
    missing_image,
    read_class_names,
    read_image_labels,
    read_split,
)
from bestie.formats.images import (
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
    read_class_file,
    read_points,
    read_xml_labels,
    write_points,
)

__all__ = [
    "MAX_CLASSES",
    "POINT_FOLDERS",
    "DataError",
    "DatasetFolder",
    "Points",
    "RLEMasks",
    "atomic_write",
    "check_coco_dict",
    "configs_folder",
    "error_text",
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
