"""The parts that tiles share."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise

from subjective.planes.corners import TileSet, cut_sheet, lay_window
from subjective.synthesis.tile_parts import border_weights, share, shared_pixels

SIDE = 64
WIDTH = shared_pixels(SIDE)


def shared_tiles(colors=2, *, in_jax=False):
    across = colors**2
    sheet = noise(across * SIDE, across * SIDE, 3)
    return cut_sheet(np.asarray(share(jnp.asarray(sheet) if in_jax else sheet, colors)), colors)


def corners_of(number, colors):
    return tuple(number // colors**power % colors for power in (3, 2, 1, 0))


@pytest.mark.slow
@pytest.mark.parametrize("in_jax", [False, True])
@pytest.mark.parametrize("colors", [2, 3])
def test_tiles_are_equal_to_the_bit_at_borders_with_the_same_colors(colors, in_jax):
    tiles = shared_tiles(colors, in_jax=in_jax)
    ends = {"left": (0, 2), "right": (1, 3), "upper": (0, 1), "lower": (2, 3)}
    turned = tiles.swapaxes(1, 2)
    parts = {
        "left": turned[:, :WIDTH], "right": turned[:, -WIDTH:], "upper": tiles[:, :WIDTH], "lower": tiles[:, -WIDTH:]
    }  # fmt: skip
    for border, (one, other) in ends.items():
        of_colors = {}
        for number, pixels in enumerate(parts[border]):
            corners = corners_of(number, colors)
            of_colors.setdefault((corners[one], corners[other]), set()).add(pixels.tobytes())
        assert len(of_colors) == colors**2
        assert all(len(pixels) == 1 for pixels in of_colors.values()), "one strip of pixels for each pair of colors"
        assert len(set.union(*of_colors.values())) == colors**2, "and another for each"


def test_corners_of_one_color_are_equal_in_all_tiles():
    tiles = shared_tiles()
    upper_left = tiles[:, :WIDTH, :WIDTH]
    assert len({pixels.tobytes() for pixels in upper_left}) == 2


def test_whatever_tiles_meet_the_same_pixels_meet():
    """So what is optimized at a border on one plane is at this border on each."""
    quantized = np.rint(255 * shared_tiles()).astype(np.uint8)
    found = TileSet(quantized, 2, WIDTH)
    of_sheet = {strip.tobytes() for strip in borders(np.vstack([found.sheet, found.sheet[:SIDE]]))}
    of_planes = {strip.tobytes() for seed in range(4) for strip in borders(lay_window(found, (640, 640), seed))}
    assert len(of_sheet) == 4
    assert of_planes == of_sheet


def borders(picture):
    """The pixels on both sides of each border between two rows of tiles."""
    for row in range(SIDE, len(picture) - SIDE + 1, SIDE):
        for column in range(0, picture.shape[1], SIDE):
            yield picture[row - WIDTH : row + WIDTH, column : column + SIDE]


def test_the_middle_of_a_tile_is_its_own_and_pixels_change_over_gradually():
    sheet = noise(4 * SIDE, 4 * SIDE, 3)
    before, after = cut_sheet(sheet, 2), cut_sheet(share(sheet, 2), 2)
    reach = SIDE // 4
    np.testing.assert_array_equal(after[:, reach:-reach, reach:-reach], before[:, reach:-reach, reach:-reach])
    weights = border_weights(SIDE)
    assert (weights[:WIDTH] == 1).all()
    assert weights[SIDE // 2 :].max() == 0
    assert (np.diff(weights) <= 0).all()
    assert np.abs(np.diff(weights)).max() < 0.4


def test_sharing_keeps_sums_and_what_is_shared_already():
    """It is a mean over tiles at each pixel, so that no brightness is lost; what is equal in all tiles stays."""
    sheet = noise(4 * SIDE, 4 * SIDE, 3)
    before, after = cut_sheet(sheet, 2), cut_sheet(share(sheet, 2), 2)
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-6)
    alike = np.tile(noise(SIDE, SIDE, 3, seed=1), (4, 4, 1))
    np.testing.assert_allclose(share(alike, 2), alike, atol=1e-6)


def test_numpy_and_jax_share_alike():
    np.testing.assert_allclose(shared_tiles(in_jax=True), shared_tiles(), atol=1e-6)
