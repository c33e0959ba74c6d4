"""Ctrl-C, SIGTERM and a full disk: the last picture is kept, and a line says so."""

import json
import resource
import signal

import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, finished, start, trace_of, wait_until
from PIL import Image

from subjective import images
from subjective.runs import checkpoints

pytestmark = pytest.mark.process
ENDLESS = ["synthesize", "-s", ROCK, *SMALL, "-m", "100000", "--tol", "0", "--enough", "0", "-n", "0"]


@pytest.fixture
def started(tmp_path):
    """Two endless runs that started at the same moment, with their folders."""
    processes = [start(*ENDLESS, cwd=tmp_path) for _ in range(2)]
    yield [(process, tmp_path / process.stdout.readline().strip()) for process in processes]
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_runs_that_start_at_once_get_folders_of_their_own_and_signals_leave_pictures_and_lines(started, tmp_path):
    (_, one), (_, other) = started
    assert one != other
    for (process, folder), (number, status) in zip(started, ((signal.SIGINT, 130), (signal.SIGTERM, 143)), strict=True):
        wait_until(lambda folder=folder: len(trace_of(folder)) >= 4, process)
        process.send_signal(number)
        code, _, err = finished(process)
        assert code == status, err
        name = folder.relative_to(tmp_path)
        assert f"interrupted; the last picture is {name}/result.png" in err
        assert f"to resume: subjective resume {name}" in err
        assert "Traceback" not in err
        last = trace_of(folder)[-1]
        with Image.open(folder / "result.png") as picture:
            assert json.loads(picture.text["subjective:step"])["step"] == last["step"]
        assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
        # Steps are short here: it stopped at the end of one, and goes on from there.
        [checkpoint] = folder.glob("checkpoint-*")
        assert checkpoints.read(checkpoint)[0].point.step == last["step"]


def test_a_file_that_cannot_grow_leaves_the_last_picture_and_a_line(tmp_path):
    """A limit on file sizes stands for the full disk: the write fails in the same place, for any user."""
    # The reserve of a 48 x 48 picture stays under the limit; the trace passes it after some hundred steps.
    process = start(*ENDLESS, cwd=tmp_path)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (90_000, 90_000))
    code, out, err = finished(process)
    assert code == 2, err
    line = err.strip().splitlines()[-1]
    assert "no room left to write" in line
    assert "result.png" in line
    assert "Traceback" not in err
    assert images.read_image(tmp_path / out.strip() / "result.png").shape == (48, 48, 3)
    assert not list((tmp_path / out.strip()).glob(".*")), "no temporary file is left"
