"""`subjective transfer`: the pictures that it makes, the settings of published programs, and the flags it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import SOURCES
from helpers.processes import made, refusal

from subjective.cli.main import main
from subjective.colors import to_grey
from subjective.images import read_image, write_image
from subjective.synthesis.presets import PUBLISHED_SETTINGS, changes_of

FLAGS = [
    "-ow", "48", "-o", "2", "-l", "conv1_1", "pool1", "--statistic", "gram", "--content-layers", "conv2_2", "-m", "3",
]  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_folder_with_a_content(tmp_path, monkeypatch):
    """A picture of two flat halves under a grid, 40 x 48."""
    monkeypatch.chdir(tmp_path)
    picture = np.full((40, 48, 3), 0.3, np.float32)
    picture[:, 24:] = 0.7
    picture[::8] = 0.1
    write_image("content.png", picture)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_SETTINGS)
def test_the_settings_of_every_published_program_make_a_picture(name, capsys):
    few = ["-m", "1", "--no-evaluate", "-n", "0", "-ow", "96", "-ss", "0.2"]
    folder = made(capsys, "transfer", "content.png", "-s", SOURCES / "gravel.jpg", "--like", name, *few)
    settings = json.loads((folder / "config.json").read_text())["settings"]
    for key, value in changes_of(PUBLISHED_SETTINGS[name]).items():
        if key != "max_iter":
            assert settings[key] == (list(value) if isinstance(value, tuple) else value), key
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    assert picture["steps"] > 0
    assert np.isfinite(picture["loss"])


def finished_run(capsys, *more):
    """The folder of a transfer of two styles, each in its half of the content, and what was said of it."""
    write_image("left.png", np.tile(np.linspace(1, 0, 30, dtype=np.float32)[None, :, None], (20, 1, 3)))
    styles = [str(SOURCES / f"{name}.jpg") for name in ("grass", "sand")]
    words = ["transfer", "content.png", "--style", *styles, "-sw", "96", *FLAGS, "--out", "made.png"]
    assert main([*words, "--content-mask", "left.png", *more]) == 0
    captured = capsys.readouterr()
    folder, file = captured.out.splitlines()
    assert file == "made.png"
    return Path(folder), captured.err


@pytest.mark.slow
def test_the_picture_is_in_the_run_folder_and_where_out_says(capsys):
    folder, err = finished_run(capsys)
    assert "content loss" in err
    assert "24x20, step 5/5 " in err
    assert "48x40, step 3/3 " in err
    assert read_image("made.png").shape == (40, 48, 3)
    assert (folder / "result.png").read_bytes() == Path("made.png").read_bytes()
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    assert picture["scores"]["style_loss"] > 0
    assert "measures" in picture["scores"]["style"]
    assert "seam" not in err


@pytest.mark.slow
def test_a_recorded_transfer_is_made_again_also_of_another_content(capsys):
    folder, _ = finished_run(capsys, "--no-evaluate")
    again = ["--config", str(folder / "config.json"), "--no-evaluate", "--out", "made.png", "--force"]
    first = read_image("made.png")
    assert main(["transfer", *again]) == 0
    np.testing.assert_array_equal(read_image("made.png"), first)
    grey = ["-m", "1", "--colors", "luminance", "--statistic", "gram", "spectrum", "--margin", "0"]
    assert main(["transfer", "left.png", *again, *grey]) == 0
    assert "subjective: note: no octave has room for spectrum; it is left out\n" in capsys.readouterr().err
    anew = read_image("made.png")  # of 30 x 20
    assert anew.shape == (32, 48, 3)
    assert np.abs(anew - to_grey(anew)).max() < 0.02, "as grey as the content"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none.png", "-s", "STYLE"], "no such content: 'none.png'"),
        (["content.png", "-s", "STYLE", "--content-weight", "-1"], "--content-weight is -1; wanted 0 or more"),
        (["content.png", "-s", "STYLE", "--style-mask", "a", "b"], "--style-mask got 2 pictures for 1 style"),
        (["content.png", "-s", "STYLE", "--out", "such.txt"], "--out is 'such.txt'; wanted a name that ends in .png"),
        (["content.png", "-s", "STYLE", "-c", "4"], "--count is 4; a transfer makes one picture"),
        (["content.png", "-s", "STYLE", "--out", "."], "--out is '.', which is a folder"),
        (["content.png", "-s", "STYLE", "--margin", "-300"], "--margin is -300; wanted 0 pixels or more"),
        (["content.png", "-s", "STYLE", "-oh", "0"], "--output-height is 0; wanted 1 or more"),
        (["content.png", "-s", "STYLE", "--margin", "9999"], "512x512 with its margin is larger than"),
        (["content.png", "-s", "STYLE", "-ow", "24", "-o", "3"], "the content with its margin of 88x84 pixels is too"),
        (["content.png", "-s", "STYLE", "--content-mask", "content.png"], "--content-mask divides the picture"),
        (["content.png", "-s", "STYLE", "-sw", "8", *FLAGS], "rock.jpg' of 8x8 pixels is too small for 2 octaves"),
        (["content.png", "-s", "STYLE", "--content-layers", "conv9_1"], "no layer 'conv9_1'"),
    ],
)
def test_unfit_flags_are_refused_in_one_line(capsys, flags, message):
    words = (SOURCES / "rock.jpg" if flag == "STYLE" else flag for flag in flags)
    assert message in refusal(capsys, "transfer", *words)
