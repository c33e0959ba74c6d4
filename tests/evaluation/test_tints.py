"""Colors that belong together, and how sharply they change."""

import numpy as np
import pytest
import scipy.ndimage

from subjective.evaluation.crops import Crops, cut_crops
from subjective.evaluation.tints import TintDistances, joint_distance, measure_steps, reduce_colors

SIDE = 128


def field(seed, blur=10.0, side=SIDE):
    """A smooth field between 0 and 1 that wraps."""
    found = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), blur, mode="wrap")
    return (found - found.min()) / np.ptp(found)


def picture(red, green):
    return np.stack([red, green, np.full_like(red, 0.5)], axis=2).astype(np.float32)


def judge(source):
    crops = Crops([cut_crops(source, (SIDE, SIDE))], [1.0])
    return lambda image: {one.measure.key: one.score for one in TintDistances(crops).score(image, [image])}


@pytest.fixture(scope="module")
def both():
    """A source in which red and green rise and fall together."""
    shade = field(0, 4.0, 2 * SIDE)
    return judge(picture(shade, shade)), shade


def test_colors_that_the_source_does_not_have_together_are_seen_though_each_channel_is_right(both):
    score, shade = both
    part = shade[:SIDE, :SIDE]
    right, wrong = score(picture(part, part)), score(picture(part, part[::-1]))
    assert right["tints"] < 1.5
    assert wrong["tints"] > 1.7 * right["tints"]


def test_spots_with_hard_edges_are_seen():
    shade = field(1, side=2 * SIDE)
    score = judge(picture(shade, 1 - shade))
    part = shade[:SIDE, :SIDE]
    hard = np.where(part > np.median(part), part.max(), part.min())
    assert score(picture(part, 1 - part))["color_edges"] < 1.5
    assert score(picture(hard, 1 - hard))["color_edges"] > 3


def test_reduced_colors_are_means_of_squares():
    image = np.random.default_rng(0).uniform(size=(20, 36, 3)).astype(np.float32)
    found = reduce_colors(image, 3)
    assert found.shape == (2, 4, 3)
    np.testing.assert_allclose(found[1, 2, 0], 255 * image[8:16, 16:24].mean(axis=(0, 1)).sum() / np.sqrt(3), rtol=1e-5)


def test_the_distance_of_shifted_colors_is_the_shift():
    colors = np.random.default_rng(0).standard_normal((5000, 3))
    assert joint_distance(colors, colors) == 0
    assert joint_distance(colors, colors + 10) == pytest.approx(10 * joint_distance(colors, colors + 1), rel=1e-6)


def test_steps_are_those_of_the_hue_alone():
    colors = np.zeros((4, 5, 3))
    colors[:, 2:, 0] = 50  # light and dark
    assert measure_steps(colors).max() == 0
    colors[2:, :, 1] = 30
    assert sorted(set(measure_steps(colors).ravel())) == [0, 30]


def test_crops_too_small_to_be_reduced_give_no_score():
    image = np.zeros((16, 16, 3), np.float32)
    assert TintDistances(Crops([[image[:8, :8]] * 2], [1.0])).score(image, [image[:8, :8]]) == []
