"""What lies around each pixel of a source, against plain searches."""

import numpy as np
import pytest
from helpers.pictures import noise, photograph, smooth_noise
from scipy.ndimage import gaussian_filter

from subjective.synthesis import surroundings
from subjective.synthesis.surroundings import find_lines, map_surroundings


def stones(side=160, line=0.15, stone=0.5):
    """Stones under noise, whose joints are straight and end at other joints."""
    picture = np.full((side, side), stone) + 0.1 * (noise(side, side, 1, seed=3)[:, :, 0] - 0.5)
    joints = np.zeros((side, side), bool)
    for row in (20, 58, 109, 140):
        joints[row : row + 3] = True
    for number, column in enumerate((10, 35, 77, 90, 130, 20, 66, 121)):
        top, bottom = ((23, 58), (61, 109))[number % 2]
        joints[top:bottom, column : column + 3] = True
    picture[joints] = line
    return np.repeat(picture[:, :, None], 3, axis=2).astype(np.float32), joints


@pytest.mark.parametrize("line", [0.15, 0.9])
def test_joints_are_lines_whether_dark_or_bright(line):
    source, joints = stones(line=line)
    found = find_lines(source)
    assert found.weight == 1
    assert found.marks[joints].mean() > 0.95
    assert found.marks[~joints].mean() < 0.05


def test_what_is_short_is_no_line():
    for seed in range(3):
        assert find_lines(noise(128, 128, 3, seed=seed)).weight == 0
    spots = np.full((128, 128, 3), 0.6, np.float32)
    for row, column in np.random.default_rng(0).integers(4, 124, (60, 2)):
        spots[row - 3 : row + 3, column - 3 : column + 3] = 0.1
    assert find_lines(spots).weight < 0.3


def test_each_pixel_knows_the_nearest_line():
    marks = np.random.default_rng(2).random((24, 31)) < 0.03
    ways = surroundings._find_ways(marks)
    places = np.argwhere(marks)
    far, away = np.zeros(marks.shape), np.zeros((*marks.shape, 2))
    for pixel in np.ndindex(marks.shape):
        steps = np.array(pixel) - places
        lengths = np.hypot(*steps.T)
        far[pixel] = lengths.min()
        if np.isclose(lengths, lengths.min()).sum() == 1:
            away[pixel] = steps[lengths.argmin()]
        else:
            away[pixel] = np.nan  # two lines are as near
    near = np.exp(-far / (surroundings.REACH * far[far > 0].mean()))
    assert np.corrcoef(ways[:, :, 0].ravel(), near.ravel())[0, 1] > 1 - 1e-6
    known = np.isfinite(away[:, :, 0])
    for axis in (0, 1):
        one, other = ways[:, :, axis + 1][known], (away[:, :, axis] * near)[known]
        assert np.corrcoef(one, other)[0, 1] > 1 - 1e-6
    np.testing.assert_allclose(ways.min(axis=(0, 1)), 0)
    assert ways[:, :, 0].std() == pytest.approx(1, rel=1e-5)


def test_tints_are_blurred_colors_and_fit_into_the_range_of_pictures():
    source = photograph("mossy_slate", 128)
    tints = map_surroundings(source)[:, :, :3]
    blurred = gaussian_filter(source, (surroundings.BROAD * 128, surroundings.BROAD * 128, 0))
    expected = blurred - blurred.min(axis=(0, 1))
    factor = float(tints.std() / expected.std())
    np.testing.assert_allclose(tints, factor * expected, atol=1e-5)
    assert factor == pytest.approx(min(surroundings.TINTS, 1 / expected.max()), rel=1e-4)
    strong = map_surroundings(np.round(smooth_noise(0, (64, 64))))
    assert strong.min() >= 0
    assert strong.max() <= 1


def test_sources_without_lines_have_tints_alone():
    assert map_surroundings(noise(64, 64, 3)).shape == (64, 64, 3)
    assert map_surroundings(stones()[0]).shape == (160, 160, 6)
    flat = map_surroundings(np.full((16, 9, 3), 0.4, np.float32))
    np.testing.assert_array_equal(flat, np.zeros((16, 9, 3)))


def test_a_large_source_is_reduced_and_its_lines_are_those_of_the_whole(monkeypatch):
    source, _ = stones()
    whole = map_surroundings(source)
    monkeypatch.setattr(surroundings, "MOST_SIDE", 80)
    reduced = map_surroundings(source)
    assert reduced.shape == whole.shape
    for channel in range(whole.shape[2]):
        assert np.corrcoef(whole[:, :, channel].ravel(), reduced[:, :, channel].ravel())[0, 1] > 0.8
