"""What each command takes: the settings of its function, where pictures and parameters come from, where results go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from subjective import images
from subjective.runs.videos import FORMATS, Format
from subjective.synthesis.compute_config import arg
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.presets import Like, Preset


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Where parameters come from."""

    weights: Annotated[str, arg(metavar="NAME|FILE")] = "vgg16"
    """Network parameters: a name that `subjective weights list` shows, or a file."""
    data_dir: Annotated[str | None, arg("-d", metavar="DIR")] = None
    """Folder of further parameters; the user's own data folder if not given."""


@dataclass(frozen=True, kw_only=True)
class FolderConfig:
    """Where results go, and what is kept on the way."""

    output_dir: Annotated[str, arg(metavar="DIR")] = "outputs"
    """Folder in which each run makes a folder of its own."""
    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "out"
    """Beginning of that folder's name."""
    save_every: Annotated[int, arg("-n", metavar="N")] = 10
    """Save the picture every N steps; 0 for the last one only."""
    checkpoint_every: Annotated[float, arg(metavar="SECONDS")] = 120.0
    """Seconds between checkpoints, from which `subjective resume` goes on; 0 for none."""
    config: Annotated[str | None, arg(metavar="FILE")] = None
    """Take settings from a run folder's config.json; flags given besides change them."""

    def check_run(self) -> None:
        """Refuse numbers and names that cannot be meant; see `PictureConfig.check`."""
        if self.save_every < 0:
            raise ValueError(f"--save-every is {self.save_every}; wanted 0 or more")
        if not (math.isfinite(self.checkpoint_every) and self.checkpoint_every >= 0):
            raise ValueError(f"--checkpoint-every is {self.checkpoint_every:g}; wanted 0 or more seconds")
        if not self.output_prefix or "/" in self.output_prefix or "\0" in self.output_prefix:
            raise ValueError(f"--output-prefix is {self.output_prefix!r}; wanted a name without '/'")


@dataclass(frozen=True, kw_only=True)
class RunConfig(NetworkConfig, FolderConfig):
    """Where parameters come from and where results go, within what memory."""

    memory_limit: Annotated[str | None, arg(metavar="SIZE")] = None
    """Memory that may be used, such as 4GB; what the machine has free if not given. Tiles and optimizer are chosen
    so that the picture fits, and it is refused if it does not."""
    dry_run: bool = False
    """Say what memory and time it will take, and make nothing."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Which pictures are the sources, and at what scale."""

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")]
    """Pictures, folders of pictures, or glob patterns."""
    source_scale: Annotated[float | None, arg("-ss", metavar="FACTOR")] = None
    """Resize every source by this factor."""
    source_width: Annotated[int | None, arg("-sw", metavar="PIXELS")] = None
    """Or resize every source to this width."""

    def check_sources(self) -> None:
        """Refuse sizes that cannot be meant; see `PictureConfig.check`."""
        if self.source_scale is not None and self.source_width is not None:
            raise ValueError("--source-scale and --source-width were both given; give one of them")
        if self.source_scale is not None and not 0 < self.source_scale <= 1000:
            raise ValueError(f"--source-scale is {self.source_scale:g}; wanted a number above 0, at most 1000")
        if self.source_width is not None and self.source_width < 1:
            raise ValueError(f"--source-width is {self.source_width}; wanted 1 or more")

    def read_source(self, file: Path) -> images.Image:
        """One of the sources at their scale."""
        return images.read_image(file, width=self.source_width, scale=self.source_scale)


@dataclass(frozen=True, kw_only=True)
class TextureConfig(RunConfig, SourceConfig):
    """What commands that make textures have in common."""

    blend_map: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Where each source holds, instead of all of them everywhere: a grey picture for each source, white where it holds
    and grey at soft borders; the last source has the rest if it has none."""
    preset: Preset = "default"
    """Settings to begin with, other flags change them: fast, default, best, or paper (those of the 2017 program)."""
    evaluate: bool = True
    """Measure the finished pictures against their sources (see `subjective evaluate`) for summary.json."""


@dataclass(frozen=True, kw_only=True)
class SynthesizeCommand(SynthesisConfig, TextureConfig):
    """Make a new picture of the same texture as one or several sources."""

    def check(self) -> None:
        """As `PictureConfig.check`, and the sources' sizes."""
        super().check()
        self.check_run()
        self.check_sources()
        if self.blend_map and self.source_weights is not None:
            raise ValueError("--source-weights and --blend-map both say how much of each source there is; give one")


@dataclass(frozen=True, kw_only=True)
class AnimateCommand(AnimationConfig, TextureConfig):
    """Make the frames of a loop whose texture is that of its sources, or changes from one keyframe's to the next's."""

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    """Pictures, folders of pictures, or glob patterns."""
    keyframes: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Instead of --source: pictures whose textures the loop goes through, in order and back to the first."""
    frame_weights: Annotated[str | None, arg(metavar="FILE.csv")] = None
    """Share of each source at each frame: a line a frame, a number a source."""
    fps: Annotated[float, arg(metavar="N")] = 12.0
    """Frames a second."""
    formats: tuple[Format, ...] = FORMATS
    """What is written besides a PNG for each frame: gif, webp, mp4 (the last with the video extra)."""
    save_every: Annotated[int, arg("-n", metavar="N")] = 0
    """Save all frames every N steps; 0 for the last ones only."""

    def check(self) -> None:
        """As `PictureConfig.check`, and what the loop is made from."""
        super().check()
        self.check_run()
        self.check_sources()
        if not 0 < self.fps <= 1000:
            raise ValueError(f"--fps is {self.fps:g}; wanted a number above 0, at most 1000")
        if bool(self.keyframes) == bool(self.source):
            came = "both" if self.source else "neither"
            raise ValueError(f"--source and --keyframes: {came} came; give one of them")
        if len(self.keyframes) == 1:
            raise ValueError("--keyframes got one picture; give two or more to go between, or use --source")
        several = [
            flag
            for flag, given in (
                ("--keyframes", bool(self.keyframes)),
                ("--frame-weights", self.frame_weights is not None),
                ("--source-weights", self.source_weights is not None),
                ("--blend-map", bool(self.blend_map)),
            )
            if given
        ]
        if len(several) > 1:
            raise ValueError(f"{' and '.join(several)} all say what the frames are made of; give one of them")
        if self.ease != "smooth" and not self.keyframes:
            raise ValueError(f"--ease {self.ease} is of --keyframes, and there are none; leave it out")
        if len(self.keyframes) > self.count:
            raise ValueError(f"--count is {self.count} for {len(self.keyframes)} keyframes; wanted a frame for each")


@dataclass(frozen=True, kw_only=True)
class TransferCommand(TransferConfig, RunConfig, SourceConfig):
    """Make a picture of the content of one and the style of others."""

    content: Annotated[tyro.conf.Positional[str], arg(metavar="CONTENT")]
    """The picture whose content it is; made as wide as --output-width, and as high as goes with it if not said."""
    source: Annotated[tuple[str, ...], arg("-s", "--style", metavar="STYLE...")]
    """The styles: pictures, folders of pictures, or glob patterns."""
    source_scale: Annotated[float | None, arg("-ss", "--style-scale", metavar="FACTOR")] = None
    """Resize every style by this factor: larger strokes, or smaller."""
    content_mask: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Where in the picture each style holds: grey pictures as in synthesize --blend-map."""
    style_mask: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Which part of each style counts: a grey picture for each."""
    like: Like = "multiscale"
    """Settings to begin with, other flags change them: multiscale, or those of a published program."""
    out: Annotated[str | None, arg(metavar="FILE")] = None
    """Also copy the finished PNG there."""
    evaluate: bool = True
    """Measure the finished picture against the styles for summary.json."""

    def check(self) -> None:
        """As `PictureConfig.check`, and the files."""
        super().check()
        self.check_run()
        self.check_sources()
        if self.out is not None and Path(self.out).is_dir():
            raise ValueError(f"--out is {self.out!r}, which is a folder; wanted a file")
        if self.out is not None and not Path(self.out).absolute().parent.is_dir():
            raise ValueError(f"--out is {self.out!r}, in a folder that is not there; make it or name another")
        if self.content_mask and self.source_weights is not None:
            raise ValueError("--source-weights and --content-mask both say how much of each style there is; give one")


@dataclass(frozen=True, kw_only=True)
class ResumeCommand:
    """Go on with a run that was stopped, whatever stopped it, as if it had not been."""

    run: Annotated[tyro.conf.Positional[str], arg(metavar="RUN")]
    """Its folder."""


@dataclass(frozen=True, kw_only=True)
class SweepCommand(SynthesizeCommand):
    """Run a grid of settings, and show it as one contact sheet and one table; other flags hold for all runs."""

    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "sweep"
    """How the folder's name begins; those of the runs in it begin with their number and what was varied."""
    vary: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE/VALUE/...")]
    """What to vary: a flag's long name and its values; words of a value are joined by + (layers=pool1/pool1+conv3_2),
    yes and no are for flags without a value; a value itself holds no /. Several: all combinations."""


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand(NetworkConfig, SourceConfig):
    """Measure pictures, made by any tool, against their source; 1 means as close as the source is to itself."""

    images: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="PICTURE...")]
    """Pictures, folders of pictures, or glob patterns."""
    json: Annotated[str, arg(metavar="FILE")] = "evaluation.json"
    """Where every value, reference and score is written, of each layer and channel as well."""
    source_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """How much each source counts; all the same if not given."""
    matched: Annotated[tuple[str, ...], arg(metavar="LAYER...")] = ()
    """Layers that the pictures were made by: they are then left out at whole octaves."""


@dataclass(frozen=True, kw_only=True)
class NoveltyCommand(NoveltyConfig, RunConfig):
    """Make pictures whose statistics are as unlike each other as can be; no source."""

    def check(self) -> None:
        """As `NoveltyConfig.check`."""
        super().check()
        self.check_run()
