"""`subjective tiles` and `subjective lay`."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from helpers.pictures import GRAVEL
from helpers.processes import made, refusal
from PIL import Image

from subjective import images
from subjective.checks import InputError
from subjective.cli.commands.planes import TilesCommand
from subjective.cli.main import main
from subjective.cli.tiles import check_out_folder
from subjective.planes.corners import TileSet
from subjective.planes.tile_files import lay, read_tiles, save_tiles
from subjective.runs import checkpoints

SMALL = ["-s", GRAVEL, "-ow", "32", "-o", "1", "-l", "pool1", "--schedule", "plain", "--statistic", "gram"]
SMALL += ["--no-evaluate", "-m", "5", "-n", "0", "--tol", "0"]


@pytest.fixture
def described(here, rng):
    """The ``tiles.json`` of a set of tiles of noise."""
    return save_tiles(TileSet(rng.integers(0, 256, (16, 32, 32, 3)).astype(np.uint8), 2, 2), here / "set")[-1]


@pytest.mark.slow
def test_tiles_are_made_measured_and_resumed_to_the_bit(here, capsys, monkeypatch):
    write, kept = checkpoints.write, []

    def write_and_keep(*arguments):
        path = write(*arguments)
        kept.append((path.name, path.read_bytes()))
        return path

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write", write_and_keep)
        folder = made(capsys, "tiles", *SMALL, "--checkpoint-every", "0.000001")
    found = read_tiles(folder / "tiles")
    np.testing.assert_array_equal(np.rint(255 * images.read_image(folder / "result.png")), found.sheet)
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    assert picture["scores"]["plane"].keys() >= {"seam_rows", "seam_columns", "worst_seam", "repetition"}
    assert picture["scores"]["plane"]["repetition"] < 0.9 < picture["scores"]["plane"]["torus_repetition"]
    assert json.loads((folder / "config.json").read_text())["settings"]["colors"] == 2
    name, data = kept[len(kept) // 2]
    (folder / name).write_bytes(data)
    (folder / "summary.json").unlink()
    (folder / "tiles" / "tiles.json").unlink()
    assert main(["resume", str(folder)]) == 0
    np.testing.assert_array_equal(read_tiles(folder / "tiles").tiles, found.tiles)


@pytest.mark.parametrize("name", ["plane.png", "plane.tif"])
def test_a_plane_is_written_as_it_is_laid_in_memory(described, capsys, name):
    words = ["lay", str(described), "--size", "300x170", "--rng-seed", "3", "--at=-70,40", "-o", name]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{name}\n"
    with Image.open(name) as read:
        np.testing.assert_array_equal(
            np.asarray(read) / np.float32(255), lay(described, (170, 300), seed=3, at=(40, -70))
        )


def test_lay_writes_a_page_alone_and_a_picture_by_default(described, here, capsys):
    assert main(["lay", "set", "--page", "plane.html", "--seed", "7"]) == 0
    assert capsys.readouterr().out == "plane.html\n"
    assert 'value="7"' in (here / "plane.html").read_text()
    assert not (here / "plane.png").exists()
    assert main(["lay", "set", "--size", "64"]) == 0
    assert images.read_image("plane.png").shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.json"], "no such file: 'none.json'"),
        (["set", "--size", "axb"], "--size is 'axb'; wanted WIDTHxHEIGHT"),
        (["set", "--size", "300000x300000"], "wanted at most"),
        (["set", "--at", "5"], "--at is '5'; wanted X,Y"),
        (["set", "--at", "5000000000,0"], "within 2^31 pixels"),
        (["set", "-o", "plane.jpg"], "wanted a name that ends in .png, .tif, .tiff"),
        (["set", "--page", "plane.txt"], "wanted a name that ends in .html"),
        (["set", "-o", "there.png"], "is there already"),
        (["set/sheet.png"], "is no JSON file"),
    ],
)
def test_what_cannot_be_laid_is_refused_in_one_line(described, here, capsys, words, message):
    (here / "there.png").write_bytes(b"mine")
    assert message in refusal(capsys, "lay", *words)
    assert (here / "there.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-ow", "40"], "--output-width is 40; wanted the side of a tile, a multiple of 16"),
        (["--colors", "5"], "--colors is 5; wanted 2 to 3"),
        (["-oh", "64"], "leave it out: tiles are square"),
        (["-c", "3"], "a run makes one set of tiles"),
        (["-p", "valid"], "wanted circular"),
        (["--out", "set"], "holds files already"),
        (["--out", "set/tiles.json"], "which is a file; wanted a folder"),
    ],
)
@pytest.mark.usefixtures("described")
def test_tiles_that_cannot_be_made_are_refused_in_one_line(capsys, words, message):
    assert message in refusal(capsys, "tiles", "-s", GRAVEL, *words)


@pytest.mark.usefixtures("described")
def test_no_tiles_are_written_over_a_source(here, capsys):
    words = ["-s", "set/sheet.png", "--out", "set", "--force"]
    assert "this very command reads a file in it" in refusal(capsys, "tiles", *words)


@pytest.mark.usefixtures("described")
def test_a_resumed_run_writes_where_its_own_tiles_or_none_are(here):
    """A record may come from elsewhere."""
    run = here / "outputs" / "run"
    run.mkdir(parents=True)
    options = TilesCommand(source=(str(GRAVEL),), out="set")
    with pytest.raises(InputError, match="holds files already"):
        check_out_folder(options, run)
    shutil.copytree("set", run / "tiles")
    check_out_folder(options, run)
    with pytest.raises(InputError, match="outside its place and the working folder"):
        check_out_folder(dataclasses.replace(options, out=str(here.parent / "elsewhere")), run)
    check_out_folder(dataclasses.replace(options, out=str(here.parent / "elsewhere"), force=True), run)
