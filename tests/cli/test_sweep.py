"""`subjective sweep`: a grid of settings, one sheet, one table."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import ROCK
from helpers.processes import PLAIN, refusal

from subjective import images
from subjective.cli.main import main

# A start from patches, and a source at its full size, take longer than all the rest.
ROCKS = ["-s", str(ROCK), "-sw", "128", "--seed", "random"]


def shows(sheet, picture):
    """Whether a picture is on a sheet, pixel by pixel."""
    height, width = picture.shape[:2]
    for top, left in zip(*np.nonzero(np.all(np.isclose(sheet, picture[0, 0], atol=1e-3), axis=2)), strict=True):
        part = sheet[top : top + height, left : left + width]
        if part.shape == picture.shape and np.allclose(part, picture, atol=1e-3):
            return True
    return False


@pytest.mark.slow
def test_a_sweep_makes_one_sheet_and_one_table(here, capsys):
    grid = ["layers=pool1/conv1_1+pool1", "octaves=1/9"]
    status = main(["sweep", *ROCKS, "--vary", *grid, "-ow", "48", "-m", "1", *PLAIN])
    out, err = capsys.readouterr()
    assert status == 1
    assert err.splitlines()[-1] == "subjective: 2 of 4 runs failed; the table says why"
    folder, table = out.split("\n", 1)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["layers"], row["octaves"]) for row in rows] == [
        ("pool1", "1"), ("pool1", "9"), ("conv1_1+pool1", "1"), ("conv1_1+pool1", "9"),
    ]  # fmt: skip
    assert [row["status"] == "finished" for row in rows] == [True, False, True, False]
    assert "too small for 9 octaves" in rows[1]["status"]
    assert rows[0]["loss"] != rows[2]["loss"]
    assert (Path(folder) / "table.csv").read_text() == table
    assert {Path(folder) / row["picture"] for row in rows if row["picture"]} == set(Path(folder).glob("*/result.png"))
    assert [bool(row["picture"]) for row in rows] == [True, False, True, False]
    sheet = images.read_image(Path(folder) / "sheet.png")
    assert sheet.shape[1] > 2 * 160, "the source and two pictures"
    for name in ("001-pool1-1", "003-conv1_1-pool1-1"):
        [run] = Path(folder).glob(f"{name}-*")
        assert shows(sheet, images.read_image(run / "result.png"))


@pytest.mark.slow
def test_a_sweep_shows_every_picture_of_every_run(here, capsys):
    flags = ["-s", str(ROCK), "--seed", "random", "-ow", "96", "-o", "1", "-m", "1", *PLAIN, "--evaluate"]
    assert main(["sweep", *flags, "--vary", "max-iter=0/1", "--count", "2", "-op", "tries"]) == 0
    folder, table = capsys.readouterr().out.split("\n", 1)
    assert Path(folder).name.startswith("tries-")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["max-iter"], Path(row["picture"]).name) for row in rows] == [
        ("0", "result-000.png"), ("0", "result-001.png"), ("1", "result-000.png"), ("1", "result-001.png"),
    ]  # fmt: skip
    assert len({row["loss"] for row in rows}) == 4
    summaries = [json.loads(file.read_text()) for file in sorted(Path(folder).glob("*/summary.json"))]
    made = [picture for summary in summaries for picture in summary["pictures"]]
    of_pictures = [picture["scores"] for picture in made]
    for measure in ("gram", "color", "copied"):
        found = [scores["measures"][measure] for scores in of_pictures]
        assert [float(row[measure]) for row in rows] == [score["score"] for score in found]
        assert [float(row[f"{measure}_value"]) for row in rows] == [score["value"] for score in found]
    assert [row["sentence"] for row in rows] == [scores["sentence"] for scores in of_pictures]
    sheet = images.read_image(Path(folder) / "sheet.png")
    assert [picture["map"] for picture in made] == [Path(row["picture"]).stem + "-map.png" for row in rows]
    files = list(Path(folder).glob("*/result-*.png"))
    assert len(files) == 8
    assert all(shows(sheet, images.read_image(file)) for file in files)


@pytest.mark.slow
def test_a_sweep_writes_its_sheet_where_out_says(here, capsys):
    flags = [*ROCKS, "-ow", "48", "--octaves", "1", *PLAIN, "--vary", "max-iter=0/1", "--out", "new/sheet.png"]
    assert main(["sweep", *flags]) == 0
    folder, *_, file = capsys.readouterr().out.splitlines()
    assert file == "new/sheet.png"
    assert Path(file).read_bytes() == (Path(folder) / "sheet.png").read_bytes()
    assert "'new/sheet.png' is there already" in refusal(capsys, "sweep", *flags)


@pytest.mark.slow
def test_a_sweep_without_any_picture_says_why(here, capsys):
    assert main(["sweep", *ROCKS, "-ow", "48", "-m", "1", *PLAIN, "--vary", "octaves=8/9"]) == 2
    assert "no run of 2 made a picture; the first says: " in capsys.readouterr().err


def test_a_sweep_without_its_source_makes_nothing(here, capsys):
    assert "no such source" in refusal(capsys, "sweep", "-s", "nothing.png", "--vary", "octaves=1")
    assert not (here / "outputs").exists()


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["octaves"], "'octaves'"),
        (["octaves=1//2"], "octaves=1//2"),
        (["octaves=x"], "octaves"),
        (["nothing=1"], "nothing"),
        (["max-iter=-1"], "--max-iter"),
        (["noise=1/255"], "--noise is 255; wanted 0 to 1"),
        (["dry-run=yes"], "--dry-run is for a single run; give it to subjective synthesize"),
        (["octaves=2,3"], "put / between values: octaves=2/3"),
        ([], "vary"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused_before_anything_is_made(here, capsys, vary, message):
    assert message in refusal(capsys, "sweep", "-s", ROCK, "--vary", *vary)
    assert not (here / "outputs").exists()
