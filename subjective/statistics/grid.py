"""The network's own grid: waves of two and four pixels that pooling leaves in a picture and no other statistic sees."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, widen

PERIOD = 4
"""Period of the grid in pixels: after two poolings the network treats every fourth pixel alike."""

AROUND = 2
"""Number of frequencies on each side of a wave's own with which the wave is compared."""

ADDED_POWER = 1e-8
"""Number that is added to the power around a wave. It is far below the power of rounding to 8 bits; a flat channel has
no power at all."""

PIXELS = 256**2
"""Number of pixels of a picture up to which a wave counts with its whole power.

The power of a wave that is in step everywhere grows with the number of pixels, and the power of a texture does not; but
a wave is as visible in a large picture as in a small one.
"""

CHANCE = 3.0
"""Ratio of powers that chance can give a wave in a texture without any wave; ratios up to this one cost nothing."""


def grid_powers(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "two waves waves channels"]:
    """Measure the power of each wave whose period divides `PERIOD`, and the mean power of the frequencies around it.

    Such a wave stands out by a fraction of a gray level, and is plainly visible where the texture is smooth; in a
    spectrum of fixed resolution it is lost. Rows and columns beyond a multiple of `PERIOD` are ignored.

    Returns:
        ``(2, PERIOD, PERIOD, channels)``: the power of each wave, then the power around it. The excess of the first
        over the second is reduced to that of a picture of `PIXELS`. The wave of frequency zero has power 0.
    """
    height, width = (size // PERIOD * PERIOD for size in features.shape[:2])
    whole = widen(features)[:height, :width]
    centered = whole - jnp.mean(whole, axis=(0, 1), keepdims=True)
    # A few rows and columns of a Fourier transform are two small matrix products, which need almost no memory.
    rows, columns = _waves(height).astype(whole.dtype), _waves(width).astype(whole.dtype)
    along = jnp.einsum("pfy,yxc->pfxc", rows, centered, precision="highest")
    both = jnp.einsum("qgx,pfxc->pqfgc", columns, along, precision="highest")
    real, imaginary = both[0, 0] - both[1, 1], both[0, 1] + both[1, 0]
    near = 2 * AROUND + 1
    around = (real**2 + imaginary**2).reshape(PERIOD, near, PERIOD, near, -1).transpose(0, 2, 1, 3, 4)
    own, share = around[:, :, AROUND, AROUND], min(PIXELS / (height * width), 1.0)
    others = (jnp.sum(around, axis=(2, 3)) - own) / (near**2 - 1)
    return jnp.stack([(share * own + (1 - share) * others).at[0, 0].set(0), others])


def _waves(size: int) -> np.ndarray:
    """Return cosine and sine of each wave of `PERIOD` and of its neighbors, over √size: ``(2, frequencies, size)``."""
    near = np.arange(-AROUND, AROUND + 1)
    frequencies = (np.arange(PERIOD)[:, None] * (size // PERIOD) + near).reshape(-1)
    turns = np.outer(frequencies, np.arange(size)) % size / size  # without whole turns, which would cost digits
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]) / np.sqrt(size)


def excess_distance(found: Array, target: Array) -> Scalar:
    """Return the mean squared excess of the waves' amplitudes over those of the target and of chance (`CHANCE`).

    Amplitudes are in units of the target's amplitudes around each wave.
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
