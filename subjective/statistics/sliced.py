"""Sliced Wasserstein: the whole distribution of the features, along many directions."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.statistics.protocol import Statistic, mean_squared_distance, widen

MOST_DIRECTIONS = 64
"""Largest number of directions for a layer; a layer with fewer channels has one direction for each channel."""

BINS = 256
"""Number of equal shares into which the sorted values are divided; the means of the shares are compared."""


@lru_cache(maxsize=64)
def random_directions(channels: int, count: int, seed: int = 0) -> np.ndarray:
    """Draw unit vectors, orthogonal in groups of ``channels``; the same arguments always give the same vectors.

    Args:
        channels: number of channels of the feature map.
        count: number of directions.
        seed: of the random numbers.

    Returns:
        ``(channels, count)``.
    """
    random = np.random.default_rng([seed, channels])
    groups = [
        np.linalg.qr(random.standard_normal((channels, min(channels, count - start))))[0]
        for start in range(0, count, channels)
    ]
    return np.concatenate(groups, axis=1).astype(np.float32)


def directions(channels: int) -> np.ndarray:
    """Return a layer's directions, which never change: L-BFGS cannot minimize a loss that draws new ones each time."""
    return random_directions(channels, max(min(channels, MOST_DIRECTIONS), 8))


def quantiles(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "bins directions"]:
    """Project the features on each direction, and return the mean of each of `BINS` equal shares of the sorted values.

    The means are exact for any number of pixels: a pixel at the border of two shares counts partly in both. Every
    pixel therefore has a gradient. ``wraps`` makes no difference.

    Returns:
        Means in ascending order.

    References:
        Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture synthesis", 2021. They draw
        directions anew at each evaluation, and repeat pixels where sizes differ.
    """
    values = widen(features).reshape(-1, features.shape[2])
    projected = jnp.matmul(values, directions(features.shape[2]).astype(values.dtype), precision="highest")
    return _average_shares(jnp.sort(projected.T, axis=1)).T


def _average_shares(ordered: Float[Array, "directions pixels"]) -> Float[Array, "directions bins"]:
    """Return the mean of each equal share of every sorted row."""
    pixels = ordered.shape[1]
    edges = np.linspace(0, pixels, BINS + 1)
    whole = np.minimum(edges.astype(int), pixels - 1)
    rest = (edges - whole).astype(np.float32)
    middle = jnp.mean(ordered, axis=1, keepdims=True)  # sums of centered values lose less to rounding
    centered = ordered - jax.lax.stop_gradient(middle)
    sums = jnp.concatenate([jnp.zeros_like(middle), jnp.cumsum(centered, axis=1)], axis=1)
    at_edges = sums[:, whole] + rest[None, :] * centered[:, whole]
    return (at_edges[:, 1:] - at_edges[:, :-1]) * (BINS / pixels) + jax.lax.stop_gradient(middle)


def scale_quantiles(target: Array, factor: float) -> Array:
    """Return the quantiles of features that are √factor times as large.

    Raises:
        InputError: a negative factor.
    """
    if factor < 0:
        raise InputError(f"a distribution cannot be multiplied by {factor:g}; wanted a factor of 0 or more")
    return target * factor**0.5


SLICED = Statistic("sliced", quantiles, mean_squared_distance, scale_quantiles)
"""Its distance is the squared Wasserstein-2 distance along a direction, averaged over the directions."""
