"""What every statistic promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.features import (
    EACH,
    OTHER_SIZE,
    PLACED,
    RATIOS,
    SIZE,
    compare,
    distance_of,
    measure,
    numbers,
    single,
    size_of,
)

from subjective.statistics.protocol import squared_distance
from subjective.statistics.registry import STATISTICS

QUARTIC = ("gram", "gram_sum", "covariance", "shifted", "autocorrelation", "autocorrelation32")


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_the_shape_of_a_measure_depends_on_channels_alone(name, wraps):
    def shape(size, channels):
        features = jax.ShapeDtypeStruct((*size, channels), jnp.float32)
        return jax.eval_shape(lambda x: STATISTICS[name].measure(x, wraps), features).shape

    assert shape(SIZE, 5) == shape(OTHER_SIZE, 5) == shape((64, 33), 5)
    # Nine, since there are never fewer than eight directions; patches have as many for any number of channels.
    assert (shape(SIZE, 5) != shape(SIZE, 9)) == (name != "patches")


@pytest.mark.parametrize("name", STATISTICS)
def test_what_lies_beyond_the_sides_matters_to_statistics_of_pairs_alone(name):
    features = single(numbers(0))
    if name in PLACED:
        wrapped, cut = (np.asarray(compare(name, wraps)(features, features)[0][1]) for wraps in (True, False))
        assert np.abs(wrapped - cut).max() > 1e-3 * np.abs(wrapped).max()
    else:
        np.testing.assert_array_equal(measure(name)(features, True), measure(name)(features, False))


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_a_map_of_the_least_size_can_be_measured(name, wraps):
    least = STATISTICS[name].smallest_sides[not wraps]
    found = measure(name)(single(numbers(0, (least, least))), wraps)
    expected = jax.eval_shape(
        lambda x: STATISTICS[name].measure(x, wraps), jax.ShapeDtypeStruct((64, 64, 5), np.float32)
    )
    assert found.shape == expected.shape
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_gradients_of_distances_are_finite_differences_in_float64(name, wraps, in_float64):
    x, y = (jnp.asarray(numbers(seed, size_of(name))) for seed in (0, 1))
    gradient = compare(name, wraps)(x, y)[1]
    # uphill, so that parts do not cancel; the step is so short that hardly two pixels change their order
    along = jnp.sign(gradient) + np.random.default_rng(2).standard_normal(x.shape)
    step = 1e-6
    up, down = (distance_of(name, wraps, x + t * along, y) for t in (step, -step))
    assert float(jnp.vdot(gradient, along)) == pytest.approx((up - down) / (2 * step), rel=1e-5)


@pytest.mark.parametrize(("name", "wraps"), EACH)
def test_gradients_in_float32_are_those_in_float64(name, wraps):
    x, y = (numbers(seed, size_of(name)) for seed in (0, 1))
    rough = np.asarray(compare(name, wraps)(single(x), single(y))[1])
    with jax.enable_x64(True):
        exact = np.asarray(compare(name, wraps)(jnp.asarray(x), jnp.asarray(y))[1])
    # the root of a matrix loses digits with its condition; of two values that are almost one, the order is chance
    tolerance = 5e-4 if name in ("gaussian", "sliced", "patches") else 2e-6
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
    (distance, _), gradient = compare(name, wraps)(single(np.full((*SIZE, 5), value)), single(numbers(1)))
    assert 0 <= float(distance) < np.inf
    assert (float(distance) == 0) == (name == "grid")  # which only counts what is too much
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize(("name", "wraps"), [pair for pair in EACH if pair[0] not in RATIOS])
def test_a_flat_target_has_a_finite_distance_and_gradient(name, wraps, value):
    flat = single(np.full((*SIZE, 5), value))
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
    statistic, features = STATISTICS[name], numbers(0, size_of(name))
    target = compare(name, wraps)(jnp.asarray(features), jnp.asarray(features))[0][1]
    for factor in (4.0, 0.5):
        scaled = jnp.asarray(features * np.sqrt(factor))
        expected = compare(name, wraps)(scaled, scaled)[0][1]
        # scales of moments are float32
        np.testing.assert_allclose(statistic.scale(target, factor), expected, rtol=1e-6, atol=1e-9)


ADDITIVE = [name for name, statistic in STATISTICS.items() if statistic.sums]


def test_what_adds_up_over_tiles_is_known():
    of_pairs = ["shifted", "autocorrelation", "autocorrelation32"]
    assert ["gram", "gram_sum", "covariance", "gaussian", *of_pairs] == ADDITIVE


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wraps"), [pair for pair in EACH if pair[0] in ADDITIVE and pair[0] != "gaussian"])
def test_a_measure_is_the_sum_of_its_tiles(name, wraps, in_float64):
    statistic = STATISTICS[name]
    # Tiles that end with the map, that do not, the whole map, and more. Where the measure is the same whether or not
    # the map wraps, that of its tiles is too.
    ways = [(rows, beyond) for rows in (8, 71, 100) for beyond in {wraps, wraps and name in PLACED}]

    @jax.jit
    def whole_and_tiled(features):
        def and_gradient(measure):
            found, pull = jax.vjp(measure, features)
            return found, pull(jnp.cos(jnp.arange(found.size, dtype=found.dtype)).reshape(found.shape))[0]

        whole = and_gradient(lambda f: statistic.measure(f, wraps))
        return whole, [and_gradient(lambda f, way=way: statistic.sums.measure_map(f, way[1], way[0])) for way in ways]

    wanted, tiled = whole_and_tiled(jnp.asarray(numbers(0, (71, 66))))
    for found in tiled:
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
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
        "patches": np.mean(targets["patches"] ** 2),
        "shifted": np.sum(targets["shifted"] ** 2),
        "autocorrelation": np.sum(targets["autocorrelation"] ** 2),
        "autocorrelation32": np.sum(targets["autocorrelation32"] ** 2),
        **dict.fromkeys(RATIOS, 1.0),  # ratios have no unit already
    }
    assert set(expected) == set(STATISTICS)
    for name, value in expected.items():
        found = float(STATISTICS[name].size(jnp.asarray(targets[name])))
        assert found == pytest.approx(value, rel=0.02 if name == "gaussian" else 1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STATISTICS if name not in RATIOS])
def test_a_black_target_has_no_size(name):
    measured = STATISTICS[name].measure(jnp.zeros((*SIZE, 5)), True)
    assert abs(float(STATISTICS[name].size(measured))) < 1e-12


@pytest.mark.parametrize("name", [name for name in STATISTICS if name not in RATIOS])
def test_a_distance_over_the_targets_size_has_no_unit(name, in_float64):
    def both(factor):
        x, y = (jnp.asarray(factor * numbers(seed, size_of(name))) for seed in (0, 1))
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


def test_squared_distance_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(3, 3\).*\(2, 3\)"):
        squared_distance(jnp.zeros((3, 3)), jnp.zeros((2, 3)))
