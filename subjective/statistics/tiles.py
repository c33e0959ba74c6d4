"""Exact statistics of a picture of any size in bounded memory: the picture passes through the network tile by tile.

A tile is a band of rows as wide as the picture. Its halo is the neighboring rows that the network needs to compute the
tile's features. `tiling` plans tiles and halos, this module passes each tile through the network, and `tile_sums` adds
up what the tiles give. Every statistic must have `Sums`. For the derivative, a second pass computes each tile again.
The memory for the feature maps of a tile is freed before the next tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from subjective.devices import SHARES, mesh_of
from subjective.network.convolution import conv3x3_relu
from subjective.network.cpu_convolution import average_pool
from subjective.network.vgg import Layer, Params, max_pool, path_to, preprocess, walk
from subjective.statistics.blocks import Blocks, uses_blocks
from subjective.statistics.protocol import Statistic, divide_by_count, squared_difference
from subjective.statistics.regions import Masks, Regions, divide_by_share
from subjective.statistics.tile_sums import Tiles, sum_over_rows, sum_over_tiles
from subjective.statistics.tiling import Shape, Tiling, Window, map_shapes, plan_windows

Measured = dict[str, dict[str, Array]]
"""``{layer: {name of the statistic: array}}``."""

Constants = tuple[Params, dict[str, Masks]]
"""The network; and a dict from layer to the weights of the regions, which is empty without regions."""


def measure_in_tiles(
    params: Params,
    image: Float[Array, "height width 3"],
    tiling: Tiling,
    regions: Regions | None = None,
    content: Float[Array, "height width 3"] | None = None,
) -> tuple[Measured, dict[str, Array]]:
    """Measure a picture's layers tile by tile. The result equals the measures of the whole picture in one piece.

    The result is differentiable in the image. The derivative with respect to the network's parameters is set to zero.

    Args:
        params: the network.
        image: RGB in [0, 1], large enough for all layers (`subjective.statistics.room.smallest_picture`).
        tiling: layers, statistics and rows of a tile.
        regions: the regions of each layer, if each region is measured by itself.
        content: picture whose feature maps are compared with the image's maps. The content's maps are computed tile by
            tile too.

    Returns:
        ``{layer: {name of the statistic: array}}``, where arrays have a leading axis for the regions, if regions are
        given; and a dict from layer to the squared difference between the maps of image and content.
        `Comparison.mean` says whether the difference is a mean or a sum over the map.
    """
    windows = plan_windows(params, image.shape[0], tiling)
    above, below = windows[""].above, windows[""].below
    pictures = image if content is None else jnp.concatenate([image, content], axis=2)
    wraps, shapes = tiling.padding == "circular", map_shapes(params, image.shape, tiling)
    measure_tile = _MeasureTile(tiling, tuple(windows.values()), tuple(shapes.items()), path_to(tiling.layers, params))
    weights = {layer: regions[layer].weights for layer in tiling.layers} if regions else {}
    if tiling.devices > 1:
        sums, totals = _sum_over_devices(measure_tile, (params, weights), pictures, above, below)
    else:
        sums, totals = sum_over_rows(measure_tile, tiling.rows, above, below, (params, weights), pictures, wraps)
    measured = {
        layer: {
            statistic.name: _finish(statistic, sums[layer][statistic.name], shapes[layer], tiling, weights.get(layer))
            for statistic in statistics
        }
        for layer, statistics in tiling.statistics
        if statistics
    }
    if tiling.comparison is not None and tiling.comparison.mean:
        totals = {layer: divide_by_count(total, shapes[layer]) for layer, total in totals.items()}
    return measured, totals


def _finish(statistic: Statistic, total: Array, shape: Shape, tiling: Tiling, masks: Masks | None) -> Array:
    """Compute a layer's statistic from the sum over all tiles. With ``masks``, do this for each region."""
    sums, wraps = statistic.sums, tiling.padding == "circular"
    assert sums is not None
    if uses_blocks(statistic, tiling.blocks):
        return Blocks(shape, tiling.blocks).finish(sums, total, wraps)
    if masks is None:
        return sums.finish(total, shape, wraps)
    by_region = jax.vmap(lambda region: sums.finish(region, shape, wraps))(total)
    return divide_by_share(by_region, masks)


# Tiles on several devices


def _sum_over_devices(measure_tile: _MeasureTile, constants: Constants, pictures: Array, above: int, below: int) -> Any:
    """Sum over the tiles of all devices. Each device receives the rows of its halo from the neighboring devices."""
    tiling, count = measure_tile.tiling, measure_tile.tiling.devices
    share = pictures.shape[0] // count
    ring = range(count if tiling.padding == "circular" else count - 1)  # if maps wrap, the last also sends to the first

    def sum_on_device(constants: Constants, own: Array) -> Any:
        rows_above = lax.ppermute(own[share - above :], SHARES, [(i, (i + 1) % count) for i in ring])
        rows_below = lax.ppermute(own[:below], SHARES, [((i + 1) % count, i) for i in ring])
        around = jnp.concatenate([rows_above, own, rows_below])
        tiles = Tiles(tiling.rows, above, below, share // tiling.rows, has_halo=True)
        first = lax.axis_index(SHARES) * tiles.count
        sums = sum_over_tiles(_MeasureLaterTile(measure_tile), tiles, (constants, first), around)
        return jax.tree.map(lambda total: lax.psum(total, SHARES), sums)

    shared = jax.shard_map(
        sum_on_device,
        mesh=mesh_of(count),
        in_specs=(PartitionSpec(), PartitionSpec(SHARES)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    return shared(constants, pictures)


@dataclass(frozen=True)
class _MeasureLaterTile:
    """Adds the number of the device's first tile to each tile number, and calls ``measure_tile``."""

    measure_tile: _MeasureTile

    def __call__(self, given: tuple[Constants, Any], cut: Array, tile: Any) -> Any:
        constants, first = given
        return self.measure_tile(constants, cut, first + tile)


@dataclass(frozen=True)
class _MeasureTile:
    """Computes what a tile adds to the sums. Hashable, as `sum_over_tiles` needs."""

    tiling: Tiling
    windows: tuple[Window, ...]
    shapes: tuple[tuple[str, Shape], ...]
    path: tuple[Layer, ...]

    def __call__(self, constants: Constants, cut: Array, tile: Any) -> tuple[Measured, dict[str, Array]]:
        """Measure a tile.

        Args:
            constants: the network and the weights of the regions.
            cut: the tile's window of the picture in channels 0 to 2, and of the content, if any, in channels 3 to 5.
            tile: the tile's number.

        Returns:
            What the tile adds to each statistic of each layer, and to the squared difference at each compared layer.
        """
        params, weights = constants
        windows, tiling = {window.name: window for window in self.windows}, self.tiling
        maps = self.compute_maps(params, cut[:, :, :3], tile)
        measured = {
            layer: {
                s.name: self.sum_statistic(s, windows[layer], maps[layer], weights.get(layer), tile) for s in statistics
            }
            for layer, statistics in tiling.statistics
        }
        if cut.shape[2] == 3:
            return measured, {}
        contents = self.compute_maps(params, lax.stop_gradient(cut[:, :, 3:]), tile)
        return measured, {
            layer: self.sum_difference(windows[layer], maps[layer], contents[layer], tile) for layer in tiling.compared
        }

    def compute_maps(self, params: Params, cut: Array, tile: Any) -> dict[str, Array]:
        """Compute all maps of a tile from the tile's window of the picture. Each map includes its own halo."""
        windows, tiling = {window.name: window for window in self.windows}, self.tiling
        parents = dict(zip((layer.name for layer in self.path), self.windows, strict=False))

        def clear(current: Array, window: Window) -> Array:
            return current if tiling.padding == "circular" else _clear_outside(current, window, tile)

        def convolve(layer: Layer, current: Array, pooling: Layer | None) -> Array:
            window, kept = windows[layer.name], params[layer.name]
            above, below = (0, 2) if tiling.padding == "valid" else (1, 1)
            made = conv3x3_relu(
                _trim(current, parents[layer.name], window.above + above, window.below + below),
                jnp.asarray(kept["kernel"]),
                jnp.asarray(kept["bias"]),
                ("valid", tiling.padding),
                pooling is not None,
                tiling.precision,
            )
            return clear(made, windows[(pooling or layer).name])

        def pool(layer: Layer, current: Array) -> Array:
            window = windows[layer.name]
            return clear(_pool(current, parents[layer.name], window, tile, tiling), window)

        def fuse(pooling: Layer) -> bool:
            return tiling.pooling == "average" and _pools_in_step(windows[pooling.name], tiling)

        start = clear(preprocess(cut, jnp.asarray(params["input"]["mean"])), windows[""])
        return walk(self.path, start, convolve, pool, wanted=tiling.layers, fuse=fuse)

    def sum_difference(self, window: Window, current: Array, content: Array, tile: Any) -> Array:
        """Compute what a tile adds to the sum of the squared differences of two maps."""
        inside = _rows_inside(window, tile, current)
        return squared_difference(*(_trim(features, window, 0, 0) * inside for features in (current, content)))

    def sum_statistic(
        self, statistic: Statistic, window: Window, current: Array, masks: Masks | None, tile: Any
    ) -> Array:
        """Compute what a tile adds to one statistic of one layer. With ``masks``, do this for each region."""
        sums = statistic.sums
        assert sums is not None
        around, first = _trim(current, window, sums.reach, sums.reach), tile * window.rows
        wraps = self.tiling.padding == "circular"
        if uses_blocks(statistic, self.tiling.blocks):
            blocks = Blocks(dict(self.shapes)[window.name], self.tiling.blocks)
            return blocks.sum_rows(sums, around, _rows_inside(window, tile, current), first, wraps)
        if masks is None:
            return sums.measure_tile(around, _rows_inside(window, tile, current), wraps)
        regions = [sums.cut_weights(masks[:, :, region], first, window.rows) for region in range(masks.shape[2])]
        return jnp.stack([sums.measure_tile(around, weights, wraps) for weights in regions])


def _clear_outside(current: Array, window: Window, tile: Any) -> Array:
    """Set those rows of a window to zero that lie above or below the whole map."""
    row = tile * window.rows - window.above + jnp.arange(current.shape[0])
    return current * _as_weights((row >= 0) & (row < window.height), current)


def _rows_inside(window: Window, tile: Any, current: Array) -> Array:
    """Return the weight of each row of a tile without its halo: 1 for rows of the map, 0 for rows past the last row."""
    return _as_weights(tile * window.rows + jnp.arange(window.rows) < window.height, current)


def _as_weights(rows: Array, current: Array) -> Array:
    return rows.astype(current.dtype)[:, None, None]


def _trim(current: Array, window: Window, above: int, below: int) -> Array:
    """Trim the halo of a window's map to ``above`` rows above the tile and ``below`` rows below the tile."""
    return current[window.above - above : current.shape[0] - (window.below - below)]


def _pools_in_step(window: Window, tiling: Tiling) -> bool:
    """Return whether each pooled row r is made of rows 2 r and 2 r + 1.

    This fails only in a map that wraps and has an odd number of rows: pooling drops the last row, so that the numbers
    of the rows beyond the end are shifted by one.
    """
    return tiling.padding != "circular" or window.parent == 2 * window.height


def _pool(current: Array, parent: Window, window: Window, tile: Any, tiling: Tiling) -> Array:
    """Pool a map that has the halo of ``parent``. Return a map that has the halo of ``window``."""
    if _pools_in_step(window, tiling):
        current = _trim(current, parent, 2 * window.above, 2 * window.below)
    else:
        count = window.above + window.rows + window.below
        row = window.row_before(tile * window.rows - window.above + jnp.arange(count))
        row = row - (tile * parent.rows - parent.above)
        current = current[jnp.stack([row, row + 1], axis=1).reshape(-1)]
    return average_pool(current) if tiling.pooling == "average" else max_pool(current)
