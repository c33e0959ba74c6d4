"""Progress as a person sees it: on a terminal (a real one, without a size) and off it."""

import contextlib
import os
import pty

import jax.numpy as jnp

from subjective.optimize.minimizer import Step
from subjective.runs.progress import PictureProgress


def step(number, loss=1.5):
    return Step(number, jnp.zeros(1), loss, (), 1.0, number + 1, float(number))


def read_to_the_end(leader):
    """All that came over a terminal whose other side is closed: a single read gives what has arrived so far."""
    read = b""
    with contextlib.suppress(OSError):  # Linux tells the end of a terminal as an error
        while part := os.read(leader, 100_000):
            read += part
    return read.decode()


def run(stream, pictures=1):
    progress = PictureProgress(lambda size: 3, pictures, stream)
    for picture in range(pictures):
        for number in range(4):
            progress.update(picture, step(number))
    progress.close()


def test_a_terminal_gets_a_bar_with_loss_rate_and_time_left():
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        run(terminal, pictures=2)
    shown = read_to_the_end(leader)
    os.close(leader)
    assert "3/3" in shown
    assert "loss 1.5" in shown
    assert "picture 2/2" in shown
    assert "step/s" in shown or "s/step" in shown
    assert "\r" in shown


def test_off_a_terminal_there_are_plain_lines(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        run(stream)
    shown = (tmp_path / "log").read_text()
    lines = shown.splitlines()
    assert lines[0] == "step 0/3  loss 1.5"
    assert lines[-1].startswith("step 3/3  loss 1.5  ")
    assert "steps/s" in lines[-1]
    assert "left" in lines[-1]
    assert "\r" not in shown


def test_the_first_stage_counts_all_its_starts(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        progress = PictureProgress(lambda size: 2, 1, stream, starts=2)
        for number, side in enumerate((4, 4, 4, 4, 4, 8, 8)):
            progress.update(0, Step(number, jnp.zeros((side, side, 3)), 1.5, (), 1.0, number + 1, float(number)))
    lines = [line.partition("  ")[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert lines == ["4x4 step 0/4", "4x4 step 1/4", "4x4 step 4/4", "8x8 step 1/2", "8x8 step 2/2"]


def test_each_stage_has_its_own_count(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        progress = PictureProgress(lambda size: 3 if size == (8, 8) else 2, 1, stream)
        for number, side in enumerate((4, 4, 4, 8, 8, 8)):
            progress.update(0, Step(number, jnp.zeros((side, side, 3)), 1.5, (), 1.0, number + 1, float(number)))
    lines = [line.partition("  ")[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert lines == ["4x4 step 0/2", "4x4 step 1/2", "4x4 step 2/2", "8x8 step 1/3", "8x8 step 3/3"]
