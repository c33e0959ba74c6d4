"""Gram matrices between a feature map and the shifted map: which features occur at fixed distances from each other."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic, Sums, widen

SHIFTS = (2, 4, 8)
"""Pixels by which the feature map is shifted, down and to the right. In coarse octaves the shifts cover more of the
picture."""

REACH = max(SHIFTS)
"""Largest shift in pixels."""


def shifted_grams(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "shifts channels channels"]:
    """Return F(x)ᵀF(x + δ) / (pixels · channels) for each shift δ: `SHIFTS` down and to the right.

    F(x) is the feature map as a matrix with a row for each pixel x, and F(x + δ) is the shifted map. In a map that does
    not wrap, a pixel x counts only if x + δ lies in the map too.

    Returns:
        ``(2 · len(SHIFTS), channels, channels)``: for each of `SHIFTS`, the matrix for the shift down, then the one for
        the shift to the right.

    References:
        Berger and Memisevic, "Incorporating long-range consistency in CNN-based texture generation", 2017.
    """
    return SUMS.measure_map(features, wraps, features.shape[0])


def _multiply_shifted(around: Array, weights: Array, wraps: bool) -> Array:
    """Return F(x)ᵀF(x + δ) for each shift δ, where x are the pixels of a tile."""
    rows, width, channels = weights.shape[0], *around.shape[1:]
    around = widen(around)
    here = around[REACH : REACH + rows] * weights
    products = []
    for shift in SHIFTS:
        below = (here, around[REACH + shift : REACH + shift + rows])
        beside = (here, jnp.roll(here, -shift, 1)) if wraps else (here[:, : width - shift], here[:, shift:])
        for one, other in (below, beside):
            flat, moved = one.reshape(-1, channels), other.reshape(-1, channels)
            products.append(jnp.matmul(flat.T, moved, precision="highest"))
    return jnp.stack(products)


def _divide_by_pairs(total: Array, shape: tuple[int, ...], wraps: bool) -> Array:
    """Divide the sums for each shift by the number of pixel pairs with this shift, and by the number of channels."""
    height, width, channels = shape
    pairs = [
        count
        for shift in SHIFTS
        for count in ((height * width,) * 2 if wraps else ((height - shift) * width, height * (width - shift)))
    ]
    return total / (jnp.asarray(pairs, total.dtype) * channels)[:, None, None]


SUMS = Sums(_multiply_shifted, _divide_by_pairs, reach=REACH)
SHIFTED = Statistic("shifted", shifted_grams, smallest_sides=(2 * REACH, 2 * REACH), sums=SUMS)
