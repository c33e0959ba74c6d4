"""What a statistic is: a measure of one feature map, and a distance between two of its results.

Some measures add up over tiles, bands of rows as wide as the map; these say how (`Sums`), so that a picture of any size
is measured in bounded memory.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from subjective.statistics.regions import Masks, divide_by_share
from subjective.statistics.tile_sums import sum_over_rows

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


def squared_difference(features: Float[Array, "height width channels"], content: Array) -> Scalar:
    """Sum of the squared differences of two maps."""
    return jnp.sum((widened(features) - widened(content)) ** 2)


def mean_squared_distance(found: Array, target: Array) -> Scalar:
    """Mean over the entries of the squared difference."""
    return squared_distance(found, target) / target.size


def per_number(total: Array, shape: tuple[int, ...], wraps: bool = True) -> Array:
    """A map's sums over how many numbers it has, as `Sums.measured`."""
    return total / float(math.prod(shape))  # a picture of 8192 pixels has more numbers than an int32 counts


@dataclass(frozen=True)
class Sums:
    """How a measure adds up over tiles. The tile that is the whole map gives the measure itself.

    Attributes:
        over: ``over(around, own, wraps)``: what a tile adds. ``around`` is ``(reach + rows + reach, width, channels)``,
            the tile between the rows next to it, zero where the map ends and does not wrap; ``own`` ``(rows, 1, 1)`` is
            1 for rows of the map and 0 for those past its last; or ``(rows, width, 1)``, how much of each pixel counts.
        measured: ``measured(total, shape, wraps)``: the measure of a map of that shape out of all tiles' sum.
        reach: rows that a pixel is compared with, above and below.
        twice: whether ``own`` is multiplied with both sides of a product, and so is to be the root of what counts.
    """

    over: Callable[[Array, Array, bool], Array]
    measured: Callable[[Array, tuple[int, ...], bool], Array]
    reach: int = 0
    twice: bool = False

    def of_map(
        self,
        features: Float[Array, "height width channels"],
        wraps: bool,
        rows: int,
        weights: Float[Array, "height width"] | None = None,
    ) -> Array:
        """The measure of a map in tiles of so many rows; what a tile needs lives no longer than it.

        Args:
            features: the map.
            wraps: see `Statistic`.
            rows: of a tile.
            weights: how much of each pixel counts; not differentiable.
        """
        of_tile = _OfTile(self, wraps, rows, features.shape[0])
        total = sum_over_rows(of_tile, rows, self.reach, self.reach, weights, features, wraps)
        return self.measured(total, features.shape, wraps)

    def own(self, weights: Float[Array, "height width"], first: Any, rows: int) -> Float[Array, "rows width 1"]:
        """What ``over`` takes, of the rows from the first on; zero past the last."""
        past = jnp.pad(weights, ((0, rows), (0, 0)))
        cut = lax.dynamic_slice_in_dim(past, first, rows, 0)[:, :, None]
        return jnp.sqrt(jnp.maximum(cut, 0)) if self.twice else cut


@dataclass(frozen=True)
class _OfTile:
    sums: Sums
    wraps: bool
    rows: int
    height: int

    def __call__(self, weights: Array | None, cut: Array, tile: Any) -> Array:
        if weights is not None:
            return self.sums.over(cut, self.sums.own(weights, tile * self.rows, self.rows), self.wraps)
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
        least_size: added to the target's size, for what a flat map has nothing of.
        regional: ``regional(features, weights, wraps)``: the measure of a part of a map, where that is not what
            ``sums`` make of it; ``weights`` is ``(height, width)``.
        of_all: whether it means something of a picture whose regions differ.
    """

    name: str
    measure: Measure
    distance: Distance = squared_distance
    scaled: Scaling = operator.mul
    least: tuple[int, int] = (1, 1)
    positive: bool = False
    sums: Sums | None = None
    relative_to: float | None = None
    least_size: float = 0.0
    regional: Callable[[Array, Array, bool], Array] | None = None
    of_all: bool = False

    @property
    def by_region(self) -> bool:
        """Whether it can be taken of a part of a map; what compares pixels would look across the border."""
        return self.regional is not None or self.by_block

    @property
    def by_block(self) -> bool:
        """Whether it can be taken of each block of a picture."""
        return self.sums is not None and self.sums.reach == 0

    def of_regions(
        self, features: Float[Array, "height width channels"], wraps: bool, masks: Masks
    ) -> Float[Array, "regions *rest"]:
        """The measure of each region of a map, looked at whole."""
        regions = [masks[:, :, region] for region in range(masks.shape[2])]
        if self.regional is not None:
            return jnp.stack([self.regional(features, weights, wraps) for weights in regions])
        assert self.sums is not None
        rows = features.shape[0]
        found = [self.sums.of_map(features, wraps, rows, weights) for weights in regions]
        return divide_by_share(jnp.stack(found), masks)

    def size(self, target: Array) -> Scalar:
        """How large the target is: its distance from that of a flat, black feature map.

        A distance divided by it has no unit, and does not depend on layer, octave or source.
        """
        if self.relative_to is not None:
            return jnp.asarray(self.relative_to, target.dtype)
        return self.distance(jnp.zeros_like(target), target) + self.least_size
