"""Starts the processes of a run: one per GPU, or several on the CPU.

Runs a function in every process of a process group. On GPUs this is Detectron2's launcher, which
takes its backend from the machine (NCCL if there is a GPU); processes that must run on the CPU are
therefore started here, with gloo.
"""

import contextlib
import gc
import multiprocessing
import os
import socket
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from detectron2.engine import DEFAULT_TIMEOUT
from detectron2.engine import launch as launch_on_gpus
from detectron2.utils import comm

from bestie.formats import error_text
from bestie.training.failures import TrainingError, memory_message
from bestie.training.setup import merge_config

__all__ = ["launch", "launch_tool", "prepare_launch", "requested_device"]

# How CPU processes start: as forks of a process that has only imported the package, where there is
# such a thing. A process that has run a network cannot be forked: its threads are missing then.
START_METHOD = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
# What torchrun sets in the environment of the processes that it starts.
TORCHRUN = "TORCHELASTIC_RUN_ID"
# Mistakes of the user, and trainings that cannot continue: a message, not a traceback.
USER_ERRORS = (ValueError, OSError, TrainingError)


def launch(
    main: Callable,
    num_gpus_per_machine: int,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str = "auto",
    args: tuple = (),
    device: str = "cuda",
) -> None:
    """Run ``main(*args)`` in ``num_gpus_per_machine`` x ``num_machines`` processes.

    With one process in all, ``main`` runs in this one. So it does where torchrun has started this
    process: then the group is torchrun's. Each CPU process takes its share of PyTorch's threads.

    Args:
        main: a function of a module (or of the script that is run).
        num_gpus_per_machine: processes on this machine; each takes a GPU, unless ``device`` is
            "cpu".
        num_machines: machines; the same command is to be run on each.
        machine_rank: which machine this is, from 0.
        dist_url: where the processes meet, "tcp://HOST:PORT"; "auto" finds a free port, on one
            machine.
        args: arguments of ``main``.
        device: MODEL.DEVICE of the run.

    Raises:
        ValueError: no process at all, a machine that is not one of those, more processes than
            GPUs, "auto" with several machines, or a number of processes besides torchrun's.
    """
    if TORCHRUN in os.environ:
        if (num_gpus_per_machine, num_machines) != (1, 1):
            raise ValueError(
                "torchrun says how many processes there are; leave out --num-gpus and "
                "--num-machines, or start the command without torchrun"
            )
        _run_in_group_of_torchrun(main, args, device)
        return
    if num_gpus_per_machine < 1 or not 0 <= machine_rank < num_machines:
        raise ValueError(
            "at least one process and one machine are needed, and a machine rank below their "
            f"number; got {num_gpus_per_machine} processes on each of {num_machines} machines, "
            f"rank {machine_rank}"
        )
    world_size = num_gpus_per_machine * num_machines
    if num_machines > 1 and dist_url == "auto":
        raise ValueError(
            "several machines need a --dist-url tcp://HOST:PORT that all of them reach"
        )
    if device != "cpu":
        found = torch.cuda.device_count()
        if world_size > 1 and num_gpus_per_machine > found:
            raise ValueError(
                f"{num_gpus_per_machine} GPUs requested, PyTorch finds {found}; "
                "MODEL.DEVICE cpu starts as many processes on the CPU"
            )
        processes = (num_gpus_per_machine, num_machines, machine_rank, dist_url)
        if world_size == 1:
            launch_on_gpus(main, *processes, args=args)
        else:
            with _messages_of_processes() as mistakes:
                launch_on_gpus(_report_mistakes, *processes, args=(main, args, mistakes))
    elif world_size == 1:
        main(*args)
    else:
        _launch_on_cpu(main, num_gpus_per_machine, num_machines, machine_rank, dist_url, args)


def _launch_on_cpu(
    main: Callable,
    num_processes: int,
    num_machines: int,
    machine_rank: int,
    dist_url: str,
    args: tuple,
) -> None:
    """Run ``main(*args)`` in processes of this machine that meet at ``dist_url``."""
    if dist_url == "auto":
        dist_url = f"tcp://127.0.0.1:{_free_port()}"
    prepare_launch(main.__module__)
    group = (num_processes, num_machines, machine_rank, dist_url)
    with _messages_of_processes() as mistakes:
        mp.start_processes(
            _cpu_process,
            args=(main, *group, args, mistakes, mp.get_start_method()),
            nprocs=num_processes,
            start_method=START_METHOD,
        )


def _run_in_group_of_torchrun(main: Callable, args: tuple, device: str) -> None:
    """Run ``main(*args)`` as one of the processes that torchrun has started on its machines.

    Raises:
        ValueError: there is no GPU for this process.
    """
    size, local_size, local_rank, machine = (
        int(os.environ[name])
        for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK")
    )
    if device == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // local_size))
    elif local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"torchrun started {local_size} processes on this machine, PyTorch finds "
            f"{torch.cuda.device_count()} GPUs; MODEL.DEVICE cpu runs on the CPU"
        )
    else:
        torch.cuda.set_device(local_rank)
    if size == 1:
        main(*args)
        return
    # env:// reads the rest of what torchrun says.
    backend = "gloo" if device == "cpu" else "nccl"
    dist.init_process_group(backend, init_method="env://", timeout=DEFAULT_TIMEOUT)
    _create_local_groups(local_size, size // local_size, machine)
    comm.synchronize()
    main(*args)
    _leave_group()


def prepare_launch(module: str) -> None:
    """Import the package once for all CPU processes that :func:`launch` starts from this one.

    They are forks of a server process, which is started here and only imports; :func:`launch` does
    this itself, but it may begin earlier, while there is something else to wait for.

    Args:
        module: what the processes import.
    """
    if START_METHOD == "forkserver":
        mp.set_forkserver_preload([module])
        forkserver.ensure_running()


def launch_tool(main: Callable, parsed: Namespace) -> None:
    """Run a tool's ``main(parsed)`` in the requested processes.

    A mistake of the user ends the tool with one line instead of a traceback.

    Args:
        main: the tool.
        parsed: arguments of Detectron2's parser, and more.
    """
    try:
        launch(
            main,
            parsed.num_gpus,
            num_machines=parsed.num_machines,
            machine_rank=parsed.machine_rank,
            dist_url=parsed.dist_url,
            args=(parsed,),
            device=requested_device(parsed.config_file, parsed.opts),
        )
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def requested_device(config_file: str, overrides: Sequence[str]) -> str:
    """MODEL.DEVICE of a YAML file with KEY VALUE overrides, as the tool itself will read it."""
    return merge_config(config_file, list(overrides)).MODEL.DEVICE


def _cpu_process(
    local_rank: int,
    main: Callable,
    num_processes: int,
    num_machines: int,
    machine_rank: int,
    dist_url: str,
    args: tuple,
    mistakes: mp.SimpleQueue,
    start_method: str,
) -> None:
    _end_with_launcher()
    # Python starts a process's own children (workers of the loader) in the way it was started.
    mp.set_start_method(start_method, force=True)
    torch.set_num_threads(max(1, torch.get_num_threads() // num_processes))
    dist.init_process_group(
        backend="gloo",
        init_method=dist_url,
        world_size=num_processes * num_machines,
        rank=machine_rank * num_processes + local_rank,
        timeout=DEFAULT_TIMEOUT,
    )
    _create_local_groups(num_processes, num_machines, machine_rank)
    comm.synchronize()
    _report_mistakes(main, args, mistakes)
    _leave_group()


def _end_with_launcher() -> None:
    """Let this process end as soon as the one that launched it does, however that ends.

    Its parent is the server of :func:`prepare_launch`, which lives on: no signal of the system
    says that the launcher was killed.
    """
    launcher = multiprocessing.parent_process()
    if launcher is None:
        return

    def wait() -> None:
        launcher.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _report_mistakes(main: Callable, args: tuple, mistakes: mp.SimpleQueue) -> None:
    """Run ``main(*args)``; an error that has a message ends the process without a traceback."""
    try:
        main(*args)
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        mistakes.put(message)
        sys.exit(1)


def _message(error: Exception) -> str | None:
    """What a user has to know of an error; None for one that needs its traceback."""
    if isinstance(error, USER_ERRORS):
        return error_text(error)
    reason = memory_message(error)
    return reason and f"the memory ran out: {reason}"


@contextlib.contextmanager
def _messages_of_processes() -> Iterator[mp.SimpleQueue]:
    """A queue for the messages of processes; the first one is raised where a process fails."""
    mistakes = mp.get_context("spawn").SimpleQueue()
    try:
        yield mistakes
    except mp.ProcessExitedException:
        if mistakes.empty():
            raise
        raise ValueError(mistakes.get()) from None


def _create_local_groups(num_processes: int, num_machines: int, machine_rank: int) -> None:
    """Create the group of each machine's processes, which Detectron2 counts local ranks in.

    Its main branch has a function for that; in the release 0.6 it is a part of the launcher.
    """
    for machine in range(num_machines):
        first = machine * num_processes
        group = dist.new_group(list(range(first, first + num_processes)))
        if machine == machine_rank:
            comm._LOCAL_PROCESS_GROUP = group


def _leave_group() -> None:
    """End the process group and the threads that gloo keeps for it.

    Destroying a group only drops PyTorch's references; Detectron2 keeps others. A thread
    of gloo that still runs while the interpreter shuts down may abort the process after its work is
    done.
    """
    comm.synchronize()  # nobody is still talking to this process
    dist.destroy_process_group()
    comm._LOCAL_PROCESS_GROUP = None
    comm._get_global_gloo_group.cache_clear()
    gc.collect()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
