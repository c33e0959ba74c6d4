"""The first inverse Hessian of L-BFGS: a gain for each octave, in brightness and in color.

A texture loss is steep for large shapes and colors, and flat for fine detail. Its curvature for waves of 3 pixels is
about a hundredth of the curvature for waves of 30 pixels; for large patches of color the curvature is ten times larger
again (`experiments/13_curvature.md`). With the same step size for all waves, the detail converges last. Here the first
inverse Hessian is, at each octave, half as large in brightness and a quarter as large in color as at the next finer
octave, for `LEVELS` octaves.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax import lax

from subjective.colors import OPPONENT
from subjective.compilation import jit
from subjective.pyramid import reduce

LEVELS = 4
"""Number of octaves whose gains differ. Still coarser octaves have no larger curvature, and earlier stages have
optimized them already."""

BRIGHTNESS, COLOR = 2**-0.5, 2**-1.0
"""An octave's gain divided by that of the next finer octave: for the first axis of `OPPONENT`, and for the other two.

The gains belong to the square root of the inverse Hessian.
"""

DIFFERENCES = [
    OPPONENT.T @ np.diag([gain**level - gain ** (level - 1) for gain in (BRIGHTNESS, COLOR, COLOR)]) @ OPPONENT
    for level in range(1, LEVELS)
]
"""Gains of each octave minus the gains of the next finer octave, as matrices ``(3, 3)`` on RGB."""


def _differences(level: int, channels: int) -> np.ndarray:
    """Return one of `DIFFERENCES` for so many channels: those after the third have the gains of brightness."""
    rest = BRIGHTNESS ** (level + 1) - BRIGHTNESS**level
    return scipy.linalg.block_diag(DIFFERENCES[level], rest * np.eye(channels - 3))


@jit
def apply_octave_gains(change: jax.Array) -> jax.Array:
    """Multiply a change of pictures by the symmetric square root of the first inverse Hessian.

    The root is 1 + Σ 4^k Rᵀ…Rᵀ D_k R…R. R is a reduction of the pyramid, its adjoint Rᵀ enlarges, and each occurs k
    times. D_k is the k-th of `DIFFERENCES`. The root is symmetric; its eigenvalues lie between the last gain and 1 for
    any size. The change is treated as if it wrapped, whatever the picture's padding is.

    Args:
        change: ``(height, width, channels)``, with or without leading axes for several pictures. The first three
            channels are RGB.

    Returns:
        The product, of the same shape and dtype.

    References:
        Burt and Adelson, 1983, as in `subjective.pyramid`.
    """
    return _apply_gains(change)


def _apply_gains(change: jax.Array) -> jax.Array:
    return change + _coarser_part(change, 0) if change.ndim == 3 else jax.vmap(_apply_gains)(change)


def _coarser_part(image: jax.Array, level: int) -> jax.Array:
    """Return what the octaves coarser than a level add to a change."""
    reduced, enlarge = jax.vjp(partial(reduce, padding="circular"), image)
    # The share is 2, the square root of 4, in most places. It is smaller at the end of an odd side, where two samples
    # lie side by side and would otherwise count twice.
    share = lax.rsqrt(enlarge(jnp.ones_like(reduced))[0])
    small = reduce(share * image, "circular")
    gained = jnp.matmul(small, _differences(level, image.shape[2]).astype(image.dtype), precision="highest")
    if level + 1 < len(DIFFERENCES):
        gained += _coarser_part(small, level + 1)
    return share * enlarge(gained)[0]
