"""The grid of the network: waves with periods of two and four pixels, which the network's pooling leaves in pictures.

The other statistics cannot measure these waves.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, widen

PERIOD = 4
"""Period of the grid in pixels. After two poolings, the network treats every fourth pixel in the same way."""

AROUND = 2
"""The power of a wave is compared with the mean power of its neighboring frequencies. Along each axis, the neighbors
reach from this number of frequencies below the wave's frequency to the same number above."""

ADDED_POWER = 1e-8
"""Number that is added to the power around a wave, because a flat channel has no power. It is far below the power of
the errors from rounding to 8 bits."""

PIXELS = 256**2
"""In a picture with more pixels than this, the excess power of each wave is reduced.

The power of a wave that is in phase everywhere grows with the number of pixels, but the power of a texture does not.
The wave is as visible in a large picture as in a small picture, so its excess must not grow.
"""

CHANCE = 3.0
"""A ratio of a wave's power to the mean power around the wave.

Smaller ratios occur by chance in a texture without waves, so they cost nothing.
"""


_NOT_ZERO = np.arange(PERIOD**2).reshape(PERIOD, PERIOD) > 0
"""False for the wave with frequency zero, true for all others."""


def grid_powers(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "two waves waves channels"]:
    """Measure the power of each wave that repeats every `PERIOD` pixels, and the mean power around each wave.

    Such a wave has an amplitude of a fraction of a gray level. The wave is still visible where the texture is smooth,
    but a spectrum of fixed resolution does not show it. Rows and columns after the last multiple of `PERIOD` are
    ignored.

    Returns:
        ``(2, PERIOD, PERIOD, channels)``: the power of each wave, then the mean power of the neighboring frequencies.
        In a picture of more than `PIXELS` pixels, the excess of the first power over the second is multiplied by
        `PIXELS` / (number of pixels). The power of the wave with frequency zero is set to 0.
    """
    height, width = (size // PERIOD * PERIOD for size in features.shape[:2])
    whole = widen(features)[:height, :width]
    centered = whole - jnp.mean(whole, axis=(0, 1), keepdims=True)
    # Two small matrix products compute only the few wanted frequencies. The products take almost no memory.
    rows, columns = _waves(height).astype(whole.dtype), _waves(width).astype(whole.dtype)
    along = jnp.einsum("pfy,yxc->pfxc", rows, centered, precision="highest")
    both = jnp.einsum("qgx,pfxc->pqfgc", columns, along, precision="highest")
    real, imaginary = both[0, 0] - both[1, 1], both[0, 1] + both[1, 0]
    near = 2 * AROUND + 1
    around = (real**2 + imaginary**2).reshape(PERIOD, near, PERIOD, near, -1).transpose(0, 2, 1, 3, 4)
    own, share = around[:, :, AROUND, AROUND], min(PIXELS / (height * width), 1.0)
    others = (jnp.sum(around, axis=(2, 3)) - own) / (near**2 - 1)
    powers = (share * own + (1 - share) * others) * _NOT_ZERO[:, :, None].astype(own.dtype)
    return jnp.stack([powers, others])


def _waves(size: int) -> np.ndarray:
    """Return (cosine, sine) / √size of each wave and its neighboring frequencies: ``(2, frequencies, size)``."""
    near = np.arange(-AROUND, AROUND + 1)
    frequencies = (np.arange(PERIOD)[:, None] * (size // PERIOD) + near).reshape(-1)
    turns = np.outer(frequencies, np.arange(size)) % size / size  # whole turns are left out: they would cost precision
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]) / np.sqrt(size)


def excess_distance(found: Array, target: Array) -> Scalar:
    """Return the mean squared excess of the waves' amplitudes over the amplitudes that are allowed.

    All amplitudes are divided by the root of the target's power around the wave. The allowed amplitude is then the
    larger of the target's amplitude and √`CHANCE`.
    """
    around = target[1] + ADDED_POWER
    allowed = jnp.maximum(target[0] / around, CHANCE)
    return jnp.mean((jnp.sqrt(jnp.maximum(found[0] / around, allowed)) - jnp.sqrt(allowed)) ** 2)


GRID = Statistic(
    "grid",
    grid_powers,
    excess_distance,
    smallest_sides=(4 * PERIOD, 4 * PERIOD),
    fixed_size=1.0,
    whole_with_regions=True,
)
