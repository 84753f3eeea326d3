"""Make a data set of your own images and labels: tags, clicks or masks, straight from your tool.

From a folder of images and their labels, it makes a new folder-contract root with images (links, or
copies), class names, tags, clicks or masks, and splits.

    bestie import --images photos --labels clicks.csv --output ROOT
    bestie import --images photos --labels coco.json --output ROOT
    bestie import --images photos --labels labelme_folder --output ROOT

The format is recognized by its content: tables, COCO, LabelMe, CVAT, Label Studio, VIA, Pascal VOC,
YOLO, QuPath, ImageJ, napari. The first line of a table names its columns: image,x,y,class for
clicks (one line per click, x and y in pixels from the top left corner), image,class for tags
(several as dog;bottle, or one line each). An image is found by its path in the folder, or by its
name with or without suffix. An object with a point is a click, one with an outline a mask, and a
box says only that its class is there. docs/own-data.md has a table of all formats.

Mistakes are reported all at once, and nothing is written then.
"""

import argparse
from pathlib import Path

from bestie.formats.labels.base import ReadOptions
from bestie.formats.labels.importer import Imported, import_labels
from bestie.formats.labels.objects import OBJECTS_AS
from bestie.formats.labels.registry import FORMATS

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments, make the root and say what it holds and what comes next."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument("--labels", type=Path, required=True, help="file or folder of labels")
    parser.add_argument("--output", type=Path, required=True, help="root to make")
    parser.add_argument(
        "--format", choices=FORMATS, help="of the labels (default: by their content)"
    )
    parser.add_argument(
        "--classes",
        type=Path,
        help="text file, one class name per line (default: those found)",
    )
    parser.add_argument(
        "--val-share", type=float, default=0.1, help="of the images, for validation (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split (%(default)s)")
    parser.add_argument("--copy", action="store_true", help="copy the images instead of linking")
    parser.add_argument(
        "--keep-unlabelled",
        action="store_true",
        help="images that the labels do not name hold no object (default: they are left out)",
    )
    parser.add_argument(
        "--skip-empty",
        action="store_true",
        help="leave out images that the labels name without any label (default: they hold no "
        "object)",
    )
    _add_reading_options(parser)
    args = parser.parse_args(argv)
    made = import_labels(
        args.images,
        args.labels,
        args.output,
        format=args.format,
        classes=args.classes,
        val_share=args.val_share,
        seed=args.seed,
        copy=args.copy,
        keep_unlabelled=args.keep_unlabelled,
        skip_empty=args.skip_empty,
        options=ReadOptions(
            args.keypoints,
            args.boxes_as_clicks,
            args.flags_are_tags,
            args.objects_as,
            args.class_name,
            args.attribute,
        ),
    )
    print(_summary(made, args.output))


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Options that say how to read labels that could be read in several ways."""
    parser.add_argument(
        "--keypoints",
        metavar="first|mean|NAME",
        help="the click of an object with several visible keypoints (default: such an object is "
        "a mistake)",
    )
    parser.add_argument(
        "--boxes-as-clicks", action="store_true", help="the middle of a box is a click"
    )
    parser.add_argument(
        "--flags-are-tags", action="store_true", help="flags of LabelMe's images are tags"
    )
    parser.add_argument(
        "--as",
        dest="objects_as",
        choices=OBJECTS_AS,
        help="what objects become that could be several of these (default: clicks if they have "
        "points, else masks if they have outlines, else tags)",
    )
    parser.add_argument(
        "--class",
        dest="class_name",
        metavar="NAME",
        help="class of objects without one (ImageJ, napari, QuPath)",
    )
    parser.add_argument(
        "--attribute",
        metavar="NAME",
        help="attribute (VIA), or column or control (Label Studio), of the class",
    )


def _summary(made: Imported, output: Path) -> str:
    lines = [f"{output}: {made.kind}, {len(made.class_names)} classes"]
    lines += [f"  split {name}: {len(ids)} images" for name, ids in made.splits.items()]
    for name in made.class_names:
        line = f"  {name}: {made.images_per_class[name]} images"
        counts = {"clicks": made.clicks_per_class, "masks": made.masks_per_class}
        for what, count in counts.items():
            line += f", {count[name]} {what}" * (what in made.kind)
        lines.append(line)
    lines += [f"  note: {note}" for note in made.notes]
    if made.left_out:
        lines.append(f"  {made.left_out} images are not in the labels and were left out")
    return "\n".join([*lines, "Next:", *(f"  {command}" for command in _next(made, output))])


def _next(made: Imported, output: Path) -> list[str]:
    """Commands that the new root is for."""
    if made.kind == "masks":
        return [
            f"bestie check {output}",
            f"bestie split --root {output} --percent 10 --clicks nearest",
        ]
    command = f"{output} --supervision {made.kind}"
    return [f"bestie check {command}", f"bestie run --data {command} --output output/run"]
