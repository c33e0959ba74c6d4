"""What a command names: sources, masks, a starting picture, tables of weights."""

import numpy as np
import pytest
from helpers.pictures import ROCK
from helpers.processes import PLAIN, made, refusal

from subjective import images
from subjective.checks import InputError
from subjective.cli.inputs import read_frame_weights, read_mask


@pytest.mark.slow
def test_sources_that_cannot_be_used_are_refused(here, capsys):
    (here / "text.png").write_text("no picture")
    (here / "empty.png").touch()
    (here / "folder").mkdir()
    assert "not a picture" in refusal(capsys, "synthesize", "-s", "text.png")
    assert "empty" in refusal(capsys, "synthesize", "-s", "empty.png")
    assert "no such source" in refusal(capsys, "synthesize", "-s", "nothing.png")
    assert "without pictures" in refusal(capsys, "synthesize", "-s", "folder")
    assert "277" in refusal(capsys, "synthesize", "-s", ROCK, "-o", "4")
    assert not (here / "outputs").exists()


@pytest.mark.usefixtures("bound_by_modes")
def test_a_source_that_may_not_be_read_is_refused(here, capsys):
    (here / "closed.png").write_bytes(ROCK.read_bytes())
    (here / "closed.png").chmod(0)
    assert "Permission denied" in refusal(capsys, "synthesize", "-s", "closed.png")
    assert not (here / "outputs").exists()


@pytest.mark.slow
def test_a_picture_can_be_the_start(here, capsys):
    folder = made(
        capsys, "synthesize", "-s", ROCK, "-sw", "96", "--seed", ROCK, "-ow", "40", "-o", "1", "-m", "0", *PLAIN
    )
    expected = images.resize(images.read_image(ROCK), (40, 40))
    np.testing.assert_allclose(images.read_image(folder / "result.png"), expected, atol=1 / 255)


def test_a_mask_is_read_grey_and_in_the_size_of_its_picture(here):
    mask = np.zeros((20, 30, 3), np.float32)
    mask[:, 15:] = [0.25, 0.5, 0.75]
    images.write_image(here / "mask.png", mask)
    found = read_mask("mask.png", (40, 60))
    assert found.shape == (40, 60)
    np.testing.assert_allclose([found[:, :20].mean(), found[:, 40:].mean()], [0, 0.5], atol=2 / 255)
    with pytest.raises(InputError, match=r"no such mask: 'nothing\.png'; give a picture, white where its source holds"):
        read_mask("nothing.png", (40, 60))


def test_a_table_of_weights_is_read(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("bark, stone\n1,0\n\n1,1\n0.5, 1.5\n")
    np.testing.assert_allclose(read_frame_weights(str(path), 3, 2), [[1, 0], [0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0\n0,1\n", "has 2 lines of 2 numbers; wanted 3 of 2: a line for each frame"),
        ("1,0\n0,1\n1\n", "has 3 lines of 1 or 2 numbers"),
        ("1,0\n0,1\n-1,2\n", "line 3 of 'w.csv' is '-1, 2'; wanted non-negative numbers, not all 0"),
        ("1,0\n0,0\n1,2\n", "line 2 of"),
        ("1,0\n0,nan\n1,2\n", "line 2 of"),
        ("1,0\n0,x\n1,2\n", "line 2 of"),
        ("", "has 0 lines of no numbers"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, text, message):
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_frame_weights(str(path), 3, 2)


def test_no_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.csv.: No such file"):
        read_frame_weights(str(tmp_path / "none.csv"), 3, 2)
