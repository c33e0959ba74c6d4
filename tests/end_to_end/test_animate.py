"""`subjective animate`: the files that a loop leaves, and the flags that it refuses."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from helpers.pictures import SOURCES, photograph
from helpers.processes import made, refusal

from subjective.cli.main import main
from subjective.cli.report import Judge
from subjective.images import read_image
from subjective.network.normalization import load_params

FLAGS = ["-ow", "32", "-o", "2", "-l", "conv1_1", "pool1", "--statistic", "gram", "-m", "3", "-c", "4"]
ROCK, GRAVEL = (str(SOURCES / f"{name}.jpg") for name in ("rock", "gravel"))


def color_score(frame, sources, weights=None):
    return Judge(sources, load_params(), (), weights).score(frame)["color"].score


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """The folder of a loop between two keyframes."""
    parent = tmp_path_factory.mktemp("loop")
    words = ["animate", "--keyframes", ROCK, GRAVEL, "-sw", "128", "--fps", "8", *FLAGS]
    assert main([*words, "--output-dir", str(parent)]) == 0
    [folder] = parent.iterdir()
    return folder


def picture_of(folder):
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    return picture


@pytest.mark.slow
def test_a_run_leaves_frames_loops_and_how_they_move(loop):
    assert sorted(path.suffix for path in loop.glob("loop.*")) == [".gif", ".mp4", ".webp"]
    assert iio.imread(loop / "result-003.png").shape == (32, 32, 3)
    assert iio.imread(loop / "motion.png").size > 0
    picture = picture_of(loop)
    assert len(picture["files"]) == len(picture["scores"]["frames"]) == 4
    assert picture["scores"]["loops"] == ["loop.gif", "loop.webp", "loop.mp4"]
    assert len(picture["scores"]["motion"]["pixels"]["values"]) == 4
    assert picture["scores"]["motion"]["pixels"]["measures"].keys() == {"end", "flicker"}
    assert picture["scores"]["version"] == 2


@pytest.mark.slow
def test_a_keyframe_is_measured_against_its_own_source(loop):
    at_rock, sources = read_image(loop / "result-000.png"), [photograph("rock"), photograph("gravel")]
    alone, both = color_score(at_rock, sources[:1]), color_score(at_rock, sources)
    found = picture_of(loop)["scores"]["frames"][0]["measures"]["color"]["score"]
    assert abs(found - alone) < abs(both - alone) / 4


@pytest.mark.slow
def test_a_recorded_config_makes_the_same_frames(loop, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    again = made(capsys, "animate", "--config", loop / "config.json", "--no-evaluate", "--output-dir", tmp_path)
    for name in picture_of(loop)["files"]:
        np.testing.assert_array_equal(read_image(again / name), read_image(loop / name))


@pytest.mark.slow
def test_weights_come_from_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("shares.csv").write_text("1,0\n3,1\n0,1\n1,1\n")
    flags = ["-s", ROCK, GRAVEL, "-sw", "128", *FLAGS, "--formats", "gif"]
    folder = made(capsys, "animate", *flags, "--frame-weights", "shares.csv")
    assert json.loads((folder / "config.json").read_text())["frame_weights"][1] == [0.75, 0.25]
    frame, sources = read_image(folder / "result-001.png"), [photograph("rock"), photograph("gravel")]
    wanted, other = (color_score(frame, sources, shares) for shares in ((4, 1), (1, 1)))
    found = picture_of(folder)["scores"]["frames"][1]["measures"]["color"]["score"]
    assert abs(found - wanted) < abs(found - other) / 4, "to a quarter"
    assert [path.name for path in folder.glob("loop.*")] == ["loop.gif"]
    line = refusal(capsys, "animate", *flags, "-c", "5", "--frame-weights", "shares.csv")
    assert "has 4 lines of 2 numbers; wanted 5 of 2" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-s", "ROCK", "-c", "1"], "--count is 1; wanted 2 frames or more"),
        ([], "--source and --keyframes: neither came"),
        (["-s", "ROCK", "--keyframes", "ROCK", "ROCK"], "--source and --keyframes: both came"),
        (["--keyframes", "ROCK"], "--keyframes got one picture"),
        (["--keyframes", "ROCK", "FOLDER"], "give each keyframe as one file"),
        (["-s", "ROCK", "--if-order", "0"], "--if-order is 0; wanted 1 or more"),
        (["-s", "ROCK", "--if-shift", "nan"], "--if-shift is nan; wanted 0 or more"),
        (["-s", "ROCK", "--ease", "linear"], "--ease linear needs --keyframes"),
        (["--keyframes", *["ROCK"] * 3, "-c", "2"], "--count is 2 for 3 keyframes"),
        (["-s", "ROCK", "--if-shift", "60", "-sw", "64", *FLAGS], "too small to be moved by 120; enlarge it"),
        (["-s", "ROCK", "--fps", "0"], "--fps is 0; wanted a number above 0"),
        (["-s", "ROCK", "--batch", "0"], "--batch is 0; wanted 1 or more"),
        (["-s", "ROCK", "--devices", "5"], "--count is 24; wanted a multiple of --devices 5"),
        (["-s", "ROCK", "--source-weights", "1", "--frame-weights", "x.csv"], "all say what the frames are made of"),
    ],
)
def test_unfit_flags_are_refused_in_one_line(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    words = {"ROCK": ROCK, "FOLDER": SOURCES}
    assert message in refusal(capsys, "animate", *(words.get(flag, flag) for flag in flags))
