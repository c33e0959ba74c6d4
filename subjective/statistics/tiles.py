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
from subjective.network.convolution import average_pool, conv3x3_relu
from subjective.network.vgg import Params, kept_as, max_pool, preprocess
from subjective.statistics.blocks import Blocks, in_blocks
from subjective.statistics.content import squared_difference
from subjective.statistics.protocol import Statistic
from subjective.statistics.regions import Guides, Masks, per_share
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
    guides: Guides | None = None,
    content: Float[Array, "height width 3"] | None = None,
) -> Measured:
    """The statistics of a picture's layers, as of the whole picture at once.

    Differentiable in the image; not in the parameters, whose derivative is zero.

    Args:
        params: the network.
        image: RGB in [0, 1], large enough for all layers (`smallest_picture`).
        tiling: layers, statistics and rows of a tile.
        guides: of each layer, if regions are measured by themselves.
        content: the picture that content is measured against; its maps are computed along, tile by tile.

    Returns:
        ``{layer: {statistic: array}}``, with a leading axis for regions if there are guides.
    """
    windows = windows_of(params, image.shape[0], tiling)
    before, behind = windows[0].before, windows[0].behind
    pictures = image if content is None else jnp.concatenate([image, content], axis=2)
    wraps, shapes = tiling.padding == "circular", map_shapes(params, image.shape, tiling)
    of_tile = _OfTile(tiling, windows, tuple(shapes.items()))
    weights = {layer: guides[layer].weights for layer in tiling.layers} if guides else {}
    if tiling.devices > 1:
        sums = _over_devices(of_tile, (params, weights), pictures, before, behind)
    else:
        sums = sum_over_rows(of_tile, tiling.rows, before, behind, (params, weights), pictures, wraps)

    def measured(layer: str, statistic: Statistic) -> Array:
        total, of, shape = sums[layer][statistic.name], statistic.sums, shapes[layer]
        if statistic.against is not None:
            return statistic.against(total, shape)
        assert of is not None
        if in_blocks(statistic, tiling.blocks):
            return Blocks(shape, tiling.blocks).measured(of, total, wraps)
        if not weights:
            return of.measured(total, shape, wraps)
        return per_share(jax.vmap(lambda region: of.measured(region, shape, wraps))(total), weights[layer])

    return {
        layer: {statistic.name: measured(layer, statistic) for statistic in statistics}
        for layer, statistics in tiling.statistics
    }


# Tiles on several devices


def _over_devices(of_tile: _OfTile, constants: Constants, pictures: Array, before: int, behind: int) -> Measured:
    """Each device adds up its own tiles; what lies above and below them comes from its neighbors."""
    tiling, count = of_tile.tiling, of_tile.tiling.devices
    share = pictures.shape[0] // count
    ring = range(count if tiling.padding == "circular" else count - 1)  # nothing comes from beyond a border

    def of_device(constants: Constants, own: Array) -> Measured:
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

    def __call__(self, given: tuple[Constants, Any], cut: Array, tile: Any) -> Measured:
        constants, first = given
        return self.of_tile(constants, cut, first + tile)


@dataclass(frozen=True)
class _OfTile:
    """What a tile adds to the sums; hashable, as `sum_over_tiles` wants it."""

    tiling: Tiling
    windows: tuple[Window, ...]
    shapes: tuple[tuple[str, tuple[int, int, int]], ...]

    def __call__(self, constants: Constants, cut: Array, tile: Any) -> Measured:
        """Of tile number ``tile``; ``cut`` is its window of the picture, beside it that of the content."""
        params, weights = constants
        maps, contents = self.maps(params, cut[:, :, :3], tile), {}
        if cut.shape[2] > 3:
            contents = self.maps(params, lax.stop_gradient(cut[:, :, 3:]), tile)
        return {
            window.name: {
                s.name: self.against(window, maps[window.name], contents[window.name], tile)
                if s.sums is None
                else self.added(s, window, maps[window.name], weights.get(window.name), tile)
                for s in self.tiling.layers[window.name]
            }
            for window in self.windows
            if window.name in self.tiling.layers
        }

    def maps(self, params: Params, cut: Array, tile: Any) -> dict[str, Array]:
        """The maps of a window of a picture, with their halo."""
        tiling, found = self.tiling, {}
        wraps = tiling.padding == "circular"
        current = preprocess(cut, jnp.asarray(params["input"]["mean"]))
        if not wraps:
            current = _within(current, self.windows[0], tile)
        fused = False
        for have, window, following in zip(self.windows, self.windows[1:], (*self.windows[2:], None), strict=False):
            if window.name.startswith("conv"):
                layer = params[window.name]
                fused = (
                    window.name not in tiling.layers
                    and _pools_in_step(following, tiling)
                    and tiling.pooling == "average"
                )
                before, behind = (0, 2) if tiling.padding == "valid" else (1, 1)
                current = conv3x3_relu(
                    _trim(current, have, window.before + before, window.behind + behind),
                    jnp.asarray(layer["kernel"]),
                    jnp.asarray(layer["bias"]),
                    ("valid", tiling.padding),
                    fused,
                    kept_as(tiling.precision),
                )
                if fused:
                    continue
            elif not fused:
                current = _pool(current, have, window, tile, tiling)
            if not wraps:
                current = _within(current, window, tile)
            if window.name in tiling.layers:
                found[window.name] = current
        return found

    def against(self, window: Window, current: Array, content: Array, tile: Any) -> Array:
        """What a tile adds to the squared difference of two maps."""
        own = _own(window, tile, current)
        return squared_difference(*(_trim(features, window, 0, 0) * own for features in (current, content)))

    def added(self, statistic: Statistic, window: Window, current: Array, masks: Masks | None, tile: Any) -> Array:
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


def _pools_in_step(window: Window | None, tiling: Tiling) -> bool:
    """Whether a pooling layer follows whose rows are made from every two of the rows counted on."""
    if window is None or not window.name.startswith("pool"):
        return False
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
