"""The settings of the verbs that add to a picture and keep what it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from subjective.checks import WEIGHT, InputError, at_least, setting
from subjective.choices import Padding
from subjective.descriptions import describe_settings
from subjective.statistics.block_grid import WHOLE, Grid
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.settings import arg

Axis = Literal["x", "y", "both"]


@dataclass(frozen=True, kw_only=True)
class EditConfig(SynthesisConfig):
    """Settings that all edits share. The result's size follows from the picture, not from the config."""

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS"), at_least(1)] = 512
    """Refused, because the width of the result follows from the picture. Default: that width."""
    output_height: Annotated[int | None, arg("-oh", "--height", metavar="PIXELS"), at_least(1)] = None
    """Refused, because the height of the result follows from the picture. Default: that height."""
    padding_mode: Annotated[Padding, arg("-p")] = "circular"
    """What lies outside the picture. An edit only takes circular; where the picture does not tile, a mirror image of
    its rim lies between its sides."""
    block: Annotated[float, arg(metavar="SHARE"), at_least(0)] = 0.0
    """An edit only takes 0: the part that is made is matched as a whole."""
    init: Annotated[str, arg("-i", "--seed", metavar="patches|random|symmetric|phases|FILE")] = "patches"
    """What the made part begins with: pieces of the sources that continue what is kept (patches), faint noise (random),
    a smooth symmetric pattern under noise (symmetric), the sources' spectrum at random phases under noise (phases), or
    a picture file."""
    max_iter: Annotated[int, arg("-m", metavar="N"), at_least(0)] = 30

    group: ClassVar[str] = "edit"

    def blocks(self, sources: Sequence[tuple[int, int]]) -> Grid:
        """See `PictureConfig.blocks`."""
        return WHOLE

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if self.padding_mode != "circular":
            raise InputError(f"{setting('padding_mode')} is {self.padding_mode}; an edit only takes circular")
        if self.join_mode == "fuse":
            raise InputError(
                f"{setting('join_mode')} is fuse, which changes colors; an edit keeps those of its picture"
            )
        if self.block:
            raise InputError(f"{setting('block')} is {self.block:g}; an edit only takes 0, which has no blocks")


@dataclass(frozen=True, kw_only=True)
class PartConfig(EditConfig):
    """Settings of the edits that make a part of a picture and keep the rest."""

    group: ClassVar[str] = "edit"

    feather: Annotated[int, arg(metavar="PIXELS"), at_least(0, "pixels")] = 0
    """Let the old picture fade into the new one over this number of pixels inside the part that is made. No effect
    where the old picture is transparent, or there is none."""


@describe_settings
@dataclass(frozen=True, kw_only=True)
class RepairConfig(PartConfig):
    """Settings of `repair`."""


@describe_settings
@dataclass(frozen=True, kw_only=True)
class TileableConfig(PartConfig):
    """Settings of `make_tileable`."""

    group: ClassVar[str] = "edit"

    axis: Axis = "both"
    """Directions in which the result tiles: side by side (x), one above the other (y), or both."""
    border: Annotated[str, arg(metavar="SHARE%|PIXELS")] = "15%"
    """Width of the strip that is made anew at each side: a share of the picture's width or height, such as 15%, or a
    number of pixels. It must be below half."""

    def strip_pixels(self, side: int) -> int:
        """Return the width of a strip in pixels, for a side of the picture of so many pixels.

        Raises:
            InputError: the strips leave nothing between them, or are no pixel wide.
        """
        number = float(self.border.removesuffix("%"))
        pixels = round(side * number / 100) if self.border.endswith("%") else round(number)
        if not 1 <= pixels < side / 2:
            given = f"{setting('border')} is {self.border!r}, {pixels} of {side} pixels"
            raise InputError(f"{given}; wanted 1 pixel or more, and below half, so that a middle is kept")
        return pixels

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if not re.fullmatch(r"\d+(\.\d+)?%|\d+", self.border):
            wanted = "a share such as '15%', or a number of pixels such as '40'"
            raise InputError(f"{setting('border')} is {self.border!r}; wanted {wanted}")


@describe_settings
@dataclass(frozen=True, kw_only=True)
class ExpandConfig(PartConfig):
    """Settings of `expand`."""

    group: ClassVar[str] = "edit"

    left: Annotated[int, arg(metavar="PIXELS"), at_least(0, "pixels")] = 0
    """Pixels that are added at the left."""
    right: Annotated[int, arg(metavar="PIXELS"), at_least(0, "pixels")] = 0
    """Pixels that are added at the right."""
    top: Annotated[int, arg(metavar="PIXELS"), at_least(0, "pixels")] = 0
    """Pixels that are added at the top."""
    bottom: Annotated[int, arg(metavar="PIXELS"), at_least(0, "pixels")] = 0
    """Pixels that are added at the bottom."""
    canvas: Annotated[str | None, arg(name="size", metavar="WIDTHxHEIGHT")] = None
    """Size of the result, instead of the pixels at each side. Default: the size that these give."""
    at: Annotated[str | None, arg(metavar="X,Y")] = None
    """Where in the result the picture's upper left corner lies, with --size. Default: so that the picture is in the
    middle."""

    def place_picture(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (height, width) of the result, and the row and column of the picture's upper left corner in it.

        Args:
            size: (height, width) of the picture.

        Raises:
            InputError: nothing is added, or the picture does not lie within the result.
        """
        sides = (self.left, self.right, self.top, self.bottom)
        names = [setting(name) for name in ("left", "right", "top", "bottom")]
        if self.canvas is None:
            if not any(sides):
                raise InputError(f"nothing is added; give {', '.join(names)} or {setting('canvas')}")
            whole = (size[0] + self.top + self.bottom, size[1] + self.left + self.right)
            return whole, (self.top, self.left)
        width, height = map(int, self.canvas.split("x"))
        free = (height - size[0], width - size[1])
        right, down = map(int, self.at.split(",")) if self.at else (free[1] // 2, free[0] // 2)
        if not (0 <= right <= free[1] and 0 <= down <= free[0] and any(free)):
            given = f"{setting('canvas')} is {self.canvas}" + (f", {setting('at')} {self.at}" if self.at else "")
            raise InputError(f"{given}; wanted a place that holds the picture of {size[1]}x{size[0]} and more")
        return (height, width), (down, right)

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if self.canvas is not None:
            if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", self.canvas):
                raise InputError(f"{setting('canvas')} is {self.canvas!r}; wanted WIDTHxHEIGHT, such as 1024x768")
            if self.left or self.right or self.top or self.bottom:
                raise InputError(f"{setting('canvas')} and pixels of a side were both given; give one of them")
        if self.at is not None and (self.canvas is None or not re.fullmatch(r"\d+,\d+", self.at)):
            needed = f"X,Y, such as 100,50, and {setting('canvas')} beside it"
            raise InputError(f"{setting('at')} is {self.at!r}; wanted {needed}")


@describe_settings
@dataclass(frozen=True, kw_only=True)
class EnlargeConfig(EditConfig):
    """Settings of `enlarge`."""

    group: ClassVar[str] = "edit"

    scale: Literal[2, 4, 8] = 2
    """How many times as high and as wide the result is: 2, 4 or 8."""
    axis: Literal["none", "x", "y", "both"] = "none"
    """Directions in which the picture tiles, so that the result tiles too: side by side (x), one above the other (y),
    both, or none."""
    init: Annotated[str, arg("-i", "--seed", metavar="patches|random|FILE")] = "patches"
    """Detail that the result begins with: that of the sources' patches which look the same one octave coarser
    (patches), faint noise (random), or that of a picture file."""
    layout_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 4.0
    """How strongly the detail is held to that of the patches, relative to the statistics; ten times as strongly if it
    is the picture's own. No effect with other starts."""

    @property
    def octaves_added(self) -> int:
        """Number of octaves that the result has and the picture lacks."""
        return self.scale.bit_length() - 1

    @property
    def wraps(self) -> tuple[bool, bool]:
        """Whether the picture continues with its other side: from the last row, and from the last column."""
        return (self.axis in ("y", "both"), self.axis in ("x", "both"))

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if self.init in ("symmetric", "phases"):
            raise InputError(f"{setting('init')} is {self.init}; wanted patches, random or a picture file")
        if self.octaves is not None and self.octaves > self.octaves_added:
            given = f"{setting('octaves')} is {self.octaves}; a result of {self.scale} times the size"
            raise InputError(f"{given} lacks {self.octaves_added}; give no more, because the picture has the others")
