"""What `subjective train` and `subjective apply` take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from subjective.cli.options import FolderConfig, NetworkConfig, SourceConfig
from subjective.feedforward.config import Like, TrainConfig
from subjective.synthesis.compute_config import arg


@dataclass(frozen=True, kw_only=True)
class TrainCommand(TrainConfig, NetworkConfig, FolderConfig, SourceConfig):
    """Train a small network that repaints pictures in the style of the sources (--content), or renders their textures
    (--texture), in milliseconds."""

    content: Annotated[tuple[str, ...] | None, arg(metavar="FOLDER...")] = None
    """Photographs that a style network learns to repaint: pictures, folders of pictures, or glob patterns."""
    output: Annotated[str | None, arg("-o", metavar="FILE.safetensors")] = None
    """Where the trained network is written, besides the run folder."""
    init: Annotated[str | None, arg(metavar="NETWORK")] = None
    """Begin with the parameters of a trained network of the same kind and size, for other sources or for longer."""
    like: Like = "subjective"
    """Settings to begin with, other flags change them; matlab is its example of fast style transfer (VGG-16's
    conv1_2, conv2_2, conv3_3, conv4_3)."""
    output_prefix: Annotated[str, arg("-op", metavar="NAME")] = "net"
    """Beginning of that folder's name."""
    save_every: Annotated[int, arg("-n", metavar="N")] = 100
    """Draw the curves, with what the network makes by now, every N steps; 0 for the last one only."""
    checkpoint_every: Annotated[float, arg(metavar="SECONDS")] = 120.0
    """Seconds between checkpoints, from which `subjective resume` goes on; 0 for the last one only."""

    def check(self) -> None:
        """As `TrainConfig.check`, and where pictures come from."""
        super().check()
        self.check_run()
        self.check_sources()
        if self.texture and self.content:
            raise ValueError("--texture and --content were both given; a texture is made from noise: give one of them")
        if not self.texture and not self.content:
            raise ValueError(
                "--content is missing; give a folder of photographs that the network is to learn to repaint, or "
                "--texture for a network that makes textures from noise"
            )
        if self.output is not None and not self.output.endswith(".safetensors"):
            raise ValueError(f"--output is {self.output!r}; wanted a name that ends in .safetensors")


@dataclass(frozen=True, kw_only=True)
class ApplyCommand:
    """Repaint pictures with a trained style network, or render a texture with a trained texture network."""

    network: Annotated[tyro.conf.Positional[str], arg(metavar="NETWORK")]
    """A file that `subjective train` made, or the name of a network that comes along."""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="PICTURE...")] = ()
    """Pictures, folders of pictures, glob patterns or videos to be repainted."""
    output: Annotated[str | None, arg("-o", metavar="FILE|FOLDER")] = None
    """Where to: a file for one picture, else a folder, in which each keeps its name; `outputs` if not given."""
    size: Annotated[str | None, arg(metavar="WIDTHxHEIGHT")] = None
    """Size of the texture; 512x512 if not given."""
    blend: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Share of each source that the network knows; equal if not given."""
    rng_seed: Annotated[int, arg(metavar="N")] = 0
    """Number that a texture's noise comes from."""
    scale: Annotated[float | None, arg(metavar="FACTOR")] = None
    """Resize each picture by this factor first."""
    tile: Annotated[int | None, arg(metavar="ROWS")] = None
    """Repaint in strips of so many rows: the same picture in less memory. If not given, pictures of more than 2
    megapixels are."""
    export: Annotated[str | None, arg(metavar="FILE")] = None
    """Write the network as portable StableHLO, which runs on CPU, CUDA and TPU without this package."""

    def check(self) -> None:
        """Refuse what cannot be meant; see `TrainConfig.check`."""
        if self.tile is not None and self.tile < 1:
            raise ValueError(f"--tile is {self.tile}; wanted 1 or more rows")
        if not 0 <= self.rng_seed < 2**32:
            raise ValueError(f"--rng-seed is {self.rng_seed}; wanted 0 to 2^32 - 1")
        if self.scale is not None and not 0 < self.scale <= 1000:
            raise ValueError(f"--scale is {self.scale:g}; wanted a number above 0, at most 1000")

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) of a texture.

        Raises:
            ValueError: --size is no such thing.
        """
        words = (self.size or "512").lower().split("x")
        if len(words) not in (1, 2) or not all(word.isdecimal() and int(word) > 0 for word in words):
            raise ValueError(f"--size is {self.size!r}; wanted WIDTHxHEIGHT, such as 1024x512")
        return int(words[-1]), int(words[0])
