"""`subjective repeat`: a picture beside itself."""

from pathlib import Path

import numpy as np
import pytest
from helpers.processes import refusal

from subjective.cli.main import main
from subjective.images import read_image, write_image


@pytest.fixture(autouse=True)
def picture(here, rng):
    write_image("made.png", rng.random((5, 7, 3)).astype(np.float32))
    return read_image("made.png")


def test_each_copy_is_the_picture(picture, capsys):
    assert main(["repeat", "made.png", "-o", "far/tiled.png", "--times", "3"]) == 0
    assert capsys.readouterr().out == "far/tiled.png\n"
    found = read_image("far/tiled.png")
    assert found.shape == (15, 21, 3)
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(found[5 * row : 5 * row + 5, 7 * column : 7 * column + 7], picture)


def test_without_a_name_the_copies_go_beside_the_picture_and_replace_nothing(capsys):
    assert main(["repeat", "made.png"]) == 0
    assert capsys.readouterr().out == "made-2x2.png\n"
    before = Path("made-2x2.png").read_bytes()
    assert "'made-2x2.png' is there already" in refusal(capsys, "repeat", "made.png")
    assert Path("made-2x2.png").read_bytes() == before
    assert main(["repeat", "made.png", "--force"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no-such.png"], "no such picture: 'no-such.png'"),
        (["made.png", "--times", "0"], "--times is 0; wanted 1 to 100"),
        (["made.png", "-o", "made.xyz"], "--out is 'made.xyz'; wanted a name that ends in .png"),
        ([".", "-o", "all.png"], "'.' stands for 2 pictures; give one file"),
    ],
)
def test_what_cannot_be_repeated_is_refused(words, message, capsys):
    write_image("other.png", np.zeros((4, 4, 3), np.float32))
    assert message in refusal(capsys, "repeat", *words)


def test_more_pixels_than_any_picture_may_have_are_refused(capsys):
    write_image("large.png", np.zeros((1200, 1200, 3), np.float32))
    assert "--times is 10; that is more than 134,217,728 pixels" in refusal(
        capsys, "repeat", "large.png", "--times", "10"
    )
