"""Order over long distances, and grain in smooth places."""

import numpy as np
import pytest
import scipy.ndimage

from subjective.evaluation.arrangement import Grain, LongRange, autocorrelation, measure_smoothness
from subjective.evaluation.crops import Crops, cut_crops

SIDE = 128


def gray(values):
    return np.repeat(values[:, :, None], 3, axis=2).astype(np.float32)


def bricks(side=SIDE, mess=0.0):
    """A wall of bricks; a part of its courses may be shifted up and down, piece by piece."""
    rows, columns = np.mgrid[:side, :side]
    shift = np.rint(mess * 8 * np.sin(columns // 16 * 2.4 + rows // 40)).astype(int)
    rows = rows + shift
    joints = (rows % 16 < 2) | ((columns + 16 * (rows // 16 % 2)) % 32 < 2)
    return gray(np.where(joints, 0.8, 0.4) + 0.02 * np.random.default_rng(0).standard_normal((side, side)))


def score(criterion, source, image):
    crops = Crops([cut_crops(source, (SIDE, SIDE))], [1.0])
    [found] = criterion(crops).score(image, [image])
    return found


def test_courses_out_of_order_are_seen():
    source = bricks(2 * SIDE)
    assert score(LongRange, source, bricks()).score < 1.2
    assert score(LongRange, source, bricks(mess=1.0)).score > 3


@pytest.mark.parametrize("axis", [0, 1])
def test_courses_that_are_stretched_a_little_are_in_order_and_much_are_not(axis):
    source = scipy.ndimage.gaussian_filter(bricks(2 * SIDE), (1.5, 1.5, 0))  # soft joints can be stretched smoothly
    found = {}
    for stretch in (1.0, 1.015, 1.1):
        places = np.indices((SIDE, SIDE, 3), np.float64)
        places[axis] /= stretch
        found[stretch] = score(LongRange, source, scipy.ndimage.map_coordinates(source, places)).score
    assert found[1.0] < found[1.015] < 1
    assert found[1.1] > 3


def test_the_autocorrelation_is_that_of_a_plain_sum():
    shade = np.random.default_rng(0).uniform(size=(12, 10))
    found, shade = autocorrelation(shade), shade - shade.mean()
    assert found.shape == (7, 11)
    assert found[0, 5] == pytest.approx(1)
    down, right = 4, -3
    wanted = np.mean(shade[down:, :right] * shade[:-down, -right:]) / np.mean(shade**2)
    assert found[down, right + 5] == pytest.approx(wanted)


def smooth(seed, side):
    field = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), 12, mode="wrap")
    return 0.5 + 0.15 * field / field.std()


def test_a_weave_in_smooth_places_is_seen_though_rough_places_hide_it():
    source = smooth(0, 2 * SIDE)
    rough = np.arange(2 * SIDE) % 64 < 32  # half of the source is rough
    grain = 0.1 * np.random.default_rng(1).standard_normal(source.shape) * rough[None, :]
    part = (source + grain)[:SIDE, :SIDE]
    weave = 0.04 * np.sin(np.arange(SIDE) * np.pi / 2)[:, None] * ~rough[None, :SIDE]
    assert score(Grain, gray(source + grain), gray(part)).score < 1.2
    woven = score(Grain, gray(source + grain), gray(part + weave))
    assert woven.score > 3
    assert woven.value > 3


def test_too_little_grain_is_no_fault_here():
    source = smooth(0, 2 * SIDE) + 0.05 * np.random.default_rng(1).standard_normal((2 * SIDE,) * 2)
    assert score(Grain, gray(source), gray(smooth(0, SIDE))).score == 0


def test_smoothness_is_in_decibels():
    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE))
    quiet, loud = (measure_smoothness(gray(0.5 + size * noise)) for size in (0.02, 0.04))
    np.testing.assert_allclose(loud - quiet, 20 * np.log10(2), atol=0.1)
