"""A root that the whole pipeline gets through in a minute: small pictures of bright boxes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from bestie.formats import encode_mask

SIDE = 64
# Settings under which every stage takes seconds and BESTIE finds something all the same: maps that
# are nearly all foreground teach it to say "box" everywhere.
TINY = (
    *("DATALOADER.NUM_WORKERS", "0", "SOLVER.IMS_PER_BATCH", "2", "SOLVER.WARMUP_ITERS", "1"),
    *("classifier:SOLVER.MAX_ITER", "6", "classifier:SOLVER.CHECKPOINT_PERIOD", "3"),
    *("MODEL.PAM.START_ITER", "3"),
    *("classifier:INPUT.CROP.SIZE", "[64, 64]", "MODEL.PAM.CUES.IMAGE_SIZE", "64"),
    *("MODEL.PAM.MAPS.SCALES", "[1.0]", "MODEL.PAM.MAPS.BACKGROUND_SCORE", "0.000001"),
    *("MODEL.PAM.MAPS.IGNORE_MARGIN", "0.0", "MODEL.PAM.MAPS.PAMR_ITERATIONS", "0"),
    *("bestie:SOLVER.MAX_ITER", "12", "MODEL.BESTIE.REFINE.START_ITER", "6"),
    *("bestie:SOLVER.BASE_LR", "0.01", "bestie:INPUT.CROP.SIZE", "[64, 64]"),
    *("INPUT.TEST_SIZE", "64", "classifier:INPUT.BASE_SIZE", "192", "bestie:INPUT.BASE_SIZE", "0"),
    *("INPUT.POINT_SCORE_THRESH", "0.1", "VIS_PICTURE_PERIOD", "0"),
    *("maskrcnn:SOLVER.MAX_ITER", "4", "maskrcnn:SOLVER.CHECKPOINT_PERIOD", "2"),
    *("INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.MIN_SIZE_TEST", "64"),
)


def write_tiny_root(root: Path, train: int = 12, val: int = 4) -> Path:
    """Write images, tags, splits and COCO ground truth; the same bytes every time."""
    generator = np.random.default_rng(0)
    (root / "JPEGImages").mkdir(parents=True)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "annotations").mkdir()
    (root / "classes.txt").write_text("box\n")
    tags = []
    for split, count in (("train", train), ("val", val)):
        ids = [f"{split}_{number:02d}" for number in range(count)]
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(ids) + "\n")
        tags += [f"{image_id} 0\n" for image_id in ids]
        images, annotations = [], []
        for number, image_id in enumerate(ids, 1):
            pixels, mask = _picture(generator)
            Image.fromarray(pixels).save(root / "JPEGImages" / f"{image_id}.png")
            name = f"{image_id}.png"
            images.append({"id": number, "file_name": name, "height": SIDE, "width": SIDE})
            annotations.append(_annotation(number, mask))
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "box"}],
        }
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    (root / "image_labels.txt").write_text("".join(tags))
    return root


def _picture(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(SIDE, SIDE, 3) uint8 and the (SIDE, SIDE) bool mask of its box."""
    pixels = generator.integers(0, 80, (SIDE, SIDE, 3), dtype=np.uint8)
    top, left = generator.integers(2, 8, 2)
    height, width = generator.integers(48, 56, 2)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + height, left : left + width] = True
    pixels[mask] += np.uint8(150)
    return pixels, mask


def _annotation(number: int, mask: np.ndarray) -> dict:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "bbox": [float(value) for value in box],
        "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": encode_mask(mask),
    }
