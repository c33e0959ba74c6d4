"""Measures of planes of tiles."""

import numpy as np
import pytest
import scipy.ndimage

from subjective.evaluation.laying import correlate_tiles, find_seams, measure_plane, plane_size
from subjective.planes.corners import TileSet, lay_window

SIDE = 32


def smooth(seed, size):
    """Smooth noise that wraps."""
    noise = np.random.default_rng(seed).standard_normal((size, size, 3))
    blurred = scipy.ndimage.gaussian_filter(noise, (2, 2, 0), mode="wrap")
    return np.clip(128 + 40 * blurred / blurred.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def tiles():
    """Tiles of noise that share nothing."""
    return TileSet(np.stack([smooth(number, SIDE) for number in range(16)]), 2, 1)


def test_a_smooth_picture_has_no_seam_and_tiles_that_share_nothing_have_some(tiles):
    plane = lay_window(tiles, (320, 320), seed=0)
    for axis in (0, 1):
        ratio, scores = find_seams(smooth(0, 320), SIDE, axis)
        assert 0.9 < ratio < 1.1
        assert max(scores) < 2
        ratio, scores = find_seams(plane, SIDE, axis)
        assert ratio > 3
        assert max(scores) > 2


def test_one_bad_border_is_found_among_good_ones():
    plane = smooth(0, 320)
    plane[5 * SIDE :, 2 * SIDE : 3 * SIDE] = 255 - plane[5 * SIDE :, 2 * SIDE : 3 * SIDE]
    clean, bad = (max(find_seams(one, SIDE, 0)[1]) for one in (smooth(0, 320), plane))
    assert bad > clean + 0.5
    assert bad > 2


def test_a_blurred_border_scores_as_a_seam_does():
    plane = smooth(0, 320)
    plane[SIDE::SIDE] = plane[SIDE - 1 : -1 : SIDE]
    ratio, scores = find_seams(plane, SIDE, 0)
    assert ratio < 0.1
    assert min(scores) > 1


def test_a_plane_repeats_less_than_its_sheet(tiles):
    found = measure_plane(lay_window(tiles, plane_size(SIDE), seed=0), tiles.sheet, SIDE)
    assert found.torus_repetition == pytest.approx(1, abs=1e-6)
    assert found.repetition < 0.4
    assert found.mean_repetition == pytest.approx(1 / 16, abs=0.03), "the chance to meet the same tile"


def test_correlations_are_those_of_the_parts_that_overlap(rng):
    plane = rng.uniform(size=(4 * SIDE, 6 * SIDE, 3))
    gray = plane @ [0.299, 0.587, 0.114]
    gray -= gray.mean()
    found = correlate_tiles(plane, SIDE)
    assert len(found) == 3 * 7 - 4  # of shifts up and down by 0, only those to the right
    first = np.sum(gray[:, :-SIDE] * gray[:, SIDE:]) / gray[:, SIDE:].size / np.mean(gray**2)
    assert found[0] == pytest.approx(first, rel=1e-6)
    last = gray[2 * SIDE :, 3 * SIDE :] * gray[: -2 * SIDE, : -3 * SIDE]
    assert found[-1] == pytest.approx(last.mean() / np.mean(gray**2), rel=1e-6)
