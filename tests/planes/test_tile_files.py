"""The files of a set of tiles."""

import json
import re

import numpy as np
import pytest

import subjective
from subjective import images
from subjective.checks import InputError
from subjective.planes.corners import TileSet, lay_window
from subjective.planes.tile_files import lay, read_tiles, save_tiles


@pytest.fixture
def tiles(rng):
    return TileSet(rng.integers(0, 256, (16, 32, 32, 3)).astype(np.uint8), 2, 2)


@pytest.mark.parametrize("colors", [2, 3])
def test_a_set_of_tiles_is_read_as_it_was_written(tmp_path, rng, colors):
    pixels = rng.integers(0, 256, (colors**4, 8, 8, 3)).astype(np.uint8)
    *_, described = save_tiles(TileSet(pixels, colors, 3), tmp_path / "set")
    for path in (described, str(tmp_path / "set")):
        found = read_tiles(path)
        assert (found.colors, found.side, found.shared) == (colors, 8, 3)
        np.testing.assert_array_equal(found.tiles, pixels)


def test_the_description_says_which_file_has_which_colors_and_where_it_is_in_the_sheet(tmp_path, tiles):
    described = json.loads(save_tiles(tiles, tmp_path)[-1].read_text())
    sheet = images.read_image(tmp_path / described["sheet"]["file"])
    assert len(described["tiles"]) == 16
    for tile in described["tiles"]:
        (a, b), (c, d) = tile["corners"]
        row, column = 32 * tile["row"], 32 * tile["column"]
        alone = images.read_image(tmp_path / tile["file"])
        np.testing.assert_array_equal(alone, sheet[row : row + 32, column : column + 32])
        np.testing.assert_array_equal(np.rint(255 * alone), tiles.tiles[8 * a + 4 * b + 2 * c + d])


def test_a_plane_is_laid_from_tiles_and_from_files(tmp_path, tiles):
    save_tiles(tiles, tmp_path)
    window = subjective.lay(tiles, (50, 70), seed=4, at=(-5, 9))
    assert window.dtype == np.float32
    np.testing.assert_array_equal(np.rint(255 * window), lay_window(tiles, (50, 70), 4, (-5, 9)))
    np.testing.assert_array_equal(subjective.lay(tmp_path, (50, 70), seed=4, at=(-5, 9)), window)


def test_a_page_needs_no_other_file_and_shaders_hold_the_numbers_of_the_set(tmp_path, tiles):
    save_tiles(tiles, tmp_path)
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=|https?://|import ", page)
    for name in ("page.html", "plane.glsl", "plane.wgsl"):
        text = (tmp_path / name).read_text()
        assert not re.search(r"@[A-Z]+@", text), "a place without its number"
        places = re.search(r"(?:int\[16\]|array<i32, 16>)\(([\d, ]+)\)", text)[1].split(", ")
        described = json.loads((tmp_path / "tiles.json").read_text())
        assert [int(place) for place in places] == [4 * tile["row"] + tile["column"] for tile in described["tiles"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "does not describe tiles"),
        ({"version": 2}, "has version 2; wanted 1"),
        ({"colors": 7}, "is 7; wanted 2 to 3"),
        ({"side": "32"}, "is '32'; wanted a whole number"),
        ({"side": 16}, "has 128x128 pixels; wanted 64x64"),
        ({"shared": 17}, "is 17; wanted 1 to 16"),
        ({"sheet": {"file": "../sheet.png"}}, "wanted a name of a file beside it"),
        ({"sheet": []}, "wanted the file, rows and columns of the sheet"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(tmp_path, tiles, change, message):
    file = save_tiles(tiles, tmp_path)[-1]
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        read_tiles(file)
    assert "\n" not in str(refused.value)


def test_what_is_no_set_of_tiles_is_refused(tmp_path, tiles):
    with pytest.raises(InputError, match="no such file"):
        read_tiles(tmp_path / "none.json")
    (tmp_path / "tiles.json").write_bytes(b"{")
    with pytest.raises(InputError, match="no JSON file"):
        read_tiles(tmp_path)
    for wrong, message in [
        ({"size": (0, 5)}, "wanted 1 or more"),
        ({"size": (2**14, 2**14)}, "ask for less"),
        ({"seed": -1}, "seed is -1"),
        ({"at": (0, 2**31)}, "a number of at"),
    ]:
        with pytest.raises(InputError, match=message):
            lay(tiles, **{"size": (8, 8)} | wrong)
