"""A run that is asked for something while it goes on makes the same picture, and leaves nothing else behind."""

import time

import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, finished, start

from subjective.runs import control

pytestmark = [pytest.mark.process, pytest.mark.slow]

LONG = [*SMALL, "-m", "60", "-n", "0", "--tol", "0", "--checkpoint-every", "0"]


def test_requests_do_not_change_what_a_run_makes(tmp_path):
    process = start("synthesize", "-s", ROCK, *LONG, "-op", "asked", cwd=tmp_path)
    asked = set()
    while process.poll() is None:
        for folder in tmp_path.glob("outputs/asked-*"):
            goes_on = (folder / control.LIVE_FILE).exists() and len(list(folder.glob("step-*.png"))) < 3
            if goes_on and not (folder / control.CONTROL_FILE).exists():
                control.ask(folder, "save")
                control.ask(folder, "checkpoint")
                asked.add(folder)
        time.sleep(0.02)
    code, out, err = finished(process)
    assert code == 0, err
    (folder,) = asked
    assert list(folder.glob("step-*.png"))
    assert not list(folder.glob("checkpoint-*"))  # a finished run needs none
    code, out, err = finished(start("synthesize", "-s", ROCK, *LONG, "-op", "alone", cwd=tmp_path))
    assert code == 0, err
    alone = tmp_path / out.strip()
    assert (folder / "result.png").read_bytes() == (alone / "result.png").read_bytes()
    assert {path.name for path in folder.iterdir()} - {path.name for path in alone.iterdir()} == {
        path.name for path in folder.glob("step-*.png")
    }
