"""The settings of each verb: groups of `subjective.synthesis.settings`, and fields and defaults of the verb's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from subjective.checks import (
    FINITE,
    WEIGHT,
    InputError,
    at_least,
    check_settings,
    check_weights,
    setting,
    tidy_settings,
)
from subjective.choices import Padding, Precision
from subjective.descriptions import describe_settings
from subjective.images import MAX_PIXELS
from subjective.optimize.registry import OPTIMIZERS, optimizers_with, unavailable
from subjective.statistics.block_grid import WHOLE, Grid, choose_blocks
from subjective.statistics.registry import check_statistics, write_terms
from subjective.synthesis.reweigh import check_changes
from subjective.synthesis.settings import (
    NO_TOLERANCE,
    ComputeSettings,
    ContentSettings,
    FrameSettings,
    MatchSettings,
    MixSettings,
    OptimizerSettings,
    OutputSettings,
    ScheduleSettings,
    StageSettings,
    arg,
)

DEFAULT_STATISTIC = ("gram", "spectrum@rgb=0.1", "grid@rgb=0.001", "covariance@contrast=0.3")
"""The statistics that are matched by default (`experiments/04_settings.md`)."""

HOST_PIXELS = 2**21
"""L-BFGS-B is the default on CPUs up to this number of pixels; it needs 750 bytes of memory for each pixel."""


def _backend() -> str:
    """Return the kind of device on which JAX computes, such as ``cpu``."""
    from jax import default_backend  # half a second, which making a config must not take

    return default_backend()


@dataclass(frozen=True, kw_only=True)
class PictureConfig(OutputSettings, MatchSettings, ScheduleSettings, OptimizerSettings, ComputeSettings):
    """Settings that every picture has, and properties computed from them. An invalid setting raises `InputError`."""

    def __post_init__(self) -> None:
        """Give the settings their types, and check all settings."""
        tidy_settings(self, statistic=write_terms(self.statistic))
        self.check()

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the result in pixels."""
        return (self.output_width if self.output_height is None else self.output_height, self.output_width)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels during the optimization: a transfer adds a margin, which is cut off at the end."""
        return self.output_size

    def name_with_size(self, name: str) -> str:
        """Return a picture's name for a message about `size`, followed by "with its margin" if there is a margin."""
        return name if self.size == self.output_size else f"{name} with its margin"

    @property
    def pictures_per_step(self) -> int:
        """Number of pictures that are optimized together."""
        return 1

    @property
    def row_shards(self) -> int:
        """Number of devices that share the rows of one picture."""
        return self.devices

    @property
    def pictures_in_memory(self) -> int:
        """Number of pictures whose feature maps are in memory at one time."""
        return self.pictures_per_step

    @property
    def optimizer_name(self) -> str:
        """The preferred optimizer; L-BFGS if L-BFGS-B is only the default and cannot run with the installed scipy."""
        asked = self.optimizer is not None or self.bounds
        return "lbfgs" if not asked and unavailable("lbfgsb") else self.preferred_optimizer

    @property
    def preferred_optimizer(self) -> str:
        """The optimizer that the settings name.

        Default: L-BFGS-B with bounds, or for at most `HOST_PIXELS` pixels at a time on one CPU; otherwise L-BFGS.
        """
        if self.optimizer is not None:
            return self.optimizer
        if self.bounds:
            return "lbfgsb"
        small = self.devices == 1 and self.pictures_per_step * self.size[0] * self.size[1] <= HOST_PIXELS
        return "lbfgsb" if small and _backend() == "cpu" else "lbfgs"

    @property
    def map_precision(self) -> Precision:
        """The precision that the settings name. Default: TensorFloat-32 on GPUs, float32 on other devices."""
        return self.precision or ("tensorfloat32" if _backend() == "gpu" else "float32")

    @property
    def preconditioned(self) -> bool:
        """Whether L-BFGS begins with the gains of `subjective.synthesis.preconditioner`."""
        return self.preconditioner == "octaves"

    @property
    def preconditioned_early(self) -> bool:
        """Whether L-BFGS begins with the gains at the stages before full size too. By default only if asked."""
        return self.preconditioner == "octaves"

    def steps(self, size: tuple[int, ...]) -> int:
        """Return the largest number of optimizer steps for a picture of a size (height, width)."""
        return self.max_iter

    def blocks(self, sources: Sequence[tuple[int, int]]) -> Grid:
        """Return the grid of blocks that each match the target; ``sources`` holds (height, width) of each source."""
        return WHOLE

    @property
    def octave_indices(self) -> tuple[int, ...]:
        """Indices of the octaves that are matched; 0 is full size.

        Raises:
            InputError: the number of octaves is None; `subjective.synthesis.plan.choose_octaves` chooses a number.
        """
        if self.octaves is None:
            raise InputError(f"{setting('octaves')} is open; choose the number of octaves first")
        return tuple(range(0, self.octaves, self.octave_step))

    def check(self) -> None:
        """Check each setting by itself, then the rules between settings.

        Raises:
            InputError: a setting is invalid. The message names the setting, its value and what was wanted.
        """
        check_settings(self)
        self._check_optimizer()
        if self.size[0] * self.size[1] > MAX_PIXELS:
            picture = self.name_with_size(f"a picture of {self.output_size[1]}x{self.output_size[0]}")
            raise InputError(f"{picture} is larger than {MAX_PIXELS:,} pixels; ask for less")
        check_weights("layer_weights", self.layer_weights, len(self.layers), "layer")
        check_statistics(self.statistic, self.layers)
        if self.octave_weights is not None:
            if self.octaves is None:
                given, missing = setting("octave_weights"), setting("octaves")
                raise InputError(f"{given} were given without {missing}; give the number of octaves as well")
            check_weights("octave_weights", self.octave_weights, len(self.octave_indices), "octave")
        check_changes(self)

    def _check_optimizer(self) -> None:
        asked, bounds = setting("optimizer"), setting("bounds")
        # What the device decides is not looked up here: making a config must not start the devices.
        chosen = self.optimizer or "lbfgsb"
        if self.bounds and not OPTIMIZERS[chosen].keeps_bounds:
            fit = optimizers_with("keeps_bounds")
            raise InputError(f"{bounds} cannot be kept by {asked} {self.optimizer}; use {fit}, or no bounds")
        if self.preconditioner == "octaves" and (self.bounds or not OPTIMIZERS[chosen].takes_preconditioner):
            other = bounds if self.bounds else f"{asked} {self.optimizer}"
            raise InputError(f"{setting('preconditioner')} octaves does not go with {other}; leave one of the two out")
        if self.history_type != "float32" and (self.optimizer is None or not OPTIMIZERS[chosen].has_history_type):
            needed = f"{asked} {optimizers_with('has_history_type')}"
            raise InputError(f"{setting('history_type')} {self.history_type} needs {needed}; give that as well")
        self._check_routine()

    def _check_routine(self) -> None:
        """Refuse L-BFGS-B if the settings ask for it and the installed scipy has an unknown routine."""
        needed = self.optimizer == "lbfgsb" or (self.optimizer is None and self.bounds)
        reason = unavailable("lbfgsb") if needed else None
        if reason is None:
            return
        asked, bounds = setting("optimizer"), setting("bounds")
        refused = f"{bounds} cannot be kept" if self.bounds else f"{asked} lbfgsb cannot run"
        instead = f"adam, leave out {bounds}" if self.bounds else "lbfgs or adam"
        raise InputError(f"{refused}: {reason}; use {asked} {instead}, or install one of those versions")


@describe_settings
@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(MixSettings, StageSettings, PictureConfig):
    """Settings of `synthesize`."""

    group: ClassVar[str] = "output"

    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("conv1_1", "pool1", "pool2", "conv3_2")
    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = DEFAULT_STATISTIC
    max_iter: Annotated[int, arg("-m", metavar="N"), at_least(0)] = 60
    tol: Annotated[float, arg(metavar="SHARE"), WEIGHT] = 0.01
    count: Annotated[int, arg("-c", metavar="N"), at_least(1)] = 1
    """Number of pictures. Each picture starts from its own noise."""

    @property
    def preconditioned(self) -> bool:
        """See `PictureConfig.preconditioned`. By default true if the picture wraps, except with bounds or Adam."""
        # If a picture does not wrap, the layers hardly see its rim. With the gains, a colored rim of some pixels grows.
        takes = OPTIMIZERS[self.optimizer_name].takes_preconditioner
        fits = self.padding_mode == "circular" and takes and not self.bounds
        return super().preconditioned or (self.preconditioner is None and fits)

    def steps(self, size: tuple[int, ...]) -> int:
        """See `PictureConfig.steps`; ``size`` is the size of a stage's picture."""
        if tuple(size) == self.size:
            return self.max_iter
        return self.coarse_iter if self.coarse_iter is not None else self.max_iter * 5 // 3

    def blocks(self, sources: Sequence[tuple[int, int]]) -> Grid:
        """See `PictureConfig.blocks`."""
        return choose_blocks(self.size, sources, self.block)

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        check_weights("source_weights", self.source_weights, len(self.source_weights or ()), "source")
        if self.init in ("content", "noise") and not isinstance(self, TransferConfig):
            raise InputError(f"{setting('init')} {self.init} is for a transfer; wanted random or another start")


@describe_settings
@dataclass(frozen=True, kw_only=True)
class AnimationConfig(FrameSettings, SynthesisConfig):
    """Settings of `animate`."""

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS"), at_least(1)] = 256
    count: Annotated[int, arg("-c", metavar="N"), at_least(2, "frames")] = 24
    """Number of frames in the loop."""
    max_iter: Annotated[int, arg("-m", metavar="N"), at_least(0)] = 120
    tol: Annotated[float, arg(metavar="SHARE"), WEIGHT] = NO_TOLERANCE
    init: Annotated[str, arg("-i", "--seed", metavar="random|symmetric|phases|FILE")] = "phases"
    """Starting picture: the sources' spectrum at random phases (phases), faint noise (random), a smooth symmetric
    pattern under noise (symmetric), or a picture file. Each frame starts as another mixture of two such pictures."""

    @property
    def pictures_per_step(self) -> int:
        """See `PictureConfig.pictures_per_step`."""
        return self.count

    @property
    def row_shards(self) -> int:
        """See `PictureConfig.row_shards`. 1, because each device has whole frames."""
        return 1

    @property
    def pictures_in_memory(self) -> int:
        """See `PictureConfig.pictures_in_memory`."""
        return min(self.batch, self.count)

    @property
    def preconditioned_early(self) -> bool:
        """See `PictureConfig.preconditioned_early`. As at full size: frames start with the sources' own colors."""
        return self.preconditioned

    @property
    def frame_steps(self) -> tuple[int, ...]:
        """Distances, in frames, between the frames that are compared: 1 for the next frame, 2 for the one after it.

        The largest is `FrameSettings.if_order`, but at most half of the loop.
        """
        return tuple(range(1, min(self.if_order, self.count // 2) + 1))

    @property
    def frame_shifts(self) -> tuple[float, ...]:
        """Pixels by which a source is moved to find the distance that is wanted for each of `frame_steps`."""
        return tuple(step * self.if_shift for step in self.frame_steps)

    @property
    def distance_octaves(self) -> int:
        """Largest number of octaves at which frames are compared; a stage with a small picture has fewer."""
        return self.if_octaves or len(self.octave_indices)

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if self.count % self.devices:
            raise InputError(
                f"{setting('count')} is {self.count}; wanted a multiple of {setting('devices')} {self.devices}"
            )


MARGIN = 8
"""Width of a transfer's margin, in pixels of the coarsest octave.

The margin is a mirror image of the content around the content, so that the rim is painted like the middle.
"""

MARGIN_OCTAVES = 3
"""Each further octave doubles the margin, up to this number of octaves and 32 pixels of full size.

With a margin of 64 pixels a picture of 512x341 would have 1.7 times its area.
"""

CONTENT_ROWS = 8
"""Rows of the picture for one row of a map at conv4_2 (the content's layer) or conv4_3 (the deepest in the package)."""


@describe_settings
@dataclass(frozen=True, kw_only=True)
class TransferConfig(ContentSettings, SynthesisConfig):
    """Settings of `transfer`; ``layers`` and ``statistic`` say how the style is measured."""

    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = (
        "gram",
        "gram@band=1",
        "grid@rgb=0.001",
    )
    first_stage: Annotated[int, arg(metavar="PIXELS"), at_least(1)] = 1
    tol: Annotated[float, arg(metavar="SHARE"), WEIGHT] = NO_TOLERANCE
    block: Annotated[float, arg(metavar="SHARE"), at_least(0)] = 0.0
    init: Annotated[str, arg("-i", "--seed", metavar="content|noise|phases|FILE")] = "content"
    """Starting picture: the content, faint noise (noise), the styles' spectrum at random phases (phases), or a picture
    file."""
    padding_mode: Annotated[Padding, arg("-p")] = "valid"
    """What lies outside the picture: nothing (valid), the picture's other side (circular), or zeros (same). With zeros,
    wide rims turn grey at coarse octaves."""

    @property
    def size(self) -> tuple[int, int]:
        """See `PictureConfig.size`."""
        height, width = self.output_size
        return height + 2 * self.margin_pixels, width + 2 * self.margin_pixels

    @property
    def preconditioned(self) -> bool:
        """See `PictureConfig.preconditioned`. False by default: colors far from the style's would change too slowly."""
        return self.preconditioner == "octaves"

    @property
    def margin_pixels(self) -> int:
        """Pixels of the margin on each side."""
        if self.margin is not None:
            return self.margin
        if self.padding_mode == "circular":
            return 0
        wanted = MARGIN * 2 ** (min(self.octaves or 1, MARGIN_OCTAVES) - 1)
        unit = CONTENT_ROWS // 2 * self.devices  # as many devices can share the rows as without a margin
        return -(-wanted // unit) * unit

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        if self.count != 1:
            raise InputError(f"{setting('count')} is {self.count}; a transfer makes one picture")
        if not self.content_layers:
            raise InputError(f"{setting('content_layers')} got no layer; wanted at least one, such as conv4_2")


@describe_settings
@dataclass(frozen=True, kw_only=True)
class NoveltyConfig(PictureConfig):
    """Settings of `invent`."""

    group: ClassVar[str] = "what is matched"

    count: Annotated[int | None, arg("-c", metavar="N"), at_least(1)] = None
    """Number of pictures, which are made together. Default: 4, or 1 with --internal."""
    internal: bool = False
    """Make the octaves of each picture differ from each other, instead of the pictures."""
    mul: Annotated[float, arg(metavar="FACTOR"), FINITE] = 1.0
    """Squared norm that the statistics of each picture should have."""

    @property
    def pictures_per_step(self) -> int:
        """See `PictureConfig.pictures_per_step`."""
        return self.count if self.count is not None else (1 if self.internal else 4)

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        internal = setting("internal")
        if self.pictures_per_step < (1 if self.internal else 2):
            raise InputError(
                f"{setting('count')} is {self.count}; wanted 2 or more pictures to be unlike each other, or {internal}"
            )
        if self.init in ("phases", "content"):
            raise InputError(f"{setting('init')} {self.init} needs sources; wanted random, symmetric or a file")
        if self.internal and self.octaves is not None and len(self.octave_indices) < 2:
            raise InputError(
                f"{internal} compares octaves; give {setting('octaves')} and {setting('octave_step')} that leave 2"
            )
        if self.internal and self.octave_weights is not None:
            raise InputError(
                f"{setting('octave_weights')} have no meaning with {internal}, whose terms span octaves; leave them out"
            )
        if self.mul <= 0:
            raise InputError(f"{setting('mul')} is {self.mul:g}; wanted a number above 0")
