"""Sliced Wasserstein: the distribution of the features, projected on many directions in the space of channels."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.statistics.protocol import Statistic, mean_squared_distance, widen

MOST_DIRECTIONS = 64
"""Largest number of directions for a layer. A layer with fewer channels has as many directions as channels, but at
least 8."""

BINS = 256
"""Number of equal parts into which a direction's sorted values are divided. The means of the parts are compared."""


@lru_cache(maxsize=64)
def random_directions(channels: int, count: int, seed: int = 0) -> np.ndarray:
    """Draw random unit vectors. The same arguments always give the same vectors.

    The first ``channels`` vectors are orthogonal to each other; so are the next ``channels``, and so on.

    Args:
        channels: number of channels of the feature map.
        count: number of directions.
        seed: seed of the random numbers.

    Returns:
        ``(channels, count)``: each column is a unit vector.
    """
    random = np.random.default_rng([seed, channels])
    groups = [
        np.linalg.qr(random.standard_normal((channels, min(channels, count - start))))[0]
        for start in range(0, count, channels)
    ]
    return np.concatenate(groups, axis=1).astype(np.float32)


def directions(channels: int) -> np.ndarray:
    """Return the directions of a layer with ``channels`` channels.

    The directions never change, because L-BFGS cannot minimize a loss that draws new directions at each evaluation.
    """
    return random_directions(channels, max(min(channels, MOST_DIRECTIONS), 8))


def quantiles(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "bins directions"]:
    """Project the features on each direction, sort the values, and return the means of `BINS` equal parts.

    The parts have equal size for any number of pixels: a pixel at the border of two parts counts partly in both. So
    every pixel has a gradient. ``wraps`` has no effect.

    Returns:
        ``(BINS, directions)``: for each direction, the means in ascending order.

    References:
        Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture synthesis", 2021. They draw
        new directions at each evaluation, and repeat pixels if two pictures differ in size.
    """
    values = widen(features).reshape(-1, features.shape[2])
    projected = jnp.matmul(values, directions(features.shape[2]).astype(values.dtype), precision="highest")
    return average_sorted(projected)


def average_sorted(projected: Float[Array, "pixels directions"]) -> Float[Array, "bins directions"]:
    """Sort the values of each direction, and return the means of `BINS` equal parts; see `quantiles`."""
    return _average_shares(jnp.sort(projected.T, axis=1)).T


def _average_shares(ordered: Float[Array, "directions pixels"]) -> Float[Array, "directions bins"]:
    """Divide each sorted row into `BINS` equal parts and return the mean of each part."""
    pixels = ordered.shape[1]
    edges = np.linspace(0, pixels, BINS + 1)
    whole = np.minimum(edges.astype(int), pixels - 1)
    rest = (edges - whole).astype(np.float32)
    middle = jnp.mean(ordered, axis=1, keepdims=True)  # centered values have smaller rounding errors in sums
    centered = ordered - jax.lax.stop_gradient(middle)
    sums = jnp.concatenate([jnp.zeros_like(middle), jnp.cumsum(centered, axis=1)], axis=1)
    at_edges = sums[:, whole] + rest[None, :] * centered[:, whole]
    return (at_edges[:, 1:] - at_edges[:, :-1]) * (BINS / pixels) + jax.lax.stop_gradient(middle)


def scale_quantiles(target: Array, factor: float) -> Array:
    """Return the quantiles of features that are √factor times as large.

    Raises:
        InputError: the factor is negative.
    """
    if factor < 0:
        raise InputError(f"a distribution cannot be multiplied by {factor:g}; wanted a factor of 0 or more")
    return target * factor**0.5


SLICED = Statistic("sliced", quantiles, mean_squared_distance, scale_quantiles)
"""The distance is the squared Wasserstein-2 distance of the means in `quantiles`, averaged over the directions."""
