"""The protocol of a statistic: how a feature map is measured, and how far apart two measurements are.

The measurements of some statistics add up over tiles, which are bands of rows as wide as the map. `Sums` says how they
add up, so that a picture of any size is measured in bounded memory.
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


def widen(features: Array) -> Array:
    """Convert a narrower map to float32, for measures that cannot be taken in bfloat16."""
    return features.astype(jnp.promote_types(features.dtype, jnp.float32))


def squared_distance(found: Array, target: Array) -> Scalar:
    """Return ‖found − target‖², the squared Frobenius distance.

    Raises:
        ValueError: the shapes differ.
    """
    if found.shape != target.shape:
        raise ValueError(f"cannot compare a statistic of shape {found.shape} with a target of shape {target.shape}")
    return jnp.sum((found - target) ** 2)


def squared_difference(features: Float[Array, "height width channels"], content: Array) -> Scalar:
    """Return the sum of the squared differences of two maps."""
    return jnp.sum((widen(features) - widen(content)) ** 2)


def mean_squared_distance(found: Array, target: Array) -> Scalar:
    """Return the mean over all entries of the squared difference."""
    return squared_distance(found, target) / target.size


def divide_by_count(total: Array, shape: tuple[int, ...], wraps: bool = True) -> Array:
    """Divide a map's sums by how many numbers the map holds; can serve as `Sums.finish`."""
    return total / float(math.prod(shape))  # a picture of 8192 pixels has more numbers than an int32 counts


@dataclass(frozen=True)
class Sums:
    """How a measure adds up over tiles. A single tile that is the whole map gives the measure itself.

    Attributes:
        measure_tile: ``measure_tile(around, weights, wraps)`` returns what a tile adds to the total. ``around`` is the
            tile with ``reach`` rows above it and below it, ``(reach + rows + reach, width, channels)``; rows beyond a
            map that does not wrap are zero. ``weights`` is ``(rows, 1, 1)``: 1 for rows of the map, 0 for rows past its
            last row; or ``(rows, width, 1)``: how much each pixel counts.
        finish: ``finish(total, shape, wraps)`` returns the measure of a map of that shape, given the sum over all
            tiles.
        reach: number of rows above and below a pixel with which the pixel is compared.
        weighs_twice: whether ``measure_tile`` multiplies both sides of a product by ``weights``, so that ``weights``
            has to be the root of how much each pixel counts.
    """

    measure_tile: Callable[[Array, Array, bool], Array]
    finish: Callable[[Array, tuple[int, ...], bool], Array]
    reach: int = 0
    weighs_twice: bool = False

    def measure_map(
        self,
        features: Float[Array, "height width channels"],
        wraps: bool,
        rows: int,
        weights: Float[Array, "height width"] | None = None,
    ) -> Array:
        """Measure a map tile by tile; what is computed for a tile is freed with the tile.

        Args:
            features: the map.
            wraps: see `Statistic`.
            rows: number of rows in a tile.
            weights: how much each pixel counts; not differentiable. None if all pixels count the same.
        """
        measure_tile = _MeasureTile(self, wraps, rows, features.shape[0])
        total = sum_over_rows(measure_tile, rows, self.reach, self.reach, weights, features, wraps)
        return self.finish(total, features.shape, wraps)

    def cut_weights(self, weights: Float[Array, "height width"], first: Any, rows: int) -> Float[Array, "rows width 1"]:
        """Cut a tile's weights out of those of the whole map, in the form that ``measure_tile`` takes.

        Args:
            weights: how much each pixel of the map counts.
            first: number of the tile's first row; may be traced.
            rows: number of rows in the tile. The weights of rows past the map's last row are zero.
        """
        past = jnp.pad(weights, ((0, rows), (0, 0)))
        cut = lax.dynamic_slice_in_dim(past, first, rows, 0)[:, :, None]
        return jnp.sqrt(jnp.maximum(cut, 0)) if self.weighs_twice else cut


@dataclass(frozen=True)
class _MeasureTile:
    """What one tile of a map adds. Hashable, as `sum_over_rows` needs."""

    sums: Sums
    wraps: bool
    rows: int
    height: int

    def __call__(self, weights: Array | None, cut: Array, tile: Any) -> Array:
        if weights is not None:
            tile_weights = self.sums.cut_weights(weights, tile * self.rows, self.rows)
            return self.sums.measure_tile(cut, tile_weights, self.wraps)
        inside = tile * self.rows + jnp.arange(self.rows) < self.height
        return self.sums.measure_tile(cut, inside.astype(cut.dtype)[:, None, None], self.wraps)


@dataclass(frozen=True)
class Statistic:
    """A statistic says what a feature map looks like, but not where. Hashable, so that it can key a compiled function.

    To add a statistic, write a module of this package that makes a `Statistic`, and add it to
    `subjective.statistics.registry.STATISTICS`.

    Attributes:
        name: its name on the command line and in the log.
        measure: ``measure(features, wraps)`` turns ``(height, width, channels)`` into an array whose shape depends on
            the number of channels alone, so that pictures of any two sizes can be compared. If ``wraps``, the map
            continues on its other side beyond each border.
        distance: ``distance(found, target)`` of two measures, in the unit in which `size` measures the target.
        scale: ``scale(target, factor)`` returns the target for features with ``factor`` times the power.
        smallest_sides: smallest side of a feature map that can be measured: of a map that wraps, and of one that does
            not.
        positive: whether the measure is a symmetric positive matrix, so that geodesic joins are defined.
        sums: how the measure adds up over tiles; None if it does not add up.
        fixed_size: the target's size where distances have no unit already; None to measure the size.
        added_size: number that is added to the target's size, which may be 0 for a flat map.
        measure_region: ``measure_region(features, weights, wraps)`` measures a part of a map, where ``sums`` cannot do
            so; ``weights`` is ``(height, width)``, how much each pixel belongs to the part.
        whole_with_regions: whether the statistic, if it cannot be measured of a region, is still worth measuring of the
            whole of a picture that has regions.
    """

    name: str
    measure: Measure
    distance: Distance = squared_distance
    scale: Scaling = operator.mul
    smallest_sides: tuple[int, int] = (1, 1)
    positive: bool = False
    sums: Sums | None = None
    fixed_size: float | None = None
    added_size: float = 0.0
    measure_region: Callable[[Array, Array, bool], Array] | None = None
    whole_with_regions: bool = False

    @property
    def by_region(self) -> bool:
        """Whether a part of a map can be measured. A measure that compares pixels would compare across the border."""
        return self.measure_region is not None or self.by_block

    @property
    def by_block(self) -> bool:
        """Whether each block of a picture can be measured by itself."""
        return self.sums is not None and self.sums.reach == 0

    def measure_regions(
        self, features: Float[Array, "height width channels"], wraps: bool, masks: Masks
    ) -> Float[Array, "regions *rest"]:
        """Measure each region of a map in one piece.

        Args:
            features: the map.
            wraps: see `Statistic`.
            masks: how much each pixel counts for each region.

        Returns:
            The measures, with a leading axis for the regions.
        """
        regions = [masks[:, :, region] for region in range(masks.shape[2])]
        if self.measure_region is not None:
            return jnp.stack([self.measure_region(features, weights, wraps) for weights in regions])
        assert self.sums is not None
        rows = features.shape[0]
        found = [self.sums.measure_map(features, wraps, rows, weights) for weights in regions]
        return divide_by_share(jnp.stack(found), masks)

    def size(self, target: Array) -> Scalar:
        """Return the size of a target: its distance from the measure of a flat, black feature map.

        A distance divided by the size has no unit, and does not depend on layer, octave or source.
        """
        if self.fixed_size is not None:
            return jnp.asarray(self.fixed_size, target.dtype)
        return self.distance(jnp.zeros_like(target), target) + self.added_size
