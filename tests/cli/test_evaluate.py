"""`subjective evaluate`: pictures of any tool against their source."""

import json

import numpy as np
import pytest
from helpers.pictures import ROCK
from helpers.processes import refusal

from subjective import images
from subjective.cli.main import main


@pytest.fixture
def pictures(here):
    """A crop of the source, the same darker, and one that is too small to be measured."""
    rock = images.read_image(ROCK)
    images.write_image(here / "crop.png", rock[:128, :128])
    images.write_image(here / "dark.jpg", 0.5 * rock[:128, :128])
    images.write_image(here / "tiny.png", rock[:16, :16])


@pytest.mark.slow
def test_a_map_shows_where_a_picture_is_unlike_its_source(here, capsys):
    rock = images.read_image(ROCK)
    broken = rock[:256, :256].copy()
    broken[:, 128:] = np.random.default_rng(0).uniform(size=(256, 128, 3))
    images.write_image(here / "good.png", rock[100:356, 100:356])
    images.write_image(here / "broken.png", broken)
    flags = ["-s", str(ROCK), "--map", "map.png"]
    assert main(["evaluate", "good.png", "broken.png", *flags]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["map-1.png", "map-2.png"]
    red = [picture[..., 0] - picture[..., 1] for picture in map(images.read_image, ("map-1.png", "map-2.png"))]
    assert red[0].mean() < 0.05
    assert red[1][:, 160:].mean() > 0.3 > 0.1 > red[1][:, :96].mean()
    assert main(["evaluate", "good.png", "broken.png", *flags]) == 2
    assert "'map-1.png' is there already" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_pictures_of_any_tool_are_measured(here, capsys):
    assert main(["evaluate", "crop.png", "dark.jpg", "-s", str(ROCK), "--json", "scores.json"]) == 0
    out, err = capsys.readouterr()
    sentences, table, _ = out.split("\n\n")
    assert "1  crop.png: " in sentences
    assert "2  dark.jpg: " in sentences
    assert table.splitlines()[-1].startswith("copied from the source")
    assert "seam" not in out
    assert "measuring 2/2" in err
    found = json.loads((here / "scores.json").read_text())
    assert found["version"] == 2
    crop, dark = (found["pictures"][name]["measures"]["color"]["score"] for name in ("crop.png", "dark.jpg"))
    assert crop < 3 < dark


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_a_seam_of_a_picture_that_is_meant_to_tile_is_named(capsys):
    assert main(["evaluate", "crop.png", "-s", str(ROCK), "--tiles"]) == 0
    out = capsys.readouterr().out
    assert "seam between top and bottom" in out
    assert "tiles from" not in out


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_a_source_that_counts_for_nothing_may_be_of_any_size(here, capsys):
    assert main(["evaluate", "crop.png", "-s", str(ROCK), "--json", "alone.json"]) == 0
    both = ["-s", str(ROCK), "tiny.png", "--source-weights", "1", "0"]
    assert main(["evaluate", "crop.png", *both, "--json", "both.json"]) == 0
    assert json.loads((here / "both.json").read_text()) == json.loads((here / "alone.json").read_text())


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["crop.png", "-s", "nothing.png"], "no such source"),
        (["none.png", "-s", ROCK], "no such picture: 'none.png'"),
        (["tiny.png", "-s", ROCK], "'tiny.png' of 16x16"),
        (["crop.png", "-s", ROCK, "--json", "scores.txt"], "--out is 'scores.txt'; wanted a name that ends in .json"),
        (["crop.png", "-s", ROCK, "--out", "."], "--out is '.', which is a folder"),
        (["crop.png", "-s", ROCK, "--matched", "conv3-3"], "no layer 'conv3-3'"),
        (
            ["crop.png", "-s", ROCK, "--source-weights", "0"],
            "--source-weights must be non-negative and not all zero; got 0",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(here, capsys, words, message):
    assert message in refusal(capsys, "evaluate", *words)
    assert not list(here.glob("*.json"))


@pytest.mark.slow
@pytest.mark.usefixtures("bound_by_modes")
def test_scores_that_cannot_be_written_are_still_printed(here, capsys):
    images.write_image(here / "crop.png", images.read_image(ROCK)[:64, :64])
    (here / "closed").mkdir(mode=0o500)
    assert main(["evaluate", "crop.png", "-s", str(ROCK), "--json", "closed/scores.json"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("crop.png: ")
    assert err.splitlines()[-1] == "subjective: cannot write 'closed/scores.json': Permission denied"
