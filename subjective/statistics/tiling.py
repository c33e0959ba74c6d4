"""What a tile sees of each map: its own rows, and those around them that the next layers need.

A tile is a band of rows as wide as the picture; only the rows next to it, its halo, are computed twice.

Rows of a map that wraps are counted on beyond its last, where its first follow. Pooling drops an odd last row, so that
such a count is not half of that of the map before: `Window.row_before` says which it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from subjective.network.vgg import Params, Pooling, Precision, layer_names
from subjective.pyramid import Padding
from subjective.statistics.blocks import WHOLE, Grid
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, network_layers


@dataclass(frozen=True)
class Tiling:
    """What is measured of one octave's picture, and in tiles of how many rows. Hashable.

    Attributes:
        statistics: (layer, statistics there, each with `Sums`), layers being the network's.
        padding: what lies outside the picture.
        pooling: ``average`` or ``max``.
        rows: of the picture in a tile, without its halo; a multiple of `multiple` of its layers.
        devices: among which the tiles are shared out; the picture has a multiple of ``rows · devices`` rows then.
        precision: of the maps.
        blocks: of the picture, as in `Analysis`.
    """

    statistics: tuple[tuple[str, tuple[Statistic, ...]], ...]
    padding: Padding
    pooling: Pooling
    rows: int
    devices: int = 1
    precision: Precision = "float32"
    blocks: Grid = WHOLE

    @property
    def layers(self) -> dict[str, tuple[Statistic, ...]]:
        """Layer to the statistics there."""
        return dict(self.statistics)


def multiple(layers: Sequence[str]) -> int:
    """Rows of the picture to a row of the deepest layer: tiles have a multiple of them."""
    pooled = [int(layer.removeprefix("pool")) if layer.startswith("pool") else int(layer[4]) - 1 for layer in layers]
    return int(2 ** max(pooled, default=0))


@dataclass(frozen=True)
class Window:
    """The rows of a map that a tile needs: its own, ``before`` above them and ``behind`` below.

    Attributes:
        name: layer, or "" for the picture.
        rows: the tile's own rows of this map.
        height: of the whole map.
        before: rows above.
        behind: rows below.
        parent: height of the map that a pooling layer is made from.
    """

    name: str
    rows: int
    height: int
    before: int
    behind: int
    parent: int = 0

    def row_before(self, row: Any) -> Any:
        """First of the two rows that a pooled row is made from, counted on where the maps wrap."""
        return row // self.height * self.parent + 2 * (row % self.height)


def _path(params: Params, tiling: Tiling) -> tuple[str, ...]:
    order = layer_names(params)
    return order[: max(order.index(layer) for layer in tiling.layers) + 1]


def map_shapes(params: Params, shape: tuple[int, ...], tiling: Tiling) -> dict[str, tuple[int, int, int]]:
    """Shape of each layer's map of a picture of that shape."""
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


def windows_of(params: Params, height: int, tiling: Tiling) -> tuple[Window, ...]:
    """The window of each map, the picture's first; each is as large as the next one needs."""
    path, tiles = _path(params, tiling), -(-height // tiling.rows)
    heights = {name: shape[0] for name, shape in map_shapes(params, (height, height, 3), tiling).items()}
    rows = tiling.rows // 2 ** sum(name.startswith("pool") for name in path)
    before = behind = 0
    windows: list[Window] = []
    for place, name in reversed(list(enumerate(path))):
        reach = max((s.sums.reach for s in tiling.layers.get(name, ()) if s.sums), default=0)
        before, behind = max(before, reach), max(behind, reach)
        parent = heights[path[place - 1]] if place else height
        window = Window(name, rows, heights[name], before, behind, parent)
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
    windows.append(Window("", rows, height, before, behind))
    return tuple(reversed(windows))


def window_rows(params: Params, height: int, tiling: Tiling) -> int:
    """Rows of a picture of that height that are computed for a tile: its own and its halo's."""
    picture = windows_of(params, height, tiling)[0]
    return picture.before + picture.rows + picture.behind


def shares_out(params: Params, height: int, tiling: Tiling) -> bool:
    """Whether a picture of that height can be shared out as asked: in tiles that reach no further than the next."""
    share, rest = divmod(height, tiling.devices)
    picture = windows_of(params, height, tiling)[0]
    return rest == 0 and share % tiling.rows == 0 and max(picture.before, picture.behind) <= share


def tiling_of(analysis: Analysis, octave: int, height: int, params: Params) -> Tiling | None:
    """How the network's layers of an octave of that height are taken in tiles; None if the octave is looked at whole.

    On several devices each has some tiles, or one; octaves that are too small for that are looked at whole by each.

    Raises:
        ValueError: a statistic that does not add up over tiles.
    """
    layers = network_layers(analysis.layers_at(octave))
    if not layers or (analysis.tile is None and analysis.devices == 1):
        return None
    step = multiple(layers)
    rows = height if analysis.tile is None else -(-analysis.tile // step) * step
    statistics = tuple((layer, analysis.statistics_at(octave, layer)) for layer in layers)
    how = (analysis.padding, analysis.pooling, rows, 1, analysis.precision, analysis.blocks)
    whole = Tiling(statistics, *how)
    shared = _shared(whole, analysis, step, height, params)
    if shared is None and height <= rows:
        return None
    for layer, there in statistics:
        for statistic in there:
            if statistic.sums is None and statistic.against is None:
                fine = ", ".join(name for name, known in STATISTICS.items() if known.sums)
                raise ValueError(
                    f"{statistic.name} at {layer} does not add up over tiles or devices, which were asked for; take it "
                    f"at rgb, where nothing is tiled, leave them out, or match one of {fine}"
                )
    return shared or whole


def _shared(whole: Tiling, analysis: Analysis, step: int, height: int, params: Params) -> Tiling | None:
    share = height // analysis.devices
    if analysis.devices == 1 or share % step:
        return None
    # The most rows up to a tile's that divide a device's share; the least beyond if these are far fewer.
    fitting = [rows for rows in range(step, share + 1, step) if share % rows == 0]
    fewer, more = ([rows for rows in fitting if (rows <= whole.rows) is side] for side in (True, False))
    rows = fewer[-1] if fewer and (4 * fewer[-1] >= whole.rows or not more) else (more or [0])[0]
    shared = dataclasses.replace(whole, rows=rows, devices=analysis.devices)
    return shared if rows and shares_out(params, height, shared) else None
