"""Waves of two and four pixels, which the network itself draws."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.features import distance_of, numbers

from subjective.statistics.grid import grid_powers


@pytest.mark.slow
@pytest.mark.parametrize("size", [(36, 32), (19, 22)])
def test_grid_powers_are_those_of_waves_of_two_and_four_pixels_and_of_their_neighbors(size, in_float64):
    features = numbers(0, size, 3)
    height, width = (side // 4 * 4 for side in size)
    whole = features[:height, :width] - features[:height, :width].mean(axis=(0, 1))
    y, x = np.mgrid[:height, :width]

    def power(row, column):
        waves = np.exp(-2j * np.pi * (row * y / height + column * x / width))
        return np.abs(np.einsum("yx,yxc->c", waves, whole)) ** 2 / (height * width)

    near = [(down, right) for down in range(-2, 3) for right in range(-2, 3) if (down, right) != (0, 0)]
    expected = np.zeros((2, 4, 4, 3))
    for row in range(4):
        for column in range(4):
            center = row * height // 4, column * width // 4
            expected[0, row, column] = power(*center) if (row, column) != (0, 0) else 0
            expected[1, row, column] = np.mean([power(center[0] + a, center[1] + b) for a, b in near], axis=0)
    np.testing.assert_allclose(grid_powers(jnp.asarray(features)), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("rows", "columns"), [(2, 0), (0, 1), (2, 2), (1, 3)])
def test_a_faint_wave_of_the_grid_is_found_and_one_that_the_target_has_is_not(rows, columns):
    target, texture = numbers(0, (128, 128), 3), numbers(0, (128, 128), 3)[::-1, ::-1].copy()
    y, x = np.mgrid[:128, :128]
    wave = np.cos(2 * np.pi * (rows * y + columns * x) / 4)[:, :, None]
    # a tenth of the spread of the texture, yet tens of times the power that chance gives a single frequency
    found = texture + 0.1 * texture.std() * wave
    plain, with_wave = distance_of("grid", True, texture, target), distance_of("grid", True, found, target)
    assert with_wave > plain + 0.1
    assert distance_of("grid", True, found, target + 0.11 * texture.std() * wave) < plain + 0.05
    # of one between the grid's frequencies nothing is said
    other = np.cos(2 * np.pi * 5 * (rows * y + columns * x) / 128)[:, :, None]
    assert distance_of("grid", True, texture + 0.1 * texture.std() * other, target) == pytest.approx(plain, abs=1e-4)


def test_a_wave_of_the_grid_counts_alike_in_a_picture_of_any_size():
    """It is as plain to see; its power over the texture's is sixteen times as large here as there."""
    found = []
    for size in (256, 1024):
        wave = 0.05 * np.cos(np.pi / 2 * np.arange(size))[:, None, None]
        found.append(distance_of("grid", True, numbers(1, (size, size), 1) + wave, numbers(2, (256, 256), 1)))
    assert found[0] > 0.1
    assert found[1] == pytest.approx(found[0], rel=0.15)


def test_what_a_texture_lacks_of_the_targets_grid_costs_nothing():
    target = numbers(0, (64, 64), 3)
    target += np.cos(np.pi * np.arange(64))[:, None, None]
    assert distance_of("grid", True, 0.1 * target, target) == 0
