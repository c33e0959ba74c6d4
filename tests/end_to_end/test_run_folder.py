"""The folder that a run leaves: what was asked, done and made."""

import json
import re

import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, finished, start, trace_of
from PIL import Image

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder, stdout and stderr of a finished run."""
    where = tmp_path_factory.mktemp("run")
    code, out, err = finished(
        start("synthesize", "-s", ROCK, *SMALL, "-sw", "256", "--seed", "patches", "-op", "rock", cwd=where)
    )
    assert code == 0, err
    return where / out.strip(), out, err


def test_stdout_names_the_folder_and_nothing_else(run):
    _, out, _ = run
    assert re.fullmatch(r"outputs/rock-\d{8}-\d{6}\n", out)


def test_progress_off_a_terminal_is_plain_lines(run):
    *_, err = run
    assert "\r" not in err
    assert "step 4/4" in err


def test_the_folder_holds_every_picture_and_record_of_the_run(run):
    folder, *_ = run
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "result.png", "step-00000.png", "step-00002.png", "step-00004.png", "summary.json", "trace.jsonl",
    ]  # fmt: skip


def test_the_config_says_what_the_run_depends_on(run):
    config = json.loads((run[0] / "config.json").read_text())
    assert config["command_line"].startswith("subjective synthesize -s")
    assert config["settings"]["octaves"] == 2
    assert config["pictures"][0]["name"] == ROCK.name
    assert re.fullmatch("[0-9a-f]{64}", config["pictures"][0]["sha256"])
    assert config["weights"]["sha256"].startswith("786d8ba6")
    assert {"jax", "numpy", "scipy"} <= set(config["environment"]["libraries"])


def test_the_trace_has_a_line_for_each_step_whose_parts_add_up_to_its_loss(run):
    trace = trace_of(run[0])
    assert [line["step"] for line in trace] == [0, 1, 2, 3, 4]
    for line in trace:
        assert line["size"] == [48, 48]
        parts = [part["gram"] for octave in line["parts"]["texture"] for part in octave.values()]
        assert len(parts) == 4
        assert sum(parts) + line["parts"]["layout"] == pytest.approx(line["loss"], rel=1e-5)


def test_the_picture_carries_its_config(run):
    with Image.open(run[0] / "result.png") as picture:
        assert picture.size == (48, 48)
        assert json.loads(picture.text["subjective:config"])["settings"]["octaves"] == 2


def test_the_summary_says_how_the_run_ended(run):
    summary, trace = json.loads((run[0] / "summary.json").read_text()), trace_of(run[0])
    assert summary["status"] == "finished"
    assert summary["pictures"][0]["loss"] == trace[-1]["loss"] < trace[0]["loss"]
