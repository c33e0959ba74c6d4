"""Blocks of a picture that are each to match the target, since a large picture could be uneven and match as a whole.

A statistic is a mean over all pixels. Of a picture many times as large as its source it leaves more and more open: one
place may have too much of what another lacks (`experiments/06_size.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic, Sums

LEAST = 8
"""Pixels of a map to a side of a block, at least: of fewer a statistic is mostly chance."""

Grid = tuple[int, int]
"""Blocks, one below and one beside the other."""

WHOLE: Grid = (1, 1)


def in_blocks(statistic: Statistic, grid: Grid) -> bool:
    """Whether a statistic is taken of each block of a picture that has so many, not of the whole."""
    return grid != WHOLE and statistic.by_block


@dataclass(frozen=True)
class Blocks:
    """The blocks of one map: row r of H is in block ⌊r n / H⌋ of n.

    Attributes:
        shape: of the map.
        grid: blocks of the picture at most; a small map has fewer.
    """

    shape: tuple[int, ...]
    grid: Grid

    @property
    def counts(self) -> Grid:
        """Blocks below and beside each other."""
        rows, columns = (max(min(n, side // LEAST), 1) for n, side in zip(self.grid, self.shape, strict=False))
        return rows, columns

    def edges(self, axis: int) -> np.ndarray:
        """First row (or column) of each block, and past the last."""
        count, side = self.counts[axis], self.shape[axis]
        return -(-np.arange(count + 1) * side // count)

    def of_map(self, sums: Sums, features: Float[Array, "height width channels"], wraps: bool) -> Array:
        """The measure of each block, ``(blocks, …)``, of a map looked at whole."""
        rows, of_row = cut(features, 0, self.edges(0))
        cells, of_column = cut(rows, 2, self.edges(1))
        cells = jnp.swapaxes(cells, 1, 2)  # (rows of blocks, columns of blocks, height, width, channels)
        own = jnp.asarray(of_row, features.dtype)[:, None, :, None, None]
        if not of_column.all():
            own = own * jnp.asarray(of_column, features.dtype)[None, :, None, :, None]
        own = jnp.broadcast_to(own, (*cells.shape[:2], *own.shape[2:]))
        total = jax.vmap(jax.vmap(lambda cell, its: sums.over(cell, its, wraps)))(cells, own)
        return self.measured(sums, total, wraps)

    def of_rows(self, sums: Sums, features: Array, own: Array, first: Any, wraps: bool) -> Array:
        """What a band of rows adds to each block's total, ``(rows of blocks, columns of blocks, …)``.

        Args:
            sums: with a reach of 0.
            features: the band, ``(rows, width, channels)``.
            own: as of `Sums.over`, ``(rows, 1, 1)``.
            first: number of the band's first row; traced.
            wraps: as of `Sums.over`.
        """
        edges, rows = jnp.asarray(self.edges(0)), features.shape[0]
        sides = np.diff(self.edges(0))
        length = min(int(sides.max()), rows)  # rows of the band that a block has at most
        even = len(set(sides)) == 1 and (sides[0] % rows == 0 or rows % sides[0] == 0)
        passes = rows // length if even else min(-(-rows // int(sides.min())) + 1, len(sides))
        lowest = jnp.searchsorted(edges[1:], first, side="right")
        total = None
        for block in (lowest + further for further in range(passes)):
            start = jnp.clip(edges[block] - first, 0, rows - length)
            its, band = (lax.dynamic_slice_in_dim(whole, start, length) for whole in (own, features))
            row = first + start + jnp.arange(length)
            inside = (row >= edges[block]) & (row < edges[block + 1])
            cells, of_column = cut(band, 1, self.edges(1))
            its = its * inside.astype(own.dtype)[:, None, None]
            masks = its[None] if of_column.all() else its[None] * jnp.asarray(of_column[:, None, :, None], own.dtype)
            masks = jnp.broadcast_to(masks, (len(of_column), *masks.shape[1:]))
            found = jax.vmap(lambda cell, its: sums.over(cell, its, wraps))(jnp.swapaxes(cells, 0, 1), masks)
            total = jnp.zeros((len(sides), *found.shape), found.dtype) if total is None else total
            total = total.at[block].add(found, mode="drop")
        return jnp.asarray(total)

    def measured(self, sums: Sums, total: Array, wraps: bool) -> Array:
        """The measure of each block, ``(blocks, …)``, out of the totals."""
        shares = np.outer(*(np.diff(self.edges(axis)) / self.shape[axis] for axis in (0, 1))).ravel()
        found = jax.vmap(lambda one: sums.measured(one, self.shape, wraps))(total.reshape(-1, *total.shape[2:]))
        return found / jnp.asarray(shares, found.dtype).reshape(-1, *(1,) * (found.ndim - 1))


def cut(features: Array, axis: int, edges: np.ndarray) -> tuple[Array, np.ndarray]:
    """A map cut along an axis into blocks of one length, and which of their rows are their own.

    Returns:
        The map with two axes, ``(blocks, length)``, in place of one, and ``(blocks, length)`` of 0 and 1.
    """
    mask = _mask(edges)
    shape = (*features.shape[:axis], *mask.shape, *features.shape[axis + 1 :])
    if mask.all():
        return features.reshape(shape), mask
    places = np.minimum(edges[:-1, None] + np.arange(mask.shape[1]), edges[-1] - 1)
    return jnp.take(features, places.ravel(), axis=axis).reshape(shape), mask


def _mask(edges: np.ndarray) -> np.ndarray:
    sides = np.diff(edges)
    return (np.arange(sides.max()) < sides[:, None]).astype(np.float32)


def blocks_of(size: Sequence[int], sources: Sequence[Sequence[int]], share: float, most: int = 16) -> Grid:
    """How many blocks a picture has: each at least as large as a share of the smallest source's sides.

    Args:
        size: (height, width) of the picture.
        sources: (height, width) of each source.
        share: of a source's side; 0 for one block, the picture.
        most: blocks along a side.
    """
    if share == 0 or not sources:
        return WHOLE
    sides = [share * min(source[axis] for source in sources) for axis in (0, 1)]
    rows, columns = (int(np.clip(length // side, 1, most)) for length, side in zip(size, sides, strict=True))
    return rows, columns
