"""The options that several commands share, in the groups in which the help shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from subjective.checks import InputError, above, at_least, check_settings, setting
from subjective.images import Image, read_image
from subjective.synthesis.presets import Preset
from subjective.synthesis.settings import arg


class Options:
    """The base of every command's options. A command comes first among a class's bases."""

    def __post_init__(self) -> None:
        """Check nothing yet: `check` runs when all words are understood, and its messages then name flags."""

    def check(self) -> None:
        """Check each option by itself, then the rules between options."""
        of_config = getattr(super(), "check", None)  # of the config that a command is as well
        if of_config is None:
            check_settings(self)
        else:
            of_config()


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Where the network's parameters come from."""

    group: ClassVar[str] = "input"

    weights: Annotated[str, arg(metavar="NAME|FILE")] = "vgg16"
    """Network parameters: a name that `subjective weights list` shows, or a file."""
    data_dir: Annotated[str | None, arg("-d", metavar="DIR")] = None
    """Folder of further parameters. Default: the user's own data folder."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which pictures are the sources, and at what scale."""

    group: ClassVar[str] = "input"

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")]
    """Source pictures, folders of pictures, or glob patterns."""
    source_scale: Annotated[float | None, arg("-ss", metavar="FACTOR"), above(0, 1000)] = None
    """Resize every source by this factor."""
    source_width: Annotated[int | None, arg("-sw", metavar="PIXELS"), at_least(1)] = None
    """Resize every source to this width."""

    def check_sources(self) -> None:
        """Refuse a scale together with a width."""
        if self.source_scale is not None and self.source_width is not None:
            raise InputError(
                f"{setting('source_scale')} and {setting('source_width')} were both given; give one of them"
            )

    def read_source(self, file: Path) -> Image:
        """Read one of the sources at the scale that is asked for."""
        return read_image(file, width=self.source_width, scale=self.source_scale)


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """Where results go, and what is kept on the way."""

    group: ClassVar[str] = "output"

    output_dir: Annotated[str, arg(metavar="DIR")] = "outputs"
    """Folder in which each run makes a folder of its own."""
    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "out"
    """Beginning of the run folder's name."""
    save_every: Annotated[int, arg("-n", metavar="N"), at_least(0)] = 10
    """Save the picture every N steps; 0 saves the last one alone."""
    checkpoint_every: Annotated[float, arg(metavar="SECONDS"), at_least(0, "seconds")] = 120.0
    """Seconds between checkpoints, from which `subjective resume` continues; 0 makes none."""
    config: Annotated[str | None, arg(metavar="FILE")] = None
    """Take the settings of a run folder's config.json; other flags change them."""

    def check_folder(self) -> None:
        """Refuse a prefix that is no name."""
        if not self.output_prefix or "/" in self.output_prefix or "\0" in self.output_prefix:
            raise InputError(f"{setting('output_prefix')} is {self.output_prefix!r}; wanted a name without '/'")


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """What memory a run may take."""

    group: ClassVar[str] = "computing"

    memory_limit: Annotated[str | None, arg(metavar="SIZE")] = None
    """Memory that may be used, such as 4GB. Tiles and optimizer are chosen so that the picture fits; a picture that
    does not fit is refused. Default: what the machine has free."""
    dry_run: bool = False
    """Say what memory and time the run will take, and make nothing."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options, NetworkOptions, FolderOptions, MemoryOptions):
    """What all commands that make pictures share."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_folder()


@dataclass(frozen=True, kw_only=True)
class TextureOptions(PictureOptions, SourceOptions):
    """What the commands that make textures share."""

    blend_map: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Where each source holds, instead of all sources everywhere: a grey picture for each source, white where the
    source holds, grey at soft borders. The last source has the rest if it has no picture."""
    preset: Preset = "default"
    """Settings to begin with; other flags change them: fast, default, best, or paper (those of the 2017 program)."""
    evaluate: bool = True
    """Measure the finished pictures against their sources (see `subjective evaluate`) for summary.json."""

    group: ClassVar[str] = "input"

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_sources()
