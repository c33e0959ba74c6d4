"""Statistics of a picture of any size in bounded memory, exactly: tile by tile, with a halo.

A tile is a band of rows as wide as the picture; only the rows next to it, its halo, are computed twice. What adds up
over tiles (`Sums`) is summed in one pass; a second pass computes each tile again and pulls the derivative with respect
to the sums back through it. No feature map outlives its tile.
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
from subjective.network.vgg import Layer, Params, map_type, max_pool, path_to, preprocess, walk
from subjective.statistics.blocks import Blocks, in_blocks
from subjective.statistics.protocol import Statistic, per_number, squared_difference
from subjective.statistics.regions import Masks, Regions, divide_by_share
from subjective.statistics.tile_sums import Tiles, sum_over_rows, sum_over_tiles
from subjective.statistics.tiling import Tiling, Window, map_shapes, windows_of

Measured = dict[str, dict[str, Array]]
"""Layer to name of the statistic to what it measures."""

Constants = tuple[Params, dict[str, Masks]]
"""The network, and the weights of each layer, none without regions."""


def measure_in_tiles(
    params: Params,
    image: Float[Array, "height width 3"],
    tiling: Tiling,
    regions: Regions | None = None,
    content: Float[Array, "height width 3"] | None = None,
) -> tuple[Measured, dict[str, Array]]:
    """Measure a picture's layers tile by tile; the result is that of the whole picture at once.

    The result is differentiable in the image; its derivative with respect to the parameters is taken as zero.

    Args:
        params: the network.
        image: RGB in [0, 1], large enough for all layers (`subjective.statistics.room.smallest_picture`).
        tiling: layers, statistics and rows of a tile.
        regions: of each layer, if regions are measured one by one.
        content: the picture with which maps are compared; its maps are computed along, tile by tile.

    Returns:
        ``{layer: {statistic: array}}``, with a leading axis for regions if there are any; and layer to the squared
        difference of the picture's map and the content's, mean or sum.
    """
    windows = windows_of(params, image.shape[0], tiling)
    before, behind = windows[""].before, windows[""].behind
    pictures = image if content is None else jnp.concatenate([image, content], axis=2)
    wraps, shapes = tiling.padding == "circular", map_shapes(params, image.shape, tiling)
    of_tile = _OfTile(tiling, tuple(windows.values()), tuple(shapes.items()), path_to(tiling.layers, params))
    weights = {layer: regions[layer].weights for layer in tiling.layers} if regions else {}
    if tiling.devices > 1:
        sums, totals = _sum_over_devices(of_tile, (params, weights), pictures, before, behind)
    else:
        sums, totals = sum_over_rows(of_tile, tiling.rows, before, behind, (params, weights), pictures, wraps)

    def measure(layer: str, statistic: Statistic) -> Array:
        total, of, shape = sums[layer][statistic.name], statistic.sums, shapes[layer]
        assert of is not None
        if in_blocks(statistic, tiling.blocks):
            return Blocks(shape, tiling.blocks).measured(of, total, wraps)
        if not weights:
            return of.measured(total, shape, wraps)
        by_region = jax.vmap(lambda region: of.measured(region, shape, wraps))(total)
        return divide_by_share(by_region, weights[layer])

    measured = {
        layer: {statistic.name: measure(layer, statistic) for statistic in statistics}
        for layer, statistics in tiling.statistics
        if statistics
    }
    if tiling.comparison is not None and tiling.comparison.mean:
        totals = {layer: per_number(total, shapes[layer]) for layer, total in totals.items()}
    return measured, totals


# Tiles on several devices


def _sum_over_devices(of_tile: _OfTile, constants: Constants, pictures: Array, before: int, behind: int) -> Any:
    """Each device adds up its own tiles; what lies above and below them comes from its neighbors."""
    tiling, count = of_tile.tiling, of_tile.tiling.devices
    share = pictures.shape[0] // count
    ring = range(count if tiling.padding == "circular" else count - 1)  # nothing comes from beyond a border

    def of_device(constants: Constants, own: Array) -> Any:
        above = lax.ppermute(own[share - before :], SHARES, [(i, (i + 1) % count) for i in ring])
        below = lax.ppermute(own[:behind], SHARES, [((i + 1) % count, i) for i in ring])
        around = jnp.concatenate([above, own, below])
        tiles = Tiles(tiling.rows, before, behind, share // tiling.rows, within=True)
        first = lax.axis_index(SHARES) * tiles.count
        sums = sum_over_tiles(_Later(of_tile), tiles, (constants, first), around)
        return jax.tree.map(lambda total: lax.psum(total, SHARES), sums)

    shared = jax.shard_map(
        of_device,
        mesh=mesh_of(count),
        in_specs=(PartitionSpec(), PartitionSpec(SHARES)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    return shared(constants, pictures)


@dataclass(frozen=True)
class _Later:
    """As another ``of_tile``, the tiles being counted from some number on."""

    of_tile: _OfTile

    def __call__(self, given: tuple[Constants, Any], cut: Array, tile: Any) -> Any:
        constants, first = given
        return self.of_tile(constants, cut, first + tile)


@dataclass(frozen=True)
class _OfTile:
    """What a tile adds to the sums; hashable, as `sum_over_tiles` needs it."""

    tiling: Tiling
    windows: tuple[Window, ...]
    shapes: tuple[tuple[str, tuple[int, int, int]], ...]
    path: tuple[Layer, ...]

    def __call__(self, constants: Constants, cut: Array, tile: Any) -> tuple[Measured, dict[str, Array]]:
        """Measure tile number ``tile``; ``cut`` is its window of the picture, and of the content if there is one."""
        params, weights = constants
        windows, tiling = {window.name: window for window in self.windows}, self.tiling
        maps = self.maps(params, cut[:, :, :3], tile)
        measured = {
            layer: {s.name: self.measure(s, windows[layer], maps[layer], weights.get(layer), tile) for s in statistics}
            for layer, statistics in tiling.statistics
        }
        if cut.shape[2] == 3:
            return measured, {}
        contents = self.maps(params, lax.stop_gradient(cut[:, :, 3:]), tile)
        return measured, {
            layer: self.difference(windows[layer], maps[layer], contents[layer], tile) for layer in tiling.compared
        }

    def maps(self, params: Params, cut: Array, tile: Any) -> dict[str, Array]:
        """The maps of a window of a picture, each with its halo."""
        windows, tiling = {window.name: window for window in self.windows}, self.tiling
        parents = dict(zip((layer.name for layer in self.path), self.windows, strict=False))

        def clear(current: Array, window: Window) -> Array:
            return current if tiling.padding == "circular" else _within(current, window, tile)

        def convolve(layer: Layer, current: Array, pooling: Layer | None) -> Array:
            window, kept = windows[layer.name], params[layer.name]
            before, behind = (0, 2) if tiling.padding == "valid" else (1, 1)
            made = conv3x3_relu(
                _trim(current, parents[layer.name], window.before + before, window.behind + behind),
                jnp.asarray(kept["kernel"]),
                jnp.asarray(kept["bias"]),
                ("valid", tiling.padding),
                pooling is not None,
                map_type(tiling.precision),
            )
            return clear(made, windows[(pooling or layer).name])

        def pool(layer: Layer, current: Array) -> Array:
            window = windows[layer.name]
            return clear(_pool(current, parents[layer.name], window, tile, tiling), window)

        def fuse(pooling: Layer) -> bool:
            return tiling.pooling == "average" and _pools_in_step(windows[pooling.name], tiling)

        start = clear(preprocess(cut, jnp.asarray(params["input"]["mean"])), windows[""])
        return walk(self.path, start, convolve, pool, wanted=tiling.layers, fuse=fuse)

    def difference(self, window: Window, current: Array, content: Array, tile: Any) -> Array:
        """What a tile adds to the squared difference of two maps."""
        own = _own(window, tile, current)
        return squared_difference(*(_trim(features, window, 0, 0) * own for features in (current, content)))

    def measure(self, statistic: Statistic, window: Window, current: Array, masks: Masks | None, tile: Any) -> Array:
        """What a tile adds to one statistic of one layer; for each region, where there are masks."""
        of = statistic.sums
        assert of is not None
        around, first = _trim(current, window, of.reach, of.reach), tile * window.rows
        wraps = self.tiling.padding == "circular"
        if in_blocks(statistic, self.tiling.blocks):
            blocks = Blocks(dict(self.shapes)[window.name], self.tiling.blocks)
            return blocks.of_rows(of, around, _own(window, tile, current), first, wraps)
        if masks is None:
            return of.over(around, _own(window, tile, current), wraps)
        regions = [of.own(masks[:, :, region], first, window.rows) for region in range(masks.shape[2])]
        return jnp.stack([of.over(around, own, wraps) for own in regions])


def _within(current: Array, window: Window, tile: Any) -> Array:
    """Zero where a window reaches beyond its map."""
    row = tile * window.rows - window.before + jnp.arange(current.shape[0])
    return current * _mask((row >= 0) & (row < window.height), current)


def _own(window: Window, tile: Any, current: Array) -> Array:
    """Which of the tile's rows are the map's."""
    return _mask(tile * window.rows + jnp.arange(window.rows) < window.height, current)


def _mask(rows: Array, current: Array) -> Array:
    return rows.astype(current.dtype)[:, None, None]


def _trim(current: Array, have: Window, before: int, behind: int) -> Array:
    """Only so many rows before and behind the tile's own."""
    return current[have.before - before : current.shape[0] - (have.behind - behind)]


def _pools_in_step(window: Window, tiling: Tiling) -> bool:
    """Whether a pooling's rows are made of every two of the rows counted on."""
    return tiling.padding != "circular" or window.parent == 2 * window.height


def _pool(current: Array, have: Window, window: Window, tile: Any, tiling: Tiling) -> Array:
    if _pools_in_step(window, tiling):
        current = _trim(current, have, 2 * window.before, 2 * window.behind)
    else:
        count = window.before + window.rows + window.behind
        row = window.row_before(tile * window.rows - window.before + jnp.arange(count))
        row = row - (tile * have.rows - have.before)
        current = current[jnp.stack([row, row + 1], axis=1).reshape(-1)]
    return average_pool(current) if tiling.pooling == "average" else max_pool(current)
