import os
import signal
import subprocess
import sys
import time

import pytest

from bestie.cli import program
from bestie.pipeline import process
from bestie.pipeline.process import (
    Command,
    CommandError,
    WaitingProcess,
    last_words,
    run_command,
)
from tests.conftest import PROJECT


def write_package(folder, code: str) -> None:
    (folder / "bestie").mkdir(exist_ok=True)
    (folder / "bestie/__init__.py").touch()
    (folder / "bestie/__main__.py").write_text(code)


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Writes a package ``bestie`` whose program is the code."""
    monkeypatch.setattr(process, "PROJECT", tmp_path)

    def write(code: str, *arguments: str, **fields) -> Command:
        write_package(tmp_path, code)
        return Command("fake", arguments, **fields)

    return write


def test_output_goes_to_the_log_under_the_command(tool, tmp_path):
    log = tmp_path / "logs/fake.log"
    command = tool("import sys; print('out'); print('err', file=sys.stderr)", "a b", "c")
    run_command(command, log)
    text = log.read_text()
    assert "$ python -m bestie fake 'a b' c\n" in text and "out\n" in text and "err\n" in text
    run_command(command, log)
    assert log.read_text().count("out\n") == 2


def test_a_folder_named_like_the_package_where_it_runs_does_not_matter(tool, tmp_path, monkeypatch):
    command = tool("print('the right one')")
    (tmp_path / "elsewhere").mkdir()
    write_package(tmp_path / "elsewhere", "print('the wrong one')")
    monkeypatch.chdir(tmp_path / "elsewhere")
    run_command(command, tmp_path / "log")
    assert "the right one" in (tmp_path / "log").read_text()


def test_standard_output_can_go_to_a_file(tool, tmp_path):
    output = tmp_path / "results/a.json"
    code = "import sys; print('{}'); print('note', file=sys.stderr)"
    command = tool(code, stdout=output)
    run_command(command, tmp_path / "log")
    assert output.read_text() == "{}\n" and "note" in (tmp_path / "log").read_text()
    assert str(command).endswith(f"> {output}")


def test_peak_memory_is_that_of_the_command(tool, tmp_path):
    more = bytearray(300 * 2**20)  # of this process, which does not count
    command = tool("import time; x = bytearray(100 * 2**20); time.sleep(1)")
    assert 100 < run_command(command, tmp_path / "log") < 200
    assert len(more) > 0


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; print('before'); sys.exit('bestie fake: it is broken')", "it is broken"),
        (
            "import sys; sys.exit('bestie fake: 2 errors:\\n  one\\n  two')",
            "2 errors:\n  one\n  two",
        ),
        ("raise KeyError('x')", "bestie fake: KeyError: 'x'"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL .out of memory"),
        ("import sys; sys.exit(3)", "exit status 3, no message"),
    ],
)
def test_a_failure_is_told_in_its_own_words(tool, tmp_path, code, message):
    with pytest.raises(CommandError, match=message):
        run_command(tool(code), tmp_path / "log")


def test_long_messages_are_cut():
    lines = ["bestie fake: 50 error(s):", *(f"  {number}" for number in range(50))]
    words = last_words(Command("fake", ()), 1, ["noise", *lines])
    assert words.startswith("bestie fake: 50 error(s):\n  0\n") and "... and 39 lines more" in words


def test_last_words_are_known_where_the_log_cannot_be_written(tool, tmp_path):
    (tmp_path / "log").mkdir()
    with pytest.raises(CommandError, match="it is broken"):
        run_command(tool("import sys; sys.exit('bestie fake: it is broken')"), tmp_path / "log")


def test_an_interruption_ends_the_command_and_its_helpers(tool, tmp_path):
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time\n"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{c.pid}}')\ntime.sleep(60)"
    )

    def interrupt():
        if pids.exists() and pids.read_text().count(" "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_command(tool(code), tmp_path / "log", watch=interrupt)
    assert all(ended(int(pid)) for pid in pids.read_text().split())


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_command_ends_with_the_pipeline_however_that_ends(tmp_path):
    pid = tmp_path / "pid"
    write_package(
        tmp_path,
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)",
    )
    code = (
        "from pathlib import Path\nfrom bestie.pipeline import process\n"
        f"process.PROJECT = Path({str(tmp_path)!r})\n"
        f"process.run_command(process.Command('fake', ()), Path({str(tmp_path / 'log')!r}))"
    )
    pipeline = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT)
    while not (pid.exists() and pid.read_text()):
        assert pipeline.poll() is None
        time.sleep(0.05)
    os.kill(pipeline.pid, signal.SIGKILL)
    pipeline.wait()
    assert ended(int(pid.read_text()))


def ended(pid: int) -> bool:
    """Whether a process has ended, or does so within some seconds."""
    for _ in range(50):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


# As a waiting process, the package's program says what it was given.
WAITS = """
import sys
from pathlib import Path
sys.path.append({path!r})
print("imported", flush=True)
import runpy
program = runpy.run_path({program!r})
class Module:
    def prepare_launch(module):
        print("prepared for", module)
program["importlib"].import_module = lambda name: Module
name = program["wait_for_command"]()
print("ran", name, sys.argv[1:], repr(sys.stdin.read()))
print("note", file=sys.stderr)
sys.exit({status})
"""


@pytest.fixture
def waiting_tool(tool):
    def write(*arguments, status=0, **fields):
        values = {"path": str(PROJECT), "program": program.__file__, "status": status}
        return tool(WAITS.format(**values), *arguments, **fields)

    return write


def test_the_program_and_the_pipeline_agree_on_how_to_wait():
    assert (process.WAIT, process.PROCESSES) == (program.WAIT, program.PROCESSES)


def test_a_waiting_process_runs_a_command_as_a_new_one_does(waiting_tool, tmp_path):
    command = waiting_tool("a b", "\N{SNOWMAN}'")
    memory = run_command(command, tmp_path / "log", waiting=WaitingProcess())
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert "$ python -m bestie fake 'a b'" in text and "note\n" in text and memory > 0
    assert f"ran fake {['fake', 'a b', chr(0x2603) + chr(39)]} ''" in text


@pytest.mark.parametrize("several", [True, False])
def test_a_waiting_process_prepares_for_several_processes(waiting_tool, tmp_path, several):
    command = waiting_tool()
    run_command(command, tmp_path / "log", waiting=WaitingProcess(several=several))
    assert ("prepared for bestie.cli.train" in (tmp_path / "log").read_text()) is several


def test_a_waiting_process_writes_standard_output_to_the_file(waiting_tool, tmp_path):
    command = waiting_tool(stdout=tmp_path / "new/a.json")
    run_command(command, tmp_path / "log", waiting=WaitingProcess())
    assert (tmp_path / "new/a.json").read_text() == "ran fake ['fake'] ''\n"
    log = (tmp_path / "log").read_text()
    assert "imported\n" in log and "note\n" in log and "ran fake" not in log


def test_a_waiting_process_that_fails_says_so(waiting_tool, tool, tmp_path):
    command = waiting_tool(status=3)
    with pytest.raises(CommandError):
        run_command(command, tmp_path / "log", waiting=WaitingProcess())
    command = tool("raise ImportError('no such library')")
    waiting = WaitingProcess()
    with pytest.raises(CommandError, match="no such library"):
        run_command(command, tmp_path / "log", waiting=waiting)


def test_an_edited_package_is_imported_again(waiting_tool, tool, tmp_path):
    waiting_tool()
    waiting = WaitingProcess()
    command = tool("print('edited')")
    os.utime(tmp_path / "bestie/__main__.py", (1, 1))
    assert not waiting.is_ready
    run_command(command, tmp_path / "log", waiting=waiting)
    assert "edited" in (tmp_path / "log").read_text() and ended(waiting._process.pid)


def test_a_waiting_process_that_is_not_needed_ends(tool):
    tool("import time; time.sleep(60)")
    waiting = WaitingProcess()
    pid = waiting._process.pid
    waiting.close()
    assert ended(pid)


def test_a_waiting_program_ends_with_its_input():
    code = "import bestie.cli.program as p; p.importlib.import_module = print; p.wait_for_command()"
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0
