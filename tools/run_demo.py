#!/usr/bin/env python3
"""The main job on the built-in data, on a CPU: data, BESTIE, labels, Mask R-CNN, table, pictures.

Every step is one of the commands that a user types, and is printed before it runs. What a step
prints goes to a log beside its results.

    tools/run_demo.py --output output/demo --seed 0
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
METRICS = ("voc/mAP25", "voc/mAP50", "voc/mAP70", "voc/mAP75", "segm/AP", "segm/AP50")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", default="output/demo", help="folder (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of data and training (%(default)s)")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="for BESTIE and Mask R-CNN")
    return parser.parse_args()


def run(script: Path, *arguments: object, log: Path) -> str:
    """Run a script, show its command and time, keep what it prints; stop with it if it fails."""
    command = [str(script), *map(str, arguments)]
    print(f"$ python {shlex.join(command)}".replace(f"{ROOT}/", ""), flush=True)
    started = time.monotonic()
    with open(log, "w") as file:
        code = subprocess.run(
            [sys.executable, *command], stdout=file, stderr=subprocess.STDOUT
        ).returncode
    text = log.read_text()
    if code != 0:
        sys.exit(f"{text[-2000:]}\nrun_demo.py: the last command failed; its log is {log}")
    print(f"  {time.monotonic() - started:.0f} s, log {log}", flush=True)
    return text


def last_metrics(folder: Path) -> dict[str, float]:
    """The last evaluation in a training's metrics.json."""
    rows = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    evaluated = [row for row in rows if METRICS[0] in row]
    return {key: evaluated[-1][key] for key in METRICS}


def main(args: argparse.Namespace) -> None:
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    data, labels = output / "shapes", output / "labels.json"
    train, val = f"folder:{data}:train", f"folder:{data}:val"
    test = ["DATASETS.TEST", f"('{val}',)", "SEED", args.seed, *args.opts]
    run(
        ROOT / "datasets/make_shapes.py",
        "--output", data, "--seed", args.seed,
        log=output / "data.log",
    )  # fmt: skip
    bestie = ["--config-file", ROOT / "configs/quick/shapes_tags.yaml"]
    bestie_settings = ["DATASETS.TRAIN", f"('{train}',)", *test]
    run(
        TOOLS / "train_net.py",
        *bestie, *bestie_settings, "OUTPUT_DIR", output / "bestie",
        log=output / "bestie.log",
    )  # fmt: skip
    weights = output / "bestie/model_final.pth"
    summary = run(
        TOOLS / "export_pseudo_labels.py",
        *bestie, "--output", labels, *bestie_settings, "MODEL.WEIGHTS", weights,
        log=output / "export.log",
    )  # fmt: skip
    print(summary[summary.rindex(str(labels)) :])
    run(
        TOOLS / "train_net.py",
        "--config-file", ROOT / "configs/quick/shapes_maskrcnn.yaml",
        "DATASETS.TRAIN", f"('coco:{labels}:{data / 'JPEGImages'}',)", *test,
        "MODEL.TIMM.WEIGHTS", weights, "OUTPUT_DIR", output / "maskrcnn",
        log=output / "maskrcnn.log",
    )  # fmt: skip
    report(output, labels, train, val)


def report(output: Path, labels: Path, train: str, val: str) -> None:
    """Label quality, the final table and the contact sheet."""
    evaluate = TOOLS / "evaluate_labels.py"
    quality = {}
    baseline = output / "baseline_train.json"
    for name, file, options in (
        ("components of the weak maps", baseline, ["--baseline"]),
        ("BESTIE", labels, []),
    ):
        log = output / f"quality_{file.stem}.log"
        text = run(evaluate, file, "--dataset", train, "--json", *options, log=log)
        quality[name] = json.loads(text[text.index("{") :])["total"]
    columns = list(next(iter(quality.values())))
    rows = [[name, *values.values()] for name, values in quality.items()]
    print("\nLabels of the training set\n" + tabulate(rows, ["", *columns], "pipe", ".1f"))

    baseline = output / "baseline_val.json"
    log = output / "baseline_val.log"
    text = run(evaluate, baseline, "--dataset", val, "--json", "--baseline", log=log)
    scores = json.loads(text[text.index("{") :])["average_precision"]
    table = {"components of the weak maps": [scores[key.split("/")[1]] for key in METRICS]}
    for name, folder in (("BESTIE", "bestie"), ("Mask R-CNN on its labels", "maskrcnn")):
        table[name] = list(last_metrics(output / folder).values())
    run(
        TOOLS / "visualize.py",
        "--dataset", val, "--number", 5, "--output", output / "contact_sheet.png",
        "--layers", "image", "map", "gt", "--min-score", 0.2, "--side", 220,
        "--labels", f"weak map components={baseline}",
        f"BESTIE={output / 'bestie/inference/coco_instances_results.json'}",
        f"Mask R-CNN={output / 'maskrcnn/inference/coco_instances_results.json'}",
        log=output / "contact_sheet.log",
    )  # fmt: skip
    (output / "results.json").write_text(
        json.dumps({"labels": quality, "val": table, "metrics": METRICS}, indent=2)
    )
    rows = [[name, *values] for name, values in table.items()]
    print("\nValidation set, percent\n" + tabulate(rows, ["", *METRICS], "pipe", ".1f"))


if __name__ == "__main__":
    main(parse_arguments())
