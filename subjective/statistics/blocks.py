"""Blocks of a picture: each block is measured by itself and has to match the target.

A statistic is a mean over all pixels. The larger a picture is, compared with its source, the less this mean determines
the picture: an uneven picture can match as a whole, because one place has too much of what another place lacks
(`experiments/06_size.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from subjective.statistics.block_grid import WHOLE, Grid
from subjective.statistics.protocol import Statistic, Sums

MIN_BLOCK_SIDE = 8
"""Smallest side of a block, in pixels of a map. A statistic of a smaller block would mostly depend on chance."""


def uses_blocks(statistic: Statistic, grid: Grid) -> bool:
    """Return whether a statistic measures each block of a picture that is divided into this grid."""
    return grid != WHOLE and statistic.by_block


@dataclass(frozen=True)
class Blocks:
    """The blocks of one map. If n blocks divide H rows, row r belongs to block ⌊r n / H⌋.

    Attributes:
        shape: ``(height, width, channels)`` of the map.
        grid: the grid of the picture. A map has fewer blocks if its blocks would be smaller than `MIN_BLOCK_SIDE`.
    """

    shape: tuple[int, ...]
    grid: Grid

    @property
    def counts(self) -> Grid:
        """Numbers of blocks along the height and along the width of this map."""
        rows, columns = (max(min(n, side // MIN_BLOCK_SIDE), 1) for n, side in zip(self.grid, self.shape, strict=False))
        return rows, columns

    def edges(self, axis: int) -> np.ndarray:
        """Return the first row of each block, then the map's height; for axis 1, each first column, then the width."""
        count, side = self.counts[axis], self.shape[axis]
        return -(-np.arange(count + 1) * side // count)

    def measure_map(self, sums: Sums, features: Float[Array, "height width channels"], wraps: bool) -> Array:
        """Measure each block of a map that is not divided into tiles.

        Args:
            sums: `Statistic.sums` of a statistic with a reach of 0.
            features: the map.
            wraps: see `Statistic`.

        Returns:
            ``(blocks, …)``: one measure for each block, row by row.
        """
        rows, of_row = cut_into_blocks(features, 0, self.edges(0))
        cells, of_column = cut_into_blocks(rows, 2, self.edges(1))
        cells = jnp.swapaxes(cells, 1, 2)  # (rows of blocks, columns of blocks, height, width, channels)
        weights = jnp.asarray(of_row, features.dtype)[:, None, :, None, None]
        if not of_column.all():
            weights = weights * jnp.asarray(of_column, features.dtype)[None, :, None, :, None]
        weights = jnp.broadcast_to(weights, (*cells.shape[:2], *weights.shape[2:]))
        total = jax.vmap(jax.vmap(lambda cell, its: sums.measure_tile(cell, its, wraps)))(cells, weights)
        return self.finish(sums, total, wraps)

    def sum_rows(self, sums: Sums, features: Array, weights: Array, first: Any, wraps: bool) -> Array:
        """Compute what a tile of a map adds to the sum over each block.

        Args:
            sums: `Statistic.sums` of a statistic with a reach of 0.
            features: the tile, ``(rows, width, channels)``.
            weights: as in `Sums.measure_tile`, ``(rows, 1, 1)``.
            first: index of the tile's first row in the map; may be a traced value.
            wraps: see `Statistic`.

        Returns:
            ``(rows of blocks, columns of blocks, …)``; zero for blocks that have no row in the tile.
        """
        edges, rows = jnp.asarray(self.edges(0)), features.shape[0]
        sides = np.diff(self.edges(0))
        length = min(int(sides.max()), rows)  # largest number of the tile's rows that lie in one block
        even = len(set(sides)) == 1 and (sides[0] % rows == 0 or rows % sides[0] == 0)
        passes = rows // length if even else min(-(-rows // int(sides.min())) + 1, len(sides))
        lowest = jnp.searchsorted(edges[1:], first, side="right")
        total = None
        for block in (lowest + further for further in range(passes)):
            start = jnp.clip(edges[block] - first, 0, rows - length)
            its, part = (lax.dynamic_slice_in_dim(whole, start, length) for whole in (weights, features))
            row = first + start + jnp.arange(length)
            inside = (row >= edges[block]) & (row < edges[block + 1])
            cells, of_column = cut_into_blocks(part, 1, self.edges(1))
            its = its * inside.astype(weights.dtype)[:, None, None]
            masks = (
                its[None] if of_column.all() else its[None] * jnp.asarray(of_column[:, None, :, None], weights.dtype)
            )
            masks = jnp.broadcast_to(masks, (len(of_column), *masks.shape[1:]))
            found = jax.vmap(lambda cell, its: sums.measure_tile(cell, its, wraps))(jnp.swapaxes(cells, 0, 1), masks)
            total = jnp.zeros((len(sides), *found.shape), found.dtype) if total is None else total
            total = total.at[block].add(found, mode="drop")
        return jnp.asarray(total)

    def finish(self, sums: Sums, total: Array, wraps: bool) -> Array:
        """Compute the measure of each block from the sum over its pixels.

        Args:
            sums: `Statistic.sums` of the statistic.
            total: the results of `sum_rows`, added up over all tiles.
            wraps: see `Statistic`.

        Returns:
            ``(blocks, …)``: one measure for each block, row by row.
        """
        shares = np.outer(*(np.diff(self.edges(axis)) / self.shape[axis] for axis in (0, 1))).ravel()
        found = jax.vmap(lambda one: sums.finish(one, self.shape, wraps))(total.reshape(-1, *total.shape[2:]))
        return found / jnp.asarray(shares, found.dtype).reshape(-1, *(1,) * (found.ndim - 1))


def cut_into_blocks(features: Array, axis: int, edges: np.ndarray) -> tuple[Array, np.ndarray]:
    """Cut a map along an axis into blocks, and extend shorter blocks to the length of the longest block.

    The extra rows of a block are copies of the rows that follow, or of the map's last row.

    Args:
        features: the map.
        axis: the axis to cut.
        edges: from `Blocks.edges`.

    Returns:
        The map, with two axes ``(blocks, length)`` in place of the axis that was cut; and a mask ``(blocks, length)``,
        which is 1 for the rows of the block and 0 for the extra rows.
    """
    mask = _mask_own_rows(edges)
    shape = (*features.shape[:axis], *mask.shape, *features.shape[axis + 1 :])
    if mask.all():
        return features.reshape(shape), mask
    length = mask.shape[1]
    longer = [(0, 0)] * features.ndim
    longer[axis] = (0, int(edges[-2]) + length - features.shape[axis])
    padded = jnp.pad(features, longer, mode="edge")
    # Slices, because the derivative of an index array is a scatter, which is slow on GPUs.
    rows = [lax.slice_in_dim(padded, int(first), int(first) + length, axis=axis) for first in edges[:-1]]
    return jnp.stack(rows, axis=axis), mask


def _mask_own_rows(edges: np.ndarray) -> np.ndarray:
    sides = np.diff(edges)
    return (np.arange(sides.max()) < sides[:, None]).astype(np.float32)
