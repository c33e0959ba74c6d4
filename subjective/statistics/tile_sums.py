"""Sums over tiles, and the derivatives of these sums, in bounded memory.

A first pass adds up what the tiles give. A second pass computes each tile again, for the derivative. Both passes free
the memory of a tile before the next tile. A tile is cut directly from the array, together with its halo: the
neighboring rows that it needs. The tile's derivative is added directly to the same rows of the array's derivative. So
neither the array nor its derivative is copied for padding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

MeasureTile = Callable[[Any, jax.Array, Any], Any]
"""``measure_tile(constants, cut, tile)`` returns what a tile adds to the sum, as a pytree.

``cut`` holds the rows of the tile and of its halo; ``tile`` is the tile's number, from 0.
"""


@dataclass(frozen=True)
class Tiles:
    """The tiles into which an array's rows are divided. The last tile may extend past the array's last row.

    Attributes:
        rows: number of rows in a tile, without the halo.
        above: number of rows of the halo above a tile.
        below: number of rows of the halo below a tile.
        count: number of tiles.
        wraps: whether the first row follows the last row. If not, rows beyond the ends of the array are zero.
        has_halo: whether the array includes the halo above the first tile and below the last tile. Then no tile
            extends beyond the array.
    """

    rows: int
    above: int
    below: int
    count: int
    wraps: bool = False
    has_halo: bool = False

    def cut(self, array: jax.Array, tile: Any) -> jax.Array:
        """Cut a tile with its halo out of an array: ``(above + rows + below, …)``."""
        if self.has_halo:
            return lax.dynamic_slice_in_dim(array, tile * self.rows, self._window)
        return array.at[self._row_numbers(array, tile)].get(mode="fill", fill_value=0)

    def add(self, array: jax.Array, tile: Any, cut: jax.Array) -> jax.Array:
        """Return the array with ``cut`` added to the rows of a tile and its halo. This is the transpose of `cut`."""
        if self.has_halo:
            start = tile * self.rows
            there = lax.dynamic_slice_in_dim(array, start, self._window)
            return lax.dynamic_update_slice_in_dim(array, there + cut, start, 0)
        return array.at[self._row_numbers(array, tile)].add(cut, mode="drop")

    @property
    def _window(self) -> int:
        """Number of rows in a tile with its halo."""
        return self.above + self.rows + self.below

    def _row_numbers(self, array: jax.Array, tile: Any) -> jax.Array:
        """Return the row numbers of a tile and its halo. Rows that the array does not have get numbers past the end."""
        height = array.shape[0]
        rows = tile * self.rows - self.above + jnp.arange(self._window)
        return rows % height if self.wraps else jnp.where(rows < 0, height, rows)


def sum_over_rows(
    measure_tile: MeasureTile, rows: int, above: int, below: int, constants: Any, array: jax.Array, wraps: bool
) -> Any:
    """Divide an array into tiles and sum over the tiles.

    Args:
        measure_tile: as in `sum_over_tiles`.
        rows: as in `Tiles`.
        above: as in `Tiles`.
        below: as in `Tiles`.
        constants: as in `sum_over_tiles`.
        array: ``(height, …)``.
        wraps: as in `Tiles`.
    """
    return sum_over_tiles(measure_tile, Tiles(rows, above, below, -(-array.shape[0] // rows), wraps), constants, array)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def sum_over_tiles(measure_tile: MeasureTile, tiles: Tiles, constants: Any, array: jax.Array) -> Any:
    """Return Σ measure_tile(constants, tiles.cut(array, tile), tile) over all tiles.

    Args:
        measure_tile: computes what a tile adds. Must be hashable; two objects that compute the same must be equal, so
            that JAX does not trace them twice.
        tiles: the tiles of the array.
        constants: first argument of ``measure_tile``; the derivative with respect to the constants is zero.
        array: ``(height, …)``.

    Returns:
        The sum of the results of ``measure_tile``; differentiable in ``array``.
    """

    def add(tile: Any, total: Any) -> Any:
        return jax.tree.map(jnp.add, total, measure_tile(constants, tiles.cut(array, tile), tile))

    shapes = jax.eval_shape(lambda: measure_tile(constants, tiles.cut(array, 0), 0))
    return lax.fori_loop(0, tiles.count, add, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))


def _forward(
    measure_tile: MeasureTile, tiles: Tiles, constants: Any, array: jax.Array
) -> tuple[Any, tuple[Any, jax.Array]]:
    return sum_over_tiles(measure_tile, tiles, constants, array), (constants, array)


def _backward(
    measure_tile: MeasureTile, tiles: Tiles, kept: tuple[Any, jax.Array], cotangent: Any
) -> tuple[None, jax.Array]:
    constants, array = kept

    def add(tile: Any, total: jax.Array) -> jax.Array:
        _, pull = jax.vjp(lambda cut: measure_tile(constants, cut, tile), tiles.cut(array, tile))
        (found,) = pull(cotangent)
        return tiles.add(total, tile, found)

    return None, lax.fori_loop(0, tiles.count, add, jnp.zeros_like(array))


sum_over_tiles.defvjp(_forward, _backward)
