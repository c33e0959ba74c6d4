"""`subjective train` in processes of its own: from photographs to a network; killed, resumed, stopped; two devices."""

import json
import os
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers.feedforward import write_photographs
from helpers.pictures import ROCK, ROOT
from helpers.processes import KEEPING, finished, refusal, start, wait_until, with_devices

from subjective import images
from subjective.cli.main import main
from subjective.feedforward import network_file

pytestmark = [pytest.mark.process, pytest.mark.slow]

# One statistic of one layer at one octave: quickly compiled.
QUICK = ["-sw", "48", "--size", "16", "--batch", "2", "--width", "2", "--depth", "1", "--octaves", "1", "-l", "conv1_1"]
TEXTURE = ["train", "--texture", "-s", ROCK, *QUICK, "--statistic", "gram"]
STYLE = ["train", "-s", ROCK, *QUICK, "--content-layer", "conv1_1"]
STEPS = 40


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A style that was trained from beginning to end: the folder that was worked in, stdout and stderr."""
    here = tmp_path_factory.mktemp("trained")
    command = [*STYLE, "--content", write_photographs(here), "--steps", STEPS]
    code, out, err = finished(start(*command, "-n", "20", "-o", "new/style.safetensors", cwd=here))
    assert code == 0, err
    return here, out, err


def whole_checkpoints(run):
    """Steps of those that have their names, which Orbax gives them in the end."""
    return sorted(int(folder.name) for folder in run.glob("checkpoints/*") if folder.name.isdigit())


def lines_of(run):
    trace = run / "trace.jsonl"
    return trace.read_text().splitlines() if trace.exists() else []


def test_a_training_leaves_its_network_its_trace_and_its_curves(trained):
    here, out, err = trained
    run = here / out.splitlines()[0]
    assert out == f"{run.relative_to(here)}\nnew/style.safetensors\n"
    assert (here / "new" / "style.safetensors").read_bytes() == (run / "network.safetensors").read_bytes()
    assert "left out 'bad.jpg'" in err
    assert "1 of 6 photographs could not be read and were left out" in err
    assert {file.name for file in run.iterdir()} == {
        "checkpoints", "config.json", "curves.png", "network.safetensors", "pictures-00020.png", "pictures-00040.png",
        "pictures.png", "summary.json", "trace.jsonl",
    }  # fmt: skip
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["unreadable"] == ["bad.jpg"]
    trace = [json.loads(line) for line in lines_of(run)]
    assert [line["step"] for line in trace] == list(range(1, STEPS + 1))
    assert set(trace[0]["parts"]) == {"octave 0", "content"}


def test_a_network_says_what_it_learned_from_and_nothing_of_the_machine(trained):
    here, _, _ = trained
    network = network_file.read(here / "new" / "style.safetensors")
    assert network.facts["steps"] == STEPS
    assert network.facts["sources"][0]["name"] == ROCK.name
    assert str(here) not in json.dumps(network.facts)


def test_a_trained_network_repaints_a_folder(trained, monkeypatch, capsys):
    here, _, _ = trained
    monkeypatch.chdir(here)
    assert main(["apply", "new/style.safetensors", "photographs", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"out/{number}.png" for number in range(5)]
    assert "1 of 6 pictures were left out" in err
    assert images.read_image(here / "out" / "1.png").shape == (40, 25, 3)


def test_a_training_that_is_killed_goes_on_bit_for_bit(trained, capsys):
    """Also where its last checkpoint is damaged: from the one before."""
    here, out, _ = trained
    whole = here / out.splitlines()[0]
    command = [*STYLE, "--content", here / "photographs", "--steps", STEPS, "--checkpoint-every", "0.01"]
    process = start(*command, "-op", "killed", cwd=here)
    killed = here / process.stdout.readline().strip()

    def two_are_kept():
        found = whole_checkpoints(killed)
        # A further step's line proves that the writing of the second one has ended.
        return len(found) > 1 and len(lines_of(killed)) > found[1]

    wait_until(two_are_kept, process)
    process.kill()
    process.communicate()
    assert not (killed / "summary.json").exists()
    *_, before, newest = whole_checkpoints(killed)
    assert before < newest < STEPS
    shutil.rmtree(killed / "checkpoints" / str(newest) / "params")
    code, out, err = finished(start("resume", killed, cwd=here))
    assert code == 0, err
    assert f"checkpoint {newest} is damaged" in err
    ours, theirs = (network_file.read(folder / "network.safetensors").params for folder in (killed, whole))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    for one, other in zip(*(map(json.loads, lines_of(folder)) for folder in (killed, whole)), strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}

    assert "is finished" in refusal(capsys, "resume", killed)


def test_ctrl_c_keeps_where_a_texture_stands(tmp_path):
    process = start(*TEXTURE, "--steps", "100000", "-n", "0", cwd=tmp_path)
    folder = tmp_path / process.stdout.readline().strip()
    wait_until(lambda: lines_of(folder), process)
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == 130, err
    assert f"to resume: subjective resume {folder}" in err
    assert len(list(folder.glob("checkpoints/[0-9]*"))) == 1
    assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
    assert network_file.read(folder / "network.safetensors").facts["steps"] >= 1


def test_two_devices_learn_what_one_learns(tmp_path):
    words = [str(word) for word in (*TEXTURE, "--steps", "3")]
    program = """
import json
import sys
from subjective.cli.main import main
for devices in ("1", "2"):
    assert main([*json.loads(sys.argv[1]), "--devices", devices, "-o", f"{devices}.safetensors"]) == 0
"""
    environment = os.environ | KEEPING | with_devices(2) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    networks = [network_file.read(tmp_path / f"{devices}.safetensors").params for devices in (1, 2)]
    # Adam divides by the gradient's own size: where that is next to nothing, its last digits count.
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=2e-4), *networks)
