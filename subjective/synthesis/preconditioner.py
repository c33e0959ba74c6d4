"""The gains of each octave, in brightness and in color, with which L-BFGS begins.

A texture loss is steep for large shapes and colors, and flat for fine detail. Along waves of 3 pixels its curvature is
some hundred times less than along waves of 30, and along large patches of color ten times more again
(`experiments/13_curvature.md`). With the same step for all waves the detail converges last. Here the assumed inverse
Hessian is half as large at each octave as at the octave above it, and a quarter as large in color, down to the coarsest
of `LEVELS`.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from subjective.colors import OPPONENT
from subjective.compilation import jit
from subjective.pyramid import reduce

LEVELS = 4
"""Number of octaves whose gains differ. Coarser octaves are no steeper, and earlier stages have settled them."""

BRIGHTNESS, COLOR = 2**-0.5, 2**-1.0
"""Gain of the root from an octave to the next coarser one: along the first axis of `OPPONENT`, and along the others."""

DIFFERENCES = [
    OPPONENT.T @ np.diag([gain**level - gain ** (level - 1) for gain in (BRIGHTNESS, COLOR, COLOR)]) @ OPPONENT
    for level in range(1, LEVELS)
]
"""Gains of each octave minus the gains of the octave above it, ``(3, 3)`` in RGB."""


@jit
def apply_octave_gains(change: jax.Array) -> jax.Array:
    """Multiply a change of pictures by the symmetric root of the inverse Hessian that is assumed at first.

    1 + Σ 4^k Rᵀ…Rᵀ D_k R…R, with k of the pyramid's reductions R and their adjoints Rᵀ, which enlarge: each octave of
    the image, times the octave's gains D_k. The product is symmetric, with eigenvalues between the last gain and 1,
    for any size. Pictures are taken to wrap, whatever lies outside them: the gains measure steps, not pictures.

    Args:
        change: ``(height, width, 3)``, or several such.

    Returns:
        The same shape and dtype.

    References:
        Burt and Adelson, 1983, as in `subjective.pyramid`.
    """
    return _apply_gains(change)


def _apply_gains(change: jax.Array) -> jax.Array:
    return change + _coarser_part(change, 0) if change.ndim == 3 else jax.vmap(_apply_gains)(change)


def _coarser_part(image: jax.Array, level: int) -> jax.Array:
    """Return what the octaves below a level add to a change."""
    reduced, enlarge = jax.vjp(partial(reduce, padding="circular"), image)
    # The root of 4, but less where an odd side ends: there two samples lie side by side, and would count twice.
    share = lax.rsqrt(enlarge(jnp.ones_like(reduced))[0])
    small = reduce(share * image, "circular")
    gained = jnp.matmul(small, DIFFERENCES[level].astype(image.dtype), precision="highest")
    if level + 1 < len(DIFFERENCES):
        gained += _coarser_part(small, level + 1)
    return share * enlarge(gained)[0]
