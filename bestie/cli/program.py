"""The program ``bestie``: its list of commands, and starting one of them.

Called by the console script, by ``python -m bestie`` and by the scripts of ``tools/`` and
``datasets/``. Imports the standard library only, and a command's module when that is started: help
is there at once, and ``bestie doctor`` works whatever is missing.
"""

import importlib
import json
import os
import runpy
import sys
from pathlib import Path

__all__ = ["COMMANDS", "WAIT", "main", "run_command", "wait_for_command"]

# In place of a command: see wait_for_command. Used by bestie.pipeline.process.
WAIT, PROCESSES = "--wait-for-command", "--several-processes"

# Command -> its module in this folder, and what it does.
COMMANDS = {
    "demo": ("demo", "run everything on built-in data"),
    "import": ("import_labels", "make a data set of your own images and labels"),
    "check": ("check", "find all mistakes in a data set"),
    "run": ("run", "from images with cheap labels to a trained detector and a report"),
    "predict": ("predict", "run a trained model on photos: overlays and a COCO json"),
    "train": ("train", "train or evaluate one model"),
    "export": ("export", "write labels of a model or a file, as COCO json or for other tools"),
    "export-model": ("export_model", "write a trained detector as TorchScript or ONNX"),
    "evaluate": ("evaluate", "score labels against ground truth"),
    "visualize": ("visualize", "draw data, labels and predictions"),
    "report": ("report", "write the report of a run again"),
    "extract-points": ("extract_points", "write the instance cues that a classifier finds"),
    "make-maps": ("make_semantic_maps", "write the weak semantic maps of a classifier"),
    "predict-maps": (
        "predict_semantic_maps",
        "write the semantic maps of a network that learned weak maps",
    ),
    "reproduce": ("reproduce", "run the rows of a paper's table, with seeds, beside its numbers"),
    "ablate-cues": ("ablate_cues", "compare the cues of several classifiers"),
    "make-shapes": ("make_shapes", "make the built-in data set"),
    "prepare-voc": ("prepare_voc", "make a data set of the PASCAL VOC 2012 download"),
    "prepare-coco": ("prepare_coco", "make a data set of the COCO 2017 download"),
    "split": ("split_labels", "divide a training set into images with masks and with clicks"),
    "combine": (
        "combine_labels",
        "combine labels with corrected ones, or with those of images with masks",
    ),
    "benchmark": ("benchmark", "measure the speed"),
    "doctor": ("doctor", "check the installation: versions, and whether everything works"),
}
# What a command raises for a mistake of the user; everything else is a fault of the program.
USER_ERRORS = (ValueError, OSError)


def main() -> None:
    """``bestie COMMAND ...``; ends the process."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(_help())
        sys.exit(0)
    if name == WAIT:
        name = wait_for_command()
    if name not in COMMANDS:
        sys.exit(f"bestie: '{name}' is not a command; commands: {', '.join(COMMANDS)}")
    # argparse and the messages of mistakes take the name of the program from here.
    sys.argv = [f"bestie {name}", *sys.argv[2:]]
    run_command(name)


def run_command(name: str) -> None:
    """Run a command with the arguments of this process, and end the process.

    A mistake of the user ends it with one message, exit status 1.
    """
    module, _ = COMMANDS[name]
    if name == "doctor":
        # By its path: the package cannot be imported where a library is missing.
        runpy.run_path(str(Path(__file__).with_name(f"{module}.py")), run_name="__main__")
        return
    command = importlib.import_module(f"bestie.cli.{module}")
    try:
        sys.exit(command.main())
    except (*USER_ERRORS, *getattr(command, "FAILURES", ())) as error:
        # Only now: the package is imported here, which help and the doctor do without.
        from bestie.formats import error_text

        sys.exit(f"{os.path.basename(sys.argv[0])}: {error_text(error)}")


def wait_for_command() -> str:
    """Import what commands need, then wait for the one to run; its name.

    It is a line of JSON on standard input: "name", "arguments", and "stdout", the file for standard
    output, if it is not that of this process. They replace those of this process, and standard
    input becomes empty. The process ends if standard input does. With PROCESSES among the arguments
    of this process, several processes that the command may start on the CPU are prepared as well.
    """
    module = "bestie.cli.train"  # it imports nearly everything
    if PROCESSES in sys.argv[2:]:
        importlib.import_module("bestie.training.launch").prepare_launch(module)
    importlib.import_module(module)
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    command = json.loads(line)
    _reopen(0, os.devnull, os.O_RDONLY)
    if "stdout" in command:
        sys.stdout.flush()
        _reopen(1, command["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.argv[1:] = [command["name"], *command["arguments"]]
    return command["name"]


def _reopen(descriptor: int, path: str, flags: int) -> None:
    file = os.open(path, flags, 0o666)
    os.dup2(file, descriptor)
    os.close(file)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: bestie COMMAND ...",
            "",
            "Instance segmentation from cheap labels: image-level tags, or one click per object.",
            "",
            "commands:",
            *lines,
            "",
            "bestie COMMAND --help describes a command.",
        ]
    )
