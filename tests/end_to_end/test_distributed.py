"""Runs that several processes of the program share, over the loopback interface of this machine."""

import contextlib
import json
import os
import signal
import socket

import pytest
from helpers.pictures import GRAVEL
from helpers.processes import SMALL, finished, made, start, trace_of, wait_until

pytestmark = [pytest.mark.process, pytest.mark.slow]

LONG = 40
PATIENCE = 900  # seconds, far more than all takes: machines may be busy, and three processes start at once
FLAGS = ["synthesize", "-s", GRAVEL, *SMALL, "-ow", "96", "--noise", "0.1", "--enough", "0", "--tol", "0"]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def started(count, *words, cwd):
    """So many processes that share a command. None of them lives longer than the block."""
    flags = ["--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", count, "--process-id"]
    with ended([start(*words, *flags, number, cwd=cwd) for number in range(count)]) as processes:
        yield processes


@contextlib.contextmanager
def ended(processes):
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def checkpoints_in(folder):
    return {path.name for path in folder.glob("checkpoint-*")}


def signalled(count, victim, number, *words, cwd):
    """Start processes, and send one a signal after a new checkpoint. Return the run folder and what all ended with."""
    with started(count, *words, cwd=cwd) as processes:
        folder = cwd / processes[0].stdout.readline().strip()
        before = checkpoints_in(folder)
        wait_until(lambda: checkpoints_in(folder) - before, processes[0], PATIENCE)
        processes[victim].send_signal(number)
        return folder, [finished(process, PATIENCE) for process in processes]


def losses_of(folder):
    return {line["step"]: line["loss"] for line in trace_of(folder)}


@pytest.fixture(scope="module")
def lost(where):
    """A run of three processes, of which one is killed."""
    return signalled(3, 1, signal.SIGKILL, *FLAGS, "-m", LONG, "--checkpoint-every", "0.01", cwd=where)


@pytest.fixture
def in_slurm(monkeypatch):
    """A function that starts a process as Slurm does, with its number and that of all."""
    monkeypatch.setenv("JAX_COORDINATOR_PORT", str(free_port()))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_STEP_NODELIST", "localhost")
    monkeypatch.setenv("SLURM_NTASKS", "2")

    def start_task(number, *words, **options):
        monkeypatch.setenv("SLURM_PROCID", str(number))
        monkeypatch.setenv("SLURM_LOCALID", str(number))
        return start(*words, "--distributed", **options)

    return start_task


def test_two_processes_of_a_launcher_make_the_picture_that_one_makes(in_slurm, tmp_path, capsys):
    with ended([in_slurm(number, *FLAGS, cwd=tmp_path) for number in range(2)]) as processes:
        [code, out, err], other = [finished(process, PATIENCE) for process in processes]
    assert code == 0, err
    assert out.count("\n") == 1, "the run folder, and nothing that libraries write"
    assert "2 processes with 2 devices" in err
    assert "cannot divide" not in err
    assert other == (0, "", ""), "process 0 alone writes"
    folder = tmp_path / out.strip()
    assert (folder / "result.png").exists()
    assert json.loads((folder / "summary.json").read_text())["status"] == "finished"
    settings = json.loads((folder / "config.json").read_text())["settings"]
    assert not {"distributed", "coordinator", "processes", "process_id"} & settings.keys()
    alone = made(capsys, *FLAGS, "--optimizer", settings["optimizer"], "--output-dir", tmp_path / "alone")
    assert losses_of(folder) == pytest.approx(losses_of(alone), rel=1e-4)


def test_the_death_of_one_process_ends_all_and_the_run_can_be_resumed(lost):
    folder, [first, second, third] = lost
    assert first[0] == 1
    assert f"process 1 of 3 is gone; the last picture is {folder.relative_to(folder.parents[1])}" in first[2]
    assert "to resume: subjective resume" in first[2]
    assert second[0] == -signal.SIGKILL
    assert third == (1, "", "subjective: process 1 of 3 is gone; process 2 of 3 ends\n")


def test_ctrl_c_of_any_process_stops_all_and_other_numbers_of_processes_go_on(lost, where, capsys):
    folder, _ = lost
    reached = max(losses_of(folder))
    _, [first, second] = signalled(2, 1, signal.SIGINT, "resume", folder, cwd=where)
    assert first[0] == second[0] == 130
    assert "interrupted; the last picture is" in first[2]
    assert "gone" not in first[2]
    assert second[1:] == ("", "")
    assert reached < max(losses_of(folder)) < LONG

    _, [first, second] = signalled(2, 0, signal.SIGKILL, "resume", folder, cwd=where)
    assert first[0] == -signal.SIGKILL
    assert second == (1, "", "subjective: process 0 is gone; process 1 of 2 ends\n")

    assert made(capsys, "resume", folder) == folder
    losses = losses_of(folder)
    assert list(losses) == list(range(LONG + 1)), "each step once, whoever made it"
    assert losses[LONG] < losses[0] / 100


def test_without_a_launcher_the_command_says_what_it_needs(tmp_path):
    for name in [name for name in os.environ if name.startswith(("SLURM_", "OMPI_", "KUBERNETES_", "JAX_COORD"))]:
        pytest.skip(f"{name} says that there is one")
    code, out, err = finished(start(*FLAGS, "--distributed", cwd=tmp_path), PATIENCE)
    assert (code, out) == (2, "")
    assert err == (
        "subjective: --distributed finds no launcher (Slurm, Open MPI, Kubernetes); start the processes with one, or "
        "give each --coordinator --processes --process-id\n"
    )
