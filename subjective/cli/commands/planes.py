"""The options of the commands that make tiles and lay planes of tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from subjective.checks import InputError, between, setting
from subjective.cli.options import Options, PictureOptions, SourceOptions
from subjective.synthesis.settings import arg
from subjective.synthesis.wang_config import PRESETS, TilesConfig, TilesPreset

MOST_PIXELS = 2**36
"""Largest number of pixels of a plane that is written, 262144 x 262144."""


@dataclass(frozen=True, kw_only=True)
class TilesCommand(PictureOptions, SourceOptions, TilesConfig):
    """Make a complete set of tiles with the texture of the sources. Tiles meet without a seam wherever the colors of
    their corners are equal, so that `subjective lay` can lay them on a plane that never repeats."""

    out: Annotated[str | None, arg("-o", "--output", metavar="FOLDER")] = None
    """Write the tiles, tiles.json, shaders and a page to this folder too; the run folder has them in `tiles`. -o N with
    a whole number still means --octaves N."""
    force: bool = False
    """Write into the folder that --out names also if there are files in it."""
    preset: TilesPreset = "default"
    """Settings to begin with: fast, default or best, as for `subjective synthesize`. Other flags change them."""
    evaluate: bool = True
    """Score the sheet of all tiles against the sources. Seams and repetition are measured in any case."""

    @staticmethod
    def presets() -> Mapping[str, Mapping[str, TilesConfig]]:
        """Return the flag that names a preset, and the presets."""
        return {"--preset": PRESETS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_sources()


@dataclass(frozen=True, kw_only=True)
class LayCommand(Options):
    """Lay the tiles that `subjective tiles` made on a plane that never repeats, and write a window of it. The picture
    is written in strips, so that it may be larger than memory."""

    group: ClassVar[str] = "input"

    tiles: Annotated[tyro.conf.Positional[str], arg(metavar="TILES")]
    """The tiles.json of a set of tiles, or the folder that holds it."""
    size: Annotated[str, arg(metavar="WIDTHxHEIGHT")] = "1024x1024"
    """Size of the window in pixels."""
    seed: Annotated[int, arg("--seed", name="rng-seed", metavar="N"), between(0, 2**32 - 1)] = 0
    """Which plane is laid. The same integer gives the same plane."""
    at: Annotated[str, arg(metavar="X,Y")] = "0,0"
    """Where the window's upper left corner is on the plane, in pixels. Windows of one plane fit together. Negative
    numbers need an equals sign: --at=-512,0."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the window to this file, .png or .tif. Default: plane.png in the working folder, or no picture with
    --page."""
    page: Annotated[str | None, arg(metavar="FILE.html")] = None
    """Write a page to this file that pans over the plane. It needs no other file and no server."""
    force: bool = False
    """Replace the files that --out and --page name if they exist."""

    @property
    def window(self) -> tuple[int, int]:
        """(height, width) of the window in pixels.

        Raises:
            InputError: --size is no such pair, or has too many pixels.
        """
        words = self.size.lower().split("x")
        if len(words) not in (1, 2) or not all(_is_whole(word) and int(word) > 0 for word in words):
            raise InputError(f"{setting('size')} is {self.size!r}; wanted WIDTHxHEIGHT, such as 4096x2048")
        width, height = int(words[0]), int(words[-1])
        if max(width, height) >= 2**31 or width * height > MOST_PIXELS:
            raise InputError(f"{setting('size')} is {self.size}; wanted at most {MOST_PIXELS:,} pixels")
        return height, width

    @property
    def place(self) -> tuple[int, int]:
        """(row, column) of the window's first pixel.

        Raises:
            InputError: --at is no pair of whole numbers, or too far away.
        """
        words = self.at.split(",")
        if len(words) != 2 or not all(_is_whole(word.strip().removeprefix("-")) for word in words):
            raise InputError(f"{setting('at')} is {self.at!r}; wanted X,Y in pixels, such as 4096,0")
        column, row = map(int, words)
        if max(abs(row), abs(column)) >= 2**31 - max(self.window):
            raise InputError(f"{setting('at')} is {self.at}; wanted a window within 2^31 pixels of the origin")
        return row, column

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        _ = self.window, self.place

    def check_files(self) -> None:
        """See `Options.check_files`."""
        if not Path(self.tiles).exists():
            raise InputError(f"no such file: {self.tiles!r}; give the tiles.json that `subjective tiles` wrote")


def _is_whole(word: str) -> bool:
    """Return whether a word is a whole number of at most 12 digits."""
    return word.isascii() and word.isdecimal() and len(word) <= 12
