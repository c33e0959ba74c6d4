"""Gram matrices of a feature map and itself moved: what occurs beside what."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic, Sums, widened

SHIFTS = (2, 4, 8)
"""Pixels of the feature map by which it is moved, down and right; octaves multiply their reach."""

REACH = max(SHIFTS)


def shifted_grams(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "shifts channels channels"]:
    """F(x)ᵀF(x + δ) / (pixels · channels) for each shift δ of `SHIFTS`, down and right.

    Without wrapping, only pixels with a partner count.

    References:
        Berger and Memisevic, "Incorporating long-range consistency in CNN-based texture generation", 2017.
    """
    return SUMS.of_map(features, wraps, features.shape[0])


def _products(around: Array, own: Array, wraps: bool) -> Array:
    rows, width, channels = own.shape[0], *around.shape[1:]
    around = widened(around)
    here = around[REACH : REACH + rows] * own
    sums = []
    for shift in SHIFTS:
        below = (here, around[REACH + shift : REACH + shift + rows])
        beside = (here, jnp.roll(here, -shift, 1)) if wraps else (here[:, : width - shift], here[:, shift:])
        for one, other in (below, beside):
            flat, moved = one.reshape(-1, channels), other.reshape(-1, channels)
            sums.append(jnp.matmul(flat.T, moved, precision="highest"))
    return jnp.stack(sums)


def _measured(total: Array, shape: tuple[int, ...], wraps: bool) -> Array:
    height, width, channels = shape
    pairs = [
        count
        for shift in SHIFTS
        for count in ((height * width,) * 2 if wraps else ((height - shift) * width, height * (width - shift)))
    ]
    return total / (jnp.asarray(pairs, total.dtype) * channels)[:, None, None]


SUMS = Sums(_products, _measured, reach=REACH)
SHIFTED = Statistic("shifted", shifted_grams, least=(2 * REACH, 2 * REACH), sums=SUMS)
