"""Sums over tiles, differentiated in bounded memory: one pass adds up, a second computes each tile again.

What a tile is made of lives no longer than the tile, in either pass; the price is that it is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

OfTile = Callable[[Any, jax.Array, Any], Any]
"""``of_tile(constants, cut, tile)``: what tile number ``tile`` adds, a pytree; ``cut`` is its rows with its halo."""


def sum_over_rows(
    of_tile: OfTile, rows: int, before: int, behind: int, constants: Any, whole: jax.Array, wraps: bool
) -> Any:
    """The same over all tiles of an array's rows, each with some rows of halo.

    Args:
        of_tile: as in `sum_over_tiles`. The last tile may reach past the last row.
        rows: of a tile.
        before: rows of halo above it.
        behind: rows of halo below it.
        constants: as in `sum_over_tiles`.
        whole: ``(height, …)``.
        wraps: whether the rows beyond an end are the other end's, or zero.
    """
    count = -(-whole.shape[0] // rows)
    more = count * rows - whole.shape[0] + behind
    widths = ((before, more), *((0, 0),) * (whole.ndim - 1))
    around = jnp.pad(whole, widths, mode="wrap" if wraps else "constant")
    return sum_over_tiles(of_tile, rows, before + rows + behind, count, constants, around)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2, 3))
def sum_over_tiles(of_tile: OfTile, rows: int, window: int, count: int, constants: Any, around: jax.Array) -> Any:
    """Σ of_tile(constants, around[tile · rows : tile · rows + window], tile) over ``count`` tiles.

    Args:
        of_tile: what a tile adds. Hashable, and the same for the same work, so that nothing is traced twice.
        rows: from one tile's first to the next one's.
        window: rows that a tile sees.
        count: of tiles.
        constants: passed on; their derivative is zero.
        around: ``((count - 1) · rows + window, …)``, all windows.

    Returns:
        What ``of_tile`` returns, added up; differentiable in ``around``.
    """

    def add(tile: Any, total: Any) -> Any:
        return jax.tree.map(jnp.add, total, of_tile(constants, cut(around, tile), tile))

    def cut(whole: jax.Array, tile: Any) -> jax.Array:
        return lax.dynamic_slice_in_dim(whole, tile * rows, window)

    shapes = jax.eval_shape(lambda: of_tile(constants, cut(around, 0), 0))
    return lax.fori_loop(0, count, add, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))


def _forward(
    of_tile: OfTile, rows: int, window: int, count: int, constants: Any, around: jax.Array
) -> tuple[Any, tuple[Any, jax.Array]]:
    return sum_over_tiles(of_tile, rows, window, count, constants, around), (constants, around)


def _backward(
    of_tile: OfTile, rows: int, window: int, count: int, kept: tuple[Any, jax.Array], cotangent: Any
) -> tuple[None, jax.Array]:
    constants, around = kept

    def add(tile: Any, total: jax.Array) -> jax.Array:
        start = tile * rows
        _, pull = jax.vjp(lambda cut: of_tile(constants, cut, tile), lax.dynamic_slice_in_dim(around, start, window))
        (found,) = pull(cotangent)
        there = lax.dynamic_slice_in_dim(total, start, window)
        return lax.dynamic_update_slice_in_dim(total, there + found, start, 0)

    return None, lax.fori_loop(0, count, add, jnp.zeros_like(around))


sum_over_tiles.defvjp(_forward, _backward)
