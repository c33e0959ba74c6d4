"""The settings that every picture has, in the groups in which the command line's help shows them.

Each field is written once: type, range, default, and a help text as its docstring. `subjective.checks` checks the
ranges; `subjective.cli` makes the flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import tyro

from subjective.checks import SHARE, WEIGHT, above, at_least, between
from subjective.network.vgg import Pooling, Precision
from subjective.optimize.lbfgs import HistoryType
from subjective.optimize.registry import OptimizerName
from subjective.pyramid import Padding

NO_TOLERANCE = 1e-9
"""A tolerance at which a stage makes all its steps, or as many as still lower the loss."""

Preconditioner = Literal["octaves", "none"]


def arg(*aliases: str, metavar: str | None = None, name: str | None = None) -> Any:
    """Give a command-line flag its other names, and its value a name for the help."""
    return tyro.conf.arg(aliases=list(aliases), metavar=metavar, name=name)


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """The size of the picture."""

    group: ClassVar[str] = "output"

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS"), at_least(1)] = 512
    """Width of the picture."""
    output_height: Annotated[int | None, arg("-oh", "--height", metavar="PIXELS"), at_least(1)] = None
    """Height of the picture. Default: the width."""


@dataclass(frozen=True, kw_only=True)
class MatchSettings:
    """What is measured, and matched to the sources."""

    group: ClassVar[str] = "what is matched"

    octaves: Annotated[int | None, arg("-o", metavar="N"), between(1, 16)] = None
    """Number of octaves. Each octave has half the size of the one before; 1 is full size alone. Default: as many as
    all pictures have room for, at most 5."""
    octave_step: Annotated[int, arg("-os", metavar="N"), at_least(1)] = 1
    """Use every N-th octave only."""
    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("pool1", "conv3_2")
    """Layers to match, by name (conv1_1, pool1, ...) or by the 2017 program's number (2 is pool1, 7 is conv3_2). The
    layers rgb, opponent and band are the picture itself, its opponent colors and its finest detail."""
    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = ("gram",)
    """Statistics to match: {statistics}. A statistic is taken at --layers unless its text names layers after @; its
    weight is 1 unless its text gives a weight after =."""
    layer_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Weight of each of --layers in the loss."""
    octave_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Weight of each octave in the loss, full size first."""
    padding_mode: Annotated[Padding, arg("-p")] = "circular"
    """What lies outside the picture: its other side (circular; the picture then tiles), zeros (same) or nothing
    (valid)."""
    pooling: Pooling = "average"
    """How the network pools."""
    raw_weights: bool = False
    """Use the network's parameters as published, not normalized to a mean activation of one."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """Where a picture starts and when its optimization ends."""

    group: ClassVar[str] = "schedule"

    init: Annotated[str, arg("-i", "--seed", metavar="random|symmetric|phases|FILE")] = "random"
    """Starting picture: faint noise (random), a smooth symmetric pattern under noise (symmetric), the sources'
    spectrum at random phases under noise (phases), or a picture file."""
    seed: Annotated[int, arg(name="rng-seed", metavar="N"), between(0, 2**32 - 1)] = 0
    """Number that all noise comes from. The same number, settings and machine give the same picture."""
    noise: Annotated[float, arg(metavar="SIZE"), SHARE] = 1 / 255
    """Standard deviation of the noise in every start, between 0 and 1."""
    max_iter: Annotated[int, arg("-m", metavar="N"), at_least(0)] = 200
    """Most steps of the optimizer at each stage."""
    tol: Annotated[float, arg(metavar="SHARE"), WEIGHT] = NO_TOLERANCE
    """End a stage when ten steps (of Adam: fifty) lower the loss by less than this share of the loss."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """Which optimizer minimizes the loss."""

    group: ClassVar[str] = "optimizer"

    optimizer: OptimizerName | None = None
    """Optimizer: lbfgsb (scipy's, in float64 on the host), lbfgs or adam (both on the device). Default: lbfgsb for
    pictures of at most 2 megapixels or with --bounds, lbfgs for larger ones and where lbfgsb does not know the
    routine of the installed scipy."""
    history: Annotated[int, arg(metavar="N"), at_least(1)] = 10
    """Steps that L-BFGS remembers. Each step costs two copies of the picture, allocated before the first step."""
    history_type: HistoryType = "float32"
    """Number type of the history of --optimizer lbfgs; lbfgsb keeps float64."""
    preconditioner: Preconditioner | None = None
    """First inverse Hessian of L-BFGS: octaves lets fine detail change more than large shapes and colors; none treats
    all waves alike and needs several times the steps for the same loss. Default: octaves for textures and loops that
    wrap, none with --bounds or --optimizer adam."""
    first_step: Annotated[float, arg(metavar="SIZE"), above(0)] = 0.01
    """Root mean square change of the picture in the first step that is tried, between 0 and 1; with adam, in every
    step."""
    bounds: bool = False
    """Keep every value between black and white while optimizing. Otherwise values are clipped at the end."""


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """In what memory and on what devices the picture is computed."""

    group: ClassVar[str] = "computing"

    tile: Annotated[int | None, arg(metavar="ROWS"), at_least(1, "rows")] = None
    """Compute the network's layers in tiles of so many rows of the picture: the same result in less memory and more
    time. Default: the largest tiles that fit into memory."""
    precision: Precision = "float32"
    """Number type of the network's feature maps. bfloat16 halves their memory and is meant for GPUs and TPUs; the last
    quarter of the steps is made in float32."""
    devices: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Number of devices that share the picture's rows, or the frames of a loop: the same result in a part of the
    memory and time."""
