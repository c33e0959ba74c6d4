"""Autocorrelation and spectrum, against loops over lags."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
from helpers.features import OTHER_SIZE, SIZE, distance_of, measure, numbers, single

from subjective.statistics.autocorrelation import LAGS, autocorrelation, power_spectrum
from subjective.statistics.registry import STATISTICS


def autocorrelation_by_loops(features, wraps, lags=LAGS):
    height, width, channels = features.shape
    features = features - features.mean(axis=(0, 1))
    found = np.zeros((2 * lags + 1, lags + 1, channels))
    for down in range(-lags, lags + 1):
        for right in range(lags + 1):
            if wraps:
                products = features * np.roll(features, (-down, -right), (0, 1))
            else:
                here = features[max(-down, 0) : height - max(down, 0), : width - right]
                products = here * features[max(down, 0) : height - max(-down, 0), right:]
            found[lags + down, right] = products.mean(axis=(0, 1)) / channels
    return found


@pytest.mark.parametrize(("name", "lags"), [("autocorrelation", LAGS), ("autocorrelation32", 32)])
@pytest.mark.parametrize("size", [SIZE, OTHER_SIZE])
@pytest.mark.parametrize("wraps", [True, False])
def test_autocorrelation_is_the_mean_product_of_pairs(wraps, size, name, lags, in_float64):
    # unlike up and down: what runs along one diagonal tells signs of lags apart
    features = numbers(0, size, 3)
    features += np.roll(features, (3, 2), (0, 1))
    expected = autocorrelation_by_loops(features, wraps, lags)
    assert not np.allclose(expected, expected[::-1], rtol=0.1)
    # pairs are counted in float32
    found = measure(name)(jnp.asarray(features), wraps)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


def test_a_tall_map_is_measured_in_tiles(in_float64):
    features = numbers(0, (600, 40))
    for wraps in (True, False):
        found = jax.jit(autocorrelation, static_argnums=1)(jnp.asarray(features), wraps)
        centered = features - features.mean(axis=(0, 1))
        padded = np.pad(centered, [(0, 0 if wraps else 40)] * 2 + [(0, 0)])
        power = np.abs(np.fft.fft2(padded, axes=(0, 1))) ** 2
        products = np.fft.ifft2(power, axes=(0, 1)).real
        for row, column in [(-16, 0), (0, 0), (3, 16), (16, 7)]:
            pairs = features.size if wraps else (600 - abs(row)) * (40 - column) * features.shape[2]
            np.testing.assert_allclose(found[16 + row, column], products[row, column] / pairs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("name", ["autocorrelation", "autocorrelation32", "spectrum"])
def test_faint_structure_counts_as_much_as_strong(wraps, name):
    statistic = STATISTICS[name]

    def relative(contrast):
        found, target = (
            measure(name)(jnp.asarray(0.5 + contrast * numbers(seed, (72, 72), 3), jnp.float32), wraps)
            for seed in (0, 1)
        )
        return float(statistic.distance(found, target) / statistic.size(target))

    assert relative(0.03) == pytest.approx(relative(0.3), rel=1e-3)


@pytest.mark.parametrize("name", ["autocorrelation", "autocorrelation32"])
def test_a_flat_source_is_no_yardstick_of_nothing(name):
    statistic = STATISTICS[name]
    noise = 0.5 + numbers(0, (72, 72), 3) / 255
    found, target = (measure(name)(jnp.asarray(map_, jnp.float32), True) for map_ in (noise, np.full((72, 72, 3), 0.5)))
    assert float(statistic.distance(found, target) / statistic.size(target)) < 1e3


@pytest.mark.parametrize("wraps", [True, False])
def test_tiles_see_faint_structure_in_float32(wraps):
    features = (0.5 + 0.01 * numbers(0, (200, 70), 3)).astype(np.float32)
    in_tiles = jax.jit(STATISTICS["autocorrelation"].sums.measure_map, static_argnums=(1, 2))
    found = in_tiles(jnp.asarray(features), wraps, 32)
    expected = autocorrelation_by_loops(features.astype(np.float64), wraps)
    assert np.abs(found - expected).max() < 0.01 * expected.max()


@pytest.mark.parametrize("wraps", [True, False])
def test_the_power_spectrum_is_the_fourier_transform_of_the_windowed_autocorrelation(wraps, in_float64):
    features = numbers(0, SIZE, 3)
    features += np.roll(features, (3, 2), (0, 1))
    half = autocorrelation_by_loops(features, wraps) * 3
    lags = np.arange(-LAGS, LAGS + 1)
    hann = np.cos(np.pi * lags / (2 * (LAGS + 1))) ** 2
    expected = np.zeros((2 * LAGS + 1, LAGS + 1, 3))
    for row in range(2 * LAGS + 1):
        for column in range(LAGS + 1):
            waves = np.cos(2 * np.pi * (row * lags[:, None] + column * lags[None, LAGS:]) / len(lags))
            counted = np.where(lags[None, LAGS:] == 0, 1, 2)  # lags to the left are those to the right
            weights = hann[:, None] * hann[None, LAGS:] * waves * counted
            expected[row, column] = np.einsum("yx,yxc->c", weights, half)
    found = np.asarray(jax.jit(power_spectrum, static_argnums=1)(jnp.asarray(features), wraps))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.max())  # the window is float32


def test_white_noise_has_a_flat_power_spectrum():
    noise = np.random.default_rng(0).standard_normal((128, 128, 4))
    compiled = jax.jit(power_spectrum)
    found = np.asarray(compiled(single(3 * noise + 5)))
    # each is a weighted sum over the window's lags of numbers whose spread is 1 / side: 0.1 altogether
    taper = np.cos(np.pi * np.arange(-LAGS, LAGS + 1) / (2 * (LAGS + 1))) ** 2
    spread = np.sum(taper**2) / 128
    assert found.mean() == pytest.approx(9, rel=0.03)
    assert found.std() / 9 == pytest.approx(spread, rel=0.3)
    assert abs(found / 9 - 1).max() < 6 * spread
    blurred = scipy.ndimage.gaussian_filter(noise, (1, 1, 0), mode="wrap")
    steep = np.asarray(compiled(single(blurred)))
    assert steep[0, 0].mean() > 100 * steep[LAGS, LAGS].mean()


def test_the_distance_of_spectra_is_that_of_amplitudes(in_float64):
    x = jnp.asarray(numbers(0))
    # without power it is as far off as can be; 8e-2 for the thousandth that is added to found and wanted alike, whose
    # amplitude is 0.03, and more where a frequency of the target is faint
    assert distance_of("spectrum", True, 0 * x, x) == pytest.approx(1, rel=8e-2)
    # ten times the amplitude is nine too much
    assert distance_of("spectrum", True, 10 * x, x) == pytest.approx(81, rel=2e-2)
