"""What a statistic is: a measure of one feature map, and a distance between two of its results.

Some measures add up over tiles, bands of rows as wide as the map; these say how (`Sums`), so that a picture of any size
is measured in bounded memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.two_pass import sum_over_rows

Scalar = Float[Array, ""]
Measure = Callable[[Array, bool], Array]
Distance = Callable[[Array, Array], Scalar]
Scaling = Callable[[Array, float], Array]


def widened(features: Array) -> Array:
    """A map as float32 at least, for measures that cannot be taken in bfloat16."""
    return features.astype(jnp.promote_types(features.dtype, jnp.float32))


def squared_distance(found: Array, target: Array) -> Scalar:
    """‖found − target‖², the squared Frobenius distance; shapes must be equal."""
    if found.shape != target.shape:
        raise ValueError(f"cannot compare a statistic of shape {found.shape} with a target of shape {target.shape}")
    return jnp.sum((found - target) ** 2)


@dataclass(frozen=True)
class Sums:
    """How a measure adds up over tiles. The tile that is the whole map gives the measure itself.

    Attributes:
        over: ``over(around, own, wraps)``: what a tile adds. ``around`` is ``(reach + rows + reach, width, channels)``,
            the tile between the rows next to it, zero where the map ends and does not wrap; ``own`` ``(rows, 1, 1)`` is
            1 for rows of the map and 0 for those past its last.
        measured: ``measured(total, shape, wraps)``: the measure of a map of that shape out of all tiles' sum.
        reach: rows that a pixel is compared with, above and below.
    """

    over: Callable[[Array, Array, bool], Array]
    measured: Callable[[Array, tuple[int, ...], bool], Array]
    reach: int = 0

    def of_map(self, features: Float[Array, "height width channels"], wraps: bool, rows: int) -> Array:
        """The measure of a map in tiles of so many rows; what a tile needs lives no longer than it."""
        of_tile = _OfTile(self, wraps, rows, features.shape[0])
        total = sum_over_rows(of_tile, rows, self.reach, self.reach, None, features, wraps)
        return self.measured(total, features.shape, wraps)


@dataclass(frozen=True)
class _OfTile:
    sums: Sums
    wraps: bool
    rows: int
    height: int

    def __call__(self, _: None, cut: Array, tile: Any) -> Array:
        own = tile * self.rows + jnp.arange(self.rows) < self.height
        return self.sums.over(cut, own.astype(cut.dtype)[:, None, None], self.wraps)


@dataclass(frozen=True)
class Statistic:
    """One way of saying what a feature map looks like, not where. Hashable, so that it can key a compiled function.

    A new one is a file of this package with one of these in it, and its line in `STATISTICS`.

    Attributes:
        name: as the command line and the log call it.
        measure: ``measure(features, wraps)`` from ``(height, width, channels)`` to an array whose shape depends on the
            channels alone, so that pictures of any two sizes compare. ``wraps`` says that what lies beyond
            a side is the other side.
        distance: of what was found to the target, in units that `size` measures too.
        scaled: ``scaled(target, factor)``: the target if the features had the power of ``factor`` times theirs.
        least: smallest side of a feature map that wraps, and of one that does not, that it can measure.
        positive: whether the measure is a symmetric positive matrix, for which geodesic joins mean something.
        sums: how the measure adds up over tiles; None if it does not.
        relative_to: what stands for the target's size where distances have no unit already.
    """

    name: str
    measure: Measure
    distance: Distance = squared_distance
    scaled: Scaling = operator.mul
    least: tuple[int, int] = (1, 1)
    positive: bool = False
    sums: Sums | None = None
    relative_to: float | None = None

    def size(self, target: Array) -> Scalar:
        """How large the target is: its distance from that of a flat, black feature map.

        A distance divided by it has no unit, and does not depend on layer, octave or source.
        """
        if self.relative_to is not None:
            return jnp.asarray(self.relative_to, target.dtype)
        return self.distance(jnp.zeros_like(target), target)
