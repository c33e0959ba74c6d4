"""How far a step may go at each scale, in brightness and in color: what L-BFGS is told before it has seen anything.

A texture loss is steep for large shapes and colors and flat for fine detail: along waves of 3 pixels its curvature is
some hundred times less than along waves of 30, and large patches of color are another ten times as steep
(`experiments/LOG.md`). Steps in units of pixels so wait for the detail. Here each octave goes half as far as the one
above it, and a quarter as far in color, down to the coarsest of `LEVELS`.
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
"""Octaves that differ; what is coarser is no longer steeper, and settled by the stages before where there are any."""

BRIGHTNESS, COLOR = 2**-0.5, 2**-1.0
"""The root's gain from octave to octave, along the first and the other two axes of `OPPONENT`."""

DIFFERENCES = [
    OPPONENT.T @ np.diag([gain**level - gain ** (level - 1) for gain in (BRIGHTNESS, COLOR, COLOR)]) @ OPPONENT
    for level in range(1, LEVELS)
]
"""What an octave's gains are more than those of the octave above it, ``(3, 3)`` in RGB."""


@jit
def apply_octave_gains(change: jax.Array) -> jax.Array:
    """Multiply a change of pictures by the symmetric root of the inverse Hessian that is assumed at first.

    1 + Σ Rᵀ…Rᵀ D_k R…R with k of the pyramid's reductions R and their adjoints, which enlarge, each scaled so that it
    keeps the size of what it passes: what an octave has of an image, times the octave's gains. The product is
    symmetric, with eigenvalues between the last gain and 1, for any size. Pictures are taken to wrap, whatever lies
    outside them: the gains measure steps, not pictures.

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
    """What the octaves below a level add to a change."""
    reduced, enlarge = jax.vjp(partial(reduce, padding="circular"), image)
    # Twice, but where an odd side ends: there two samples lie side by side, and would count for more than they are.
    share = lax.rsqrt(enlarge(jnp.ones_like(reduced))[0])
    small = reduce(share * image, "circular")
    gained = jnp.matmul(small, DIFFERENCES[level].astype(image.dtype), precision="highest")
    if level + 1 < len(DIFFERENCES):
        gained += _coarser_part(small, level + 1)
    return share * enlarge(gained)[0]
