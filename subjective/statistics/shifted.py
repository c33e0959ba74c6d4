"""Gram matrices of a feature map and itself moved: what occurs beside what."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic

SHIFTS = (2, 4, 8)
"""Pixels of the feature map by which it is moved, down and right; octaves multiply their reach."""


def shifted_grams(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "shifts channels channels"]:
    """F(x)ᵀF(x + δ) / (pixels · channels) for each shift δ of `SHIFTS`, down and right.

    Without wrapping, only pixels with a partner count.

    References:
        Berger and Memisevic, "Incorporating long-range consistency in CNN-based texture generation", 2017.
    """
    height, width, channels = features.shape
    grams = []
    for shift in SHIFTS:
        for axis in (0, 1):
            if wraps:
                here, there = features, jnp.roll(features, -shift, axis)
            else:
                length = (height, width)[axis]
                here = features[: length - shift] if axis == 0 else features[:, : length - shift]
                there = features[shift:] if axis == 0 else features[:, shift:]
            one, other = here.reshape(-1, channels), there.reshape(-1, channels)
            grams.append(jnp.matmul(one.T, other, precision="highest") / here.size)
    return jnp.stack(grams)


SHIFTED = Statistic("shifted", shifted_grams, least=(2 * max(SHIFTS), 2 * max(SHIFTS)), additive=True)
