"""Small json files for ``mutation_cases``, and what they hold by a much simpler reading."""

import json
from typing import Any

TRIANGLE = [[1, 1], [9.5, 1], [9, 9]]
IMAGES = [{"id": i, "file_name": f"{i}.png", "height": 48, "width": 64} for i in (1, 2)]


def number(value: Any) -> float:
    return float(value)


def pair(value: Any) -> tuple[float, float]:
    x, y = value
    return number(x), number(y)


def ring(value: Any) -> tuple:
    return tuple(map(pair, value))


def name(value: Any) -> str:
    return value.strip()


def is_empty_row(row: list[str]) -> bool:
    return not any(map(str.strip, row))


# ---- COCO

COCO = {
    "images": IMAGES,
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [3, 4, 2], "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "point": [5.5, 6], "bbox": [1, 1, 9, 9]},
    ],
}
COCO_MASKS = COCO | {
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9.5, 1, 9, 9]]},
        {"id": 2, "image_id": 2, "category_id": 2, "segmentation": [[2, 2, 4, 2, 4, 4]] * 2},
    ]
}


def coco_objects(content):
    images = {str(number(i["id"])): i["file_name"] for i in content["images"]}
    names = {str(number(c["id"])): name(c["name"]) for c in content["categories"]}
    for entry in content["annotations"]:
        if str(entry.get("iscrowd") or 0) not in ("0", "0.0", "False"):
            continue
        image = images[str(number(entry["image_id"]))]
        label = names[str(number(entry["category_id"]))]
        point = entry.get("keypoints") or entry.get("points") or entry.get("point")
        if point:
            point = point[0] if isinstance(point[0], list) else point
            if len(point) == 2 or number(point[2]):
                yield image, label, "click", pair(point[:2])
            else:
                yield image, label, "object", None
        elif entry.get("segmentation"):
            rings = [ring(zip(p[::2], p[1::2], strict=True)) for p in entry["segmentation"]]
            yield image, label, "mask", tuple((part,) for part in rings)
        else:
            yield image, label, "object", None


# ---- LabelMe

LABELME = {
    "imagePath": "1.png",
    "imageHeight": 48,
    "imageWidth": 64,
    "flags": {"done": True},
    "shapes": [
        {"label": label, "points": [[x, 4]], "shape_type": "point", "flags": {}}
        for label, x in (("cat", 3), ("dog", 5.5))
    ],
}
LABELME_MASKS = LABELME | {
    "shapes": [
        {"label": "cat", "points": TRIANGLE, "shape_type": "polygon", "group_id": 1},
        {"label": "dog", "points": TRIANGLE[::-1], "shape_type": "polygon", "group_id": None},
        {"label": "cat", "points": [[2, 2], [5, 6]], "shape_type": "rectangle"},
    ]
}


def labelme_objects(content):
    image = content["imagePath"].replace("\\", "/")
    groups = {}
    for index, shape in enumerate(content["shapes"]):
        label, group = shape["label"].strip(), shape.get("group_id")
        key = ("single", index) if group is None else ("group", shape["label"], group)
        groups.setdefault(key, []).append((label, shape))
    for members in groups.values():
        label, rings, points = members[0][0], [], []
        for _, shape in members:
            if shape["shape_type"] == "polygon":
                rings.append(ring(shape["points"]))
            elif shape["shape_type"] == "point":
                points.append(pair(shape["points"][0]))
        if points:
            yield image, label, "click", points[0]
        elif rings:
            yield image, label, "mask", tuple((part,) for part in rings)
        else:
            yield image, label, "object", None


# ---- Label Studio

SIZE = {"original_width": 64, "original_height": 48}
REGIONS = [
    SIZE | {"x": 50, "y": 25, "keypointlabels": ["cat"]},
    SIZE | {"points": [[5, 10], [55, 10], [55, 50]], "polygonlabels": ["dog"]},
]
STUDIO_CSV = {
    "heading": ["annotation_id", "annotator", "id", "image", "label", "lead_time"],
    "row": ["1", "1", "1", "/data/local-files/?d=1.png", "", "1.0"],
    "cell": REGIONS,
}
STUDIO = [
    {
        "id": 7,
        "data": {"image": "/data/local-files/?d=1.png"},
        "annotations": [
            {
                "was_cancelled": False,
                "result": [
                    SIZE | {"type": "x", "value": {k: v for k, v in r.items() if k not in SIZE}}
                    for r in REGIONS
                ],
            }
        ],
    }
]


def studio_region(image, entry):
    width, height = number(entry["original_width"]), number(entry["original_height"])

    def scaled(point):
        return number(point[0]) / 100 * width, number(point[1]) / 100 * height

    labels = [entry[k] for k in ("keypointlabels", "polygonlabels") if k in entry][0]
    label = name(labels[0])
    if "points" in entry:
        return image, label, "mask", ((tuple(map(scaled, entry["points"])),),)
    return image, label, "click", scaled((entry["x"], entry["y"]))


def studio_csv_objects(content):
    cell = content["cell"]
    if not isinstance(cell, dict | list):  # a text, which is a choice
        yield "1.png", name(json.dumps(cell)), "tag", None
        return
    cell = cell if isinstance(cell, list) else [cell]
    yield from (studio_region("1.png", entry) for entry in cell)


def studio_objects(content):
    for task in content:
        image = task["data"]["image"].removeprefix("/data/local-files/?d=")
        kept = [a for a in task["annotations"] if a.get("was_cancelled") is not True]
        for result in kept[0]["result"] if kept else []:
            value = result.get("value")
            if isinstance(value, dict) and {"x", "points"} & value.keys():
                sizes = {key: result.get(key) for key in SIZE}
                yield studio_region(image, value | sizes)


# ---- VIA

VIA = {
    "1.png9": {
        "filename": "1.png",
        "size": 9,
        "regions": [
            {
                "shape_attributes": {"name": "point", "cx": 3, "cy": 4},
                "region_attributes": {"class": "cat"},
            },
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": [1, 9, 9],
                    "all_points_y": [1, 1, 9],
                },
                "region_attributes": {"class": "dog"},
            },
        ],
        "file_attributes": {},
    }
}


def via_region(image, shape, attributes):
    keys = [k for k in attributes if k == "class"] or list(attributes)
    value = attributes[keys[0]]
    label = name(value if isinstance(value, str) else next(k for k, v in value.items() if v))
    if shape["name"] == "point":
        return image, label, "click", (number(shape["cx"]), number(shape["cy"]))
    points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
    return image, label, "mask", ((ring(points),),)


def via_objects(content):
    for entry in content.values():
        regions = entry.get("regions", [])
        for region in regions.values() if isinstance(regions, dict) else regions:
            parts = region["shape_attributes"], region["region_attributes"]
            yield via_region(entry["filename"], *parts)


def via_csv_objects(content):
    for row in content["rows"]:
        shape = json.loads(row["region_shape_attributes"])
        if shape:
            attributes = json.loads(row["region_attributes"] or "{}")
            yield via_region(row["filename"].strip(), shape, attributes)


VIA_ENTRY = VIA["1.png9"]
VIA_CSV = {
    "rows": [
        {
            "filename": "1.png",
            "file_size": "9",
            "file_attributes": "{}",
            "region_count": "2",
            "region_id": str(index),
            "region_shape_attributes": json.dumps(region["shape_attributes"]),
            "region_attributes": json.dumps(region["region_attributes"]),
        }
        for index, region in enumerate(VIA_ENTRY["regions"])
    ]
}


# ---- QuPath


def feature(kind, coordinates, label):
    geometry = {"type": kind, "coordinates": coordinates, "plane": {"c": -1, "z": 0, "t": 0}}
    properties = {"objectType": "annotation", "classification": {"name": label, "color": [1, 2, 3]}}
    return {"type": "Feature", "id": "x", "geometry": geometry, "properties": properties}


QUPATH = {
    "type": "FeatureCollection",
    "features": [
        feature("MultiPoint", [[3, 4], [5.5, 6]], "cat"),
        feature("Polygon", [[[1, 1], [9, 1], [9, 9]], [[6, 2], [7, 2], [7, 3]]], "dog"),
    ],
}


def qupath_objects(content):
    features = content["features"] if isinstance(content, dict) else content
    for entry in features:
        found = entry["properties"]["classification"]
        label = name(found if isinstance(found, str) else found["name"])
        if label.endswith("*"):  # left out, with a note
            continue
        kind, coordinates = entry["geometry"]["type"], entry["geometry"]["coordinates"]
        if "Point" in kind:
            for point in [coordinates] if kind == "Point" else coordinates:
                yield "1", label, "click", pair(point)
        else:
            parts = [coordinates] if kind == "Polygon" else coordinates
            yield "1", label, "mask", tuple(tuple(map(flat_ring, part)) for part in parts)


def flat_ring(value):
    flat = not isinstance(value[0], list)
    return ring(zip(value[::2], value[1::2], strict=True) if flat else value)
