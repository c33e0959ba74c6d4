"""Every setting and its default, once; the command line is made from these classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from subjective.colors import Colors
from subjective.joins import JoinMode
from subjective.pyramid import Padding
from subjective.statistics.blocks import Grid, blocks_of
from subjective.statistics.content import CONTENTS
from subjective.statistics.terms import Term
from subjective.synthesis.compute_config import arg
from subjective.synthesis.frames import DistanceType, steps_of
from subjective.synthesis.morph import Ease
from subjective.synthesis.picture_config import ALL, PictureConfig, check_weights
from subjective.synthesis.stages import Schedule

DEFAULT_STATISTIC = ("gram", "spectrum@rgb=0.1", "grid@rgb=0.001")
"""What is matched by default, settled by `experiments/04_settings.py`."""


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(PictureConfig):
    """Settings of `synthesize`."""

    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("conv1_1", "pool1", "pool2", "conv3_2")
    """Layers to match, by name (conv1_1, pool1, ...; rgb, opponent and band are the picture itself) or by the 2017
    program's number (2 is pool1, 7 conv3_2)."""
    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = DEFAULT_STATISTIC
    """What is matched: gram, gram_sum, covariance, gaussian, sliced, spectrum, shifted, autocorrelation,
    autocorrelation32, grid, or several of them; each at --layers unless it names its own, with weight 1 unless it
    gives one."""
    relative: bool = True
    """Divide each distance by the target's own size, so that weights mean the same for any source, layer and octave."""
    schedule: Schedule = "coarse-to-fine"
    """Make a small picture first and double it octave by octave, or (plain) begin at full size."""
    first_stage: Annotated[int, arg(metavar="PIXELS")] = 128
    """Begin with the coarsest octave that has so many pixels a side, or with half the full size: in a smaller picture
    too few places stand for all that is matched, and what it settles stays. 1 begins with the coarsest of all."""
    max_iter: Annotated[int, arg("-m", metavar="N")] = 60
    """Steps of the optimizer at most, at each stage of the schedule."""
    tol: Annotated[float, arg(metavar="SHARE")] = 0.03
    """End a stage when ten steps (of Adam: fifty) lower the loss by less than this share of it."""
    coarse_iter: Annotated[int | None, arg(metavar="N")] = None
    """Steps at each stage before the last, where an evaluation costs a quarter or less; five for every three of
    --max-iter if not given."""
    starts: Annotated[int, arg(metavar="N")] = 1
    """Times to make the first picture, each from noise of its own, to go on with the one of the lowest loss."""
    join_mode: Annotated[JoinMode | None, arg("-j")] = None
    """How to join several sources (affine_invariant and riemann are other names of geodesic). If not given, average,
    which lays them side by side; and geodesic in frames that turn from one into another."""
    source_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Share of each source."""
    block: Annotated[float, arg(metavar="SHARE")] = 0.5
    """Blocks that gram, gram_sum, covariance and gaussian match one by one, so that a large picture is even: their side
    at least (a 16th of the picture's, if that is more), as a share of the smallest source's; 0 for none, as with
    regions."""
    mul: Annotated[float, arg(metavar="FACTOR")] = 1.0
    """Multiply the target by this, as if the power of every feature were so many times the source's."""
    count: Annotated[int, arg("-c", metavar="N")] = 1
    """Number of pictures, each from noise of its own."""

    @property
    def preconditioned(self) -> bool:
        """As `PictureConfig.preconditioned`: of a texture from noise, or a loop, unless it is said otherwise."""
        # A rim that nothing looks at would go against what lies inside, and stay.
        fit = self.padding_mode == "circular" and self.method != "adam" and not self.bounds
        return super().preconditioned or (self.preconditioner is None and fit)

    def steps(self, size: tuple[int, ...]) -> int:
        """As `PictureConfig.steps`, of the stage whose picture has that size."""
        if tuple(size) == self.size:
            return self.max_iter
        return self.coarse_iter if self.coarse_iter is not None else self.max_iter * 5 // 3

    def blocks(self, sources: Sequence[tuple[int, int]]) -> Grid:
        """As `PictureConfig.blocks`."""
        return blocks_of(self.size, sources, self.block)

    def check(self) -> None:
        """As `PictureConfig.check`."""
        super().check()
        numbers = (("count", self.count, 1), ("starts", self.starts, 1), ("coarse-iter", self.coarse_iter or 0, 0))
        for flag, number, least in (*numbers, ("first-stage", self.first_stage, 1), ("block", self.block, 0)):
            if not least <= number < math.inf:
                raise ValueError(f"--{flag} is {number}; wanted {least} or more")
        if not math.isfinite(self.mul):
            raise ValueError(f"--mul is {self.mul}; wanted a finite number")
        if self.source_weights is not None:
            check_weights("source-weights", self.source_weights, len(self.source_weights), "source")


@dataclass(frozen=True, kw_only=True)
class AnimationConfig(SynthesisConfig):
    """Settings of `animate`."""

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS")] = 256
    """Width of the frames."""
    count: Annotated[int, arg("-c", metavar="N")] = 24
    """Number of frames in the loop."""
    max_iter: Annotated[int, arg("-m", metavar="N")] = 120
    """Steps at most, at each stage: frames that are made together come to their finest detail later than a picture."""
    tol: Annotated[float, arg(metavar="SHARE")] = ALL
    """As in synthesize."""
    seed: Annotated[str, arg("-i", metavar="random|symmetric|phases|FILE")] = "phases"
    """Where frames start, each between two pictures: the sources' spectrum at random phases, faint noise, a smooth
    symmetric pattern under noise, or a picture file."""
    if_weight: Annotated[float, arg(metavar="W")] = 1.0
    """Weight of the distances between frames, against the textures."""
    if_order: Annotated[int, arg(metavar="N")] = 2
    """Compare each frame with the next, the one after it, and so on up to the N-th."""
    if_shift: Annotated[float, arg(metavar="PIXELS")] = 0.25
    """How far apart two frames are to be: as far as a source and itself, moved by so many pixels or parts of one; the
    N-th frame, N times as many. Steps longer than a pixel need not go on in one direction to be so far, and flicker."""
    if_distance_type: DistanceType = "l2"
    """Distance of frames: l2, root mean square of Gaussian octaves, or lap1, mean absolute value of Laplacian ones."""
    if_octaves: Annotated[int | None, arg(metavar="N")] = None
    """Octaves at which frames are compared, from full size up; as many as --octaves has if not given."""
    ease: Ease = "smooth"
    """Between keyframes: smooth rests at each, linear goes on at one speed."""
    batch: Annotated[int, arg(metavar="N")] = 1
    """Frames whose feature maps are in memory together."""

    @property
    def together(self) -> int:
        """As `PictureConfig.together`."""
        return self.count

    @property
    def sharing(self) -> int:
        """As `PictureConfig.sharing`: each device has frames of its own."""
        return 1

    @property
    def at_once(self) -> int:
        """As `PictureConfig.at_once`."""
        return min(self.batch, self.count)

    @property
    def if_steps(self) -> tuple[int, ...]:
        """Steps between frames that are compared."""
        return steps_of(self.count, self.if_order)

    @property
    def moves(self) -> tuple[float, ...]:
        """Pixels by which a source is moved for each of them."""
        return tuple(step * self.if_shift for step in self.if_steps)

    @property
    def distances(self) -> int:
        """Octaves at which frames are compared, at each stage; those that a small picture lacks are left out."""
        return self.if_octaves or len(self.octave_indices)

    def check(self) -> None:
        """As `PictureConfig.check`."""
        super().check()
        if self.count < 2:
            raise ValueError(f"--count is {self.count}; wanted 2 frames or more")
        for flag, number in (("if-order", self.if_order), ("if-octaves", self.if_octaves), ("batch", self.batch)):
            if number is not None and number < 1:
                raise ValueError(f"--{flag} is {number}; wanted 1 or more")
        for flag, size in (("if-weight", self.if_weight), ("if-shift", self.if_shift)):
            if not (math.isfinite(size) and size >= 0):
                raise ValueError(f"--{flag} is {size}; wanted a number of 0 or more")
        if self.count % self.devices:
            raise ValueError(f"--count is {self.count}, which {self.devices} devices cannot share; wanted a multiple")


MARGIN = 8
"""Pixels of the last octave that are mirrored around a content, so that its rim is painted as its middle."""

MARGIN_OCTAVES = 3
"""Octaves that the margin grows with at most: 64 pixels would be 1.7 times a picture of 512x341."""

DEEPEST = 8
"""Rows of a picture to a row of the content's layer, and of all that come along."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig(SynthesisConfig):
    """Settings of `transfer`; layers and statistics are those of the style."""

    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = (
        "gram",
        "gram@band=1",
        "grid@rgb=0.001",
    )
    """What is matched of the style, as in synthesize."""
    first_stage: Annotated[int, arg(metavar="PIXELS")] = 1
    """As in synthesize; 1, as it is the content that says what is where."""
    tol: Annotated[float, arg(metavar="SHARE")] = ALL
    """As in synthesize."""
    block: Annotated[float, arg(metavar="SHARE")] = 0.0
    """As in synthesize; 0 leaves it to the content what of a style shows where."""
    content_layers: Annotated[tuple[str, ...], arg(metavar="LAYER...")] = ("conv4_2",)
    """Layers at which the picture is to be like the content, at every octave."""
    content_weight: Annotated[float, arg(metavar="W")] = 0.1
    """Weight of the content against the style."""
    content_statistic: Literal["content", "content_sum"] = "content"
    """How: content, the mean squared difference of features, or content_sum, the sum, which grows with the picture."""
    tv_weight: Annotated[float, arg(metavar="W")] = 0.0
    """Weight of the total variation."""
    colors: Colors = "style"
    """Whose colors: the style's; luminance, the content's, style being light and dark alone; or match, the content's,
    given to the styles beforehand."""
    seed: Annotated[str, arg("-i", "--init", metavar="content|noise|phases|FILE")] = "content"
    """Starting picture: the content, faint noise, the styles' spectrum at random phases, or a picture file."""
    padding_mode: Annotated[Padding, arg("-p")] = "valid"
    """What lies outside the picture: nothing (valid), its other side (circular), or zeros (same), which turn wide rims
    grey at coarse octaves."""
    margin: Annotated[int | None, arg(metavar="PIXELS")] = None
    """Paint so many pixels more on each side, of the content's mirror image, and cut them off: few of the network's
    pixels look at a picture's rim, which stays pale. If not given, 8, 16 or 32 for one, two or more octaves, none
    where the picture wraps."""

    @property
    def size(self) -> tuple[int, int]:
        """As `PictureConfig.size`, with the margin."""
        height, width = self.output_size
        return height + 2 * self.mirrored, width + 2 * self.mirrored

    @property
    def preconditioned(self) -> bool:
        """As `PictureConfig.preconditioned`: if asked for, since colors far from the style's would wait."""
        return self.preconditioner == "octaves"

    @property
    def mirrored(self) -> int:
        """Pixels of the margin on each side."""
        if self.margin is not None:
            return self.margin
        if self.padding_mode == "circular":
            return 0
        wanted = MARGIN * 2 ** (min(self.octaves or 1, MARGIN_OCTAVES) - 1)
        unit = DEEPEST // 2 * self.devices  # what is shared out among devices stays so
        return -(-wanted // unit) * unit

    @property
    def further_terms(self) -> tuple[Term, ...]:
        """The content."""
        weights = (self.content_weight / max(len(self.content_layers), 1),) * len(self.content_layers)
        return (Term(CONTENTS[self.content_statistic], self.content_layers, weights),)

    def check(self) -> None:
        """As `PictureConfig.check`."""
        if self.margin is not None and self.margin < 0:
            raise ValueError(f"--margin is {self.margin}; wanted 0 or more pixels")
        super().check()
        for flag, weight in (("content-weight", self.content_weight), ("tv-weight", self.tv_weight)):
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"--{flag} is {weight}; wanted a number of 0 or more")
        if self.count != 1:
            raise ValueError(f"--count is {self.count}; a transfer makes one picture")
        if not self.content_layers:
            raise ValueError("--content-layers got no layer; wanted at least one, such as conv4_2")


@dataclass(frozen=True, kw_only=True)
class NoveltyConfig(PictureConfig):
    """Settings of `invent`."""

    count: Annotated[int | None, arg("-c", metavar="N")] = None
    """Number of pictures, made together; 4 if not given, 1 with --internal."""
    internal: bool = False
    """Make the octaves of each picture unlike each other, not the pictures."""
    mul: Annotated[float, arg(metavar="FACTOR")] = 1.0
    """Squared norm that the statistics of each picture are to have."""

    @property
    def together(self) -> int:
        """As `PictureConfig.together`."""
        return self.count if self.count is not None else (1 if self.internal else 4)

    def check(self) -> None:
        """As `PictureConfig.check`."""
        super().check()
        if self.together < (1 if self.internal else 2):
            raise ValueError(
                f"--count is {self.together}; wanted 2 or more pictures to be unlike each other, or --internal for one"
            )
        if self.seed == "phases":
            raise ValueError("--seed phases needs sources, and here are none; wanted random, symmetric or a file")
        if self.internal and self.octaves is not None and len(self.octave_indices) < 2:
            raise ValueError("--internal compares octaves; wanted --octaves of which --octave-step leaves 2 or more")
        if self.internal and self.octave_weights is not None:
            raise ValueError("--octave-weights mean nothing with --internal, whose terms span octaves; leave them out")
        if not (math.isfinite(self.mul) and self.mul > 0):
            raise ValueError(f"--mul is {self.mul}; wanted a number above 0")
