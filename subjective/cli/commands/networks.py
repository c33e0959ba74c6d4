"""The options of the commands that train, apply and manage networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from subjective.checks import InputError, above, at_least, between, setting
from subjective.cli.options import FolderOptions, NetworkOptions, Options, SourceOptions
from subjective.feedforward.config import STRENGTHS, TRAIN_PRESETS, ExportFormat, Like, TrainConfig
from subjective.images import find_images
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class ContentOptions:
    """Options that choose the photographs for a style network, and how a training begins."""

    group: ClassVar[str] = "input"

    content: Annotated[tuple[str, ...] | None, arg(metavar="FOLDER...")] = None
    """Photographs that a style network learns to repaint: pictures, folders of pictures, or glob patterns."""
    init: Annotated[str | None, arg(metavar="NETWORK")] = None
    """Start with the parameters of a trained network of the same kind and size."""
    like: Like = "subjective"
    """Settings to begin with: subjective (this program's), or matlab (those of MATLAB's example of fast style
    transfer). Other flags change these settings."""


@dataclass(frozen=True, kw_only=True)
class TrainCommand(Options, NetworkOptions, FolderOptions, SourceOptions, ContentOptions, TrainConfig):
    """Train a small network that repaints pictures in the style of the sources (--content), or renders the sources'
    textures (--texture), in one pass."""

    group: ClassVar[str] = "output"

    out: Annotated[str | None, arg("-o", "--output", metavar="FILE.safetensors")] = None
    """Write the trained network to this file, besides the run folder."""
    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "net"
    save_every: Annotated[int, arg("-n", metavar="N")] = 100
    """Every N steps, draw some pictures that the network makes, and the curves. 0 draws them only at the end."""

    @staticmethod
    def presets() -> dict[str, dict[str, TrainConfig]]:
        """Return the flag that names published settings, and the settings."""
        return {"--like": TRAIN_PRESETS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        self.check_folder()
        self.check_sources()
        texture, content = setting("texture"), setting("content")
        if self.texture and self.content:
            raise InputError(f"{texture} and {content} were both given; a texture is made from noise: give one of them")
        if not self.texture and not self.content:
            raise InputError(
                f"{content} is missing; give a folder of photographs that the network learns to repaint, or {texture} "
                "for a network that makes textures from noise"
            )

    def check_files(self) -> None:
        """See `Options.check_files`."""
        super().check_files()
        if self.content:
            find_images(self.content, "content")


@dataclass(frozen=True, kw_only=True)
class ApplyCommand(Options):
    """Repaint pictures with a trained style network, or render a texture with a trained texture network."""

    group: ClassVar[str] = "apply"

    network: Annotated[tyro.conf.Positional[str], arg(metavar="NETWORK")]
    """A file that `subjective train` made, or the name of a network that comes with the package."""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="PICTURE...")] = ()
    """Pictures, folders of pictures, glob patterns or videos to repaint."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE|FOLDER")] = None
    """File for one result, or folder for several; in the folder, each result has its picture's name. Default: the
    folder `outputs`, where the names also say the network, the blend and the seed."""
    force: bool = False
    """Replace results that exist."""
    size: Annotated[str | None, arg(metavar="WIDTHxHEIGHT")] = None
    """Size of the texture. Default: 512x512."""
    blend: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """One number for each source that the network was trained on: the source's share in the result. Default: equal
    shares."""
    seed: Annotated[int, arg("--seed", name="rng-seed", metavar="N"), between(0, 2**32 - 1)] = 0
    """Seed of the noise from which a texture is rendered. A larger texture continues a smaller one of the same seed."""
    strength: Annotated[float, arg(metavar="S"), STRENGTHS] = 1.0
    """How strongly pictures are repainted: 0 leaves them as they are, 1 is what the network was trained for, and more
    gives stronger strokes. Below 1, colors and contrast stay nearer to the picture's than strokes do."""
    scale: Annotated[float | None, arg(metavar="FACTOR"), above(0, 1000)] = None
    """Resize each picture by this factor before repainting."""
    tile: Annotated[int | None, arg(metavar="ROWS"), at_least(1, "rows")] = None
    """Repaint in strips of this many rows, which gives the same picture with less memory. Default: strips only for
    pictures of more than 2 megapixels, and for those that do not fit into memory in one piece."""
    polish: Annotated[int, arg(metavar="N"), at_least(0, "steps")] = 0
    """Improve each result by N steps on the picture itself, as `subjective synthesize` or `subjective transfer` makes
    them. The result is in a run folder, and in the file of --out; what the network made is in the folder `outputs`."""
    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    """For --polish: the pictures that the network was trained on, in the same order."""
    memory_limit: Annotated[str | None, arg(metavar="SIZE")] = None
    """Memory that the program may use, such as 4GB. A picture that needs more is repainted in strips, or refused if
    these need more too. Default: the free memory of the machine."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if self.source and not self.polish:
            raise InputError(f"{setting('source')} is for {setting('polish')}; give both, or neither")
        if self.polish and self.strength != 1:
            both = f"{setting('polish')} and {setting('strength')}"
            raise InputError(f"{both} were both given; polishing undoes a weaker or stronger painting: give one")

    @property
    def texture_size(self) -> tuple[int, int]:
        """(height, width) of a texture, in pixels.

        Raises:
            InputError: --size is neither WIDTHxHEIGHT nor one number.
        """
        words = (self.size or "512").lower().split("x")
        if len(words) not in (1, 2) or not all(word.isdecimal() and int(word) > 0 for word in words):
            raise InputError(f"{setting('size')} is {self.size!r}; wanted WIDTHxHEIGHT, such as 1024x512")
        return int(words[-1]), int(words[0])


@dataclass(frozen=True, kw_only=True)
class ExportCommand(Options):
    """Write a trained network for other programs: as ONNX for onnxruntime, as StableHLO for JAX, or as a web page that
    computes in the browser."""

    group: ClassVar[str] = "export"

    network: Annotated[tyro.conf.Positional[str], arg(metavar="NETWORK")]
    """A file that `subjective train` made, or the name of a network that comes with the package."""
    to: ExportFormat = "onnx"
    """Format: onnx (for onnxruntime and others), stablehlo (for JAX on CPU, CUDA and TPU, without this package), or web
    (a folder with a page; onnxruntime-web is downloaded once, and the page runs offline). Pictures may have any
    size."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE|FOLDER")] = None
    """File to write, or folder for a page. Default: the network's name in the folder `outputs`."""
    force: bool = False
    """Replace files that exist."""
    licence: Annotated[str | None, arg(metavar="TEXT")] = None
    """Licence of the network and of its sources, written into the result. Default: what is known of networks that come
    with the package; otherwise `not stated`."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if self.licence is not None and not (self.licence.strip() and self.licence.isprintable()):
            raise InputError(f"{setting('licence')} is {self.licence!r}; wanted a text of one line")


@dataclass(frozen=True, kw_only=True)
class _DataDir(Options):
    group: ClassVar[str] = "input"

    data_dir: Annotated[str | None, arg("-d", metavar="DIR")] = None
    """Folder with further network parameters. Default: the user's data folder."""


@dataclass(frozen=True, kw_only=True)
class WeightsList(_DataDir):
    """List the parameters on this machine, and those that `fetch` can download."""


@dataclass(frozen=True, kw_only=True)
class WeightsShow(_DataDir):
    """Verify parameters, and describe them as JSON."""

    name: Annotated[tyro.conf.Positional[str], arg(metavar="NAME|FILE")] = "vgg16"
    """A name that `list` shows, or a file."""


@dataclass(frozen=True, kw_only=True)
class WeightsConvert(_DataDir):
    """Convert parameters of another program, and store them in the data folder with activation scales."""

    file: Annotated[tyro.conf.Positional[str], arg(metavar="FILE")]
    """Keras .h5 or .keras, torchvision .pth or .safetensors, .npz, MatConvNet .mat, Gatys' .npy, or ONNX."""
    name: Annotated[str | None, arg(metavar="NAME")] = None
    """Name of the stored parameters. Default: the name of the file."""
    convention: Annotated[str | None, arg(metavar="caffe-bgr|caffe-rgb|torchvision")] = None
    """Order and range of colors in the network's input. Default: the usual convention of the file's format."""


@dataclass(frozen=True, kw_only=True)
class WeightsNormalize(_DataDir):
    """Measure activation scales again, and store them: beside the parameters, or in the data folder for parameters
    that come with the package."""

    name: Annotated[tyro.conf.Positional[str], arg(metavar="NAME|FILE")]
    """A name that `list` shows, or a file in this package's own format."""
    pictures: Annotated[tuple[str, ...] | None, arg(metavar="PICTURE...")] = None
    """Pictures to measure on: files, folders or patterns. Default: the photographs that come with the package."""


@dataclass(frozen=True, kw_only=True)
class WeightsFetch(_DataDir):
    """Download published parameters, verify and convert them, and store them in the data folder."""

    name: Annotated[tyro.conf.Positional[str], arg(metavar="NAME")]
    """Name of published parameters that `list` shows."""
