"""The options of the commands that make pictures by optimization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from subjective.checks import InputError, above, at_least, count_of, setting
from subjective.cli.options import (
    DepthOptions,
    DistributedOptions,
    PictureOptions,
    SourceOptions,
    TextureOptions,
    VariantOptions,
)
from subjective.images import find_images
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.presets import PRESETS, PUBLISHED_SETTINGS, Like
from subjective.synthesis.settings import NOT_FUSED, arg
from subjective.videos import FORMATS, Format


@dataclass(frozen=True, kw_only=True)
class SynthesizeCommand(TextureOptions, SynthesisConfig, DepthOptions, VariantOptions, DistributedOptions):
    """Make new pictures with the texture of one or several sources."""

    guide: Annotated[tuple[str, ...], arg(metavar="SOURCE_LABELS PICTURE_LABELS")] = ()
    """Two pictures of labels, of the size of the source and of the result: where the result has a color, it looks like
    the source under the same color. Gray labels with many values are a progression."""
    map: Annotated[tuple[str, ...], arg(metavar="NAME=FILE...")] = ()
    """Further maps of the one source, such as normal=rock_nor.png roughness=rock_rough.png: they are made together with
    the picture, by `subjective material`, whose help has the names. --out then names a folder."""

    group: ClassVar[str] = "input"

    @staticmethod
    def presets() -> dict[str, dict[str, SynthesisConfig]]:
        """Return the flag that names a preset, and the presets."""
        return {"--preset": PRESETS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_seeds()
        self.check_distributed()
        if self.blend_map and self.source_weights is not None:
            both = f"{setting('source_weights')} and {setting('blend_map')}"
            raise InputError(f"{both} both say how much of each source there is; give one of them")
        if self.guide and len(self.guide) != 2:
            given = f"{setting('guide')} got {count_of(len(self.guide), 'picture')}"
            raise InputError(f"{given}; give two: the source's labels, then the result's")
        if self.map and hasattr(self, "recorded_as"):  # a batch or a sweep
            raise InputError(f"{setting('map')} is for `subjective synthesize` and one source; leave it out here")
        if self.guide and self.blend_map:
            both = f"{setting('guide')} and {setting('blend_map')}"
            raise InputError(f"{both} both say where the result looks like what; give one of them")

    def check_files(self) -> None:
        """See `Options.check_files`."""
        super().check_files()
        if self.guide:
            find_images(self.guide, "picture of labels")


@dataclass(frozen=True, kw_only=True)
class BatchCommand(SynthesizeCommand):
    """Make a texture from each picture by itself, each in a run folder of its own. A picture that fails does not stop
    the rest. All flags of `subjective synthesize` but --source apply to every picture."""

    source: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="PICTURE...")]
    """Pictures, folders of pictures, or glob patterns."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FOLDER")] = None
    """Write each result to this folder too, under its picture's name. A result that is there already is not made
    again, so that the command can be repeated after a stop; --force makes it again."""
    summary: Annotated[str | None, arg(metavar="FILE.json")] = None
    """Write to this file, after each picture, what became of each so far: made, there already or failed, the exit
    status, why, the run folder and the files. Only an earlier summary is replaced without --force."""

    recorded_as: ClassVar[str] = "synthesize"

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if self.out is not None and Path(self.out).is_file():
            raise InputError(f"{setting('out')} is {self.out!r}, which is a file; wanted a folder")

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_images(self.source, "picture")


@dataclass(frozen=True, kw_only=True)
class VaryOptions:
    """Options that say what a sweep varies."""

    group: ClassVar[str] = "input"

    vary: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE/VALUE/...")]
    """Long name of a flag, and its values. Put + between the words of one value (layers=pool1/pool1+conv3_2); write yes
    or no for a flag without a value. A value cannot contain /. Several NAMEs give all combinations."""


@dataclass(frozen=True, kw_only=True)
class SweepCommand(SynthesizeCommand, VaryOptions):
    """Run a grid of settings, and show the results on one contact sheet and in one table. The other flags apply to all
    runs."""

    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "sweep"
    """Beginning of the sweep folder's name. The name of a run folder inside begins with a number and the values."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the contact sheet to this file, besides the sweep's folder. The suffix chooses the format."""
    recorded_as: ClassVar[str] = "synthesize"


@dataclass(frozen=True, kw_only=True)
class KeyframeOptions:
    """Options that say how much of each source a frame has."""

    group: ClassVar[str] = "input"

    keyframes: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Pictures whose textures the loop goes through in order, and back to the first. Replaces --source."""
    frame_weights: Annotated[str | None, arg(metavar="FILE.csv")] = None
    """CSV file with the share of each source in each frame: one line for each frame, one number for each source."""


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Options that say in which files a loop is written."""

    group: ClassVar[str] = "output"

    fps: Annotated[float, arg(metavar="N"), above(0, 1000)] = 12.0
    """Frames a second."""
    formats: tuple[Format, ...] = FORMATS
    """Formats of the loop: gif, webp, mp4. A PNG for each frame is always written."""


@dataclass(frozen=True, kw_only=True)
class AnimateCommand(TextureOptions, AnimationConfig, KeyframeOptions, VideoOptions):
    """Make the frames of a loop. Every frame has the texture of the sources; with --keyframes, the loop goes from the
    texture of each keyframe to the next, and back to the first."""

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the loop to this file, besides the run folder. The suffix chooses the format: .mp4, .gif or .webp for all
    frames together; with .png, .jpg, .tif or .bmp each frame gets a file, with a number before the suffix."""
    save_every: Annotated[int, arg("-n", metavar="N"), at_least(0)] = 0
    """Save all frames every N steps. 0 saves only the finished frames."""

    @staticmethod
    def presets() -> dict[str, dict[str, SynthesisConfig]]:
        """Return the flag that names a preset, and the presets."""
        return {"--preset": PRESETS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if bool(self.keyframes) == bool(self.source):
            came = "both" if self.source else "neither"
            raise InputError(f"{setting('source')} and {setting('keyframes')}: {came} came; give one of them")
        if len(self.keyframes) == 1:
            given = f"{setting('keyframes')} got one picture"
            raise InputError(f"{given}; give two or more to go between, or use {setting('source')}")
        kinds = ("keyframes", "frame_weights", "source_weights", "blend_map")
        several = [setting(kind) for kind in kinds if getattr(self, kind)]
        if self.join_mode == "fuse" and (self.keyframes or self.frame_weights is not None):
            raise InputError(NOT_FUSED)
        if len(several) > 1:
            raise InputError(f"{' and '.join(several)} all say what the frames are made of; give one of them")
        if self.ease != "smooth" and not self.keyframes:
            raise InputError(
                f"{setting('ease')} {self.ease} needs {setting('keyframes')}, and there are none; leave it out"
            )
        if len(self.keyframes) > self.count:
            wanted = f"{len(self.keyframes)} keyframes; wanted a frame for each"
            raise InputError(f"{setting('count')} is {self.count} for {wanted}")

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_images(self.keyframes or self.source)


@dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """Options that choose the content, and the regions of the styles."""

    group: ClassVar[str] = "input"

    content: Annotated[tyro.conf.Positional[str], arg(metavar="CONTENT")]
    """Picture whose content the result has. --output-width sets the result's width. Without --output-height, the result
    keeps the content's proportions."""
    content_mask: Annotated[tuple[str, ...], arg(metavar="MASK...")] = ()
    """Where each style applies: gray pictures, white where the style applies, as in synthesize --blend-map."""
    style_mask: Annotated[tuple[str, ...], arg(metavar="MASK...")] = ()
    """Which part of each style counts: one gray picture for each style, white where the style counts."""
    like: Like = "multiscale"
    """Settings to begin with: multiscale, or those of a published program. Other flags change these settings."""
    evaluate: bool = True
    """Score the finished picture against the styles. The scores go to summary.json."""


@dataclass(frozen=True, kw_only=True)
class TransferCommand(PictureOptions, SourceOptions, TransferConfig, TransferOptions):
    """Make a picture with the content of one picture and the style of others."""

    source: Annotated[tuple[str, ...], arg("-s", "--style", metavar="STYLE...")]
    """The styles: pictures, folders of pictures, or glob patterns."""
    source_scale: Annotated[float | None, arg("-ss", "--style-scale", metavar="FACTOR"), above(0, 1000)] = None
    """Resize every style by this factor. A larger style makes larger strokes."""

    @staticmethod
    def presets() -> dict[str, Mapping[str, TransferConfig]]:
        """Return the flag that names published settings, and the settings."""
        return {"--like": PUBLISHED_SETTINGS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_sources()
        if self.content_mask and self.source_weights is not None:
            both = f"{setting('source_weights')} and {setting('content_mask')}"
            raise InputError(f"{both} both say how much of each style there is; give one of them")

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_images([self.content], "content")
        super().check_files()


@dataclass(frozen=True, kw_only=True)
class NoveltyCommand(PictureOptions, NoveltyConfig):
    """Make pictures without a source; their statistics differ from each other as much as possible."""
