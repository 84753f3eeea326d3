"""What an object of a label file becomes: a click, a mask or a tag; the same for every format.

An object may have a point, a box and a mask. It becomes

- a click, if it has a point, or a box and ``ReadOptions.boxes_as_clicks`` is set;
- else a mask, if it has one;
- else a tag of its image: a box says which class is there.

``ReadOptions.objects_as`` "masks" prefers a mask to a point; "tags" uses the class only. An image
is of one kind: clicks of some objects and masks or boxes of others are a mistake, because those
without a click would be taken for background.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bestie.formats.labels.base import Labels, ReadOptions, Row, name_mistake
from bestie.formats.labels.shapes import Shape

__all__ = [
    "OBJECTS_AS",
    "Box",
    "Place",
    "add_object",
    "check_kinds",
    "choose_point",
    "settle_tags",
]

OBJECTS_AS = ("tags", "clicks", "masks")
BOXES = "boxes (or objects with a class only)"
# left, top, right, bottom; pixels.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Place:
    """Where an object stands.

    Attributes:
        image, file, line, beside: as those of :class:`~bestie.formats.labels.base.Row`.
        where: which object of the file, for messages, as "shape 3".
    """

    image: str
    file: Path
    line: int | None = None
    beside: tuple[Path, ...] = ()
    where: str = ""

    def at(self, where: str, line: int | None = None) -> "Place":
        """An object of the same image."""
        return replace(self, where=where, line=self.line if line is None else line)

    def report(self, message: str, labels: Labels) -> None:
        """Add a mistake in this object."""
        labels.report(f"{self.where} {message}".strip(), self.file, self.line)


def add_object(
    labels: Labels,
    options: ReadOptions,
    place: Place,
    name: Any,
    *,
    point: tuple[float, float] | None = None,
    box: Box | None = None,
    mask: Shape | None = None,
    is_share: bool = False,
) -> None:
    """Add one object as what it becomes; a name that cannot be a class is a mistake.

    Args:
        labels: gets the row or the mistake.
        options: of the user.
        place: of the object.
        name: of its class; None: the format names none, ``options.class_name`` is needed.
        point: (x, y), pixels.
        box: left, top, right, bottom, pixels.
        mask: its outline or its pixels.
        is_share: coordinates are shares of the image; see :class:`Row`.
    """
    if name is None:
        name = options.class_name
        if name is None:
            place.report("names no class; --class NAME gives it one", labels)
            return
    if mistake := name_mistake(name):
        place.report(f"has no label: {mistake}", labels)
        return
    if point is None and box is not None and options.boxes_as_clicks:
        point = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    if options.objects_as == "tags":
        point = mask = None
    elif mask is not None and (point is None or options.objects_as == "masks"):
        point = None
    else:
        mask = None
    labels.add(
        place.image,
        (name,),
        point,
        place.file,
        place.line,
        place.beside,
        mask=mask,
        is_object=True,
        is_box=point is None and mask is None,
        is_share=is_share,
        where=place.where,
    )


def check_kinds(
    labels: Labels, options: ReadOptions, rows_of: Mapping[Path, Sequence[Row]]
) -> None:
    """Report images whose objects are of several kinds.

    Args:
        labels: gets the mistakes, and a note if boxes become tags.
        options: of the user.
        rows_of: image -> its rows.
    """
    has_objects = labels.clicked or labels.masked
    for rows in rows_of.values():
        image = rows[0].image
        kinds = Counter(kind for row in rows if (kind := _kind(row)))
        found = " and ".join(f"{count} {kind}" for kind, count in kinds.items())
        if len(kinds) > 1:
            advice = "; --boxes-as-clicks takes the middles of boxes" * (BOXES in kinds)
            message = f"'{image}' has {found}; objects of one kind are expected{advice}"
            labels.report(message, rows[0].file)
        elif has_objects and BOXES in kinds:
            advice = "--boxes-as-clicks takes the middles of boxes, --as tags classes only"
            labels.report(f"'{image}' has {found} only; {advice}", rows[0].file)
    boxes = sum(row.is_box for row in labels.rows)
    if boxes and not has_objects and options.objects_as is None:
        labels.notes.append(
            f"{boxes} objects without point or mask are used as tags (see --boxes-as-clicks)"
        )


def _kind(row: Row) -> str | None:
    if row.xy is not None:
        return "clicks"
    if row.mask is not None:
        return "masks"
    return BOXES if row.is_box else None


def settle_tags(
    labels: Labels, options: ReadOptions, rows_of: Mapping[Path, Sequence[Row]]
) -> dict[Path, list[Row]]:
    """Rows without tags of images that contradict their clicks or masks.

    Such a tag says that an image shows a class, and its clicks say that it does not. Unless the
    user says what objects become, it is a mistake.

    Args:
        labels: gets the mistakes, or a note about tags that are left out.
        options: of the user.
        rows_of: image -> its rows.
    """
    settled: dict[Path, list[Row]] = {image: [] for image in rows_of}
    has_objects, dropped = labels.clicked or labels.masked, 0
    for image, rows in rows_of.items():
        seen = {name for row in rows if row.is_object for name in row.classes}
        for row in rows:
            extra = [name for name in row.classes if name not in seen]
            if not has_objects or row.is_object or not extra:
                settled[image].append(row)
            elif options.objects_as is not None:
                settled[image].append(replace(row, classes=()))
                dropped += 1
            else:
                message = f"'{row.image}' has the tag '{extra[0]}', but no object of this class"
                advice = "--as clicks or --as masks leaves tags out, --as tags uses tags only"
                labels.report(f"{message}; {advice}", row.file, row.line)
    if dropped:
        labels.notes.append(f"tags of {dropped} images are not used (--as {options.objects_as})")
    return settled


def choose_point(
    points: Sequence[tuple[float, float]], options: ReadOptions
) -> tuple[float, float] | str:
    """The click of an object with one or several points without names; or what is wrong."""
    if len(points) == 1 or options.keypoints == "first":
        return points[0]
    if options.keypoints == "mean":
        x, y = zip(*points, strict=True)
        return sum(x) / len(points), sum(y) / len(points)
    found = f"has {len(points)} points; a click is one point per object"
    if options.keypoints is not None:
        return f"{found}, and these have no names: --keypoints first or mean"
    return f"{found}: choose it with --keypoints first or mean"
