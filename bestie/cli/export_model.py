"""Export a trained detector as TorchScript or ONNX, to run it without Detectron2.

Examples:
    bestie export-model --run output/run --output output/deploy
    bestie export-model --run output/run --input photos --output output/deploy \\
        --format onnx
    bestie export-model --config-file CONFIG --input photos --output output/deploy \\
        MODEL.WEIGHTS model_final.pth MODEL.DEVICE cpu

The exported network is compared with the model on ten images; nothing is written if it differs.
OUTPUT gets model.ts or model.onnx, and model.json, which says what it takes and gives
(docs/deployment.md).
"""

import argparse
import logging
from pathlib import Path

from detectron2.data import DatasetCatalog

from bestie.cli.arguments import add_model, resolve_run
from bestie.data import register_dataset
from bestie.formats import read_class_file
from bestie.training import merge_config, setup
from bestie.training.export_model import FORMATS, export_model
from bestie.training.predict import demo_overrides, find_images
from bestie.visualization import choose_evenly

__all__ = ["main", "parse_arguments"]

logger = logging.getLogger(__name__)

# Images that the exported model is compared on.
COMPARED = 10


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse a command line; None: that of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--input",
        action="append",
        metavar="PATH",
        help="image or folder of images to compare on, again for more (default: the data that the "
        "model was evaluated or trained on)",
    )
    parser.add_argument("--format", default="torchscript", choices=list(FORMATS))
    return parser.parse_intermixed_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the exported model.

    Raises:
        ValueError: a mistake in the arguments or the data, or a model that cannot be exported.
    """
    args = parse_arguments(arguments)
    if Path(args.output).is_file():
        raise ValueError(f"--output: {args.output} is a file; a folder is expected")
    resolve_run(args)
    images = find_images(args.input, args.output) if args.input else _images_of_data(args)
    class_names = read_class_file(args.classes) if args.classes else []
    args.opts = demo_overrides(args.config_file, args.opts, class_names)
    cfg = setup(args)
    about = export_model(cfg, choose_evenly(images, COMPARED), args.output, format=args.format)
    found = about["checked"]
    differences = ", ".join(f"{k} {v:.2g}" for k, v in found["largest_differences"].items())
    print(
        f"{Path(args.output, 'model' + FORMATS[args.format])}: the same {found['instances']} "
        f"instances as the model in {found['images']} images; largest differences: {differences}"
    )


def _images_of_data(args: argparse.Namespace) -> list[Path]:
    """Images of the first data set of the config that is available.

    Raises:
        ValueError: none is.
    """
    cfg = merge_config(args.config_file, list(args.opts))
    for name in (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN):
        try:
            register_dataset(name)
        except ValueError as error:
            logger.info("%s is not used: %s", name, error)
        else:
            return [Path(record["file_name"]) for record in DatasetCatalog.get(name)]
    raise ValueError(
        "the data of this model is not available; give images to compare on: --input PATH"
    )
