"""XML label files as trees whose elements know their lines."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from bestie.formats.labels.base import Labels

__all__ = ["Element", "read_xml"]


@dataclass
class Element:
    """An element of an XML file.

    Attributes:
        tag: its name.
        attributes: name -> text.
        line: where it begins.
        text: directly inside it.
        children: elements directly inside it.
    """

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, tag: str) -> Iterator["Element"]:
        """Children of a name."""
        return (child for child in self.children if child.tag == tag)

    def child_text(self, tag: str) -> str | None:
        """Text of the only child of a name; None if there is none, or several."""
        found = list(self.all(tag))
        return found[0].text.strip() if len(found) == 1 else None


def read_xml(path: Path, labels: Labels) -> Element | None:
    """The root of an XML file; None if it is broken (a mistake)."""
    parser = expat.ParserCreate()
    root = Element("", {}, 0)
    open_elements = [root]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def text(characters: str) -> None:
        open_elements[-1].text += characters

    def entity(name: str, *_: object) -> None:
        raise ValueError(f"defines the entity {ascii(name)}, which no labelling tool does")

    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda tag: open_elements.pop()
    parser.EntityDeclHandler = entity
    parser.buffer_text = True
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        labels.report(f"cannot be read ({error.strerror})", path)
    except expat.ExpatError as error:
        labels.report(f"is not well-formed xml ({error})", path, error.lineno)
    except (ValueError, LookupError) as error:  # its declared encoding
        labels.report(f"is not well-formed xml ({error})", path, parser.CurrentLineNumber)
    else:
        return root.children[0]
    return None
