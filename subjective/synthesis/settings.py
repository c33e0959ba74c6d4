"""All settings but those of a single verb, in the groups in which the command line's help shows them.

Each field is written once: type, range, default, and a help text as its docstring. `subjective.checks` checks the
ranges; `subjective.cli` makes the flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import tyro

from subjective.checks import FINITE, SHARE, WEIGHT, above, at_least, between
from subjective.colors import ColorMode
from subjective.joins import JoinMode
from subjective.losses import ContentForm
from subjective.network.vgg import Pooling, Precision
from subjective.optimize.lbfgs import HistoryType
from subjective.optimize.registry import OptimizerName
from subjective.pyramid import Padding
from subjective.synthesis.frames import DistanceType
from subjective.synthesis.morph import Ease
from subjective.synthesis.stages import Schedule

NOISE = 1 / 255
"""Standard deviation of the noise that every start carries, the same in red, green and blue.

The noise is faint: noise as strong as a texture's own contrast stays visible to the end, because the layers that are
matched by default hardly see the highest frequencies. The noise has no color: few textures have as much color at the
highest frequencies, and excess color takes many steps to disappear (`experiments/LOG.md`, 2026-11-21).
"""

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
    noise: Annotated[float, arg(metavar="SIZE"), SHARE] = NOISE
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


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """How several sources make one target."""

    group: ClassVar[str] = "what is matched"

    join_mode: Annotated[JoinMode | None, arg("-j")] = None
    """How to join several sources. average lays the sources side by side; geodesic makes one material between them
    (affine_invariant and riemann are other names of geodesic). Default: average, and geodesic for frames that turn
    from one source into another."""
    source_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """How much each source counts. Default: all the same."""
    relative: bool = True
    """Divide each distance by the target's own size, so that weights mean the same for every source, layer and
    octave."""
    block: Annotated[float, arg(metavar="SHARE"), at_least(0)] = 0.5
    """Match gram, gram_sum, covariance and gaussian in blocks, so that a large picture stays uniform. Smallest block
    side, as a fraction of the smallest source's side; 0 disables blocks. A picture has at most 16 blocks a side."""
    mul: Annotated[float, arg(metavar="FACTOR"), FINITE] = 1.0
    """Multiply the target by this factor, as if the power of every feature were so many times the source's."""


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How a picture grows from stage to stage."""

    group: ClassVar[str] = "schedule"

    schedule: Schedule = "coarse-to-fine"
    """coarse-to-fine makes a small picture first and doubles it octave by octave; plain begins at full size."""
    first_stage: Annotated[int, arg(metavar="PIXELS"), at_least(1)] = 128
    """Begin with the coarsest octave that has at least so many pixels a side, or with half the full size. A smaller
    first picture has too few places for all that is matched, and later stages cannot undo its errors. 1 begins with
    the coarsest octave of all."""
    coarse_iter: Annotated[int | None, arg(metavar="N"), at_least(0)] = None
    """Most steps at each stage before the last; there an evaluation costs a quarter or less. Default: five for every
    three of --max-iter."""
    starts: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Make the first stage so many times, each time from other noise, and go on with the one of the lowest loss."""


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """How the frames of a loop move."""

    group: ClassVar[str] = "frames"

    if_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 1.0
    """Weight of the distances between frames, against the textures."""
    if_order: Annotated[int, arg(metavar="N"), at_least(1)] = 2
    """Compare each frame with the next, the one after the next, and so on up to the N-th."""
    if_shift: Annotated[float, arg(metavar="PIXELS"), WEIGHT] = 0.25
    """Wanted distance of neighboring frames: as far as a source is from itself, moved by so many pixels. The N-th
    frame on is N times as far. Above one pixel the frames may flicker."""
    if_distance_type: DistanceType = "l2"
    """Distance of frames: l2, the root mean square of Gaussian octaves, or lap1, the mean absolute value of Laplacian
    octaves."""
    if_octaves: Annotated[int | None, arg(metavar="N"), at_least(1)] = None
    """Number of octaves at which frames are compared, from full size up. Default: as many as --octaves."""
    ease: Ease = "smooth"
    """Between keyframes: smooth rests at each keyframe, linear moves at one speed."""
    batch: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Number of frames whose feature maps are in memory at one time."""


@dataclass(frozen=True, kw_only=True)
class ContentSettings:
    """How a transfer keeps the content."""

    group: ClassVar[str] = "content"

    content_layers: Annotated[tuple[str, ...], arg(metavar="LAYER...")] = ("conv4_2",)
    """Layers at which the picture is held to the content, at every octave."""
    content_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.1
    """Weight of the content against the style."""
    content_statistic: ContentForm = "content"
    """Content loss: content, the mean squared difference of features, or content_sum, the sum, which grows with the
    picture."""
    tv_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.0
    """Weight of the total variation."""
    colors: ColorMode = "style"
    """Colors of the result: style; luminance keeps the content's colors and transfers light and dark alone; match
    gives the styles the content's colors first."""
    margin: Annotated[int | None, arg(metavar="PIXELS"), at_least(0, "pixels")] = None
    """Paint so many pixels of the content's mirror image on each side, and cut them off at the end. Few pixels of the
    network look at a picture's rim, which would stay pale. Default: 8, 16 or 32 pixels for one, two, or three and more
    octaves; 0 where the picture wraps."""
