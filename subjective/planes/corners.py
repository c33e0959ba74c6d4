"""Lay square tiles on a plane that never repeats.

Every corner of the plane's lattice has a color, which a hash of its place chooses. The tile between four corners is the
one with these four colors, so that tiles which meet have the same colors where they meet. A complete set has one tile
for each choice of four colors. A window of the plane is found from its place alone.

References:
    Cohen, Shade, Hiller and Deussen, "Wang tiles for image and texture generation", SIGGRAPH 2003. Lagae and Dutré,
    "An alternative for Wang tiles: colored edges versus colored corners", ACM Transactions on Graphics 25(4), 2006, for
    the colors of corners. Wei, "Tile-based texture mapping on graphics hardware", Graphics Hardware 2004, for the sheet
    in which the neighbors of a tile are neighbors that a plane may have, so that hardware filters across borders.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLORS = (2, 3)
"""Smallest and largest number of colors of the corners."""

TWO_COLORS = ((1, 1, 1, 0), (1, 1, 0, 1), (0, 1, 0, 0), (1, 0, 0, 0))
"""The corners of `sheet_corners` for two colors."""

Integers = NDArray[np.integer]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TileSet:
    """A complete set of tiles with colored corners.

    Attributes:
        tiles: the pixels of each tile, ``(colors^4, side, side, 3)``. Tile ``((a * colors + b) * colors + c) * colors +
            d`` has the colors ``a b`` at its upper corners and ``c d`` at its lower corners.
        colors: number of colors of the corners.
        shared: number of pixels at each border that are equal in all tiles with the same colors at the border's ends.
    """

    tiles: Pixels
    colors: int
    shared: int

    @property
    def side(self) -> int:
        """Side of a tile in pixels."""
        return int(self.tiles.shape[1])

    @property
    def sheet(self) -> Pixels:
        """All tiles, each once, as a square ``(colors^2 * side, colors^2 * side, 3)`` that wraps."""
        return place_tiles(self.tiles, number_tiles(wrap(sheet_corners(self.colors))))


def cut_sheet(sheet: Any, colors: int) -> Any:
    """Cut the tiles out of a sheet, in the order of their numbers: see `TileSet`.

    Args:
        sheet: ``(colors^2 * side, colors^2 * side, channels)``, an array of NumPy or of JAX.
        colors: number of colors of the corners.

    Returns:
        ``(colors^4, side, side, channels)``.
    """
    across, side = colors**2, sheet.shape[0] // colors**2
    tiles = sheet.reshape(across, side, across, side, -1).swapaxes(1, 2).reshape(across**2, side, side, -1)
    return tiles[places_in_sheet(colors)]


@lru_cache(maxsize=4)
def sheet_corners(colors: int) -> Integers:
    """Return colors of corners, ``(colors^2, colors^2)``, on a torus on which every tile occurs exactly once.

    Such a square is a de Bruijn torus for windows of 2 x 2. For three colors, each column is a cycle in which every
    pair of colors occurs once, turned further than the column before by another number of places each time. Such turns
    add up to whole turns for odd numbers of colors only; the square for two colors was found by search.
    """
    across = colors**2
    if colors == 2:
        return np.array(TWO_COLORS)
    cycle = _pairs_once(colors)
    turns = np.cumsum(np.arange(across)) % across
    return np.array([[cycle[(row + turn) % across] for turn in turns] for row in range(across)])


def _pairs_once(colors: int) -> tuple[int, ...]:
    """Return the first cycle of colors in which each pair of neighbors occurs once."""
    for cycle in itertools.product(range(colors), repeat=colors**2):
        if len(set(zip(cycle, (*cycle[1:], cycle[0]), strict=True))) == colors**2:
            return cycle
    raise AssertionError(colors)


@lru_cache(maxsize=4)
def places_in_sheet(colors: int) -> Integers:
    """Return where each tile is in the sheet, counted row by row."""
    return np.argsort(number_tiles(wrap(sheet_corners(colors)), colors).ravel())


def wrap(corners: Integers) -> Integers:
    """Add the first row and column of a torus of corners at its end, so that every corner begins a tile."""
    return np.pad(corners, ((0, 1), (0, 1)), mode="wrap")


def number_tiles(corners: Integers, colors: int | None = None) -> Integers:
    """Return the numbers of the tiles between corners.

    Args:
        corners: color of each corner, ``(rows + 1, columns + 1)``.
        colors: number of colors; None for one more than the largest color.

    Returns:
        ``(rows, columns)``, see `TileSet`.
    """
    several = int(corners.max()) + 1 if colors is None else colors
    upper = corners[:-1, :-1] * several + corners[:-1, 1:]
    lower = corners[1:, :-1] * several + corners[1:, 1:]
    return upper * several**2 + lower


def place_tiles(tiles: Any, numbers: Any) -> Any:
    """Place tiles side by side.

    Args:
        tiles: ``(count, side, side, channels)``, an array of NumPy or of JAX.
        numbers: number of the tile at each place, ``(rows, columns)``.

    Returns:
        ``(rows * side, columns * side, channels)``.
    """
    (rows, columns), side = numbers.shape, tiles.shape[1]
    return tiles[numbers].swapaxes(1, 2).reshape(rows * side, columns * side, -1)


def color_corners(rows: Integers, columns: Integers, colors: int, seed: int) -> Integers:
    """Choose the colors of corners of the plane by a hash.

    The shaders (`subjective.planes.page`) compute the same numbers.

    Args:
        rows: row of each corner, any whole number; rows repeat after 2^32.
        columns: column of each corner, as ``rows``; the two are broadcast.
        colors: number of colors.
        seed: from 0 to 2^32 - 1; each seed gives another plane.
    """
    first = mix_bits(np.asarray([seed], np.uint32))
    across = mix_bits(first ^ np.asarray(columns).astype(np.int64).astype(np.uint32))
    return (mix_bits(across ^ np.asarray(rows).astype(np.int64).astype(np.uint32)) % np.uint32(colors)).astype(np.intp)


def mix_bits(bits: Any) -> Any:
    """Mix the bits of numbers: each bit of the result depends on all bits of the number.

    Args:
        bits: uint32, an array of NumPy or JAX.

    References:
        Wellons, "Prospecting for hash functions", 2018, for the constants ("lowbias32").
    """
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B)
    return bits ^ (bits >> np.uint32(16))


def lay_strips(found: TileSet, size: tuple[int, int], seed: int, at: tuple[int, int] = (0, 0)) -> Iterator[Pixels]:
    """Lay a window of the plane from top to bottom, one row of tiles after the other.

    Args:
        found: the tiles.
        size: (height, width) of the window in pixels.
        seed: chooses the plane, see `color_corners`.
        at: (row, column) of the window's first pixel on the plane; may be negative.

    Yields:
        The rows of pixels of each row of tiles, ``(rows, width, 3)``. The first and the last may be cut.
    """
    side = found.side
    first, end = at[1] // side, -(-(at[1] + size[1]) // side)
    columns, offset = np.arange(first, end + 1), at[1] - first * side
    for row in range(at[0] // side, -(-(at[0] + size[0]) // side)):
        corners = color_corners(np.array([[row], [row + 1]]), columns[None], found.colors, seed)
        strip = place_tiles(found.tiles, number_tiles(corners, found.colors))
        top, bottom = max(at[0] - row * side, 0), min(at[0] + size[0] - row * side, side)
        yield strip[top:bottom, offset : offset + size[1]]


def lay_window(found: TileSet, size: tuple[int, int], seed: int, at: tuple[int, int] = (0, 0)) -> Pixels:
    """Lay a window of the plane in memory, ``(*size, 3)``; arguments as in `lay_strips`."""
    return np.concatenate(list(lay_strips(found, size, seed, at)))
