"""The network's own grid: waves of two and four pixels that pooling leaves in a picture and no other statistic sees."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, widened

PERIOD = 4
"""Pixels; pooling twice, the network sees every fourth pixel alike."""

AROUND = 2
"""Frequencies on each side of a wave's own that it is compared with."""

FAINTEST = 1e-8
"""Power added to what is around, far below that of a picture's rounding to 8 bits: a flat channel has none."""

PIXELS = 256**2
"""Of a picture in which a wave counts by its whole power. The power of a wave that is in step all over grows with the
pixels while that of a texture does not, but a wave is as plain to see in a large picture as in a small one."""

CHANCE = 3.0
"""Ratio of powers up to which a wave is what chance makes of a texture without any."""


def grid_powers(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "two waves waves channels"]:
    """Power of each wave whose period divides `PERIOD`, and mean power of the frequencies around it.

    Such a wave stands out by a fraction of a gray level and is plain to see where the texture is smooth; in a spectrum
    of fixed resolution it drowns. Rows and columns beyond a multiple of `PERIOD` are left out.

    Returns:
        ``(2, PERIOD, PERIOD, channels)``, what a wave has beyond those around it as in a picture of `PIXELS`; the wave
        of no frequency has no power.
    """
    height, width = (size // PERIOD * PERIOD for size in features.shape[:2])
    whole = widened(features)[:height, :width]
    centered = whole - jnp.mean(whole, axis=(0, 1), keepdims=True)
    # A few rows and columns of a Fourier transform are two small products, which need no memory to speak of.
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
    """Cosine and sine ``(2, frequencies, size)`` of each wave of `PERIOD` and its neighbors, over √size."""
    near = np.arange(-AROUND, AROUND + 1)
    frequencies = (np.arange(PERIOD)[:, None] * (size // PERIOD) + near).reshape(-1)
    turns = np.outer(frequencies, np.arange(size)) % size / size  # whole turns taken off before they cost digits
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]) / np.sqrt(size)


def excess_distance(found: Array, target: Array) -> Scalar:
    """Mean squared excess of the waves' amplitudes over the target's, and over what chance makes.

    In units of the target's amplitudes around each wave.
    """
    around = target[1] + FAINTEST
    allowed = jnp.maximum(target[0] / around, CHANCE)
    return jnp.mean((jnp.sqrt(jnp.maximum(found[0] / around, allowed)) - jnp.sqrt(allowed)) ** 2)


GRID = Statistic("grid", grid_powers, excess_distance, least=(4 * PERIOD, 4 * PERIOD), relative_to=1.0, of_all=True)
