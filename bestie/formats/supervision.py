"""Kinds of labels, and which images have which: the vocabulary of checks and supervision ledger.

A data set has one kind of labels that train, or is mixed: each of its training splits has a kind,
and so has each image. In a COCO json of a mixed data set, the field ``supervision`` of an image
holds it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["MIXED", "LabelKind", "Supervision", "count_images", "describe_images", "mark_images"]

# Masks of a few images (strong), clicks on the others (weak).
MIXED = "masks+clicks"
# Of an image in a COCO json.
FIELD = "supervision"


class LabelKind(str, Enum):
    """What a person had to give: of an input, or of the data that weights were trained on.

    MASKS: outlines of objects or regions; BOXES: a box per object; CLICKS: a point per object;
    TAGS: classes of an image; NONE: no labels; UNKNOWN: nobody has recorded it.
    """

    MASKS = "masks"
    BOXES = "boxes"
    CLICKS = "clicks"
    TAGS = "tags"
    NONE = "none"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value

    @classmethod
    def parse(cls, text: object) -> "LabelKind":
        """The kind of a word.

        Raises:
            ValueError: not one of the words.
        """
        accepted = [kind.value for kind in cls]
        if text not in accepted:
            raise ValueError(f"kind of labels {text!r}; accepted are {', '.join(accepted)}")
        return cls(text)


@dataclass(frozen=True)
class Supervision:
    """Which labels train.

    Attributes:
        kinds: training split -> kind of its labels.
    """

    kinds: Mapping[str, LabelKind]

    def of_images(self, ids: Mapping[str, Iterable[str]]) -> dict[str, LabelKind]:
        """Image id -> kind of its labels; an image in several splits has that of the first one.

        Args:
            ids: split -> ids of its images, for the splits of ``kinds``.
        """
        found: dict[str, LabelKind] = {}
        for split, kind in self.kinds.items():
            for image_id in ids[split]:
                found.setdefault(image_id, kind)
        return found

    def count(self, ids: Mapping[str, Iterable[str]]) -> dict[LabelKind, int]:
        """Kind -> number of images; see :meth:`of_images`."""
        return dict(Counter(self.of_images(ids).values()))


def describe_images(counts: Mapping[LabelKind, int]) -> str:
    """ "masks of 100 images, clicks of 300 images"."""
    return ", ".join(
        f"{kind} of {number} image{'s' * (number != 1)}" for kind, number in counts.items()
    )


def mark_images(images: Iterable[Mapping[str, Any]], kind: LabelKind) -> list[dict[str, Any]]:
    """Image entries of a COCO json, each with the kind of the labels behind its annotations."""
    return [{**image, FIELD: str(kind)} for image in images]


def count_images(coco: Mapping[str, Any]) -> dict[LabelKind, int]:
    """Kind -> number of images of a COCO json that :func:`mark_images` marked.

    Raises:
        ValueError: an image with another word for its kind.
    """
    words = [image[FIELD] for image in coco["images"] if FIELD in image]
    return dict(Counter(LabelKind.parse(word) for word in words))
