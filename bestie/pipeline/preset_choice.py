"""Which preset a run gets that names none, and which one fits its data.

Photographs start from ImageNet weights (``small``); the drawings of ``bestie make-shapes`` are
learned from scratch (``quick``). A folder that holds a run keeps the preset of that run.
"""

import json
from pathlib import Path

from bestie.data.shapes.generator import is_built_in
from bestie.pipeline.manifest import MANIFEST, begun_stages

__all__ = ["DRAWN", "choose_preset", "fitting_preset"]

# For the built-in drawings, for photographs, and for many of them on a GPU.
DRAWN, PHOTOS, LARGE = "quick", "small", "r50"
# With a GPU and this many training images, networks of full size fit.
MANY_IMAGES = 1000


def choose_preset(data: str, output: Path) -> tuple[str, str]:
    """The preset of a run that names none, and the reason in words.

    Args:
        data: root of the data, or "coco:JSON:IMAGE_DIR".
        output: folder of the run.
    """
    earlier = _preset_of_run(output)
    if earlier:
        return earlier, f"preset {earlier}, as this run began"
    hint = "--preset names another one"
    if is_built_in(Path(data)):
        return DRAWN, f"preset {DRAWN}, for the drawings of bestie make-shapes; {hint}"
    return PHOTOS, f"preset {PHOTOS}, for photographs; {hint}"


def fitting_preset(*, is_drawn: bool, images: int, has_gpu: bool) -> str:
    """The preset that fits a data set and a computer.

    Args:
        is_drawn: the drawings of ``bestie make-shapes``.
        images: that train.
        has_gpu: the trainings run on a GPU.
    """
    if is_drawn:
        return DRAWN
    return LARGE if has_gpu and images >= MANY_IMAGES else PHOTOS


def _preset_of_run(output: Path) -> str:
    """The preset of the run in a folder; "" if none is readable or has got beyond its check."""
    try:
        content = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(content, dict) or not begun_stages(content.get("stages")):
        return ""
    found = content.get("preset")
    return found if isinstance(found, str) else ""
