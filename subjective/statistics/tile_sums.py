"""Sums over tiles, differentiated in bounded memory: one pass adds up, a second computes each tile again.

What a tile is made of lives no longer than the tile, in either pass; the price is that it is computed twice. Tiles are
cut from the array itself, halo and all, and derivatives are added where they belong: there is no padded copy of either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

OfTile = Callable[[Any, jax.Array, Any], Any]
"""``of_tile(constants, cut, tile)``: what tile number ``tile`` adds, a pytree; ``cut`` is its rows with its halo."""


@dataclass(frozen=True)
class Tiles:
    """The tiles of an array's rows, each with some rows of halo; the last may reach past the last row.

    Attributes:
        rows: of a tile, from its first to the next one's.
        before: rows of halo above it.
        behind: rows of halo below it.
        count: of tiles.
        wraps: whether the rows beyond an end are the other end's, or zero.
        within: whether the array has the halo of its first and its last tile itself, and nothing lies beyond an end.
    """

    rows: int
    before: int
    behind: int
    count: int
    wraps: bool = False
    within: bool = False

    def cut(self, whole: jax.Array, tile: Any) -> jax.Array:
        """A tile with its halo, ``(before + rows + behind, …)``."""
        if self.within:
            return lax.dynamic_slice_in_dim(whole, tile * self.rows, self._window)
        return whole.at[self._places(whole, tile)].get(mode="fill", fill_value=0)

    def added(self, whole: jax.Array, tile: Any, part: jax.Array) -> jax.Array:
        """An array with something added to a tile and its halo; the transpose of `cut`."""
        if self.within:
            start = tile * self.rows
            there = lax.dynamic_slice_in_dim(whole, start, self._window)
            return lax.dynamic_update_slice_in_dim(whole, there + part, start, 0)
        return whole.at[self._places(whole, tile)].add(part, mode="drop")

    @property
    def _window(self) -> int:
        return self.before + self.rows + self.behind

    def _places(self, whole: jax.Array, tile: Any) -> jax.Array:
        """The rows that a tile and its halo are; what is no row is past the last."""
        height = whole.shape[0]
        rows = tile * self.rows - self.before + jnp.arange(self._window)
        return rows % height if self.wraps else jnp.where(rows < 0, height, rows)


def sum_over_rows(
    of_tile: OfTile, rows: int, before: int, behind: int, constants: Any, whole: jax.Array, wraps: bool
) -> Any:
    """The sum over all tiles of an array's rows.

    Args:
        of_tile: as of `sum_over_tiles`.
        rows: see `Tiles`.
        before: likewise.
        behind: likewise.
        constants: as of `sum_over_tiles`.
        whole: ``(height, …)``.
        wraps: see `Tiles`.
    """
    return sum_over_tiles(of_tile, Tiles(rows, before, behind, -(-whole.shape[0] // rows), wraps), constants, whole)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def sum_over_tiles(of_tile: OfTile, tiles: Tiles, constants: Any, whole: jax.Array) -> Any:
    """Σ of_tile(constants, tiles.cut(whole, tile), tile) over all tiles.

    Args:
        of_tile: what a tile adds. Hashable, and the same for the same work, so that nothing is traced twice.
        tiles: of the array.
        constants: passed on; their derivative is zero.
        whole: ``(height, …)``.

    Returns:
        What ``of_tile`` returns, added up; differentiable in ``whole``.
    """

    def add(tile: Any, total: Any) -> Any:
        return jax.tree.map(jnp.add, total, of_tile(constants, tiles.cut(whole, tile), tile))

    shapes = jax.eval_shape(lambda: of_tile(constants, tiles.cut(whole, 0), 0))
    return lax.fori_loop(0, tiles.count, add, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))


def _forward(of_tile: OfTile, tiles: Tiles, constants: Any, whole: jax.Array) -> tuple[Any, tuple[Any, jax.Array]]:
    return sum_over_tiles(of_tile, tiles, constants, whole), (constants, whole)


def _backward(of_tile: OfTile, tiles: Tiles, kept: tuple[Any, jax.Array], cotangent: Any) -> tuple[None, jax.Array]:
    constants, whole = kept

    def add(tile: Any, total: jax.Array) -> jax.Array:
        _, pull = jax.vjp(lambda cut: of_tile(constants, cut, tile), tiles.cut(whole, tile))
        (found,) = pull(cotangent)
        return tiles.added(total, tile, found)

    return None, lax.fori_loop(0, tiles.count, add, jnp.zeros_like(whole))


sum_over_tiles.defvjp(_forward, _backward)
