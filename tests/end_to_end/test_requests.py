"""A run that is asked for something while it goes on makes the same picture, and leaves nothing else behind."""

import json
import re
import time

import pytest
from helpers.pictures import GRAVEL, ROCK
from helpers.processes import SMALL, finished, start, trace_of, wait_until

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
                control.ask(folder, "score")
                asked.add(folder)
        time.sleep(0.02)
    code, out, err = finished(process)
    assert code == 0, err
    (folder,) = asked
    assert re.search(r"^subjective: step \d+: ", err, re.MULTILINE)
    assert list(folder.glob("step-*.png"))
    assert not list(folder.glob("checkpoint-*"))  # a finished run needs none
    code, out, err = finished(start("synthesize", "-s", ROCK, *LONG, "-op", "alone", cwd=tmp_path))
    assert code == 0, err
    alone = tmp_path / out.strip()
    assert (folder / "result.png").read_bytes() == (alone / "result.png").read_bytes()
    assert {path.name for path in folder.iterdir()} - {path.name for path in alone.iterdir()} == {
        path.name for path in folder.glob("step-*.png")
    }


def test_weights_that_are_changed_by_hand_are_recorded_and_made_again(tmp_path):
    words = [*LONG, "-m", "200"]
    process = start("synthesize", "-s", ROCK, GRAVEL, *words, "-op", "asked", cwd=tmp_path)
    folder = tmp_path / process.stdout.readline().strip()
    wait_until(lambda: (folder / control.LIVE_FILE).exists(), process)
    offered = json.loads((folder / control.LIVE_FILE).read_text())["weights"]
    assert offered["source_weights"] == [[ROCK.name, 1.0], [GRAVEL.name, 1.0]]
    control.ask(folder, weights={"source_weights": [1, 2, 3]})  # there are two
    wait_until(lambda: not (folder / control.CONTROL_FILE).exists(), process)
    control.ask(folder, weights={"source_weights": [0.2, 0.8], "statistic": [3]})
    code, _, err = finished(process)
    assert code == 0, err
    assert "are not taken" in err
    config = json.loads((folder / "config.json").read_text())
    step = next(line["step"] for line in trace_of(folder) if "reweigh" in line)
    texts = [f"{step}:source_weights={0.2:.17g},{0.8:.17g}", f"{step}:statistic=3"]
    assert config["changed_by_hand"] == config["settings"]["reweigh"] == texts
    code, out, err = finished(start("synthesize", "--config", folder / "config.json", cwd=tmp_path))
    assert code == 0, err
    again = tmp_path / out.strip()
    assert "changed_by_hand" not in json.loads((again / "config.json").read_text())
    assert [line["loss"] for line in trace_of(folder)] == [line["loss"] for line in trace_of(again)]
