import multiprocessing
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from detectron2.utils import comm

from bestie.cli import export
from bestie.training.launch import (
    _create_local_groups,
    _free_port,
    launch,
    launch_tool,
    requested_device,
)
from tests.training.test_trainer import data, settings  # noqa: F401  (a fixture, and settings)

IMPORTED_IN = os.getpid()


def report(folder: str) -> None:
    """Write what this process knows of its group."""
    ranks = comm.all_gather(comm.get_rank())
    text = f"{comm.get_world_size()} {comm.get_local_rank()} {multiprocessing.get_start_method()} "
    text += f"{ranks} {torch.get_num_threads()}"
    with open(os.path.join(folder, str(comm.get_rank())), "w") as file:
        file.write(text)


def report_threads_at_exit(folder: str) -> None:
    """Write the threads of gloo that are left when this process has nothing more to do."""
    comm.all_gather(comm.get_rank())

    def write() -> None:
        names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
        Path(folder, str(os.getpid())).write_text(" ".join(n for n in names if "gloo" in n))

    Finalize(None, write, exitpriority=0)


def fail(rank: int) -> None:
    if comm.get_rank() == rank:
        raise RuntimeError("this process fails")
    comm.synchronize()


def test_one_process_runs_in_place(tmp_path):
    seen = []
    launch(seen.append, 1, args=("here",), device="cpu")
    assert seen == ["here"]


def test_processes_on_the_cpu_form_a_group(tmp_path):
    launch(report, 2, args=(str(tmp_path),), device="cpu")
    first, second = ((tmp_path / rank).read_text().split(maxsplit=2) for rank in "01")
    assert first[:2] == ["2", "0"] and second[:2] == ["2", "1"]
    # Workers of a loader start as they do in one process.
    own = multiprocessing.get_start_method()
    assert first[2] == second[2] and first[2].startswith(f"{own} [0, 1]")


def test_processes_on_the_cpu_import_once(tmp_path):
    """They are forks of a process that has imported the module already."""
    assert start_launcher("report_imports", tmp_path).wait(timeout=300) == 0
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["True", "True"]


def test_processes_on_the_cpu_end_with_their_launcher(tmp_path):
    """Also if it is killed: they must not write on beside the run that follows."""
    launcher = start_launcher("wait", tmp_path)
    wait_until(lambda: all((tmp_path / rank).is_file() for rank in "01"))
    processes = [int((tmp_path / rank).read_text()) for rank in "01"]
    launcher.kill()
    launcher.wait()
    wait_until(lambda: not any(is_running(process) for process in processes))


def start_launcher(name: str, folder: Path) -> subprocess.Popen:
    """A new Python that launches a function of this file in two processes.

    In this one another test may have started the server that processes are forks of, with another
    module.
    """
    code = (
        "from bestie.training.launch import launch; from tests.training import test_launch as t; "
        f"launch(t.{name}, 2, args=({str(folder)!r},), device='cpu')"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])


def wait(folder: str) -> None:
    """Say that this process runs, and do nothing more."""
    path = Path(folder, str(comm.get_rank()))
    path.with_suffix(".new").write_text(str(os.getpid()))
    path.with_suffix(".new").rename(path)
    time.sleep(600)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def report_imports(folder: str) -> None:
    """Write whether the module of this function was imported before this process began."""
    imported_here = IMPORTED_IN == os.getpid()
    Path(folder, str(comm.get_rank())).write_text(str(not imported_here))


@pytest.mark.parametrize("machine", [0, 1])
def test_processes_of_a_machine_form_its_local_group(monkeypatch, machine):
    made = []
    monkeypatch.setattr(dist, "new_group", lambda ranks: made.append(ranks) or tuple(ranks))
    monkeypatch.setattr(comm, "_LOCAL_PROCESS_GROUP", None)
    _create_local_groups(num_processes=2, num_machines=2, machine_rank=machine)
    assert made == [[0, 1], [2, 3]]  # every process takes part in making each group
    assert comm._LOCAL_PROCESS_GROUP == ((0, 1), (2, 3))[machine]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed on Linux")
def test_no_thread_of_the_group_outlives_it(tmp_path):
    # One that does may abort the process while the interpreter is torn down.
    launch(report_threads_at_exit, 2, args=(str(tmp_path),), device="cpu")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["", ""]


def run_out_of_memory(parsed) -> None:
    if comm.get_rank() == 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
    comm.synchronize()


def test_memory_that_runs_out_is_a_message_also_in_one_of_several_processes(capfd):
    parsed = Namespace(num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    parsed.config_file, parsed.opts = "", ["MODEL.DEVICE", "cpu"]
    with pytest.raises(SystemExit, match="the memory ran out: CUDA out of memory"):
        launch_tool(run_out_of_memory, parsed)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_process_that_fails_ends_the_run():
    with pytest.raises(Exception, match="this process fails"):
        launch(fail, 2, args=(1,), device="cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_gpus_per_machine": 0}, "at least one process"),
        ({"num_gpus_per_machine": 1, "num_machines": 2, "machine_rank": 2}, "rank 2"),
        ({"num_gpus_per_machine": 1, "num_machines": 2}, "several machines need a --dist-url"),
        ({"num_gpus_per_machine": 1000, "device": "cuda"}, "1000 GPUs requested, PyTorch finds"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        launch(print, **{"device": "cpu"} | arguments)


def test_device_is_read_from_overrides_then_file_then_default(tmp_path):
    base, child = tmp_path / "base.yaml", tmp_path / "child.yaml"
    base.write_text("MODEL:\n  DEVICE: cpu\n")
    child.write_text("_BASE_: base.yaml\n")
    assert requested_device(str(child), []) == "cpu"
    assert requested_device(str(child), ["SEED", "1", "MODEL.DEVICE", "cuda"]) == "cuda"
    assert requested_device("", []) == "cuda"


def test_a_number_of_processes_besides_that_of_torchrun_is_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(ValueError, match="leave out --num-gpus and --num-machines"):
        launch(print, 2, device="cpu")


def test_a_single_process_of_torchrun_runs_in_place(monkeypatch):
    sizes = {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0", "GROUP_RANK": "0"}
    for name, value in {"TORCHELASTIC_RUN_ID": "1", **sizes}.items():
        monkeypatch.setenv(name, value)
    seen = []
    launch(seen.append, 1, args=("here",), device="cpu")
    monkeypatch.setenv("LOCAL_RANK", "1000")
    with pytest.raises(ValueError, match="torchrun started 1 processes on this machine"):
        launch(seen.append, 1, device="cuda")
    assert seen == ["here"]


@pytest.mark.slow
def test_processes_of_torchrun_form_a_group(tmp_path):
    """torchrun starts this file; see its end."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += ["2", "-m", "tests.training.test_launch", str(tmp_path)]
    subprocess.run(command, check=True, timeout=600)
    texts = [(tmp_path / rank).read_text().split(maxsplit=3) for rank in "01"]
    assert [text[:2] for text in texts] == [["2", "0"], ["2", "1"]]
    assert all(text[3].startswith("[0, 1]") for text in texts)


def on_two_machines(*command):
    """Run a command as two machines would, which meet on the loopback; their outputs."""
    address = ["--num-machines", "2", "--dist-url", f"tcp://127.0.0.1:{_free_port()}"]
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "bestie", *command[:1], *address, "--machine-rank", rank]
            + [*command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    outputs = [machine.communicate(timeout=1200)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], outputs
    return outputs


@pytest.mark.slow
def test_two_machines_train_resume_and_export(data, tmp_path):  # noqa: F811
    """What they export is what one process exports from their checkpoint."""
    config, output = ["--config-file", "configs/quick/shapes_tags.yaml"], tmp_path / "out"
    short = ["SOLVER.CHECKPOINT_PERIOD", "1", "VIS_PICTURE_PERIOD", "0"]
    short += ["MODEL.BESTIE.REFINE.START_ITER", "1", "DATALOADER.NUM_WORKERS", "0"]
    on_two_machines("train", *config, *settings(data, output, *short, "SOLVER.MAX_ITER", "2"))
    given = settings(data, output, *short, "SOLVER.MAX_ITER", "3")
    first, _ = on_two_machines("train", "--resume", *config, *given)
    assert "Starting training from iteration 2" in first
    assert (output / "model_0000002.pth").is_file()
    weights = ["MODEL.WEIGHTS", str(output / "model_final.pth")]
    files = [tmp_path / "two.json", tmp_path / "one.json"]
    given = [*config, "--output", str(files[0]), *settings(data, output, *short), *weights]
    on_two_machines("export", *given)
    export.main([*config, "--output", str(files[1]), *settings(data, output, *short), *weights])
    assert files[0].read_bytes() == files[1].read_bytes()


if __name__ == "__main__":
    launch(report, 1, args=(sys.argv[1],), device="cpu")
