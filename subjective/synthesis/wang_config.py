"""The settings of `subjective.make_tiles`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from subjective.checks import InputError, at_least, between, setting
from subjective.descriptions import describe_settings
from subjective.planes.corners import COLORS
from subjective.statistics.block_grid import Grid, choose_blocks
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.presets import PRESETS as TEXTURES
from subjective.synthesis.presets import changes_of
from subjective.synthesis.settings import arg

SIDES = 16
"""A tile's side is a multiple of this number of pixels, so that earlier stages have tiles of whole pixels."""

SMALLEST_SIDE = 32
"""Smallest side of a tile in pixels."""


@describe_settings
@dataclass(frozen=True, kw_only=True)
class TilesConfig(SynthesisConfig):
    """Settings of `make_tiles`. The picture that is made is the sheet of all tiles."""

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS"), at_least(SMALLEST_SIDE)] = 128
    """Side of a tile in pixels, a multiple of 16. The sheet of all tiles is 4 times as wide and high for two colors, 9
    times for three."""
    colors: Annotated[int, arg(metavar="N"), between(*COLORS)] = 2
    """Number of colors of the tiles' corners. Tiles meet where the colors of their corners are equal: 2 colors make 16
    tiles, and 3 make 81, which repeat less and take five times as long."""

    block: Annotated[float, arg(metavar="SHARE"), at_least(0)] = 0.375
    """Smallest height and width of a block, as a share of the smallest height and width of the sources; 0 turns blocks
    off. A block is a square of whole tiles, at least one. Each block matches gram, gram_sum, covariance and gaussian by
    itself, so that no tile stands out."""

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the sheet of all tiles in pixels."""
        side = self.colors**2 * self.output_width
        return side, side

    def blocks(self, sources: Sequence[tuple[int, int]]) -> Grid:
        """See `PictureConfig.blocks`. The grid divides the sheet into squares of whole tiles."""
        across = self.colors**2
        most = min(choose_blocks(self.size, sources, self.block, across))
        count = max(number for number in range(1, most + 1) if across % number == 0)
        return count, count

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if self.output_width % SIDES:
            raise InputError(
                f"{setting('output_width')} is {self.output_width}; wanted the side of a tile, a multiple of {SIDES}"
            )
        if self.output_height is not None and self.output_height != self.output_width:
            raise InputError(f"{setting('output_height')} is {self.output_height}; leave it out: tiles are square")
        if self.padding_mode != "circular":
            raise InputError(
                f"{setting('padding_mode')} is {self.padding_mode}; wanted circular: the sheet of all tiles wraps"
            )
        if self.count != 1:
            raise InputError(f"{setting('count')} is {self.count}; a run makes one set of tiles")
        if self.devices != 1:
            raise InputError(f"{setting('devices')} is {self.devices}; tiles are made on one device")


TilesPreset = Literal["fast", "default", "best"]

PRESETS: dict[str, TilesConfig] = {name: TilesConfig(**changes_of(TEXTURES[name])) for name in get_args(TilesPreset)}
"""Settings for tiles: those of the textures' presets of the same names."""
