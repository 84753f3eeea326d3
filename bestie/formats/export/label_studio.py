"""Label Studio: ``tasks.json`` with predictions, ``config.xml`` for its labelling, ``images/``.

An object is a region of the kind polygonlabels, x and y in percent of the image; regions cannot be
grouped, so that an object of several parts is one polygon. The images have addresses of Label
Studio's local storage: ``/data/local-files/?d=images/NAME``, under the folder of the package.
"""

import json
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from bestie.formats.export.base import LabelledImage, LabelSet, Package, points_of
from bestie.progress import track

__all__ = ["write_label_studio"]

FROM, TO = "label", "image"


def write_label_studio(labels: LabelSet, package: Package) -> None:
    """Fill a package."""
    names = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in labels.class_names)
    config = (
        f'<View>\n  <Image name="{TO}" value="$image"/>\n'
        f'  <PolygonLabels name="{FROM}" toName="{TO}">\n{names}  </PolygonLabels>\n</View>\n'
    )
    package.write_text("config.xml", config)
    tasks = []
    for image in track(labels.images, "images"):
        tasks.append(_task(image, labels.class_names, package))
        package.put_photo(image, f"images/{image.name}")
    package.write_text("tasks.json", json.dumps(tasks, ensure_ascii=False, allow_nan=False))


def _task(image: LabelledImage, class_names: list[str], package: Package) -> dict[str, Any]:
    height, width = image.size
    regions: list[dict[str, Any]] = []
    for number, item in enumerate(image.objects, 1):
        polygon = package.one_polygon(item)
        if polygon is None:
            continue
        points = [[100 * x / width, 100 * y / height] for x, y in points_of(polygon)]
        region: dict[str, Any] = {
            "id": f"object_{number}",
            "from_name": FROM,
            "to_name": TO,
            "type": "polygonlabels",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "points": points,
                "closed": True,
                "polygonlabels": [class_names[item.class_id]],
            },
        }
        regions.append(region if item.score is None else region | {"score": item.score})
    prediction: dict[str, Any] = {"model_version": "bestie", "result": regions}
    if scores := [region["score"] for region in regions if "score" in region]:
        prediction["score"] = float(np.mean(scores))
    address = f"/data/local-files/?d={quote(f'images/{image.name}')}"
    return {"data": {"image": address}, "predictions": [prediction]}
