"""A run that was killed is resumed as if it had never stopped."""

import numpy as np
import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, finished, refusal, start, trace_of, wait_until
from PIL import Image

from subjective import images
from subjective.runs import checkpoints

pytestmark = pytest.mark.process
FLAGS = ["synthesize", "-s", ROCK, *SMALL, "-sw", "256", "--seed", "patches", "-m", "60", "--tol", "0", "-n", "0"]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(where):
    """A run that was never stopped."""
    code, out, err = finished(start(*FLAGS, "-op", "whole", cwd=where))
    assert code == 0, err
    return where / out.strip()


@pytest.fixture(scope="module")
def killed(where, whole):
    """The same run, killed with two checkpoints, of which the newest is damaged; and its two checkpoints."""
    process = start(*FLAGS, "-op", "killed", "--checkpoint-every", "0.01", cwd=where)
    folder = where / process.stdout.readline().strip()
    wait_until(lambda: len(list(folder.glob("checkpoint-*"))) >= 2, process)
    process.kill()
    process.communicate()
    *older, before, newest = sorted(folder.glob("checkpoint-*"))
    assert len(older) <= 1, "two are kept, and one more while it is written"
    assert checkpoints.read(before)[0].point.step < 50, "much is left to do"
    newest.write_bytes(newest.read_bytes()[:-9])  # as a disk may leave it
    return folder, newest


@pytest.fixture(scope="module")
def resumed(where, killed):
    """The killed run, resumed; and what was said."""
    folder, _ = killed
    code, out, err = finished(start("resume", folder, cwd=where))
    assert code == 0, err
    assert out.strip() == str(folder)
    return folder, err


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(killed, resumed):
    _, newest = killed
    _, err = resumed
    damage = f"{newest.name} is damaged, or of another version (it ends too early)"
    assert f"{damage}; the run goes on from the checkpoint before" in err


def test_a_resumed_run_makes_the_same_picture_and_trace(whole, resumed):
    folder, _ = resumed
    np.testing.assert_array_equal(images.read_image(folder / "result.png"), images.read_image(whole / "result.png"))
    with Image.open(folder / "result.png") as one, Image.open(whole / "result.png") as other:
        assert one.text.keys() == other.text.keys()
    for one, other in zip(trace_of(folder), trace_of(whole), strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


def test_a_finished_run_keeps_no_checkpoint_and_is_not_resumed(whole, resumed, capsys):
    for folder in (whole, resumed[0]):
        assert not list(folder.glob("checkpoint*"))
        assert "is finished; there is nothing to resume" in refusal(capsys, "resume", folder)
