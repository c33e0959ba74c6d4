"""Tiles with colored corners, and the plane that a hash lays."""

import numpy as np
import pytest

from subjective.planes import corners
from subjective.planes.corners import TileSet, color_corners, cut_sheet, lay_strips, lay_window, number_tiles, wrap


def numbered(colors=2, side=4):
    """Tiles that say their number in every pixel."""
    numbers = np.arange(colors**4, dtype=np.uint8)
    return TileSet(np.broadcast_to(numbers[:, None, None, None], (colors**4, side, side, 3)).copy(), colors, 1)


def colors_of(number, colors):
    """The colors of a tile's corners, upper left first."""
    return tuple(number // colors**power % colors for power in (3, 2, 1, 0))


@pytest.mark.parametrize("colors", [2, 3])
def test_the_sheet_has_every_tile_once_and_its_neighbors_fit(colors):
    numbers = number_tiles(wrap(corners.sheet_corners(colors)), colors)
    assert sorted(numbers.ravel()) == list(range(colors**4))
    for row, column in np.ndindex(numbers.shape):
        here = colors_of(numbers[row, column], colors)
        right = colors_of(numbers[row, (column + 1) % len(numbers)], colors)
        below = colors_of(numbers[(row + 1) % len(numbers), column], colors)
        assert (here[1], here[3]) == (right[0], right[2])
        assert (here[2], here[3]) == (below[0], below[1])


@pytest.mark.parametrize("colors", [2, 3])
def test_a_sheet_is_cut_into_the_tiles_that_it_is_made_of(colors, rng):
    tiles = rng.integers(0, 256, (colors**4, 5, 5, 3)).astype(np.uint8)
    np.testing.assert_array_equal(cut_sheet(TileSet(tiles, colors, 1).sheet, colors), tiles)


@pytest.mark.parametrize("colors", [2, 3])
def test_tiles_meet_on_a_plane_where_their_colors_are_equal(colors):
    plane = lay_window(numbered(colors, side=1), (40, 50), seed=3)[:, :, 0]
    for row, column in np.ndindex(39, 49):
        here, right, below = (
            colors_of(int(plane[place]), colors) for place in ((row, column), (row, column + 1), (row + 1, column))
        )
        assert (here[1], here[3]) == (right[0], right[2])
        assert (here[2], here[3]) == (below[0], below[1])
    assert len(np.unique(plane)) == colors**4, "every tile occurs"


def test_the_color_of_a_corner_is_what_whole_numbers_of_python_give():
    def mix(bits):
        bits = (bits ^ bits >> 16) * 0x7FEB352D % 2**32
        bits = (bits ^ bits >> 15) * 0x846CA68B % 2**32
        return bits ^ bits >> 16

    places = [(0, 0), (5, -7), (-1, 2**30), (-(2**31), 2**31 - 1)]
    for seed in (0, 1, 2**32 - 1):
        for row, column in places:
            wanted = mix(mix(mix(seed) ^ column % 2**32) ^ row % 2**32) % 3
            assert color_corners(np.array([row]), np.array([column]), 3, seed) == wanted


@pytest.mark.parametrize(
    ("size", "at"), [((7, 9), (0, 0)), ((1, 1), (-1, -1)), ((40, 21), (-13, 6)), ((33, 50), (-40, -31))]
)
def test_a_window_computed_alone_equals_its_part_of_the_whole(size, at):
    found = numbered(side=6)
    whole = lay_window(found, (120, 130), seed=9, at=(-50, -60))
    top, left = at[0] + 50, at[1] + 60
    np.testing.assert_array_equal(
        lay_window(found, size, seed=9, at=at), whole[top : top + size[0], left : left + size[1]]
    )


def test_strips_are_the_window_row_of_tiles_by_row_of_tiles():
    found = numbered(side=6)
    strips = list(lay_strips(found, (20, 9), seed=2, at=(-4, 3)))
    assert [len(strip) for strip in strips] == [4, 6, 6, 4]
    np.testing.assert_array_equal(np.concatenate(strips), lay_window(found, (20, 9), seed=2, at=(-4, 3)))


@pytest.mark.parametrize("far", [0, 2**30])
@pytest.mark.parametrize("colors", [2, 3])
def test_a_plane_is_like_itself_after_no_shift(colors, far):
    """Colors that are independent are equal with one chance in as many as there are colors."""
    side, most = 96, 300
    places = np.arange(far, far + side + most)
    plane = color_corners(places[:, None], places[None], colors, seed=0)
    here = plane[:side, :side]
    shifts = [(down, right) for down in range(0, most, 7) for right in range(0, most, 5) if down or right]
    shifts += [(down, 0) for down in range(1, most)] + [(0, right) for right in range(1, most)]
    equal = [np.mean(here == plane[down : down + side, right : right + side]) for down, right in shifts]
    deviation = np.sqrt((colors - 1) / colors**2) / side
    assert max(equal) < 1 / colors + 6 * deviation
    assert min(equal) > 1 / colors - 6 * deviation


def test_another_seed_is_another_plane():
    rows, columns = np.arange(64)[:, None], np.arange(64)[None]
    one, other = (color_corners(rows, columns, 2, seed) for seed in (0, 1))
    assert abs(np.mean(one == other) - 0.5) < 0.05
