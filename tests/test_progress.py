"""Progress as a person sees it: on a terminal (a real one, without a size) and off it."""

import os
import pty

import jax.numpy as jnp

from subjective.optimize import Step
from subjective.progress import Progress


def step(number, loss=1.5):
    return Step(number, jnp.zeros(1), loss, (), 1.0, number + 1, float(number))


def run(stream, pictures=1):
    progress = Progress(3, pictures, stream)
    for picture in range(pictures):
        for number in range(4):
            progress.update(picture, step(number))
    progress.close()


def test_a_terminal_gets_a_bar_with_loss_rate_and_time_left():
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        run(terminal, pictures=2)
    shown = os.read(leader, 100_000).decode()
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
