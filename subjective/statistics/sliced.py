"""Sliced Wasserstein: the whole distribution of the features, seen along many directions."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.statistics.protocol import Statistic, mean_squared_distance, widened

MOST_DIRECTIONS = 64
"""Directions for each layer, or one for each channel where it has fewer."""

BINS = 256
"""Equal shares of the pixels, in order of their value, whose means are compared."""


@lru_cache(maxsize=64)
def random_directions(channels: int, count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors ``(channels, count)``, orthogonal in groups of ``channels``; for given arguments always the same."""
    random = np.random.default_rng([seed, channels])
    blocks = [
        np.linalg.qr(random.standard_normal((channels, min(channels, count - start))))[0]
        for start in range(0, count, channels)
    ]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def directions(channels: int) -> np.ndarray:
    """The directions of a layer: fixed, since a loss that draws new ones each time is none that L-BFGS could follow."""
    return random_directions(channels, max(min(channels, MOST_DIRECTIONS), 8))


def quantiles(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "bins directions"]:
    """Mean of each of `BINS` equal shares of the projected values, in ascending order, along each direction.

    The means are exact for any number of pixels: a pixel at the border of two shares counts in both by parts. Every
    pixel therefore has a gradient. ``wraps`` makes no difference.

    References:
        Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture synthesis", 2021. They draw
        directions anew at each evaluation, and repeat pixels where sizes differ.
    """
    values = widened(features).reshape(-1, features.shape[2])
    projected = jnp.matmul(values, directions(features.shape[2]).astype(values.dtype), precision="highest")
    return _shares(jnp.sort(projected.T, axis=1)).T


def _shares(ordered: Float[Array, "directions pixels"]) -> Float[Array, "directions bins"]:
    """Means of equal shares of ordered rows."""
    pixels = ordered.shape[1]
    edges = np.linspace(0, pixels, BINS + 1)
    whole = np.minimum(edges.astype(int), pixels - 1)
    rest = (edges - whole).astype(np.float32)
    middle = jnp.mean(ordered, axis=1, keepdims=True)  # sums of what is centered lose less to rounding
    centered = ordered - jax.lax.stop_gradient(middle)
    sums = jnp.concatenate([jnp.zeros_like(middle), jnp.cumsum(centered, axis=1)], axis=1)
    at_edges = sums[:, whole] + rest[None, :] * centered[:, whole]
    return (at_edges[:, 1:] - at_edges[:, :-1]) * (BINS / pixels) + jax.lax.stop_gradient(middle)


def scaled_quantiles(target: Array, factor: float) -> Array:
    """The quantiles if all features were √factor times as large.

    Raises:
        InputError: a negative factor.
    """
    if factor < 0:
        raise InputError(f"a distribution cannot be multiplied by {factor:g}; wanted a factor of 0 or more")
    return target * factor**0.5


SLICED = Statistic("sliced", quantiles, mean_squared_distance, scaled_quantiles)
"""Its distance is the squared Wasserstein-2 distance along a direction, averaged over directions."""
