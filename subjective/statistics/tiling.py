"""Divide a picture into tiles, and find the rows of each feature map that a tile needs.

A tile is a band of rows as wide as the picture. In each map, a tile needs its own rows and its halo: the neighboring
rows from which later layers compute the tile's rows. Rows in the halo are computed again for the neighboring tile.

In a map that wraps, the first row follows the last row, and the row numbers go on counting: in a map of 5 rows, row 5
is row 0. Pooling drops this map's last row, because 5 is odd. Beyond the end, pooled row r is then no longer made of
rows 2 r and 2 r + 1. `Window.row_before` converts the numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from subjective.checks import InputError, setting
from subjective.choices import Padding, Pooling, Precision
from subjective.network.vgg import Layer, Params, path_to, walk
from subjective.statistics.block_grid import WHOLE, Grid
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Comparison, network_layers

Shape = tuple[int, int, int]
"""(height, width, channels) of a map."""


@dataclass(frozen=True)
class Tiling:
    """Says what is measured at one octave, and with which tiles. Hashable.

    Attributes:
        statistics: pairs of a layer of the network and the statistics that are measured there. Each statistic must have
            `Statistic.sums`.
        padding: what lies outside the picture.
        pooling: ``average`` or ``max``.
        rows: number of rows of the picture in a tile, without the halo; a multiple of `row_unit` of the layers.
        devices: number of devices that share the tiles. With several devices, the height of the picture must be a
            multiple of ``rows · devices``.
        precision: number type of the maps.
        blocks: as in `Analysis`.
        comparison: as in `Analysis`, but without layers that do not belong to the network.
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
        """A dict from layer to the statistics that are measured there."""
        return dict(self.statistics)

    @property
    def compared(self) -> tuple[str, ...]:
        """The layers whose maps are compared."""
        return self.comparison.layers if self.comparison else ()


def row_unit(layers: Iterable[str], params: Params) -> int:
    """Return how many rows of the picture make one row of the deepest map. `Tiling.rows` is a multiple of this."""
    return math.prod(layer.stride for layer in path_to(layers, params))


@dataclass(frozen=True)
class Window:
    """The rows of a map that a tile needs: the tile's own rows, and the halo above and below.

    Attributes:
        name: name of the layer; "" for the picture.
        rows: number of the tile's own rows.
        height: height of the whole map.
        above: number of halo rows above the tile's own rows.
        below: number of halo rows below the tile's own rows.
        parent: height of the map from which the layer computes this map; 0 for the picture.
    """

    name: str
    rows: int
    height: int
    above: int
    below: int
    parent: int = 0

    def row_before(self, row: Any) -> Any:
        """Return the first of the two rows from which a pooling makes ``row``.

        ``row`` is a row number of the pooled map; the result is a row number of the map before the pooling. If the maps
        wrap, both may be negative or past the last row.
        """
        return row // self.height * self.parent + 2 * (row % self.height)


def map_shapes(params: Params, shape: tuple[int, ...], tiling: Tiling) -> dict[str, Shape]:
    """Compute the shape of each layer's map.

    Args:
        params: the network.
        shape: shape of the picture.
        tiling: layers and padding.

    Returns:
        Dict from layer to shape, for all layers up to the deepest, in the order of the network.
    """
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


def plan_windows(params: Params, height: int, tiling: Tiling) -> dict[str, Window]:
    """Choose the window of each map, large enough for the next layer and for the statistics at the map.

    Args:
        params: the network.
        height: height of the picture.
        tiling: layers, statistics and rows of a tile.

    Returns:
        Dict from layer to window, in the order of the network; the first window is the picture's, under the name "".
    """
    path, tiles = path_to(tiling.layers, params), -(-height // tiling.rows)
    heights = {"": height} | {name: shape[0] for name, shape in map_shapes(params, (height, height, 3), tiling).items()}
    rows = tiling.rows // row_unit(tiling.layers, params)
    above = below = 0
    windows: list[Window] = []
    for layer, parent in reversed(list(zip(path, ["", *(layer.name for layer in path)], strict=False))):
        reach = max((s.sums.reach for s in tiling.layers.get(layer.name, ()) if s.sums), default=0)
        window = Window(layer.name, rows, heights[layer.name], max(above, reach), max(below, reach), heights[parent])
        windows.append(window)
        above, below = _halo_before(layer, window, tiles, tiling.padding)
        rows *= layer.stride
    windows.append(Window("", rows, height, above, below))
    return {window.name: window for window in reversed(windows)}


def _halo_before(layer: Layer, window: Window, tiles: int, padding: Padding) -> tuple[int, int]:
    """Return the numbers of halo rows above and below a tile in a layer's input, from the window of the layer's output.

    Args:
        layer: a convolution or a pooling.
        window: window of the layer's output.
        tiles: number of tiles.
        padding: padding of the network.
    """
    above, below = window.above, window.below
    if layer.kind == "convolution":
        return (above, below + 2 * layer.reach) if padding == "valid" else (above + layer.reach, below + layer.reach)
    if padding != "circular":
        return 2 * above, 2 * below
    # In a map that wraps, pooling skips the last row if the number of rows is odd. The input then needs one more row
    # each time the window passes an end of the map.
    first, last = -above, tiles * window.rows + below - 1
    skipped_above = -min(window.row_before(first) - 2 * first, 0)
    skipped_below = max(window.row_before(last) - 2 * last, 0)
    return 2 * above + skipped_above, 2 * below + skipped_below


def window_rows(params: Params, height: int, tiling: Tiling) -> int:
    """Return how many rows of a picture of this height a tile needs, with its halo."""
    picture = plan_windows(params, height, tiling)[""]
    return picture.above + picture.rows + picture.below


def can_share(params: Params, height: int, tiling: Tiling) -> bool:
    """Return whether the tiling's devices can share a picture of this height.

    All devices must get the same number of whole tiles, and no halo may extend beyond the neighboring device's rows.
    """
    share, rest = divmod(height, tiling.devices)
    picture = plan_windows(params, height, tiling)[""]
    return rest == 0 and share % tiling.rows == 0 and max(picture.above, picture.below) <= share


def choose_tiling(analysis: Analysis, octave: int, height: int, params: Params) -> Tiling | None:
    """Choose the tiles for the network's layers at an octave.

    If `can_share` allows, several devices share the rows of the octave's picture. If not, each device measures the
    whole picture.

    Args:
        analysis: what is measured.
        octave: index of the octave.
        height: height of the octave's picture.
        params: the network.

    Returns:
        The tiling; None if the octave is measured in one piece.

    Raises:
        InputError: tiles are needed, but a statistic does not add up over tiles.
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
    """Refuse statistics that do not add up over tiles.

    Raises:
        InputError: as in `choose_tiling`.
    """
    for layer, statistics in tiling.statistics:
        for statistic in statistics:
            if statistic.sums is None:
                fine = ", ".join(name for name, known in STATISTICS.items() if known.sums)
                raise InputError(
                    f"{statistic.name} at {layer} does not add up over tiles or devices; measure it at rgb, which is "
                    f"never tiled, leave out {setting('tile')} and {setting('devices')}, or match one of {fine}"
                )


def _share_tiles(tiling: Tiling, devices: int, unit: int, height: int, params: Params) -> Tiling | None:
    """Choose tiles that the devices share; None for a single device, or if the devices cannot share the picture."""
    share = height // devices
    if devices == 1 or share % unit:
        return None
    fitting = [rows for rows in range(unit, share + 1, unit) if share % rows == 0]
    rows = _choose_shared_rows(fitting, tiling.rows)
    shared = dataclasses.replace(tiling, rows=rows, devices=devices)
    return shared if rows and can_share(params, height, shared) else None


def _choose_shared_rows(fitting: Sequence[int], wanted: int) -> int:
    """Choose the number of rows in a tile from the numbers that divide a device's rows evenly.

    The choice is the largest number up to ``wanted``. If this number is less than a quarter of ``wanted``, the choice
    is the smallest number above ``wanted`` instead, if there is one.

    Args:
        fitting: the numbers to choose from, in ascending order.
        wanted: number of rows that the settings ask for.

    Returns:
        Number of rows; 0 if ``fitting`` is empty.
    """
    fewer, more = ([rows for rows in fitting if (rows <= wanted) is side] for side in (True, False))
    if fewer and (4 * fewer[-1] >= wanted or not more):
        return fewer[-1]
    return (more or [0])[0]
