"""The options of the commands that measure, repeat and copy pictures, resume runs, and complete words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import tyro

from subjective.checks import between
from subjective.cli.options import DistributedOptions, NetworkOptions, Options, SourceOptions
from subjective.images import find_images
from subjective.studio.beside import check_packages
from subjective.synthesis.settings import arg

Shell = Literal["bash", "zsh", "fish"]


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand(Options, NetworkOptions, SourceOptions):
    """Measure pictures, made by any tool, against their source. A score of 1 is as close to the source as a crop of the
    source is to the rest; smaller is better."""

    group: ClassVar[str] = "input"

    images: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="PICTURE...")]
    """Pictures, folders of pictures, or glob patterns."""
    out: Annotated[str | None, arg("-o", "--json", metavar="FILE.json")] = None
    """Write the sentence, and the value, unit, reference and score of each measure, layer and channel to this file."""
    map: Annotated[str | None, arg(metavar="FILE")] = None
    """Write the picture to this file, in gray, with red where it is unlike any place in its source. Several pictures go
    to numbered files."""
    force: bool = False
    """Replace the files that --out and --map name if they exist."""
    source_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """How much each source counts. Default: all sources count the same."""
    matched: Annotated[tuple[str, ...], arg(metavar="LAYER...")] = ()
    """Layers that the pictures were made to match. The scores leave out these layers at whole octaves (scales 1, 1/2,
    1/4 and so on), and keep them at the half octaves between."""
    tiles: bool = False
    """The pictures are meant to tile, so that a seam is a fault. Otherwise the table only says whether they tile."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_sources()

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_images(self.images, "picture")
        super().check_files()


@dataclass(frozen=True, kw_only=True)
class RepeatCommand(Options):
    """Repeat a picture side by side and one below the other, to see whether it tiles."""

    group: ClassVar[str] = "input"

    image: Annotated[tyro.conf.Positional[str], arg(metavar="PICTURE")]
    """The picture."""
    times: Annotated[int, arg(metavar="N"), between(1, 100)] = 2
    """Number of copies across, and down."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the copies to this file; the suffix chooses the format. Default: a PNG beside the picture, such as
    made-2x2.png for made.png."""
    force: bool = False
    """Replace the file if it exists."""

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_images([self.image], "picture")


@dataclass(frozen=True, kw_only=True)
class ExampleCommand(Options):
    """Copy pictures that come with the package into a folder, and print their paths. Without a name, list them."""

    group: ClassVar[str] = "input"

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="NAME...")] = ()
    """Names of pictures, such as gravel, coffee or mosaic; `all` for all of them."""
    folder: Annotated[str, arg(metavar="DIR")] = "."
    """Folder for the copies."""


@dataclass(frozen=True, kw_only=True)
class ResumeCommand(Options, DistributedOptions):
    """Continue a run that was stopped for any reason. The result is the same as without the stop."""

    run: Annotated[tyro.conf.Positional[str], arg(metavar="RUN")]
    """Folder of the run to continue."""
    force: bool = False
    """Replace the file that the run's --out names if it exists, and write it wherever it is."""
    watch: bool = False
    """Show the run on a page as it is made, and print the page's address; see `subjective watch --help`."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_distributed()
        if self.watch:
            check_packages()


@dataclass(frozen=True, kw_only=True)
class CompletionCommand(Options):
    """Print a script that completes commands, flags and words of this program. To use it in bash:
    source <(subjective completion bash)."""

    group: ClassVar[str] = "input"

    shell: Annotated[tyro.conf.Positional[Shell], arg(metavar="SHELL")]
    """The shell that completes: bash, zsh or fish."""
