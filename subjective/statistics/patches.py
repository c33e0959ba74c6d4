"""Distributions of small patches of pixels, seen along random directions. No network is needed."""

from __future__ import annotations

from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic, mean_squared_distance, widen
from subjective.statistics.sliced import average_sorted, random_directions, scale_quantiles

SIDE = 7
"""Side of a patch in pixels."""

DIRECTIONS = 64
"""Number of directions along which patches are compared."""


@lru_cache(maxsize=8)
def filters(channels: int) -> np.ndarray:
    """Return the directions as filters ``(SIDE, SIDE, channels, DIRECTIONS)``; each has length 1."""
    return random_directions(SIDE * SIDE * channels, DIRECTIONS).reshape(SIDE, SIDE, channels, DIRECTIONS)


def patch_quantiles(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "bins directions"]:
    """Project every patch on each direction, sort the values, and return the means of equal parts, as `quantiles` does.

    Patches of a map that wraps go on beyond its borders; other patches lie inside the map.

    Returns:
        ``(BINS, DIRECTIONS)``: for each direction, the means in ascending order.

    References:
        Elnekave and Weiss, "Generating natural images with direct patch distributions matching", ECCV 2022. They draw
        new directions at each step, and minimize with Adam.
    """
    values = widen(features)
    around = jnp.pad(values, ((0, SIDE - 1), (0, SIDE - 1), (0, 0)), mode="wrap") if wraps else values
    kernel = jnp.asarray(filters(features.shape[2]), values.dtype)
    projected = lax.conv_general_dilated(
        around[None], kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
    return average_sorted(projected.reshape(-1, DIRECTIONS))


PATCHES = Statistic("patches", patch_quantiles, mean_squared_distance, scale_quantiles, smallest_sides=(SIDE, SIDE))
"""The distance is the squared Wasserstein-2 distance of the means, averaged over the directions."""
