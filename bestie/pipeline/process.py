"""Running one command of a stage: its output to a log, its memory, its end.

:func:`run_command` takes a :class:`Command` and returns its peak memory, or raises a
:class:`CommandError` with the last clear line that it printed. What the command prints goes through
this process, so that its last words are known even where the log cannot be written (a full disk).

Starting Python and importing the package takes seconds. A :class:`WaitingProcess` does that while
the command before it still runs.
"""

import contextlib
import ctypes
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bestie.pipeline.fingerprint import PROJECT

__all__ = ["Command", "CommandError", "WaitingProcess", "own_peak_memory", "run_command"]

PACKAGE = "bestie"
# The argument with which the package's program waits for a command (bestie.cli.program).
WAIT, PROCESSES = "--wait-for-command", "--several-processes"
# Lines that are kept of what a command prints, and shown of a message of several lines.
TAIL, SHOWN = 400, 12
# Pause between two looks at a running command, seconds.
TICK = 0.2
# How long helpers of a command may hold its output open after it ended, seconds.
LINGER = 10.0
PR_SET_PDEATHSIG = 1  # of Linux' prctl
MIB_PER_MAXRSS = 2**-20 if sys.platform == "darwin" else 2**-10


@dataclass(frozen=True)
class Command:
    """A command of the package with its arguments.

    Attributes:
        name: as in ``bestie NAME``.
        arguments: as typed.
        stdout (Path | None): file that takes what the command prints on its standard output.
    """

    name: str
    arguments: tuple[str, ...]
    stdout: Path | None = None

    def __str__(self) -> str:
        """As a user types it."""
        text = shlex.join(["python", "-m", PACKAGE, self.name, *self.arguments])
        return text if self.stdout is None else f"{text} > {shlex.quote(str(self.stdout))}"


class CommandError(Exception):
    """A command failed; the message is its last clear line."""


class WaitingProcess:
    """A process that imports the package and then waits for one command."""

    def __init__(self, keep_open: tuple[int, ...] = (), *, several: bool = False):
        """
        Args:
            keep_open: file descriptors that it inherits.
            several: the command may start several processes on the CPU; they are prepared as well.
        """
        self._sources = _state_of_sources()  # before it imports any of them
        self._process = _start(
            [WAIT, PROCESSES] if several else [WAIT],
            keep_open,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @property
    def is_ready(self) -> bool:
        """Whether it still runs, and has imported the package as it is now."""
        return self._process.poll() is None and self._sources == _state_of_sources()

    def give(self, command: Command) -> subprocess.Popen:
        """Let it run the command; the process, which is the caller's from now on."""
        content: dict[str, object] = {"name": command.name, "arguments": command.arguments}
        if command.stdout is not None:
            content["stdout"] = str(command.stdout)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended: its output says why
            with self._process.stdin as pipe:
                pipe.write(json.dumps(content).encode() + b"\n")
        return self._process

    def close(self) -> None:
        """End it without a command."""
        _kill(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def run_command(
    command: Command,
    log: Path,
    *,
    waiting: WaitingProcess | None = None,
    keep_open: tuple[int, ...] = (),
    watch: Callable[[], None] = lambda: None,
) -> float:
    """Run a command to its end.

    Args:
        command: what to run.
        log: file that its output is appended to.
        waiting: process that runs it; None, or if it is not ready any more: a new one.
        keep_open: file descriptors that a new process inherits.
        watch: called some times a second.

    Returns:
        Peak memory of its largest process, MiB.

    Raises:
        CommandError: it failed or was killed.
    """
    if waiting is not None and not waiting.is_ready:
        waiting.close()
        waiting = None
    tail: deque[str] = deque(maxlen=TAIL)
    if command.stdout is not None:
        command.stdout.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if waiting is not None:
            child = waiting.give(command)
        elif command.stdout is None:
            child = _start_command(command, keep_open, subprocess.PIPE, subprocess.STDOUT)
        else:
            file = stack.enter_context(open(command.stdout, "wb"))
            child = _start_command(command, keep_open, file, subprocess.PIPE)
        pipe = child.stdout or child.stderr
        reader = threading.Thread(target=_copy, args=(pipe, log, command, tail), daemon=True)
        reader.start()
        try:
            memory = _wait(child, watch)
        except BaseException:
            _kill(child)
            raise
        reader.join(LINGER)
    if child.returncode != 0:
        raise CommandError(last_words(command, child.returncode, list(tail)))
    return memory


def last_words(command: Command, status: int, lines: list[str]) -> str:
    """The clearest thing that a failed command said: its own message, or the last line."""
    program = f"{PACKAGE} {command.name}"
    starts = [n for n, line in enumerate(lines) if line.startswith(f"{program}: ")]
    if starts:
        message = [line for line in lines[starts[-1] :] if line.strip()]
        more = [f"  ... and {len(message) - SHOWN} lines more"] if len(message) > SHOWN else []
        return "\n".join([*message[:SHOWN], *more])
    if status < 0:
        name = signal.Signals(-status).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"{program} was ended by {name}{hint}"
    # The last exception of a traceback, unless helpers of the process spoke after it.
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    said = errors[-1:] or [line for line in lines if line.strip()][-1:]
    return f"{program}: {said[0].strip() if said else f'exit status {status}, no message'}"


def own_peak_memory() -> float:
    """Peak memory of this process, MiB."""
    import resource  # not on Windows, where the pipeline does not start (hold_lock)

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_MAXRSS


def _start_command(
    command: Command, keep_open: tuple[int, ...], stdout: int | IO[bytes], stderr: int
) -> subprocess.Popen:
    arguments = [command.name, *command.arguments]
    return _start(arguments, keep_open, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def _start(
    arguments: list[str],
    keep_open: tuple[int, ...],
    *,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int,
) -> subprocess.Popen:
    """Start the package's program in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", PACKAGE, *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=_environment(),
        pass_fds=keep_open,
        start_new_session=True,
        preexec_fn=_end_with_parent(),
    )


def _state_of_sources() -> dict[str, int]:
    """When the files of the package were changed last; they may be edited during a run."""
    return {str(path): path.stat().st_mtime_ns for path in (PROJECT / PACKAGE).rglob("*.py")}


def _environment() -> dict[str, str]:
    """So that the command runs this package, also where the current folder has one of that name."""
    path = [os.environ.get("PYTHONPATH", "")]
    if PROJECT.name not in ("site-packages", "dist-packages"):  # a checkout, found by its path only
        path.insert(0, str(PROJECT))
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONSAFEPATH": "1",  # Python 3.11: -m does not look into the current folder first
        "PYTHONUNBUFFERED": "1",
    }


def _end_with_parent() -> Callable[[], None] | None:
    """To run in the child: it is killed as soon as this process ends, however it ends (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def set_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the signal was set
            os._exit(1)

    return set_signal


def _copy(pipe: IO[bytes], log: Path, command: Command, tail: deque[str]) -> None:
    """Copy what a command prints to its log; a log that cannot be written is given up."""
    file = None
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        file = open(log, "ab", buffering=0)
    heading = f"\n$ {command}\n".encode()
    for line in itertools.chain([heading], iter(pipe.readline, b"")):
        if line is not heading:
            tail.append(line.decode(errors="replace").rstrip("\n").rpartition("\r")[2])
        try:
            if file is not None:
                file.write(line)
        except OSError:
            file = None
    if file is not None:
        file.close()


def _wait(child: subprocess.Popen, watch: Callable[[], None]) -> float:
    """Wait for the end; peak memory, MiB."""
    peak = 0.0
    while True:
        process, status, usage = os.wait4(child.pid, os.WNOHANG)
        if process:
            child.returncode = os.waitstatus_to_exitcode(status)
            # Linux counts the memory of this process, which it came from, into that of the child.
            return peak or usage.ru_maxrss * MIB_PER_MAXRSS
        watch()
        time.sleep(TICK)
        peak = max(peak, _peak_memory(child.pid))


def _peak_memory(process: int) -> float:
    """Peak memory of a process or one of its descendants so far, MiB; 0 if unknown."""
    peaks = [0.0]
    processes = [str(process)]
    for number in processes:  # it grows
        with contextlib.suppress(OSError):
            processes += Path(f"/proc/{number}/task/{number}/children").read_text().split()
    for number in processes:
        with contextlib.suppress(OSError):
            match = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{number}/status").read_text())
            peaks.append(int(match[1]) / 1024 if match else 0.0)
    return max(peaks)


def _kill(child: subprocess.Popen) -> None:
    """End a command and the processes that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.returncode is None:
        os.waitpid(child.pid, 0)
        child.returncode = -signal.SIGKILL
