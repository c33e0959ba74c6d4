"""Quantiles along directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.features import numbers, single

from subjective.statistics.sliced import BINS, MOST_DIRECTIONS, directions, mean_squared_distance, quantiles


@pytest.mark.slow
@pytest.mark.parametrize("size", [(16, 16), (32, 24), (24, 20), (17, 13), (3, 4), (1, 1)])
def test_quantiles_are_means_of_equal_shares_of_the_ordered_values(size, in_float64):
    features = numbers(0, size)
    projected = np.sort(features.reshape(-1, 5) @ directions(5).astype(np.float64), axis=0)
    # each value as often as there are bins: then every bin takes a whole number of them
    expected = np.repeat(projected, BINS, axis=0).reshape(BINS, len(projected), -1).mean(axis=1)
    np.testing.assert_allclose(quantiles(jnp.asarray(features)), expected, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_quantiles_of_many_pixels_are_those_in_float64():
    features = 100 + numbers(0, (128, 128), 3)
    with jax.enable_x64(True):
        exact = np.asarray(quantiles(jnp.asarray(features)))
    # an ulp of 100 is 8e-6; sums of 16384 such numbers that were not centered would be off by thousands of them
    np.testing.assert_allclose(quantiles(single(features)), exact, rtol=0, atol=1e-3)


def test_the_sliced_distance_of_a_shift_is_its_square_along_each_direction(in_float64):
    features, shift = numbers(0, (24, 20)), np.array([0.5, -1.0, 2.0, 0.0, 0.25])
    found = mean_squared_distance(quantiles(jnp.asarray(features + shift)), quantiles(jnp.asarray(features)))
    assert float(found) == pytest.approx(np.mean((shift @ directions(5)) ** 2), rel=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 8, 64, 200])
def test_directions_are_unit_vectors_at_right_angles_in_groups(channels):
    found = directions(channels)
    assert found.shape == (channels, max(min(channels, MOST_DIRECTIONS), 8))
    np.testing.assert_array_equal(found, directions(channels))
    for start in range(0, found.shape[1], channels):
        group = found[:, start : start + channels]
        np.testing.assert_allclose(group.T @ group, np.eye(group.shape[1]), atol=1e-5)
