"""The options that several commands share, one class for each topic."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from subjective.checks import InputError, above, at_least, between, check_settings, setting
from subjective.choices import Depth
from subjective.conversion import Image
from subjective.files import locked_folder
from subjective.images import find_images, read_image
from subjective.studio.beside import check_packages
from subjective.synthesis.presets import Preset
from subjective.synthesis.settings import arg
from subjective.terminal import Verbosity


@dataclass(frozen=True, kw_only=True)
class Options:
    """The base class of every command's options.

    If the options are also a config, their class must name this class before the config among its bases. The method
    `check` of this class then replaces the config's `check`, and calls it.
    """

    group: ClassVar[str] = "output"

    quiet: Annotated[bool, arg("-q")] = False
    """Write only errors to stderr."""
    verbose: Annotated[bool, arg("-v")] = False
    """Write a line for every step, with the parts of the loss."""

    @property
    def verbosity(self) -> Verbosity:
        """How much the command writes to stderr."""
        return Verbosity.QUIET if self.quiet else Verbosity.VERBOSE if self.verbose else Verbosity.NORMAL

    def __post_init__(self) -> None:
        """Check nothing yet: `subjective.cli.arguments.parse` calls `check`, whose messages can then name flags."""

    def check(self) -> None:
        """Check each option by itself, then the rules between options."""
        of_config = getattr(super(), "check", None)  # the config's, if the options are a config too
        if of_config is None:
            check_settings(self)
        else:
            of_config()

    def check_files(self) -> None:
        """Refuse missing pictures before anything is imported that computes. The command itself looks again."""
        of_sources = getattr(super(), "check_files", None)
        if of_sources is not None:
            of_sources()


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options that choose the network's parameters."""

    group: ClassVar[str] = "input"

    weights: Annotated[str, arg(metavar="NAME|FILE")] = "vgg16"
    """Parameters of the network: a name that `subjective weights list` shows, or a file."""
    data_dir: Annotated[str | None, arg("-d", metavar="DIR")] = None
    """Folder with further network parameters. Default: the user's data folder."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Options that choose the sources and the scale of the sources."""

    group: ClassVar[str] = "input"

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")]
    """Source pictures, folders of pictures, or glob patterns."""
    source_scale: Annotated[float | None, arg("-ss", metavar="FACTOR"), above(0, 1000)] = None
    """Resize every source by this factor."""
    source_width: Annotated[int | None, arg("-sw", metavar="PIXELS"), at_least(1)] = None
    """Resize every source to this width."""

    def check_sources(self) -> None:
        """Refuse a scale and a width for the same sources."""
        if self.source_scale is not None and self.source_width is not None:
            raise InputError(
                f"{setting('source_scale')} and {setting('source_width')} were both given; give one of them"
            )

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_images(self.source)

    def read_source(self, file: Path) -> Image:
        """Read one source, resized as the options say."""
        return read_image(file, width=self.source_width, scale=self.source_scale)


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """Options that say where results go, and what is saved during a run."""

    group: ClassVar[str] = "output"

    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the result to this file, besides the run folder. The suffix chooses the format: .png, .jpg, .webp, .tif,
    .exr or .bmp. Several pictures get a number before the suffix. -o N with a whole number still means --octaves N."""
    force: bool = False
    """Replace the file that --out names if it exists."""
    output_dir: Annotated[str, arg(metavar="DIR")] = "outputs"
    """Folder in which each run makes a new folder, the run folder."""
    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "out"
    """Beginning of the run folder's name."""
    save_every: Annotated[int, arg("-n", metavar="N"), at_least(0)] = 10
    """Save the picture every N steps. 0 saves only the finished picture."""
    checkpoint_every: Annotated[float, arg(metavar="SECONDS"), at_least(0, "seconds")] = 120.0
    """Seconds between checkpoints; 0 writes none during a run. `subjective resume` continues at the last checkpoint."""
    config: Annotated[str | None, arg(metavar="FILE")] = None
    """Use the settings in this file: the config.json of a run folder, or a TOML or JSON file of your own whose keys are
    the names of flags. Files that it names are looked up beside it first. Other flags change these settings."""
    watch: bool = False
    """Show the run on a page as it is made, and print the page's address; see `subjective watch --help`."""

    def check_folder(self) -> None:
        """Refuse a prefix that cannot begin a folder's name, a place where no folder can be made, and a page that
        cannot be shown."""
        if self.watch:
            check_packages()
        if not self.output_prefix or "/" in self.output_prefix or "\0" in self.output_prefix:
            raise InputError(f"{setting('output_prefix')} is {self.output_prefix!r}; wanted a name without '/'")
        if locked := locked_folder(Path(self.output_dir)):
            given = f"{setting('output_dir')} is {self.output_dir!r}"
            raise InputError(f"{given}, and nothing can be written in {str(locked)!r}; name another")


@dataclass(frozen=True, kw_only=True)
class DepthOptions:
    """Options that say how exactly pictures are stored."""

    group: ClassVar[str] = "output"

    depth: Depth | None = None
    """How numbers are stored: integers of 8 or 16 bits, or floats of 16 (half) or 32 bits (float). .png has 8 and 16,
    .tif has 8, 16 and float, .exr has half and float. The run folder holds PNG of 8 or 16 bits. Default: 8; half for
    .exr, which holds linear light."""


@dataclass(frozen=True, kw_only=True)
class VariantOptions:
    """Options that ask for variants of one result."""

    group: ClassVar[str] = "output"

    seeds: Annotated[int | None, arg(metavar="N"), at_least(2)] = None
    """Make N variants, as --count does, and show them on one contact sheet, sheet.png in the run folder."""

    def check_seeds(self) -> None:
        """Refuse another count beside the number of variants."""
        count = getattr(self, "count", 1)
        if self.seeds is not None and count not in (1, self.seeds):
            raise InputError(f"{setting('seeds')} is {self.seeds} and {setting('count')} {count}; give one of them")


def count_variants(options: Any) -> Any:
    """Return options that are `VariantOptions` too, with as many pictures as ``seeds`` asks for."""
    return options if options.seeds is None else dataclasses.replace(options, count=options.seeds)


@dataclass(frozen=True, kw_only=True)
class ResourceOptions:
    """Options that limit or forecast a run's memory and time."""

    group: ClassVar[str] = "computing"

    memory_limit: Annotated[str | None, arg(metavar="SIZE")] = None
    """Memory that the run may use, such as 4GB. The program chooses tiles and optimizer to stay below this limit, and
    refuses a picture that needs more in any case. Default: the free memory of the machine."""
    minutes: Annotated[float | None, arg(metavar="N"), above(0)] = None
    """Make fewer steps if the run would take longer than this. A run that needs less time takes less. Default: no
    limit."""
    dry_run: bool = False
    """Say at once how much memory and time the run will take, by what earlier runs took, and make no picture."""
    compile: bool = False
    """With --dry-run: compile all programs and time them, which takes as long as before a run, and is more exact."""


@dataclass(frozen=True, kw_only=True)
class DistributedOptions:
    """Options that share a run among several processes."""

    group: ClassVar[str] = "computing"

    distributed: bool = False
    """Share the picture's rows among the devices of several processes, on one or several machines. Start the same
    command with Slurm, Open MPI or Kubernetes, which say how many there are; or give each the next three flags. Process
    0 reads, writes and shows progress."""
    coordinator: Annotated[str | None, arg(metavar="HOST:PORT")] = None
    """With --distributed: the machine of process 0, and a free port there."""
    processes: Annotated[int | None, arg(metavar="N"), between(1, 100_000)] = None
    """With --distributed: number of processes."""
    process_id: Annotated[int | None, arg(metavar="K"), at_least(0)] = None
    """With --distributed: number of this process, from 0 to N - 1."""

    def check_distributed(self) -> None:
        """Refuse flags of which only a part was given, and numbers that cannot be."""
        names = ("coordinator", "processes", "process_id")
        given = [name for name in names if getattr(self, name) is not None]
        if given and not self.distributed:
            raise InputError(f"{setting(given[0])} is for {setting('distributed')}; give both, or neither")
        if self.distributed and getattr(self, "devices", 1) != 1:
            both = f"{setting('devices')} and {setting('distributed')}"
            raise InputError(f"{both} were both given; leave out the first: all devices of all processes are used")
        if given and len(given) < len(names):
            missing = [setting(name) for name in names if name not in given]
            raise InputError(f"{setting(given[0])} came without {' and '.join(missing)}; give all three, or none")
        if self.coordinator is not None:
            host, _, port = self.coordinator.rpartition(":")
            if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
                raise InputError(
                    f"{setting('coordinator')} is {self.coordinator!r}; wanted HOST:PORT, such as node1:8476"
                )
        if self.process_id is not None and self.processes is not None and self.process_id >= self.processes:
            wanted = f"wanted 0 to {self.processes - 1}, because {setting('processes')} is {self.processes}"
            raise InputError(f"{setting('process_id')} is {self.process_id}; {wanted}")


@dataclass(frozen=True, kw_only=True)
class PluginOptions:
    """Options that add to the names that other options know."""

    group: ClassVar[str] = "what is matched"

    plugin: Annotated[tuple[str, ...], arg(metavar="FILE...")] = ()
    """Python files that call subjective.register with statistics, optimizers or joins of your own. Their names can then
    be used like those of this program."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options, NetworkOptions, PluginOptions, FolderOptions, ResourceOptions):
    """Options of all commands that make pictures."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_folder()
        if self.compile and not self.dry_run:
            raise InputError(f"{setting('compile')} is for a {setting('dry_run')}; a run compiles in any case")


@dataclass(frozen=True, kw_only=True)
class TextureOptions(PictureOptions, SourceOptions):
    """Options of the commands that make textures."""

    blend_map: Annotated[tuple[str, ...], arg(metavar="MASK...")] = ()
    """Give each source a region of the result: one gray picture for each source, white in the source's region, black
    elsewhere, gray at soft borders. If the last source has no gray picture, it takes the rest."""
    preset: Preset = "default"
    """Settings to begin with: fast, default or best; for comparison paper (settings of the 2017 program) or sliced.
    Other flags change them."""
    evaluate: bool = True
    """Score the finished pictures against the sources as in `subjective evaluate`. The scores go to summary.json."""

    group: ClassVar[str] = "input"

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_sources()
