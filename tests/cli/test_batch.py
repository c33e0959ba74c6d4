"""`subjective batch`: each picture by itself, whatever becomes of the others."""

from pathlib import Path

import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, refusal

from subjective import images
from subjective.cli.main import main

pytestmark = pytest.mark.usefixtures("pictures")


@pytest.fixture
def pictures(here):
    (here / "many").mkdir()
    rock = images.read_image(ROCK)
    images.write_image(here / "many" / "a.png", rock[:96, :96])
    images.write_image(here / "many" / "c.png", rock[-96:, -96:])


@pytest.mark.slow
def test_each_picture_is_made_by_itself_and_a_failure_stops_nothing(capsys):
    Path("many/b.png").write_bytes(b"no picture")
    assert main(["batch", "many", *SMALL, "--out", "made"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[1::2] == ["made/a.png", "made/c.png"]
    assert [Path(line).name.split("-")[1] for line in out.splitlines()[::2]] == ["a", "c"]
    assert "subjective: 'many/b.png': 'many/b.png' is not a picture" in err
    assert err.splitlines()[-1] == "subjective: 2 of 3 made; failed: b.png"
    assert images.read_image("made/a.png").shape == (48, 48, 3)


@pytest.mark.slow
def test_a_batch_that_is_repeated_makes_only_what_is_missing(capsys):
    Path("made").mkdir()
    Path("made/a.png").write_bytes(b"made before")
    assert main(["batch", "many/*.png", *SMALL, "--out", "made"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "made/a.png"
    assert len(out.splitlines()) == 3
    assert "'made/a.png' is there already and is not made again" in err
    assert Path("made/a.png").read_bytes() == b"made before"


def test_a_batch_in_which_all_fail_has_status_2(capsys):
    Path("x.png").write_bytes(b"")
    assert main(["batch", "x.png", *SMALL]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "subjective: 0 of 1 made; failed: x.png"


def test_what_a_batch_cannot_take_is_refused_before_anything_is_made(capsys):
    assert "PICTURE... is missing" in refusal(capsys, "batch")
    assert "--source is not for a batch" in refusal(capsys, "batch", "many", "-s", "a.png")
    assert "--out is 'many/a.png', which is a file" in refusal(capsys, "batch", "many", "-o", "many/a.png")
