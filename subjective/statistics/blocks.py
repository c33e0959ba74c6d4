"""Blocks of a picture that are each to match the target, since a large picture could be uneven and match as a whole.

A statistic is a mean over all pixels. Of a picture many times as large as its source it leaves more and more open: one
place may have too much of what another lacks (`experiments/LOG.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.statistics.protocol import Sums

LEAST = 8
"""Pixels of a map to a side of a block, at least: of fewer a statistic is mostly chance."""

Grid = tuple[int, int]
"""Blocks, one below and one beside the other."""

WHOLE: Grid = (1, 1)


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
        cells, of_column = jax.vmap(lambda band: cut(band, 1, self.edges(1))[0])(rows), _mask(self.edges(1))
        cells = jnp.swapaxes(cells, 1, 2)  # (rows of blocks, columns of blocks, height, width, channels)
        own = jnp.asarray(of_row[:, None, :, None, None] * of_column[None, :, None, :, None], features.dtype)
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
        edges, rows = self.edges(0), features.shape[0]
        sides = np.diff(edges)
        aligned = len(set(sides)) == 1 and sides[0] % rows == 0
        block = jnp.searchsorted(edges[1:], first + jnp.arange(rows), side="right")
        cells, of_column = cut(features, 1, self.edges(1))
        cells, total = jnp.swapaxes(cells, 0, 1), None
        for further in range(1 if aligned else min(-(-rows // int(sides.min())) + 1, len(sides))):
            mask = own * (block == block[0] + further).astype(features.dtype)[:, None, None]
            masks = mask[None] * jnp.asarray(of_column[:, None, :, None], features.dtype)
            found = jax.vmap(lambda cell, its: sums.over(cell, its, wraps))(cells, masks)
            total = jnp.zeros((len(sides), *found.shape), found.dtype) if total is None else total
            total = total.at[block[0] + further].add(found, mode="drop")
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
