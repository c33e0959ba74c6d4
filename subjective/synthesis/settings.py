"""Groups of settings; `subjective.synthesis.config` combines groups into the settings of each verb.

Each field has a type, a range, a default, and a docstring that is the flag's help. `subjective.checks` checks the
ranges; `subjective.cli` makes the flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import tyro

from subjective.checks import FINITE, SHARE, WEIGHT, OneOf, above, at_least, between, setting
from subjective.choices import (
    ColorMode,
    ContentForm,
    DistanceType,
    Ease,
    HistoryType,
    Padding,
    Pieces,
    Pooling,
    Precision,
    Schedule,
)
from subjective.means import MEANS
from subjective.optimize.registry import OPTIMIZERS

NOISE = 1 / 255
"""Default standard deviation of the noise in every starting picture. The noise is equal in red, green and blue.

The noise is faint: noise as strong as a texture's own contrast stays visible to the end, because the layers that are
matched by default hardly see the highest frequencies. The noise has no color: few textures have as much color at the
highest frequencies as colored noise has, and excess color takes many steps to disappear (`experiments/LOG.md`,
2026-11-21).
"""

NO_TOLERANCE = 1e-9
"""Tolerance so small that a stage ends early only if steps no longer lower the loss."""

Preconditioner = Literal["octaves", "none"]


def arg(*aliases: str, metavar: str | None = None, name: str | None = None) -> Any:
    """Describe a flag: ``aliases``, the name of its value in the help (``metavar``), and its own ``name``."""
    return tyro.conf.arg(aliases=list(aliases), metavar=metavar, name=name)


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """The size of the picture."""

    group: ClassVar[str] = "output"

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS"), at_least(1)] = 512
    """Width of the picture."""
    output_height: Annotated[int | None, arg("-oh", "--height", metavar="PIXELS"), at_least(1)] = None
    """Height of the picture. Default: the width."""

    @property
    def channels(self) -> int:
        """Number of channels that are optimized for each pixel."""
        return 3

    @property
    def passes(self) -> int:
        """Number of pictures of three channels that the network sees of each picture, one after the other."""
        return 1


@dataclass(frozen=True, kw_only=True)
class MatchSettings:
    """Which statistics are measured and matched to the sources."""

    group: ClassVar[str] = "what is matched"

    octaves: Annotated[int | None, arg(metavar="N"), between(1, 16)] = None
    """Number of octaves; 1 means full size only, and each further octave has half the size of the one before. Default:
    as many as all pictures have room for, but at most 5."""
    octave_step: Annotated[int, arg("-os", metavar="N"), at_least(1)] = 1
    """Use every N-th octave only."""
    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("pool1", "conv3_2")
    """Layers to match, by name (conv1_1, pool1, ...) or by the 2017 program's number (2 is pool1, 7 is conv3_2). The
    layers rgb, opponent, band and contrast are the picture itself, its opponent colors, its finest detail, and how
    strong that detail is at each place."""
    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = ("gram",)
    """Statistics to match: {statistics}. A statistic is measured at --layers unless its text names layers after @; its
    weight is 1 unless its text gives a weight after =."""
    layer_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Weight of each of --layers in the loss."""
    octave_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Weight of each octave in the loss, full size first."""
    padding_mode: Annotated[Padding, arg("-p")] = "circular"
    """What lies outside the picture: the picture's other side (circular; the picture then tiles), zeros (same) or
    nothing (valid)."""
    pooling: Pooling = "average"
    """How the network pools."""
    raw_weights: bool = False
    """Use the network's parameters as published. Otherwise they are normalized, so that the mean activation is 1."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """Where a picture starts and when its optimization ends."""

    group: ClassVar[str] = "schedule"

    init: Annotated[str, arg("-i", "--seed", metavar="random|symmetric|phases|FILE")] = "random"
    """Starting picture: faint noise (random), a smooth symmetric pattern under noise (symmetric), the sources'
    spectrum at random phases under noise (phases), or a picture file."""
    seed: Annotated[int, arg(name="rng-seed", metavar="N"), between(0, 2**32 - 1)] = 0
    """Integer from which all noise comes. The same integer, settings and machine give the same picture. On the
    command line, --seed followed by a whole number does the same."""
    noise: Annotated[float, arg(metavar="SIZE"), SHARE] = NOISE
    """Standard deviation of the noise in every start, between 0 and 1."""
    max_iter: Annotated[int, arg("-m", metavar="N"), at_least(0)] = 200
    """Largest number of optimizer steps at each stage."""
    tol: Annotated[float, arg(metavar="SHARE"), WEIGHT] = NO_TOLERANCE
    """End a stage when ten steps (with Adam, fifty) lower the loss by less than this share of the loss."""
    reweigh: Annotated[tuple[str, ...], arg(metavar="[N:]STEP:SETTING=W[,W...]...")] = ()
    """Weights that change in the middle of the run, after a step: 40:source_weights=0.7,0.3 or 60:statistic=1,0.5, with
    one weight for each source or statistic; of picture N, counted from 0, if it is named. The optimizer then begins
    again at the picture so far. A run that was changed on its page records its changes here."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """Which optimizer minimizes the loss."""

    group: ClassVar[str] = "optimizer"

    optimizer: Annotated[str | None, arg(), OneOf(OPTIMIZERS)] = None
    """Optimizer: lbfgsb (scipy's, in float64 on the host), lbfgs or adam (both on the device). Default: lbfgsb for
    at most 2 megapixels on a CPU, or with --bounds; lbfgs on a GPU or TPU, for more pixels or several devices, or if
    lbfgsb cannot run with the installed scipy."""
    history: Annotated[int, arg(metavar="N"), at_least(1)] = 10
    """Number of steps that L-BFGS remembers. Memory for all of them, two copies of the picture for each, is
    taken at the beginning."""
    history_type: HistoryType = "float32"
    """Number type of the history of --optimizer lbfgs; lbfgsb always uses float64."""
    preconditioner: Preconditioner | None = None
    """Inverse Hessian with which L-BFGS begins. With octaves, fine detail changes more than large shapes and colors;
    with none, all change alike, and most pictures take half as many steps again. Default: octaves for textures and
    loops that wrap, for textures at full size only; none with --bounds or --optimizer adam, and for everything
    else."""
    first_step: Annotated[float, arg(metavar="SIZE"), above(0)] = 0.01
    """Size of the first step that is tried (with adam, of every step): the root mean square change of the picture,
    whose values lie between 0 and 1."""
    bounds: bool = False
    """Keep every value between black and white while optimizing. Otherwise values are clipped at the end."""


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """How much memory and which devices the computation uses."""

    group: ClassVar[str] = "computing"

    tile: Annotated[int | None, arg(metavar="ROWS"), at_least(1, "rows")] = None
    """Number of the picture's rows in a tile. The network's layers are computed tile by tile: smaller tiles take less
    memory and more time for the same result. Default: the largest tiles that fit into memory."""
    precision: Precision | None = None
    """How the network's feature maps are stored and multiplied. tensorfloat32 makes GPUs several times as fast as
    float32; on other devices it computes as float32 does. bfloat16 halves the memory of the maps; the last quarter of
    the steps at full size then still uses float32. Default: tensorfloat32 on GPUs, float32 on other devices."""
    devices: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Number of devices that share the picture's rows, or the frames of a loop. Each device needs only a part of the
    memory and time; the result is the same."""


NOT_FUSED = (
    f"{setting('join_mode')} is fuse, which gives all frames the same colors; frames with weights of their own take "
    "geodesic, log_euclidean, average or max"
)
"""Why a morph does not take ``fuse``."""


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """How several sources make one target."""

    group: ClassVar[str] = "what is matched"

    join_mode: Annotated[str | None, arg("-j", metavar="average|fuse|max|log_euclidean|geodesic"), OneOf(MEANS)] = None
    """How to join several sources. average makes a picture with parts of each source. fuse makes one material: the
    sources get the colors between all, and pictures that begin with patches mix small ones of each. geodesic and
    log_euclidean are means of the sources' matrices (affine_invariant and riemann are other names of geodesic).
    Default: average, but geodesic for frames that turn from one source into another."""
    source_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """How much each source counts. Default: all the same."""
    relative: bool = True
    """Divide each distance by the target's own size, so that weights mean the same for every source, layer and
    octave."""
    block: Annotated[float, arg(metavar="SHARE"), at_least(0)] = 1.0
    """Smallest height and width of a block, as a share of the smallest height and width of the sources; 0 turns blocks
    off. Each block matches gram, gram_sum, covariance and gaussian by itself, so that a large picture stays uniform. At
    most 16 blocks a side."""
    mul: Annotated[float, arg(metavar="FACTOR"), FINITE] = 1.0
    """Multiply the power of every feature in the target by this factor."""


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How a picture grows from stage to stage."""

    group: ClassVar[str] = "schedule"

    init: Annotated[str, arg("-i", "--seed", metavar="patches|random|symmetric|phases|FILE")] = "patches"
    """Starting picture: patches of the sources joined to a picture of up to 1024 pixels a side (patches), faint noise
    (random), a smooth symmetric pattern under noise (symmetric), the sources' spectrum at random phases under noise
    (phases), or a picture file. Pictures with --blend-map, and sources joined by max or a mean of matrices, have no
    patches: they start with faint noise instead."""
    pieces: Pieces | None = None
    """How the patches are joined. large keeps pieces of the sources as they are, so that lines run on and detail is
    sharp; half to nine tenths of the picture can then be found in its sources. With small, each place finds its
    patches anew at every size: hardly anything is copied, and long lines break. No effect with other starts. Default:
    large, but small for --join-mode fuse."""
    layout_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.1
    """How strongly the large shapes and colors are held to those of the patches, relative to the statistics. With 0 the
    patches are only a start. No effect with other starts."""
    enough: Annotated[float, arg(metavar="SHARE"), WEIGHT] = 0.5
    """End a stage when the loss is at most this share of the loss that quarters of the source have, compared with the
    whole source. A picture that is driven nearer gets a weave in its even places. 0 never ends a stage so. Counts
    for textures that begin with patches of one source, or with parts of several, for materials, and for edits
    that begin with patches: most of these need no step."""
    schedule: Schedule = "coarse-to-fine"
    """coarse-to-fine makes a small picture first and doubles its size octave by octave; plain begins at full size."""
    first_stage: Annotated[int | None, arg(metavar="PIXELS"), at_least(1)] = None
    """Begin with the coarsest octave that has at least this number of pixels a side, or at full size if none has. 1
    begins with the coarsest octave of all. A small first picture has too few places for all statistics, and later
    stages cannot undo its errors. Default: the size of the patches' picture if the picture begins with patches;
    otherwise 128, or half the full size if that is less."""
    coarse_iter: Annotated[int | None, arg(metavar="N"), at_least(0)] = None
    """Largest number of optimizer steps at each stage before full size. A step there costs a quarter or less of a step
    at full size. Default: 5/3 of --max-iter."""
    starts: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Number of attempts at the first stage, each from its own noise. The attempt with the lowest loss is continued."""


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """How the frames of a loop move."""

    group: ClassVar[str] = "frames"

    if_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 1.0
    """Weight of the distances between frames in the loss. The frames' textures have weight 1."""
    if_order: Annotated[int, arg(metavar="N"), at_least(1)] = 2
    """Compare each frame with the next frame, the one after it, and so on up to the N-th."""
    if_shift: Annotated[float, arg(metavar="PIXELS"), WEIGHT] = 0.25
    """Wanted distance of neighboring frames: the distance of a source from itself after a move by this number of
    pixels. For frames that are N steps apart, the move is N times as long. Above 1 pixel the frames may flicker."""
    if_distance_type: DistanceType = "l2"
    """Distance of frames: l2, the root mean square of Gaussian octaves, or lap1, the mean absolute value of Laplacian
    octaves."""
    if_octaves: Annotated[int | None, arg(metavar="N"), at_least(1)] = None
    """Number of octaves at which frames are compared, full size first. Default: as many as are matched."""
    ease: Ease = "smooth"
    """Speed of the change between keyframes: smooth rests at each keyframe, linear keeps one speed."""
    batch: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Number of frames whose feature maps are in memory at one time."""


@dataclass(frozen=True, kw_only=True)
class ContentSettings:
    """How a transfer keeps the content."""

    group: ClassVar[str] = "content"

    content_layers: Annotated[tuple[str, ...], arg(metavar="LAYER...")] = ("conv4_2",)
    """Layers at which the picture is compared with the content, at every octave."""
    content_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.1
    """Weight of the content in the loss, relative to the style."""
    content_statistic: ContentForm = "content"
    """Content loss: the mean squared difference of features (content), or the sum of the squared differences
    (content_sum), which grows with the picture's size."""
    tv_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.0
    """Weight of the total variation in the loss; a larger weight makes the picture smoother."""
    colors: ColorMode = "style"
    """Colors of the result. style takes the style's colors; luminance keeps the content's colors and transfers only
    light and dark; match first changes the styles to the content's colors."""
    margin: Annotated[int | None, arg(metavar="PIXELS"), at_least(0, "pixels")] = None
    """Width of a margin around the content: a mirror image that is painted too and cut off at the end. Without a margin
    the picture's rim stays pale, because few pixels of the network's maps see the rim. Default: 8 pixels for one
    octave, 16 for two, 32 for more; 0 if the picture wraps."""
