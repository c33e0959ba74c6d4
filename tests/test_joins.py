from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers.pictures import SOURCES
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective import joins
from subjective.images import read_image
from subjective.means import MEANS, geodesic
from subjective.network.normalization import load_params
from subjective.network.vgg import extract_features
from subjective.statistics.gram import gram

MATRIX_MODES = ["log_euclidean", "geodesic"]


def positive(seed, size=5):
    root = np.random.default_rng(seed).standard_normal((size, size + 3))
    return root @ root.T / size


def statistics(matrix):
    return ({"layer": {"gram": jnp.asarray(matrix)}},)


def joined(matrices, mode, weights=None, ridge=0.0):
    return np.asarray(joins.join([statistics(m) for m in matrices], mode, weights, ridge=ridge)[0]["layer"]["gram"])


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("mode", list(MEANS))
def test_the_join_of_equal_sources_is_that_source(mode, count, in_float64):
    np.testing.assert_allclose(joined([positive(0)] * count, mode), positive(0), rtol=1e-8)


@pytest.mark.parametrize("mode", list(MEANS))
def test_the_join_does_not_depend_on_the_order_of_the_sources(mode, in_float64):
    a, b, c = positive(1), positive(2), positive(3)
    np.testing.assert_allclose(joined([a, b], mode), joined([b, a], mode), rtol=1e-9)
    np.testing.assert_allclose(joined([a, b, c], mode), joined([c, a, b], mode), rtol=1e-6)


@pytest.mark.parametrize("mode", list(MEANS))
def test_a_weight_of_all_and_none_gives_that_source(mode, in_float64):
    if mode == "max":
        np.testing.assert_allclose(joined([positive(1), positive(2)], mode, [1, 0]), np.maximum(2 * positive(1), 0))
    else:
        np.testing.assert_allclose(joined([positive(1), positive(2)], mode, [3, 0]), positive(1), rtol=1e-8)


@pytest.mark.parametrize("mode", MATRIX_MODES)
def test_matrix_means_of_commuting_matrices_are_geometric(mode, in_float64):
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    first, second = np.array([1.0, 4.0, 9.0]), np.array([16.0, 1.0, 4.0])
    expected = (rotation * first**0.25 * second**0.75) @ rotation.T
    found = joined([(rotation * first) @ rotation.T, (rotation * second) @ rotation.T], mode, [1, 3])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_geodesic_midpoint_is_the_closed_form(in_float64):
    a, b = positive(1), positive(2)
    # A # B = A (A^-1 B)^½, by scipy and without a symmetric root
    expected = a @ scipy.linalg.sqrtm(np.linalg.solve(a, b))
    np.testing.assert_allclose(joined([a, b], "geodesic"), expected, rtol=1e-9)


def test_the_karcher_mean_is_where_the_logarithms_cancel(in_float64):
    matrices, weights = [positive(seed) for seed in range(4)], np.array([0.1, 0.2, 0.3, 0.4])
    mean = joined(matrices, "geodesic", list(weights))
    inverse_root = np.linalg.inv(scipy.linalg.sqrtm(mean))
    logs = [w * scipy.linalg.logm(inverse_root @ m @ inverse_root) for w, m in zip(weights, matrices, strict=True)]
    assert np.linalg.norm(sum(logs)) < 1e-7


@pytest.mark.slow
def test_the_karcher_mean_of_real_textures_is_found():
    """With steps of 1 this stood at 2e-5 after a hundred."""
    params = load_params()
    pictures = [read_image(SOURCES / f"{name}.jpg", width=64) for name in ("rock", "gravel", "grass")]
    extract = jax.jit(partial(extract_features, layers=("conv3_2",), padding="valid"))
    maps = [extract(params, jnp.asarray(one))["conv3_2"] for one in pictures]
    grams = [np.asarray(gram(each), np.float64) for each in maps]
    level = joins.RIDGE * np.mean([np.trace(each) for each in grams]) / 256 * np.eye(256)
    mean = geodesic([each + level for each in grams], [1 / 3] * 3)
    values, vectors = np.linalg.eigh(mean)
    inverse_root = (vectors / np.sqrt(values)) @ vectors.T
    total = np.zeros_like(mean)
    for each in grams:  # the logarithm of a symmetric matrix is that of its eigenvalues: a thousandth of `logm`'s time
        values, vectors = np.linalg.eigh(inverse_root @ (each + level) @ inverse_root)
        total += (vectors * np.log(values)) @ vectors.T
    assert np.linalg.norm(total) < 1e-6


def test_the_karcher_mean_of_two_is_their_midpoint(in_float64):
    a, b = positive(1), positive(2)
    # a third source without weight takes the iteration instead of the closed form
    np.testing.assert_allclose(joined([a, b, a], "geodesic", [1, 2, 1]), joined([a, b], "geodesic"), rtol=1e-7)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_geodesic_mean_moves_with_a_change_of_basis(seed):
    a, b = positive(seed), positive(seed + 1)
    # Far from singular: in a basis of condition 300 the floor under eigenvalues would be all that is seen.
    turn, _, back = np.linalg.svd(np.random.default_rng(seed).standard_normal((5, 5)))
    basis = turn * np.linspace(0.5, 2, 5) @ back
    moved = geodesic([basis @ a @ basis.T, basis @ b @ basis.T], [0.5, 0.5])
    np.testing.assert_allclose(moved, basis @ geodesic([a, b], [0.5, 0.5]) @ basis.T, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("mode", list(MEANS))
def test_singular_matrices_join_to_something_finite(mode, in_float64):
    a, b, c = (np.outer(v, v) for v in np.random.default_rng(0).standard_normal((3, 6)))
    assert np.isfinite(joined([a, b, c], mode)).all()
    np.testing.assert_allclose(joined([a, a], mode), a, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("mode", MATRIX_MODES)
def test_with_a_ridge_equal_singular_sources_join_to_themselves(mode, in_float64):
    a = np.outer(*[np.random.default_rng(0).standard_normal(6)] * 2)
    np.testing.assert_allclose(joined([a, a, a], mode, ridge=joins.RIDGE), a, atol=1e-9)


@pytest.mark.parametrize("mode", MATRIX_MODES)
def test_a_ridge_leads_from_the_plain_mean_to_the_average(mode, in_float64):
    a, b = positive(1), positive(2)
    average, plain = joined([a, b], "average"), joined([a, b], mode)
    np.testing.assert_allclose(joined([a, b], mode, ridge=1e-9), plain, rtol=1e-5)
    np.testing.assert_allclose(joined([a, b], mode, ridge=1e6), average, rtol=1e-4)


def test_with_a_ridge_the_geodesic_mean_stays_positive(in_float64):
    a, b = (np.outer(v, v) for v in np.random.default_rng(0).standard_normal((2, 6)))
    assert np.linalg.eigvalsh(joined([a, b], "geodesic", ridge=joins.RIDGE))[0] > -1e-9


def test_average_and_max_are_what_they_say():
    a, b = np.array([[1.0, 5.0], [2.0, 0.0]]), np.array([[3.0, 1.0], [2.0, 4.0]])
    np.testing.assert_allclose(joined([a, b], "average"), [[2, 3], [2, 2]])
    np.testing.assert_allclose(joined([a, b], "average", [3, 1]), [[1.5, 4], [2, 1]])
    np.testing.assert_allclose(joined([a, b], "max"), [[3, 5], [2, 4]])


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_unfit_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        joins.join([statistics(positive(0))] * 2, "average", weights)


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(ValueError, match="no statistics"):
        joins.join([])
    with pytest.raises(ValueError, match="different shapes"):
        joins.join([statistics(positive(0, 4)), statistics(positive(0, 5))])
    with pytest.raises(ValueError, match="square"):
        joins.join([statistics(np.ones(3))] * 2, "geodesic")
