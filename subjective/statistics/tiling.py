"""How a picture is divided into tiles, and the rows of each map that a tile needs.

A tile is a band of rows as wide as the picture. The tile needs its own rows of each map, and its halo: the rows next to
them that the following layers look at. Only the halo is computed twice.

Rows of a map that wraps are counted on beyond the last row, where the first rows follow. Pooling drops an odd last row,
so that such a count is not half of the count in the map before: `Window.row_before` says which row is meant.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from subjective.checks import InputError
from subjective.network.vgg import Layer, Params, Pooling, Precision, path_to, walk
from subjective.pyramid import Padding
from subjective.statistics.blocks import WHOLE, Grid
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Comparison, network_layers

Shape = tuple[int, int, int]
"""(height, width, channels) of a map."""


@dataclass(frozen=True)
class Tiling:
    """What is measured of one octave's picture in tiles of so many rows. Hashable.

    Attributes:
        statistics: (layer, statistics that are measured there, each with `Sums`); the layers are the network's.
        padding: what lies outside the picture.
        pooling: ``average`` or ``max``.
        rows: rows of the picture in a tile, without its halo; a multiple of `row_unit` of the layers.
        devices: number of devices that share the tiles; the picture then has a multiple of ``rows · devices`` rows.
        precision: number type of the maps.
        blocks: blocks of the picture, as in `Analysis`.
        comparison: as in `Analysis`; its layers here are those of the network alone.
    """

    statistics: tuple[tuple[str, tuple[Statistic, ...]], ...]
    padding: Padding
    pooling: Pooling
    rows: int
    devices: int = 1
    precision: Precision = "float32"
    blocks: Grid = WHOLE
    comparison: Comparison | None = None

    @property
    def layers(self) -> dict[str, tuple[Statistic, ...]]:
        """Layer to the statistics that are measured there."""
        return dict(self.statistics)

    @property
    def compared(self) -> tuple[str, ...]:
        """The layers whose maps are compared."""
        return self.comparison.layers if self.comparison else ()


def row_unit(layers: Iterable[str], params: Params) -> int:
    """Rows of the picture to a row of the deepest layer; a tile has a multiple of them."""
    return math.prod(layer.stride for layer in path_to(layers, params))


@dataclass(frozen=True)
class Window:
    """The rows of a map that a tile needs: the tile's own rows, ``before`` rows above them and ``behind`` below them.

    Attributes:
        name: the layer; "" for the picture.
        rows: the tile's own rows of the map.
        height: height of the whole map.
        before: rows above the tile's own.
        behind: rows below the tile's own.
        parent: height of the map before, where the layer is a pooling.
    """

    name: str
    rows: int
    height: int
    before: int
    behind: int
    parent: int = 0

    def row_before(self, row: Any) -> Any:
        """First of the two rows that make a pooled row, counted on beyond the last row where the maps wrap."""
        return row // self.height * self.parent + 2 * (row % self.height)


def map_shapes(params: Params, shape: tuple[int, ...], tiling: Tiling) -> dict[str, Shape]:
    """Shape of each layer's map of a picture of that shape, in the order of the layers."""
    path = path_to(tiling.layers, params)

    def shrink(layer: Layer, shape: Shape) -> Shape:
        height, width = (layer.size_after(side, tiling.padding) for side in shape[:2])
        channels = shape[2] if layer.kind == "pooling" else params[layer.name]["bias"].shape[0]
        return height, width, channels

    height, width, channels = shape
    return walk(
        path,
        (height, width, channels),
        lambda layer, shape, _: shrink(layer, shape),
        shrink,
        wanted=[each.name for each in path],
    )


def windows_of(params: Params, height: int, tiling: Tiling) -> dict[str, Window]:
    """The window of each map by layer, the picture's ("") first; each window is as large as the next one needs."""
    path, tiles = path_to(tiling.layers, params), -(-height // tiling.rows)
    heights = {"": height} | {name: shape[0] for name, shape in map_shapes(params, (height, height, 3), tiling).items()}
    rows = tiling.rows // row_unit(tiling.layers, params)
    before = behind = 0
    windows: list[Window] = []
    for layer, parent in reversed(list(zip(path, ["", *(layer.name for layer in path)], strict=False))):
        reach = max((s.sums.reach for s in tiling.layers.get(layer.name, ()) if s.sums), default=0)
        before, behind = max(before, reach), max(behind, reach)
        window = Window(layer.name, rows, heights[layer.name], before, behind, heights[parent])
        windows.append(window)
        if layer.kind == "convolution":
            lost = tiling.padding == "valid"
            before, behind = (
                (before, behind + 2 * layer.reach) if lost else (before + layer.reach, behind + layer.reach)
            )
            continue
        # Where maps wrap, an odd row is left out at each end that the window passes.
        first, last = -before, (tiles - 1) * rows + rows + behind - 1
        wraps = tiling.padding == "circular"
        before = 2 * -first - min(window.row_before(first) - 2 * first, 0) if wraps else 2 * before
        behind = 2 * behind + (max(window.row_before(last) - 2 * last, 0) if wraps else 0)
        rows *= layer.stride
    windows.append(Window("", rows, height, before, behind))
    return {window.name: window for window in reversed(windows)}


def window_rows(params: Params, height: int, tiling: Tiling) -> int:
    """Rows of a picture of that height that are computed for a tile: the tile's own and its halo's."""
    picture = windows_of(params, height, tiling)[""]
    return picture.before + picture.rows + picture.behind


def can_share(params: Params, height: int, tiling: Tiling) -> bool:
    """Whether devices can share a picture of that height: no tile needs rows beyond the next device's."""
    share, rest = divmod(height, tiling.devices)
    picture = windows_of(params, height, tiling)[""]
    return rest == 0 and share % tiling.rows == 0 and max(picture.before, picture.behind) <= share


def tiling_of(analysis: Analysis, octave: int, height: int, params: Params) -> Tiling | None:
    """Choose the tiles of the network's layers at an octave; None if the octave is measured in one piece.

    Of several devices each has some tiles, or one. An octave that is too small for that is measured in one piece by
    each device.

    Args:
        analysis: what is measured.
        octave: its index.
        height: of the octave's picture.
        params: the network.

    Raises:
        InputError: a statistic that does not add up over tiles.
    """
    layers = network_layers(analysis.layers_at(octave))
    if not layers or (analysis.tile is None and analysis.devices == 1):
        return None
    unit = row_unit(layers, params)
    rows = height if analysis.tile is None else -(-analysis.tile // unit) * unit
    compared = network_layers(analysis.compared_at(octave))
    tiling = Tiling(
        tuple((layer, analysis.statistics_at(octave, layer)) for layer in layers),
        analysis.padding,
        analysis.pooling,
        rows,
        1,
        analysis.precision,
        analysis.blocks,
        analysis.comparison and dataclasses.replace(analysis.comparison, layers=compared),
    )
    shared = _share_tiles(tiling, analysis.devices, unit, height, params)
    if shared is None and height <= rows:
        return None
    _check_sums(tiling)
    return shared or tiling


def _check_sums(tiling: Tiling) -> None:
    """Check that every statistic adds up over tiles."""
    for layer, statistics in tiling.statistics:
        for statistic in statistics:
            if statistic.sums is None:
                fine = ", ".join(name for name, known in STATISTICS.items() if known.sums)
                raise InputError(
                    f"{statistic.name} at {layer} does not add up over tiles or devices, which were asked for; take it "
                    f"at rgb, where nothing is tiled, leave them out, or match one of {fine}"
                )


def _share_tiles(tiling: Tiling, devices: int, unit: int, height: int, params: Params) -> Tiling | None:
    """Divide the tiles among devices; None where that is not possible."""
    share = height // devices
    if devices == 1 or share % unit:
        return None
    # The most rows up to a tile's that divide a device's share; the least beyond if these are far fewer.
    fitting = [rows for rows in range(unit, share + 1, unit) if share % rows == 0]
    fewer, more = ([rows for rows in fitting if (rows <= tiling.rows) is side] for side in (True, False))
    rows = fewer[-1] if fewer and (4 * fewer[-1] >= tiling.rows or not more) else (more or [0])[0]
    shared = dataclasses.replace(tiling, rows=rows, devices=devices)
    return shared if rows and can_share(params, height, shared) else None
