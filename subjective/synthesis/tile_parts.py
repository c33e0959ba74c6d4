"""The parts of a set of tiles: pixels near a border or a corner, which several tiles share, and pixels of one tile.

A plane has no seam if all tiles with the same colors at the ends of a border are equal near this border, on both of its
sides: whatever two tiles meet there, the same pixels meet. So tiles are optimized as a sheet, each tile once, and are
averaged over the tiles that share before they are seen. Towards its middle a tile gets ever more pixels of its own: if
all pixels up to some distance were shared, and none beyond, each step of an optimizer would leave a line there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subjective.planes.corners import cut_sheet, number_tiles, place_tiles, sheet_corners, wrap

SHARED = 1 / 32
"""Part of a tile's side, at each border, in which tiles with the same colors are equal."""

REACH = 1 / 8
"""Part of a tile's side, at each border, beyond which a tile is its own alone."""


def shared_pixels(side: int) -> int:
    """Return at how many pixels from each border the tiles of so many pixels a side are equal."""
    return max(round(SHARED * side), 1)


def share(sheet: Any, colors: int, *, pick: bool = False) -> Any:
    """Average over the tiles that share pixels.

    Along rows, a pixel x becomes f F(x) + l L(x) + (1 - f - l) x. F is the average over the tiles with the same two
    colors at their left corners, L over those with the same at their right corners; f and l are `border_weights`. The
    same follows along columns. Near a corner, both together average over the tiles with the same color there.

    Args:
        sheet: all tiles, ``(colors^2 * side, colors^2 * side, channels)``, see
            `subjective.planes.corners.TileSet.sheet`; an array of NumPy or of JAX.
        colors: number of colors of the corners.
        pick: whether to take the pixels of one of the tiles instead of the average, which blurs tiles that are not
            alike yet.

    Returns:
        A sheet of the same shape and kind.
    """
    tiles = cut_sheet(sheet, colors)
    first = border_weights(tiles.shape[1])
    last = first[::-1]
    upper_left, upper_right, lower_left, lower_right = range(4)
    found = tiles.reshape(*(colors,) * 4, *tiles.shape[1:])

    def gather(axes: tuple[int, int]) -> Any:
        if pick:
            return found[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(4))]
        return found.mean(axis=axes, keepdims=True)

    def blend(shape: tuple[int, ...], *averaged: tuple[int, int]) -> Any:
        weights = [weight.reshape(shape) for weight in (first, last)]
        parts = [weight * gather(axes) for weight, axes in zip(weights, averaged, strict=True)]
        return parts[0] + parts[1] + (1 - weights[0] - weights[1]) * found

    found = blend((1, 1, 1, 1, -1, 1, 1), (lower_left, lower_right), (upper_left, upper_right))
    found = blend((1, 1, 1, 1, 1, -1, 1), (upper_right, lower_right), (upper_left, lower_left))
    return place_tiles(found.reshape(tiles.shape), number_tiles(wrap(sheet_corners(colors)), colors))


@lru_cache(maxsize=32)
def border_weights(side: int) -> NDArray[np.float32]:
    """Return how much of each pixel belongs to the first border of a tile: 1 where tiles are equal, falling to 0.

    Args:
        side: side of the tile in pixels.

    Returns:
        ``(side,)``.
    """
    equal, reach = shared_pixels(side), REACH * side
    along = np.clip((np.arange(side) + 1 - equal) / max(reach + 1 - equal, 1), 0, 1)
    return np.asarray((1 + np.cos(np.pi * along)) / 2, np.float32)
