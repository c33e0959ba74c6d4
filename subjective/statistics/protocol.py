"""The protocol of a statistic: a function that measures a feature map, and a distance between two measures.

Some measures are sums over tiles. A tile is a band of rows as wide as the map. `Sums` computes such a measure tile by
tile, so that a picture of any size is measured in bounded memory.
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

from subjective.arguments import check_function, check_kind, check_size
from subjective.statistics.regions import Masks, divide_by_share
from subjective.statistics.tile_sums import sum_over_rows

Scalar = Float[Array, ""]
Measure = Callable[[Array, bool], Array]
Distance = Callable[[Array, Array], Scalar]
Scaling = Callable[[Array, float], Array]


def widen(features: Array) -> Array:
    """Convert a map of a narrower type, such as bfloat16, to float32. Some measures need the precision."""
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
    """Divide sums over a map of this ``shape`` by height · width · channels. Can serve as `Sums.finish`."""
    return total / float(math.prod(shape))  # a map of 8192x8192x32 has too many numbers for int32


@dataclass(frozen=True)
class Sums:
    """Computes a measure as a sum over tiles. The result does not depend on the number of rows in a tile.

    Attributes:
        measure_tile: ``measure_tile(around, weights, wraps)`` returns what a tile adds to the total. ``around`` is the
            tile with ``reach`` more rows above and below, ``(reach + rows + reach, width, channels)``. If the map does
            not wrap, rows beyond the map are zero. ``weights`` is how much each pixel counts, ``(rows, width, 1)``.
            If all pixels of the map count the same, it is ``(rows, 1, 1)``: 0 for rows past the map's last row, else 1.
        finish: ``finish(total, shape, wraps)`` returns the measure of a map of this shape from the sum over all tiles.
        reach: a pixel is compared with pixels up to this number of rows above and below.
        weighs_twice: whether ``measure_tile`` multiplies both factors of a product by ``weights``. `cut_weights` then
            returns the square roots of the weights, so that the product has the right weight.
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
        """Measure a map tile by tile. The memory for a tile is freed before the next tile.

        Args:
            features: the map.
            wraps: see `Statistic`.
            rows: number of rows in a tile.
            weights: how much each pixel counts; None if all pixels count the same. The derivative with respect to the
                weights is set to zero.
        """
        measure_tile = _MeasureTile(self, wraps, rows, features.shape[0])
        total = sum_over_rows(measure_tile, rows, self.reach, self.reach, weights, features, wraps)
        return self.finish(total, features.shape, wraps)

    def cut_weights(self, weights: Float[Array, "height width"], first: Any, rows: int) -> Float[Array, "rows width 1"]:
        """Cut a tile's weights out of the weights of the whole map, in the form that ``measure_tile`` needs.

        Args:
            weights: how much each pixel of the map counts.
            first: index of the tile's first row in the map; may be a traced value.
            rows: number of rows in the tile. Rows past the map's last row get the weight zero.
        """
        past = jnp.pad(weights, ((0, rows), (0, 0)))
        cut = lax.dynamic_slice_in_dim(past, first, rows, 0)[:, :, None]
        return jnp.sqrt(jnp.maximum(cut, 0)) if self.weighs_twice else cut


@dataclass(frozen=True)
class _MeasureTile:
    """Computes what one tile adds to the sum over a map. Hashable, as `sum_over_rows` needs."""

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
    """Describes what occurs in a feature map, but not where. Hashable, so that a compiled function can be kept for it.

    `subjective.register` gives a statistic of your own a name. One that comes with the package is a module beside this
    one, and a line in `subjective.statistics.registry.STATISTICS`.

    Attributes:
        name: name of the statistic on the command line and in the log.
        measure: ``measure(features, wraps)`` turns ``(height, width, channels)`` into an array whose shape depends on
            the number of channels alone, so that pictures of different sizes can be compared. If ``wraps``, the
            map continues beyond each border with the opposite side.
        distance: ``distance(found, target)`` returns how far apart two measures are. `size` has the same unit.
        scale: ``scale(target, factor)`` returns the target for features that are √factor times as large.
        smallest_sides: shortest sides in pixels that a feature map may have: first for maps that wrap, then for maps
            that do not wrap.
        positive: whether the measure is a symmetric positive matrix, so that `subjective.joins` can take matrix means.
        sums: computes the measure tile by tile; None if the measure is not a sum over tiles.
        fixed_size: what `size` returns, if ``distance`` has no unit; None to compute the size from the target.
        added_size: number that `size` adds, because the distance of a flat target from zero may be 0.
        measure_region: ``measure_region(features, weights, wraps)`` measures a region of a map; ``weights`` is
            ``(height, width)``, how much each pixel belongs to the region. None if ``sums`` can measure regions, or if
            regions cannot be measured.
        whole_with_regions: for a statistic that cannot measure regions: whether a picture with regions is measured as
            a whole. If not, the statistic is refused for pictures with regions.
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

    def __post_init__(self) -> None:
        """Refuse values that no statistic can have."""
        check_kind("name", self.name, str, "the name of a statistic")
        check_function("measure", self.measure, ["features", "wraps"])
        check_function("distance", self.distance, ["found", "target"])
        check_function("scale", self.scale, ["measure", "factor"])
        object.__setattr__(self, "smallest_sides", check_size("smallest_sides", self.smallest_sides))

    @property
    def by_region(self) -> bool:
        """Whether a region of a map can be measured by itself.

        A measure that compares pixels would compare them across the region's border. Such a statistic (`Sums.reach`
        above 0) needs ``measure_region``.
        """
        return self.measure_region is not None or self.by_block

    @property
    def by_block(self) -> bool:
        """Whether each block of a picture can be measured by itself."""
        return self.sums is not None and self.sums.reach == 0

    def measure_regions(
        self, features: Float[Array, "height width channels"], wraps: bool, masks: Masks
    ) -> Float[Array, "regions *rest"]:
        """Measure each region of a map, without tiles.

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
        """Return the size of a target: `fixed_size`, or the target's distance from zeros plus `added_size`.

        Zeros are the measure of a feature map that is zero everywhere. A distance divided by the size has no unit, so
        that layers, octaves and sources can be compared.
        """
        if self.fixed_size is not None:
            return jnp.asarray(self.fixed_size, target.dtype)
        return self.distance(jnp.zeros_like(target), target) + self.added_size
