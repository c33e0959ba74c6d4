"""Mean and covariance, and two distances of them."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
from helpers.features import numbers, single
from helpers.pictures import noise

from subjective.statistics.gram import gram
from subjective.statistics.moments import (
    ADDED_VARIANCE_SHARE,
    covariance_distance,
    gaussian_distance,
    mean_and_covariance,
    moments,
)
from subjective.statistics.registry import STATISTICS


def test_moments_hold_mean_and_covariance(in_float64):
    features = numbers(0, (24, 20))
    mean, covariance = mean_and_covariance(moments(jnp.asarray(features)))
    pixels = features.reshape(-1, 5)
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(pixels.T, bias=True) / 5, rtol=1e-11)
    np.testing.assert_allclose(moments(jnp.asarray(features))[:-1, :-1], gram(jnp.asarray(features)), rtol=1e-12)


@pytest.mark.parametrize("name", ["covariance", "gaussian"])
def test_moments_of_a_negative_power_are_refused(name):
    with pytest.raises(ValueError, match="-1"):
        STATISTICS[name].scale(moments(single(numbers(0, (4, 4)))), -1.0)


def test_both_distances_of_moments_are_of_the_same_sums():
    covariance, gaussian = STATISTICS["covariance"], STATISTICS["gaussian"]
    assert gaussian.sums is covariance.sums
    assert gaussian.measure is covariance.measure


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
    ridge = ADDED_VARIANCE_SHARE * np.trace(wanted) / 5 * np.eye(5)
    root = scipy.linalg.sqrtm(wanted + ridge)
    cross = scipy.linalg.sqrtm(root @ (covariance + ridge) @ root)
    expected = np.sum((mean - wanted_mean) ** 2) + np.trace(covariance + wanted + 2 * ridge - 2 * cross)
    found = gaussian_distance(moments(jnp.asarray(one)), moments(jnp.asarray(other)))
    assert float(found) == pytest.approx(expected.real / 5, rel=1e-9)


@pytest.mark.slow
def test_gaussians_of_several_pictures_are_taken_apart_one_by_one():
    """Several at once are a call in which XLA's threads may wait for each other for ever."""
    target = moments(jnp.asarray(noise(48, 40, 3)))
    gradient = jax.grad(lambda image: gaussian_distance(moments(image), target))
    images = jnp.stack([jnp.asarray(noise(48, 40, 3, seed=number)) for number in (1, 2)])
    together, alone = jax.jit(jax.vmap(gradient)), jax.jit(gradient)
    np.testing.assert_allclose(together(images), [alone(image) for image in images], rtol=1e-4, atol=1e-6)
    assert set(re.findall(r"f32\[([\d,]+)\] \S+ = eigh\[", str(jax.make_jaxpr(jax.vmap(gradient))(images)))) == {"3,3"}


def test_the_distance_of_gaussians_is_finite_for_fewer_pixels_than_channels():
    few = jax.jit(jax.value_and_grad(lambda x, y: gaussian_distance(moments(x), moments(y))))
    distance, gradient = few(single(numbers(0, (2, 3), 12)), single(numbers(1, (2, 3), 12)))
    assert 0 < float(distance) < np.inf
    assert np.isfinite(gradient).all()
