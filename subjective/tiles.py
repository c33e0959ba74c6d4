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

from subjective.convolution import average_pool, conv3x3_relu
from subjective.devices import SHARES, mesh_of
from subjective.two_pass import sum_over_rows, sum_over_tiles
from subjective.vgg import Params, kept_as, max_pool, preprocess
from subjective.windows import Tiling, Window, map_shapes, windows_of

Measured = dict[str, dict[str, Array]]
"""Layer to name of the statistic to what it measures."""


def measure_in_tiles(params: Params, image: Float[Array, "height width 3"], tiling: Tiling) -> Measured:
    """The statistics of a picture's layers, as of the whole picture at once.

    Differentiable in the image; not in the parameters, whose derivative is zero.

    Args:
        params: the network.
        image: RGB in [0, 1], large enough for all layers (`smallest_picture`).
        tiling: layers, statistics and rows of a tile.

    Returns:
        ``{layer: {statistic: array}}``.
    """
    windows = windows_of(params, image.shape[0], tiling)
    before, behind = windows[0].before, windows[0].behind
    planes = preprocess(image, jnp.asarray(params["input"]["mean"]))
    wraps, shapes = tiling.padding == "circular", map_shapes(params, image.shape, tiling)
    of_tile = _OfTile(tiling, windows)
    if tiling.devices > 1:
        sums = _over_devices(of_tile, params, planes, before, behind)
    else:
        sums = sum_over_rows(of_tile, tiling.rows, before, behind, params, planes, wraps)
    return {
        layer: {
            statistic.name: statistic.sums.measured(sums[layer][statistic.name], shapes[layer], wraps)
            for statistic in statistics
            if statistic.sums
        }
        for layer, statistics in tiling.statistics
    }


# Tiles on several devices


def _over_devices(of_tile: _OfTile, params: Params, planes: Array, before: int, behind: int) -> Measured:
    """Each device adds up its own tiles; what lies above and below them comes from its neighbors."""
    tiling, count = of_tile.tiling, of_tile.tiling.devices
    share = planes.shape[0] // count
    ring = range(count if tiling.padding == "circular" else count - 1)  # nothing comes from beyond a border

    def of_device(params: Params, own: Array) -> Measured:
        above = lax.ppermute(own[share - before :], SHARES, [(i, (i + 1) % count) for i in ring])
        below = lax.ppermute(own[:behind], SHARES, [((i + 1) % count, i) for i in ring])
        around = jnp.concatenate([above, own, below])
        tiles, window = share // tiling.rows, before + tiling.rows + behind
        first = lax.axis_index(SHARES) * tiles
        sums = sum_over_tiles(_Later(of_tile), tiling.rows, window, tiles, (params, first), around)
        return jax.tree.map(lambda total: lax.psum(total, SHARES), sums)

    shared = jax.shard_map(
        of_device,
        mesh=mesh_of(count),
        in_specs=(PartitionSpec(), PartitionSpec(SHARES)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    return shared(params, planes)


@dataclass(frozen=True)
class _Later:
    """As another ``of_tile``, the tiles being counted from some number on."""

    of_tile: _OfTile

    def __call__(self, constants: tuple[Params, Any], cut: Array, tile: Any) -> Measured:
        params, first = constants
        return self.of_tile(params, cut, first + tile)


@dataclass(frozen=True)
class _OfTile:
    """What a tile adds to the sums; hashable, as `sum_over_tiles` wants it."""

    tiling: Tiling
    windows: tuple[Window, ...]

    def __call__(self, params: Params, cut: Array, tile: Any) -> Measured:
        """Of tile number ``tile``; ``cut`` is its window of the picture, ready for the network."""
        tiling, sums, current = self.tiling, {}, cut
        wraps = tiling.padding == "circular"
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
                row = tile * window.rows - window.before + jnp.arange(current.shape[0])
                current = current * _mask((row >= 0) & (row < window.height), current)
            if window.name in tiling.layers:
                own = _mask(tile * window.rows + jnp.arange(window.rows) < window.height, current)
                sums[window.name] = {
                    s.name: s.sums.over(_trim(current, window, s.sums.reach, s.sums.reach), own, wraps)
                    for s in tiling.layers[window.name]
                    if s.sums
                }
        return sums


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
