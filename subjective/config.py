"""Every setting and its default, once; the command line is made from these classes.

`SynthesisConfig` and `NoveltyConfig` are what the functions of the same names take. The commands
add where pictures and parameters come from and where the results go.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from subjective.images import MAX_PIXELS
from subjective.joins import JoinMode
from subjective.pyramid import Padding
from subjective.vgg import Pooling


def _arg(*aliases: str, metavar: str | None = None, name: str | None = None) -> Any:
    return tyro.conf.arg(aliases=list(aliases), metavar=metavar, name=name)


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """What every picture made here has: a size, a way of being looked at, a start and an optimizer."""

    output_width: Annotated[int, _arg("-ow", "--width", metavar="PIXELS")] = 512
    """Width of the picture."""
    output_height: Annotated[int | None, _arg("-oh", "--height", metavar="PIXELS")] = None
    """Height of the picture; as the width if not given."""
    octaves: Annotated[int, _arg("-o", metavar="N")] = 4
    """Number of octaves, each half the size of the one before; 1 is full size alone."""
    octave_step: Annotated[int, _arg("-os", metavar="N")] = 1
    """Use every N-th of these octaves only."""
    layers: Annotated[tuple[str, ...], _arg("-l", metavar="LAYER...")] = ("pool1", "conv3_2")
    """Layers to match, by name (conv1_1, pool1, ...) or by the 2017 program's number (2 is pool1, 7 conv3_2)."""
    layer_weights: Annotated[tuple[float, ...] | None, _arg(metavar="W...")] = None
    """Weight of each layer in the loss."""
    octave_weights: Annotated[tuple[float, ...] | None, _arg(metavar="W...")] = None
    """Weight of each octave in the loss, full size first."""
    padding_mode: Annotated[Padding, _arg("-p")] = "circular"
    """What lies outside the picture: its other side (it then tiles), zeros (same) or nothing (valid)."""
    pooling: Pooling = "average"
    """How the network pools."""
    raw_weights: bool = False
    """Use the network's parameters as published, not normalized to a mean activation of one."""
    seed: Annotated[str, _arg("-i", metavar="random|symmetric|FILE")] = "random"
    """Starting picture: faint noise, a smooth symmetric pattern under noise, or a picture file."""
    rng_seed: Annotated[int, _arg(metavar="N")] = 0
    """Number that all noise comes from: the same number, settings and machine give the same picture."""
    max_iter: Annotated[int, _arg("-m", metavar="N")] = 200
    """Steps of the optimizer at most."""
    tol: Annotated[float, _arg(metavar="SHARE")] = 1e-9
    """Stop when a step lowers the loss by less than this share of it."""
    history: Annotated[int, _arg(metavar="N")] = 10
    """Steps that L-BFGS remembers; each costs two float64 copies of the picture."""
    bounds: bool = False
    """Keep every value between black and white while optimizing; otherwise it is clipped at the end."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (self.output_width if self.output_height is None else self.output_height, self.output_width)

    @property
    def octave_indices(self) -> tuple[int, ...]:
        """The octaves used, 0 being full size."""
        return tuple(range(0, self.octaves, self.octave_step))

    def check(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            ValueError: naming the flag, what came and what was wanted.
        """
        for flag, number, least in (
            ("output-width", self.output_width, 1),
            ("output-height", self.size[0], 1),
            ("octaves", self.octaves, 1),
            ("octave-step", self.octave_step, 1),
            ("max-iter", self.max_iter, 0),
            ("history", self.history, 1),
            ("rng-seed", self.rng_seed, 0),
        ):
            if number < least:
                raise ValueError(f"--{flag} is {number}; wanted {least} or more")
        if self.size[0] * self.size[1] > MAX_PIXELS:
            raise ValueError(
                f"a picture of {self.size[1]}x{self.size[0]} is larger than {MAX_PIXELS:,} pixels; ask for less"
            )
        if self.octaves > 16:
            raise ValueError(f"--octaves is {self.octaves}; wanted at most 16")
        if self.rng_seed >= 2**32:
            raise ValueError(f"--rng-seed is {self.rng_seed}; wanted less than 2^32")
        if not (math.isfinite(self.tol) and self.tol >= 0):
            raise ValueError(f"--tol is {self.tol}; wanted a number of 0 or more")
        check_weights("layer-weights", self.layer_weights, len(self.layers), "layer")
        check_weights("octave-weights", self.octave_weights, len(self.octave_indices), "octave")


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(PictureConfig):
    """Settings of `synthesize`."""

    join_mode: Annotated[JoinMode, _arg("-j")] = "average"
    """How to join several sources (affine_invariant and riemann are other names of geodesic)."""
    source_weights: Annotated[tuple[float, ...] | None, _arg(metavar="W...")] = None
    """Share of each source."""
    mul: Annotated[float, _arg(metavar="FACTOR")] = 1.0
    """Multiply the target by this."""
    count: Annotated[int, _arg("-c", metavar="N")] = 1
    """Number of pictures, each from noise of its own."""

    def check(self) -> None:
        """As `PictureConfig.check`."""
        super().check()
        if self.count < 1:
            raise ValueError(f"--count is {self.count}; wanted 1 or more")
        if not math.isfinite(self.mul):
            raise ValueError(f"--mul is {self.mul}; wanted a finite number")
        if self.source_weights is not None:
            check_weights("source-weights", self.source_weights, len(self.source_weights), "source")


@dataclass(frozen=True, kw_only=True)
class NoveltyConfig(PictureConfig):
    """Settings of `invent`."""

    count: Annotated[int | None, _arg("-c", metavar="N")] = None
    """Number of pictures, made together; 4 if not given, 1 with --internal."""
    internal: bool = False
    """Make the octaves of each picture unlike each other, not the pictures."""
    mul: Annotated[float, _arg(metavar="FACTOR")] = 1.0
    """Squared norm that the statistics of each picture are to have."""

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return self.count if self.count is not None else (1 if self.internal else 4)

    def check(self) -> None:
        """As `PictureConfig.check`."""
        super().check()
        if self.frames < (1 if self.internal else 2):
            raise ValueError(
                f"--count is {self.frames}; wanted 2 or more pictures to be unlike each other, or --internal for one"
            )
        if self.internal and len(self.octave_indices) < 2:
            raise ValueError("--internal compares octaves; wanted --octaves of which --octave-step leaves 2 or more")
        if self.internal and self.octave_weights is not None:
            raise ValueError(
                "--octave-weights have no meaning with --internal, whose terms span octaves; leave them out"
            )
        if not (math.isfinite(self.mul) and self.mul > 0):
            raise ValueError(f"--mul is {self.mul}; wanted a number above 0")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where parameters come from and where results go."""

    weights: Annotated[str, _arg(metavar="NAME|FILE")] = "vgg16"
    """Network parameters: a name that `subjective weights list` shows, or a file."""
    data_dir: Annotated[str | None, _arg("-d", metavar="DIR")] = None
    """Folder of further parameters; the user's own data folder if not given."""
    output_dir: Annotated[str, _arg(metavar="DIR")] = "outputs"
    """Folder in which each run makes a folder of its own."""
    output_prefix: Annotated[str, _arg("-op", metavar="NAME")] = "out"
    """Beginning of that folder's name."""
    save_every: Annotated[int, _arg("-n", metavar="N")] = 10
    """Save the picture every N steps; 0 for the last one only."""
    config: Annotated[str | None, _arg(metavar="FILE")] = None
    """Take settings from a run folder's config.json; flags given besides change them."""

    def check_run(self) -> None:
        """Refuse numbers and names that cannot be meant; see `PictureConfig.check`."""
        if self.save_every < 0:
            raise ValueError(f"--save-every is {self.save_every}; wanted 0 or more")
        if not self.output_prefix or "/" in self.output_prefix or "\0" in self.output_prefix:
            raise ValueError(f"--output-prefix is {self.output_prefix!r}; wanted a name without '/'")


@dataclass(frozen=True, kw_only=True)
class SynthesizeCommand(SynthesisConfig, RunConfig):
    """Make a new picture of the same texture as one or several sources."""

    source: Annotated[tuple[str, ...], _arg("-s", metavar="PICTURE...")]
    """Pictures, folders of pictures, or glob patterns."""
    source_scale: Annotated[float | None, _arg("-ss", metavar="FACTOR")] = None
    """Resize every source by this factor."""
    source_width: Annotated[int | None, _arg("-sw", metavar="PIXELS")] = None
    """Or resize every source to this width."""

    def check(self) -> None:
        """As `PictureConfig.check`, and the sources' sizes."""
        super().check()
        self.check_run()
        if self.source_scale is not None and self.source_width is not None:
            raise ValueError("--source-scale and --source-width were both given; give one of them")
        if self.source_scale is not None and not 0 < self.source_scale <= 1000:
            raise ValueError(f"--source-scale is {self.source_scale:g}; wanted a number above 0, at most 1000")
        if self.source_width is not None and self.source_width < 1:
            raise ValueError(f"--source-width is {self.source_width}; wanted 1 or more")


@dataclass(frozen=True, kw_only=True)
class NoveltyCommand(NoveltyConfig, RunConfig):
    """Make pictures whose statistics are as unlike each other as can be; no source."""

    def check(self) -> None:
        """As `NoveltyConfig.check`."""
        super().check()
        self.check_run()


def check_weights(flag: str, weights: Sequence[float] | None, count: int, thing: str) -> None:
    """Refuse weights of the wrong number, or that are negative, NaN, infinite or all zero."""
    if weights is None:
        return
    if len(weights) != count:
        raise ValueError(f"--{flag} got {len(weights)} numbers for {count} {thing}s; give one for each {thing}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
        shown = " ".join(f"{weight:g}" for weight in weights)
        raise ValueError(f"--{flag} is {shown}; wanted numbers of 0 or more, not all 0")


def settings(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; `to_flags` makes flags of them."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(config).items()
    }


def to_flags(values: Mapping[str, Any]) -> list[str]:
    """The command-line flags that give these JSON values; None is left out, as the default."""
    flags: list[str] = []
    for key, value in values.items():
        name = key.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, list):
            flags.extend([f"--{name}", *(str(item) for item in value)])
        elif value is not None:
            flags.append(f"--{name}={value}")  # one word, so that a value may begin with a dash
    return flags
