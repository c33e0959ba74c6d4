"""The options of the commands that add to a picture and keep what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from subjective.checks import InputError, setting
from subjective.cli.options import PictureOptions, VariantOptions
from subjective.images import find_images
from subjective.synthesis.edit_config import EditConfig, EnlargeConfig, ExpandConfig, RepairConfig, TileableConfig
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class EditOptions(PictureOptions, VariantOptions):
    """Options of all edits."""

    group: ClassVar[str] = "input"

    picture: Annotated[tyro.conf.Positional[str], arg(metavar="PICTURE")]
    """The picture. Pixels that are not opaque are made as well."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the result to this file, besides the run folder. The suffix chooses the format, which must keep every
    pixel: .png, .tif or .bmp. Several pictures get a number before the suffix. -o N with a whole number still means
    --octaves N."""
    evaluate: bool = True
    """Score the part that was made against the sources as in `subjective evaluate`. The scores go to summary.json."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_seeds()
        for name in ("output_width", "output_height"):
            if getattr(self, name) != getattr(EditConfig, name):
                given = f"{setting(name)} is {getattr(self, name)}"
                raise InputError(f"{given}, but the size of the result follows from the picture; leave it out")

    def check_files(self) -> None:
        """See `Options.check_files`."""
        found = find_images([self.picture], "picture")
        if len(found) > 1:
            raise InputError(f"{self.picture!r} stands for {len(found)} pictures; give one file")
        for name in ("source", "fill", "keep", "sample"):
            given = getattr(self, name, None)
            if isinstance(given, tuple) and given:
                find_images(given)
            elif isinstance(given, str):
                find_images([given], "mask")


@dataclass(frozen=True, kw_only=True)
class OtherSourceOptions:
    """Options that choose other sources than the picture itself."""

    group: ClassVar[str] = "input"

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    """Pictures that the made part looks like, instead of the picture itself: files, folders or glob patterns, at the
    picture's scale."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """Options that mark pixels of the picture by gray pictures of its size."""

    group: ClassVar[str] = "input"

    fill: Annotated[str | None, arg(metavar="MASK")] = None
    """Picture of the same size, white where pixels are filled. Default: transparent pixels are."""
    keep: Annotated[str | None, arg(metavar="MASK")] = None
    """Picture of the same size, white where pixels are kept; the others are filled."""
    sample: Annotated[str | None, arg(metavar="MASK")] = None
    """Picture of the same size, white where the statistics come from. Default: from all that is kept."""


@dataclass(frozen=True, kw_only=True)
class RepairCommand(EditOptions, RepairConfig, MaskOptions, OtherSourceOptions):
    """Fill a part of a picture so that it looks like the rest; the rest is kept byte for byte."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if self.fill and self.keep:
            raise InputError(f"{setting('fill')} and {setting('keep')} both say what is filled; give one of them")
        if self.sample and self.source:
            both = f"{setting('sample')} and {setting('source')}"
            raise InputError(f"{both} both say where statistics come from; give one of them")


@dataclass(frozen=True, kw_only=True)
class TileableCommand(EditOptions, TileableConfig):
    """Make the border strips of a picture anew so that the picture tiles; the middle is kept byte for byte."""


@dataclass(frozen=True, kw_only=True)
class ExpandCommand(EditOptions, ExpandConfig, OtherSourceOptions):
    """Make a larger picture that goes on beyond the sides of a picture, which is kept byte for byte."""


@dataclass(frozen=True, kw_only=True)
class EnlargeCommand(EditOptions, EnlargeConfig):
    """Make a larger picture of a picture, with finer detail; the mean of each square of pixels of the result is a pixel
    of the picture."""

    picture: Annotated[tyro.conf.Positional[str], arg(metavar="PICTURE")]
    """The picture. All its pixels must be opaque."""
    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    """Pictures at the scale of the result whose detail is taken: files, folders or glob patterns. They get the colors
    of the picture. Default: the picture itself, whose own detail is repeated at the finer scale."""
    evaluate: bool = True
    """Score the result against --source as in `subjective evaluate`. The scores go to summary.json, with how far the
    squares' means are from the picture."""
