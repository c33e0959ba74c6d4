"""Statistics of a picture of any size in bounded memory, exactly: tile by tile, with a halo.

A tile is a band of rows as wide as the picture; only the rows next to it, its halo, are computed twice. What adds up
over tiles (`Sums`) is summed in one pass; a second pass computes each tile again and pulls the derivative with respect
to the sums back through it. No feature map outlives its tile.

Rows of a map that wraps are counted on beyond its last, where its first follow. Pooling drops an odd last row, so that
such a count is not half of that of the map before: `_Window.row_before` says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.convolution import average_pool, conv3x3_relu
from subjective.pyramid import Padding
from subjective.statistics.protocol import Statistic
from subjective.two_pass import sum_over_tiles
from subjective.vgg import Params, Pooling, layer_names, max_pool, preprocess

Measured = dict[str, dict[str, Array]]
"""Layer to name of the statistic to what it measures."""


@dataclass(frozen=True)
class Tiling:
    """What is measured of one octave's picture, and in tiles of how many rows. Hashable.

    Attributes:
        statistics: (layer, statistics there, each with `Sums`), layers being the network's.
        padding: what lies outside the picture.
        pooling: ``average`` or ``max``.
        rows: of the picture in a tile, without its halo; a multiple of `multiple` of its layers.
    """

    statistics: tuple[tuple[str, tuple[Statistic, ...]], ...]
    padding: Padding
    pooling: Pooling
    rows: int

    @property
    def layers(self) -> dict[str, tuple[Statistic, ...]]:
        """Layer to the statistics there."""
        return dict(self.statistics)


def multiple(layers: Sequence[str]) -> int:
    """Rows of the picture to a row of the deepest layer: tiles have a multiple of them."""
    pooled = [int(layer.removeprefix("pool")) if layer.startswith("pool") else int(layer[4]) - 1 for layer in layers]
    return int(2 ** max(pooled, default=0))


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
    windows = _windows(params, image.shape[0], tiling)
    before, behind = windows[0].before, windows[0].behind
    count = -(-image.shape[0] // tiling.rows)
    more = count * tiling.rows - image.shape[0]
    planes = preprocess(image, jnp.asarray(params["input"]["mean"]))
    # Rows above the first and below the last tile: the other side's, or nothing.
    around = jnp.pad(
        planes,
        ((before, more + behind), (0, 0), (0, 0)),
        mode="wrap" if tiling.padding == "circular" else "constant",
    )
    window = before + windows[0].rows + behind
    sums = sum_over_tiles(_OfTile(tiling, windows), tiling.rows, window, count, params, around)
    wraps, shapes = tiling.padding == "circular", _map_shapes(params, image.shape, tiling)
    return {
        layer: {
            statistic.name: statistic.sums.measured(sums[layer][statistic.name], shapes[layer], wraps)
            for statistic in statistics
            if statistic.sums
        }
        for layer, statistics in tiling.statistics
    }


def window_rows(params: Params, height: int, tiling: Tiling) -> int:
    """Rows of a picture of that height that are computed for a tile: its own and its halo's."""
    picture = _windows(params, height, tiling)[0]
    return picture.before + picture.rows + picture.behind


# What a tile sees of each map


@dataclass(frozen=True)
class _Window:
    """The rows of a map that a tile needs: its own, ``before`` above them and ``behind`` below.

    Attributes:
        name: layer, or "" for the picture.
        rows: the tile's own rows of this map.
        height: of the whole map.
        before: rows above.
        behind: rows below.
        reach: how many of them the statistics of this layer need at most.
        parent: height of the map that a pooling layer is made from.
    """

    name: str
    rows: int
    height: int
    before: int
    behind: int
    reach: int = 0
    parent: int = 0

    def row_before(self, row: Any) -> Any:
        """First of the two rows that a pooled row is made from, counted on where the maps wrap."""
        return row // self.height * self.parent + 2 * (row % self.height)


def _path(params: Params, tiling: Tiling) -> tuple[str, ...]:
    order = layer_names(params)
    return order[: max(order.index(layer) for layer in tiling.layers) + 1]


def _map_shapes(params: Params, shape: tuple[int, ...], tiling: Tiling) -> dict[str, tuple[int, int, int]]:
    height, width, channels = shape
    shapes = {}
    for name in _path(params, tiling):
        if name.startswith("pool"):
            height, width = height // 2, width // 2
        else:
            lost = 2 * (tiling.padding == "valid")
            height, width, channels = height - lost, width - lost, params[name]["bias"].shape[0]
        shapes[name] = (height, width, channels)
    return shapes


def _windows(params: Params, height: int, tiling: Tiling) -> tuple[_Window, ...]:
    """The window of each map, the picture's first; each is as large as the next one needs."""
    path, tiles = _path(params, tiling), -(-height // tiling.rows)
    heights = {name: shape[0] for name, shape in _map_shapes(params, (height, height, 3), tiling).items()}
    rows = tiling.rows // 2 ** sum(name.startswith("pool") for name in path)
    before = behind = 0
    windows: list[_Window] = []
    for place, name in reversed(list(enumerate(path))):
        reach = max((s.sums.reach for s in tiling.layers.get(name, ()) if s.sums), default=0)
        before, behind = max(before, reach), max(behind, reach)
        parent = heights[path[place - 1]] if place else height
        window = _Window(name, rows, heights[name], before, behind, reach, parent)
        windows.append(window)
        if name.startswith("conv"):
            before, behind = (before, behind + 2) if tiling.padding == "valid" else (before + 1, behind + 1)
            continue
        # Where maps wrap, an odd row is left out at each end that the window passes.
        first, last = -before, (tiles - 1) * rows + rows + behind - 1
        wraps = tiling.padding == "circular"
        before = 2 * -first - min(window.row_before(first) - 2 * first, 0) if wraps else 2 * before
        behind = 2 * behind + (max(window.row_before(last) - 2 * last, 0) if wraps else 0)
        rows *= 2
    windows.append(_Window("", rows, height, before, behind))
    return tuple(reversed(windows))


@dataclass(frozen=True)
class _OfTile:
    """What a tile adds to the sums; hashable, as `sum_over_tiles` wants it."""

    tiling: Tiling
    windows: tuple[_Window, ...]

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


def _trim(current: Array, have: _Window, before: int, behind: int) -> Array:
    """Only so many rows before and behind the tile's own."""
    return current[have.before - before : current.shape[0] - (have.behind - behind)]


def _pools_in_step(window: _Window | None, tiling: Tiling) -> bool:
    """Whether a pooling layer follows whose rows are made from every two of the rows counted on."""
    if window is None or not window.name.startswith("pool"):
        return False
    return tiling.padding != "circular" or window.parent == 2 * window.height


def _pool(current: Array, have: _Window, window: _Window, tile: Any, tiling: Tiling) -> Array:
    if _pools_in_step(window, tiling):
        current = _trim(current, have, 2 * window.before, 2 * window.behind)
    else:
        count = window.before + window.rows + window.behind
        row = window.row_before(tile * window.rows - window.before + jnp.arange(count))
        row = row - (tile * have.rows - have.before)
        current = current[jnp.stack([row, row + 1], axis=1).reshape(-1)]
    return average_pool(current) if tiling.pooling == "average" else max_pool(current)
