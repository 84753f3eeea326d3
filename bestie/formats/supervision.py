"""Kinds of labels: the vocabulary of the supervision ledger."""

from enum import Enum

__all__ = ["LabelKind"]


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
