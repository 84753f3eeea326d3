"""The program ``bestie``: its commands, its help, and the ways to start it."""

import subprocess
import sys

import pytest

from bestie.cli.program import COMMANDS
from tests.conftest import PROJECT

SCRIPTS = sorted([*(PROJECT / "tools").glob("*.py"), *(PROJECT / "datasets").glob("*.py")])


def start(*words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)


def test_help_lists_every_command_and_imports_no_library():
    code = (
        "import sys, bestie_command; sys.argv[1:] = ['--help']\n"
        "try: bestie_command.main()\n"
        "finally: assert not {'torch', 'bestie', 'numpy'} & set(sys.modules)"
    )
    done = start("-c", code)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_a_command_that_does_not_exist_is_named():
    done = start("bestie_command.py", "trian")
    assert done.returncode == 1 and "bestie: 'trian' is not a command" in done.stderr
    assert "train" in done.stderr and "Traceback" not in done.stderr


def test_a_mistake_ends_in_one_line(tmp_path):
    done = start("-m", "bestie", "check", tmp_path / "nowhere")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"bestie check: {tmp_path / 'nowhere'}")


def test_a_script_names_itself_in_its_messages(tmp_path):
    done = start("tools/check_dataset.py", tmp_path / "nowhere")
    assert done.stderr.splitlines()[-1].startswith("check_dataset.py: ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module(name):
    assert (PROJECT / f"bestie/cli/{COMMANDS[name][0]}.py").is_file()


def test_every_script_of_a_command_starts_one_that_exists():
    started = [
        line.split('"')[1]
        for path in SCRIPTS
        for line in path.read_text().splitlines()
        if line.strip().startswith("run_command(")
    ]
    assert len(started) > 10 and set(started) <= set(COMMANDS)
