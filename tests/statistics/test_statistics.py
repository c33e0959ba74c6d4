import re
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage

from subjective.pyramid import PADDINGS, TAPS, gaussian_pyramid, octave_size
from subjective.statistics.analysis import analyze
from subjective.statistics.autocorrelation import LAGS, autocorrelation, power_spectrum
from subjective.statistics.gram import gram
from subjective.statistics.grid import grid_powers
from subjective.statistics.moments import RIDGE, covariance_distance, gaussian_distance, mean_and_covariance, moments
from subjective.statistics.protocol import squared_distance
from subjective.statistics.registry import STATISTICS, parse_term
from subjective.statistics.shifted import SHIFTS, shifted_grams
from subjective.statistics.sliced import BINS, MOST_DIRECTIONS, directions, mean_squared_distance, quantiles
from subjective.statistics.terms import Analysis, Term, fits, map_size, network_layers, places_of, smallest_picture

SIZE, OTHER_SIZE = (36, 33), (34, 41)  # large enough for the statistics of lags
# What lies beyond the sides makes a difference to these alone.
PLACED = ("shifted", "spectrum", "autocorrelation", "autocorrelation32")
EACH = [(name, wraps) for name in STATISTICS for wraps in ((True, False) if name in PLACED else (True,))]
# Distances that are the fourth power of the features; the Gaussian and the sliced one are the second.
RATIOS = ("spectrum", "grid")  # these compare powers with powers
QUARTIC = ("gram", "gram_sum", "covariance", "shifted", "autocorrelation", "autocorrelation32")


def numbers(seed, size=SIZE, channels=5):
    """Features that are correlated, off center, and unlike those of another seed."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((channels, channels)) + 3 * np.eye(channels)  # well conditioned
    mixed = random.standard_normal((*size, channels)) @ mixing / 3
    return mixed + random.standard_normal(channels)


def single(array):
    return jnp.asarray(array, jnp.float32)


@lru_cache
def compare(name, wraps):
    """Compiled: (distance of x to y, measure of x), gradient of the distance with respect to x."""
    statistic = STATISTICS[name]

    def distance(x, y):
        found = statistic.measure(x, wraps)
        return statistic.distance(found, statistic.measure(y, wraps)), found

    return jax.jit(jax.value_and_grad(distance, has_aux=True))


def distance_of(name, wraps, x, y):
    return float(compare(name, wraps)(x, y)[0][0])


# --- Every statistic -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_the_shape_of_a_measure_depends_on_channels_alone(name, wraps):
    def shape(size, channels):
        features = jax.ShapeDtypeStruct((*size, channels), jnp.float32)
        return jax.eval_shape(lambda x: STATISTICS[name].measure(x, wraps), features).shape

    assert shape(SIZE, 5) == shape(OTHER_SIZE, 5) == shape((64, 33), 5)
    assert shape(SIZE, 5) != shape(SIZE, 9)  # nine, since there are never fewer than eight directions


@pytest.mark.parametrize("name", STATISTICS)
def test_what_lies_beyond_the_sides_matters_to_statistics_of_pairs_alone(name):
    features = single(numbers(0))
    if name in PLACED:
        wrapped, cut = (np.asarray(compare(name, wraps)(features, features)[0][1]) for wraps in (True, False))
        assert np.abs(wrapped - cut).max() > 1e-3 * np.abs(wrapped).max()
    else:
        measure = jax.jit(STATISTICS[name].measure, static_argnums=1)
        np.testing.assert_array_equal(measure(features, True), measure(features, False))


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_a_map_of_the_least_size_can_be_measured(name, wraps):
    least = STATISTICS[name].least[not wraps]
    found = jax.jit(STATISTICS[name].measure, static_argnums=1)(single(numbers(0, (least, least))), wraps)
    expected = jax.eval_shape(
        lambda x: STATISTICS[name].measure(x, wraps), jax.ShapeDtypeStruct((64, 64, 5), np.float32)
    )
    assert found.shape == expected.shape
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_gradients_of_distances_are_finite_differences_in_float64(name, wraps, in_float64):
    x, y = jnp.asarray(numbers(0)), jnp.asarray(numbers(1))
    gradient = compare(name, wraps)(x, y)[1]
    # uphill, so that parts do not cancel; the step is so short that hardly two pixels change their order
    along = jnp.sign(gradient) + np.random.default_rng(2).standard_normal(x.shape)
    step = 1e-6
    up, down = (distance_of(name, wraps, x + t * along, y) for t in (step, -step))
    assert float(jnp.vdot(gradient, along)) == pytest.approx((up - down) / (2 * step), rel=1e-5)


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_gradients_in_float32_are_those_in_float64(name, wraps):
    rough = np.asarray(compare(name, wraps)(single(numbers(0)), single(numbers(1)))[1])
    with jax.enable_x64(True):
        exact = np.asarray(compare(name, wraps)(jnp.asarray(numbers(0)), jnp.asarray(numbers(1)))[1])
    # the root of a matrix loses digits with its condition; of two values that are almost one, the order is chance
    tolerance = 5e-4 if name in ("gaussian", "sliced") else 2e-6
    assert np.linalg.norm(rough - exact) < tolerance * np.linalg.norm(exact)


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_a_distance_is_zero_at_the_target_alone(name, wraps):
    here, there = single(numbers(0)), single(numbers(1))
    (same, target), at_rest = compare(name, wraps)(here, here)
    (apart, _), gradient = compare(name, wraps)(there, here)
    assert float(apart) > 0.05 * float(STATISTICS[name].size(target)) > 0
    # A power that an estimate from pairs makes negative is wanted to be at least a little, and found to be none.
    without_power = float(jnp.mean(target <= 0)) if name == "spectrum" else 0.0
    assert without_power < 0.01
    # the Gaussian's is a difference of traces, from which float32 leaves 1e-6
    assert abs(float(same)) < (1e-5 + without_power) * float(STATISTICS[name].size(target))
    assert np.linalg.norm(at_rest) < 0.01 * np.linalg.norm(gradient)  # the quietest frequencies pull a little


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_a_flat_map_has_a_finite_distance_and_gradient(name, wraps, value):
    (distance, _), gradient = compare(name, wraps)(jnp.full((*SIZE, 5), value), single(numbers(1)))
    assert 0 <= float(distance) < np.inf
    assert (float(distance) == 0) == (name == "grid")  # which only counts what is too much
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize(("name", "wraps"), [pair for pair in EACH if pair[0] not in RATIOS])
def test_a_flat_target_has_a_finite_distance_and_gradient(name, wraps, value):
    flat = jnp.full((*SIZE, 5), value)
    (distance, _), gradient = compare(name, wraps)(single(numbers(1)), flat)
    assert 0 < float(distance) < np.inf
    assert np.isfinite(gradient).all()
    (distance, _), gradient = compare(name, wraps)(flat, flat)
    assert abs(float(distance)) < 1e-5
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_a_channel_that_is_silent_in_one_map_keeps_everything_finite(name, wraps):
    loud, silent = single(numbers(0)), single(numbers(1)).at[:, :, 2].set(0)
    for x, y in [(loud, silent), (silent, loud), (silent, silent)]:
        (distance, _), gradient = compare(name, wraps)(x, y)
        assert np.isfinite(distance)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", STATISTICS)
def test_no_statistic_says_where_things_are(name):
    # the grid's statistic leaves out what is beyond a multiple of four, so it wraps only where nothing is
    here = single(numbers(0, (36, 32) if name == "grid" else SIZE))
    measured = compare(name, True)(here, here)[0][1]
    for shift in [(1, 0), (-5, 7), (18, 16)]:
        (distance, moved), _ = compare(name, True)(jnp.roll(here, shift, (0, 1)), here)
        np.testing.assert_allclose(moved, measured, rtol=1e-4, atol=1e-5 * float(jnp.abs(measured).max()))
        assert abs(float(distance)) < 1e-5 * float(STATISTICS[name].size(measured))


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_a_target_is_scaled_as_if_the_features_had_other_power(name, wraps, in_float64):
    statistic, features = STATISTICS[name], numbers(0)
    target = compare(name, wraps)(jnp.asarray(features), jnp.asarray(features))[0][1]
    for factor in (4.0, 0.5):
        scaled = jnp.asarray(features * np.sqrt(factor))
        expected = compare(name, wraps)(scaled, scaled)[0][1]
        # scales of moments are float32
        np.testing.assert_allclose(statistic.scaled(target, factor), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["covariance", "gaussian"])
def test_moments_of_a_negative_power_are_refused(name):
    with pytest.raises(ValueError, match="-1"):
        STATISTICS[name].scaled(moments(single(numbers(0, (4, 4)))), -1.0)


ADDITIVE = [name for name, statistic in STATISTICS.items() if statistic.sums]


def test_what_adds_up_over_tiles_is_known():
    of_pairs = ["shifted", "autocorrelation", "autocorrelation32"]
    assert ["gram", "gram_sum", "covariance", "gaussian", *of_pairs] == ADDITIVE


def test_both_distances_of_moments_are_of_the_same_sums():
    covariance, gaussian = STATISTICS["covariance"], STATISTICS["gaussian"]
    assert gaussian.sums is covariance.sums
    assert gaussian.measure is covariance.measure


@pytest.mark.parametrize(("name", "wraps"), [pair for pair in EACH if pair[0] in ADDITIVE and pair[0] != "gaussian"])
def test_a_measure_is_the_sum_of_its_tiles(name, wraps, in_float64):
    statistic = STATISTICS[name]
    # Tiles that end with the map, that do not, the whole map, and more. Where the measure is the same whether or not
    # the map wraps, that of its tiles is too.
    ways = [(rows, beyond) for rows in (8, 17, 71, 100) for beyond in {wraps, wraps and name in PLACED}]

    @jax.jit
    def whole_and_tiled(features):
        def and_gradient(measure):
            found, pull = jax.vjp(measure, features)
            return found, pull(jnp.cos(jnp.arange(found.size, dtype=found.dtype)).reshape(found.shape))[0]

        whole = and_gradient(lambda f: statistic.measure(f, wraps))
        return whole, [and_gradient(lambda f, way=way: statistic.sums.of_map(f, way[1], way[0])) for way in ways]

    wanted, tiled = whole_and_tiled(jnp.asarray(numbers(0, (71, 66))))
    for found in tiled:
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


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


def test_the_size_of_a_target_is_its_distance_from_a_black_map(in_float64):
    features = numbers(0)
    targets = {
        name: np.asarray(compare(name, True)(jnp.asarray(features), jnp.asarray(features))[0][1]) for name in STATISTICS
    }
    pixels = features.reshape(-1, 5)
    matrix = pixels.T @ pixels / features.size
    mean, covariance = pixels.mean(axis=0), np.cov(pixels.T, bias=True) / 5
    expected = {
        "gram": np.sum(matrix**2),
        "gram_sum": np.mean((matrix * features.size) ** 2),
        "covariance": np.sum(covariance**2) + np.mean(mean**2) * (np.mean(mean**2) + np.trace(covariance)),
        # what moves a point to a cloud: its mean and its whole variance, but for the ridge's root
        "gaussian": np.sum(mean**2) / 5 + np.trace(covariance),
        "sliced": np.mean(targets["sliced"] ** 2),
        "shifted": np.sum(targets["shifted"] ** 2),
        "autocorrelation": np.sum(targets["autocorrelation"] ** 2),
        "autocorrelation32": np.sum(targets["autocorrelation32"] ** 2),
        **dict.fromkeys(RATIOS, 1.0),  # ratios have no unit already
    }
    assert set(expected) == set(STATISTICS)
    for name, value in expected.items():
        found = float(STATISTICS[name].size(jnp.asarray(targets[name])))
        assert found == pytest.approx(value, rel=0.02 if name == "gaussian" else 1e-5), name


@pytest.mark.parametrize("name", [name for name in STATISTICS if name not in RATIOS])
def test_a_black_target_has_no_size(name):
    measured = STATISTICS[name].measure(jnp.zeros((*SIZE, 5)), True)
    assert abs(float(STATISTICS[name].size(measured))) < 1e-12


@pytest.mark.parametrize("name", [name for name in STATISTICS if name not in RATIOS])
def test_a_distance_over_the_targets_size_has_no_unit(name, in_float64):
    def both(factor):
        x, y = jnp.asarray(factor * numbers(0)), jnp.asarray(factor * numbers(1))
        (distance, _), (_, target) = compare(name, True)(x, y)[0], compare(name, True)(y, y)[0]
        return float(distance), float(STATISTICS[name].size(target))

    (distance, size), (scaled_distance, scaled_size) = both(1.0), both(7.0)
    power = 4 if name in QUARTIC else 2
    assert scaled_distance == pytest.approx(7**power * distance, rel=1e-9)
    assert scaled_distance / scaled_size == pytest.approx(distance / size, rel=1e-9)


@pytest.mark.parametrize("name", RATIOS)
def test_distances_of_powers_see_only_their_ratios(name, in_float64):
    x, y = jnp.asarray(numbers(0)), jnp.asarray(numbers(1))
    here = distance_of(name, True, x, y)
    # the faintest power that counts, 1e-8, is a share of all others
    assert distance_of(name, True, 7 * x, 7 * y) == pytest.approx(here, rel=1e-5)
    assert distance_of(name, True, 7 * x, y) > 2 * here > 0


def test_the_distance_of_spectra_is_that_of_amplitudes(in_float64):
    x = jnp.asarray(numbers(0))
    # without power it is as far off as can be; 8e-2 for the thousandth that is added to found and wanted alike, whose
    # amplitude is 0.03, and more where a frequency of the target is faint
    assert distance_of("spectrum", True, 0 * x, x) == pytest.approx(1, rel=8e-2)
    # ten times the amplitude is nine too much
    assert distance_of("spectrum", True, 10 * x, x) == pytest.approx(81, rel=2e-2)


def test_squared_distance_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(3, 3\).*\(2, 3\)"):
        squared_distance(jnp.zeros((3, 3)), jnp.zeros((2, 3)))


# --- One by one ------------------------------------------------------------------------------------------------------


def test_moments_hold_mean_and_covariance(in_float64):
    features = numbers(0, (24, 20))
    mean, covariance = mean_and_covariance(moments(jnp.asarray(features)))
    pixels = features.reshape(-1, 5)
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(pixels.T, bias=True) / 5, rtol=1e-11)
    np.testing.assert_allclose(moments(jnp.asarray(features))[:-1, :-1], gram(jnp.asarray(features)), rtol=1e-12)


def test_the_distance_of_covariances_keeps_the_mean_apart(in_float64):
    one, other = numbers(0, (24, 20)), numbers(1, (24, 20))
    found = covariance_distance(moments(jnp.asarray(one)), moments(jnp.asarray(other)))
    (mean, covariance), (wanted_mean, wanted) = (
        (pixels.mean(axis=0), np.cov(pixels.T, bias=True) / 5) for pixels in (one.reshape(-1, 5), other.reshape(-1, 5))
    )
    shift, spread = np.sum((mean - wanted_mean) ** 2) / 5, np.mean(np.var(other.reshape(-1, 5), axis=0))
    assert float(found) == pytest.approx(np.sum((covariance - wanted) ** 2) + shift**2 + shift * spread, rel=1e-10)
    # a shift alone costs its own part, whatever the means are
    moved = covariance_distance(moments(jnp.asarray(one + 0.5)), moments(jnp.asarray(one)))
    assert float(moved) == pytest.approx(0.25**2 + 0.25 * np.mean(np.var(one.reshape(-1, 5), axis=0)), rel=1e-9)


def test_the_distance_of_gaussians_is_the_closed_form(in_float64):
    one, other = numbers(0, (24, 20)), numbers(1, (24, 20))
    (mean, covariance), (wanted_mean, wanted) = (
        (pixels.mean(axis=0), np.cov(pixels.T, bias=True)) for pixels in (one.reshape(-1, 5), other.reshape(-1, 5))
    )
    ridge = RIDGE * np.trace(wanted) / 5 * np.eye(5)
    root = scipy.linalg.sqrtm(wanted + ridge)
    cross = scipy.linalg.sqrtm(root @ (covariance + ridge) @ root)
    expected = np.sum((mean - wanted_mean) ** 2) + np.trace(covariance + wanted + 2 * ridge - 2 * cross)
    found = gaussian_distance(moments(jnp.asarray(one)), moments(jnp.asarray(other)))
    assert float(found) == pytest.approx(expected.real / 5, rel=1e-9)


def test_gaussians_of_several_pictures_are_taken_apart_one_by_one():
    """Several at once are a call in which XLA's threads may wait for each other for ever."""
    target = moments(jnp.asarray(picture(0)))
    gradient = jax.grad(lambda image: gaussian_distance(moments(image), target))
    images = jnp.stack([jnp.asarray(picture(number)) for number in (1, 2)])
    together, alone = jax.jit(jax.vmap(gradient)), jax.jit(gradient)
    np.testing.assert_allclose(together(images), [alone(image) for image in images], rtol=1e-4, atol=1e-6)
    assert set(re.findall(r"f32\[([\d,]+)\] \S+ = eigh\[", str(jax.make_jaxpr(jax.vmap(gradient))(images)))) == {"3,3"}


def test_the_distance_of_gaussians_is_finite_for_fewer_pixels_than_channels():
    few = jax.jit(jax.value_and_grad(lambda x, y: gaussian_distance(moments(x), moments(y))))
    distance, gradient = few(single(numbers(0, (2, 3), 12)), single(numbers(1, (2, 3), 12)))
    assert 0 < float(distance) < np.inf
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("size", [(16, 16), (32, 24), (24, 20), (17, 13), (3, 4), (1, 1)])
def test_quantiles_are_means_of_equal_shares_of_the_ordered_values(size, in_float64):
    features = numbers(0, size)
    projected = np.sort(features.reshape(-1, 5) @ directions(5).astype(np.float64), axis=0)
    # each value as often as there are bins: then every bin takes a whole number of them
    expected = np.repeat(projected, BINS, axis=0).reshape(BINS, len(projected), -1).mean(axis=1)
    np.testing.assert_allclose(quantiles(jnp.asarray(features)), expected, rtol=0, atol=1e-12)


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


@pytest.mark.parametrize("wraps", [True, False])
def test_shifted_grams_are_mean_outer_products_of_pairs(wraps, in_float64):
    features = numbers(0, (16, 19), 3)
    expected = []
    for shift in SHIFTS:
        for down, right in ((shift, 0), (0, shift)):
            products = [
                np.outer(features[y, x], features[(y + down) % 16, (x + right) % 19])
                for y in range(16)
                for x in range(19)
                if wraps or (y + down < 16 and x + right < 19)
            ]
            expected.append(np.mean(products, axis=0) / 3)
    np.testing.assert_allclose(shifted_grams(jnp.asarray(features), wraps), expected, rtol=1e-10, atol=1e-12)


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
    found = STATISTICS[name].measure(jnp.asarray(features), wraps)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("name", ["autocorrelation", "autocorrelation32", "spectrum"])
def test_faint_structure_counts_as_much_as_strong(wraps, name):
    statistic = STATISTICS[name]

    def relative(contrast):
        found, target = (
            statistic.measure(jnp.asarray(0.5 + contrast * numbers(seed, (72, 72), 3), jnp.float32), wraps)
            for seed in (0, 1)
        )
        return float(statistic.distance(found, target) / statistic.size(target))

    assert relative(0.03) == pytest.approx(relative(0.3), rel=1e-3)


@pytest.mark.parametrize("name", ["autocorrelation", "autocorrelation32"])
def test_a_flat_source_is_no_yardstick_of_nothing(name):
    statistic = STATISTICS[name]
    noise = 0.5 + numbers(0, (72, 72), 3) / 255
    found, target = (
        statistic.measure(jnp.asarray(map_, jnp.float32), True) for map_ in (noise, np.full((72, 72, 3), 0.5))
    )
    assert float(statistic.distance(found, target) / statistic.size(target)) < 1e3


@pytest.mark.parametrize("wraps", [True, False])
def test_tiles_see_faint_structure_in_float32(wraps):
    features = (0.5 + 0.01 * numbers(0, (200, 70), 3)).astype(np.float32)
    found = STATISTICS["autocorrelation"].sums.of_map(jnp.asarray(features), wraps, 32)
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
    found = np.asarray(power_spectrum(jnp.asarray(features), wraps))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.max())  # the window is float32


def test_white_noise_has_a_flat_power_spectrum():
    noise = np.random.default_rng(0).standard_normal((128, 128, 4))
    found = np.asarray(power_spectrum(single(3 * noise + 5)))
    # each is a weighted sum over the window's lags of numbers whose spread is 1 / side: 0.1 altogether
    taper = np.cos(np.pi * np.arange(-LAGS, LAGS + 1) / (2 * (LAGS + 1))) ** 2
    spread = np.sum(taper**2) / 128
    assert found.mean() == pytest.approx(9, rel=0.03)
    assert found.std() / 9 == pytest.approx(spread, rel=0.3)
    assert abs(found / 9 - 1).max() < 6 * spread
    blurred = scipy.ndimage.gaussian_filter(noise, (1, 1, 0), mode="wrap")
    steep = np.asarray(power_spectrum(single(blurred)))
    assert steep[0, 0].mean() > 100 * steep[LAGS, LAGS].mean()


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


# --- Where they are taken --------------------------------------------------------------------------------------------


def picture(seed, size=(48, 40)):
    return single(np.random.default_rng(seed).uniform(size=(*size, 3)))


def term(name, layers, octaves=None):
    return Term(STATISTICS[name], layers, (1.0,) * len(layers), octaves)


def blurred_by_scipy(image, mode):
    for axis in (0, 1):
        image = scipy.ndimage.correlate1d(image, np.array(TAPS), axis=axis, mode=mode)
    return image


THREE = Analysis(
    (0, 1, 2), (term("gram", ("rgb", "band")), term("shifted", ("rgb",), (0,)), term("sliced", ("band",), (0, 2)))
)


# Compiled whole: one by one, its operations would take longer to compile than to run.
analyze_fast = jax.jit(analyze, static_argnums=2)


def shape_of_tree(found):
    return [{layer: sorted(measured) for layer, measured in octave.items()} for octave in found]


def test_analyze_measures_each_term_where_it_is_taken():
    found = analyze_fast({}, picture(0), THREE)
    assert shape_of_tree(found) == [
        {"rgb": ["gram", "shifted"], "band": ["gram", "sliced"]},
        {"rgb": ["gram"], "band": ["gram"]},
        {"rgb": ["gram"], "band": ["gram", "sliced"]},
    ]


def test_octaves_are_those_of_the_analysis_and_may_hold_nothing():
    found = analyze_fast({}, picture(0), Analysis((0, 2), (term("gram", ("rgb",), (2,)),)))
    assert shape_of_tree(found) == [{}, {"rgb": ["gram"]}]
    expected = gram(gaussian_pyramid(picture(0), 3)[2])
    np.testing.assert_allclose(found[1]["rgb"]["gram"], expected, rtol=1e-6)


@pytest.mark.parametrize(("padding", "mode"), [("circular", "wrap"), ("same", "mirror"), ("valid", None)])
def test_the_pictures_layers_are_its_pixels_and_what_a_blur_takes_from_them(padding, mode, in_float64):
    image = np.random.default_rng(0).uniform(size=(24, 19, 3))
    detail = image - blurred_by_scipy(image, mode or "wrap")
    if padding == "valid":
        detail = detail[2:-2, 2:-2]
    found = analyze_fast({}, jnp.asarray(image), Analysis((0,), (term("gram", ("rgb", "band")),), padding))[0]
    for layer, features in (("rgb", image), ("band", detail)):
        expected = np.einsum("yxc,yxd->cd", features, features) / features.size
        np.testing.assert_allclose(found[layer]["gram"], expected, rtol=1e-9)


def test_layers_of_the_picture_and_of_the_network_are_measured_together(small_params):
    analysis = Analysis((0, 1), (term("gram", ("pool1", "rgb")), term("covariance", ("conv2_1", "band"), (1,))))
    found = analyze_fast(small_params, picture(0), analysis)
    assert shape_of_tree(found) == [
        {"rgb": ["gram"], "pool1": ["gram"]},
        {"rgb": ["gram"], "band": ["covariance"], "pool1": ["gram"], "conv2_1": ["covariance"]},
    ]
    assert network_layers(analysis.layers) == ("pool1", "conv2_1")
    with pytest.raises(ValueError, match="conv9_9"):
        analyze(small_params, picture(0), Analysis((0,), (term("gram", ("conv9_9",)),)))


def test_layers_at_names_each_layer_of_an_octave_once():
    analysis = Analysis((0, 1), (term("gram", ("rgb", "band"), (0,)), term("shifted", ("band", "pool1"))))
    assert analysis.layers == ("rgb", "band", "pool1")
    assert analysis.layers_at(0) == ("rgb", "band", "pool1")
    assert analysis.layers_at(1) == ("band", "pool1")
    assert THREE.terms[1].counts(0, "rgb")
    assert not THREE.terms[1].counts(1, "rgb")
    assert not THREE.terms[1].counts(0, "band")


def test_below_an_octave_terms_move_with_it_or_end():
    assert THREE.below(0) == THREE
    assert THREE.below(1) == Analysis((0, 1), (term("gram", ("rgb", "band")), term("sliced", ("band",), (1,))))
    assert THREE.below(2) == Analysis((0,), (term("gram", ("rgb", "band")), term("sliced", ("band",), (0,))))
    assert hash(THREE.below(1).below(1)) == hash(THREE.below(2))
    assert Analysis((0, 2), (term("gram", ("rgb",), (0,)),)).below(2) == Analysis((0,), ())
    assert Analysis((0,), THREE.terms, "valid", "max").below(0).pooling == "max"


@pytest.mark.parametrize("octave", [1, 2])
def test_below_is_the_same_look_at_the_reduced_picture(octave):
    image = picture(0)
    whole = analyze_fast({}, image, THREE)[octave:]
    reduced = analyze_fast({}, gaussian_pyramid(image, octave + 1)[octave], THREE.below(octave))
    assert shape_of_tree(whole) == shape_of_tree(reduced)
    assert jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, rtol=1e-5, atol=2e-6), whole, reduced))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("layer", ["rgb", "band"])
@pytest.mark.parametrize("octaves", [(0,), (0, 1), (1, 2)])
def test_the_smallest_picture_is_the_smallest_that_analyze_makes_numbers_of(padding, layer, octaves):
    analysis = Analysis(octaves, (term("gram", (layer,)),), padding)

    def accepted(size):
        try:
            measured = analyze_fast({}, picture(0, (size, size)), analysis)
        except ValueError:
            return False
        return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(measured))

    smallest = smallest_picture(analysis, ())
    assert accepted(smallest)
    assert smallest == 1 or not accepted(smallest - 1)


def test_the_smallest_picture_has_room_for_what_each_statistic_needs():
    terms = (term("spectrum", ("rgb",)), term("gram", ("rgb", "band")))
    assert smallest_picture(Analysis((0, 1), terms), ()) == 63, "32 pixels at octave 1, rounded up"
    assert smallest_picture(Analysis((0,), terms, "valid"), ()) == 24
    with pytest.raises(ValueError, match="wanted at least 63"):
        analyze({}, jnp.zeros((62, 80, 3)), Analysis((0, 1), terms))


def test_the_smallest_picture_leaves_out_what_is_not_looked_at():
    everywhere = Analysis((0, 1, 2), (term("gram", ("rgb", "band")),), "valid")
    finest = Analysis((0, 1, 2), (term("gram", ("rgb",)), term("gram", ("band",), (0,))), "valid")
    assert smallest_picture(everywhere, ()) == 29
    assert smallest_picture(finest, ()) == 13


@pytest.mark.parametrize("octave", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("layer", ["rgb", "band", "pool1"])
def test_a_term_fits_from_the_size_at_which_its_map_is_large_enough(layer, padding, octave, small_params):
    spectrum = term("spectrum", (layer,))
    sizes = range(20, 200)
    first = next(size for size in sizes if fits(size, spectrum, octave, padding, small_params))
    assert not any(fits(size, spectrum, octave, padding, small_params) for size in range(20, first))
    assert all(fits(size, spectrum, octave, padding, small_params) for size in range(first, 200))
    least = 2 * LAGS if padding == "circular" else 3 * LAGS // 2
    side = octave_size(first, octave, padding)
    assert map_size(side, layer, padding, small_params) == least


def test_map_size_is_the_size_of_the_map(small_params):
    for padding in PADDINGS:
        for layer in ("rgb", "band", "conv2_1"):
            analysis = Analysis((0,), (Term(STATISTICS["gram"], (layer,), (1.0,)),), padding)
            size = smallest_picture(analysis, small_params)
            assert map_size(size, layer, padding, small_params) >= 1
            assert size == 1 or map_size(size - 1, layer, padding, small_params) < 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gram", ("gram", ("pool1", "conv3_2"), (1.0, 0.5))),
        ("gram=2", ("gram", ("pool1", "conv3_2"), (2.0, 1.0))),
        ("spectrum@rgb=0.1", ("spectrum", ("rgb",), (0.1,))),
        ("sliced@rgb,band", ("sliced", ("rgb", "band"), (1.0, 1.0))),
        ("sliced@rgb,pool2=1e-3", ("sliced", ("rgb", "pool2"), (1e-3, 1e-3))),
        ("shifted=0", ("shifted", ("pool1", "conv3_2"), (0.0, 0.0))),
    ],
)
def test_a_term_is_read_from_text(text, expected):
    name, layers, weights = expected
    assert parse_term(text, ("pool1", "conv3_2"), (1.0, 0.5)) == Term(STATISTICS[name], layers, weights)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "grams",
        "Gram",
        "grams@rgb",
        "gram=",
        "gram=two",
        "gram=-1",
        "gram=nan",
        "gram=inf",
        "gram=1=2",
        "@rgb",
        "gram@",
        "gram@=1",
        "gram@rgb,",
        "gram@,rgb",
        "gram@rgb=-0.5",
        "gram+2",
    ],
)
def test_a_text_that_is_no_term_is_refused_by_name(text):
    with pytest.raises(ValueError, match="statistic") as caught:
        parse_term(text, ("pool1",), (1.0,))
    assert repr(text) in str(caught.value)


def test_an_unknown_statistic_is_answered_with_all_there_are():
    with pytest.raises(ValueError, match="unknown statistic 'grams'") as caught:
        parse_term("grams@rgb=1", ("pool1",), (1.0,))
    assert all(name in str(caught.value) for name in STATISTICS)


def test_places_hold_each_statistic_with_its_weight_there():
    terms = [Term(STATISTICS["gram"], ("rgb", "pool1"), (1.0, 2.0)), Term(STATISTICS["sliced"], ("rgb",), (3.0,))]
    assert places_of(terms) == {
        ("rgb", "gram"): (STATISTICS["gram"], 1.0),
        ("pool1", "gram"): (STATISTICS["gram"], 2.0),
        ("rgb", "sliced"): (STATISTICS["sliced"], 3.0),
    }


def test_a_statistic_given_twice_at_one_layer_is_refused():
    with pytest.raises(ValueError, match="gram is given twice at layer rgb"):
        places_of([term("gram", ("rgb",)), term("gram", ("band", "rgb"))])
    with pytest.raises(ValueError, match="gram is given twice at layer rgb"):
        places_of([term("gram", ("rgb", "rgb"))])
    with pytest.raises(ValueError, match=r"zip|argument"):
        places_of([Term(STATISTICS["gram"], ("rgb", "band"), (1.0,))])
