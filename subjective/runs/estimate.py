"""Estimate a run's memory and time from the sizes of its maps, without compiling or measuring anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import jax

from subjective.checks import InputError, setting
from subjective.network.vgg import Params
from subjective.runs.memory import format_size
from subjective.runs.preflight import (
    PICTURE_BYTES,
    TooLargeError,
    choose_to_fit,
    map_bytes,
    optimizer_bytes,
    rows_of_tile,
    source_bytes,
)
from subjective.runs.rates import Rates, key_of
from subjective.statistics.tiling import choose_tiling, window_rows
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.cost import count_work
from subjective.synthesis.plan import Plan, Size, analysis_of, make_plan
from subjective.synthesis.targets import as_source

PROCESS_BYTES = 900_000_000
"""Bytes of a process on the CPU besides feature maps and the optimizer's arrays: libraries, the network, what compiling
leaves, small programs, pictures that are scored and written (measured: 0.8 to 1.0 GB)."""

SOURCE_PROCESS_BYTES = 600_000_000
"""Bytes of a process on the CPU besides what a source takes while sources are measured (measured: 0.6 GB)."""

SOURCE_MAP_BYTES = 1250
"""Bytes of all feature maps for each pixel of a source's tile with its halo (measured: 1,210 to 1,310)."""

SOURCE_PIXEL_BYTES = 55
"""Bytes for each pixel of a source that is measured (measured: 46 to 55)."""

COMPILE_SECONDS = 0.45
"""Seconds of compiling, for each convolution of each stage: of the network at an octave, with its gradient."""

LOAD_SECONDS = 0.17
"""Seconds of finding a compiled program in the cache, of tracing and of a first evaluation, as above."""

TILED_FACTOR = 1.4
"""Time of an evaluation in tiles, as a multiple of the time in one piece (measured: 1.2 to 1.7)."""

Config = TypeVar("Config", bound=PictureConfig)


@dataclass(frozen=True)
class Estimate(Generic[Config]):
    """What a run will take.

    Attributes:
        plan: the settings, with tiles and optimizer chosen, and the stages.
        peak_bytes: the most bytes that the run uses at any time.
        evaluation_seconds: time of one evaluation of the loss and gradient at each stage.
        preparing_seconds: time of preparing: of compiling, or of loading what a run before has compiled.
        key: see `subjective.runs.rates.key_of`.
    """

    plan: Plan[Config]
    peak_bytes: int
    evaluation_seconds: tuple[float, ...]
    preparing_seconds: float
    key: str

    @property
    def config(self) -> Config:
        """The settings, with tiles and optimizer chosen."""
        return self.plan.config

    def correct(
        self, rates: Rates, evaluation_seconds: Sequence[float], preparing_seconds: float, compiler_bytes: float = 0
    ) -> Rates:
        """Return the rates by which this estimate, made with ``rates``, would have been right.

        Args:
            rates: the rates.
            evaluation_seconds: measured time of one evaluation at each stage.
            preparing_seconds: measured time of preparing.
            compiler_bytes: bytes that compiling has left in the process; 0 if this is not known.
        """
        before = rates.loading if self.key in rates.compiled else rates.compiling
        return rates.measured(
            self.key,
            rates.evaluating * evaluation_seconds[-1] / self.evaluation_seconds[-1],
            before * preparing_seconds / self.preparing_seconds,
            compiler_bytes,
        )


def estimate_run(config: Config, params: Params, sizes: Sequence[Size], limit: int, rates: Rates) -> Estimate[Config]:
    """Choose tiles and optimizer so that the run fits into memory, and estimate what the run takes.

    Args:
        config: all settings, with the number of octaves chosen.
        params: parameters of the network.
        sizes: (height, width) of each source.
        limit: number of bytes that may be used.
        rates: how fast this machine is.

    Raises:
        TooLargeError: no tiles and optimizer fit.
        InputError: a source is too large to be measured, or a statistic cannot be measured in the tiles that the config
            asks for.
    """
    try:
        choice = choose_to_fit(config, params, sizes, limit, rates.compiler_bytes)
    except TooLargeError as error:  # the rule by which tiles are chosen asks for more than a small picture needs
        if error.closest is None:
            raise
        needed = _making_bytes(error.closest, params, sizes)
        if needed > limit:
            raise TooLargeError(config.output_size, min(needed, error.needed or needed), limit) from None
        choice = error.closest
    _check_sources(choice, params, sizes, limit)
    plan = make_plan(choice, params, sizes)
    works = [count_work(stage.analysis, stage.size, params) for stage in plan.stages]
    factor = rates.evaluating * (1.0 if rows_of_tile(choice, params, sizes) is None else TILED_FACTOR)
    evaluations = tuple(factor * choice.pictures_per_step * choice.passes * work.seconds for work in works)
    convolutions = choice.passes * sum(work.convolutions for work in works)
    key = key_of(choice, sizes)
    preparing = rates.loading * LOAD_SECONDS if key in rates.compiled else rates.compiling * COMPILE_SECONDS
    return Estimate(plan, estimate_memory(choice, params, sizes), evaluations, preparing * convolutions, key)


def estimate_memory(config: PictureConfig, params: Params, sizes: Sequence[Size]) -> int:
    """Estimate the most bytes that a run uses at any time: in the process on a CPU, on the device elsewhere."""
    measuring = max((measuring_bytes(config, params, size, sizes) for size in sizes), default=0)
    return max(measuring, _making_bytes(config, params, sizes))


def _making_bytes(config: PictureConfig, params: Params, sizes: Sequence[Size]) -> int:
    """Estimate the most bytes that are used after the sources are measured; see `estimate_memory`."""
    rows = rows_of_tile(config, params, sizes)
    if rows is None:
        whole = count_work(analysis_of(config, params, sizes), config.size, params).bytes
        further = config.pictures_per_step - config.pictures_in_memory
        maps = config.pictures_in_memory * int(whole) + further * PICTURE_BYTES * config.size[0] * config.size[1]
    else:
        maps = map_bytes(config, rows)
    process = PROCESS_BYTES if jax.default_backend() == "cpu" else 0
    return process + optimizer_bytes(config) + maps + source_bytes(sizes)


def measuring_bytes(config: PictureConfig, params: Params, size: Size, sizes: Sequence[Size]) -> int:
    """Estimate the most bytes that are used while one source is measured; see `estimate_memory`.

    Args:
        config: all settings.
        params: parameters of the network.
        size: (height, width) of the source.
        sizes: the same of all sources.
    """
    height, width = size
    analysis = as_source(analysis_of(config, params, sizes), width)
    tiling = choose_tiling(analysis, 0, height, params)
    rows = height if tiling is None else min(window_rows(params, height, tiling), height)
    process = SOURCE_PROCESS_BYTES if jax.default_backend() == "cpu" else 0
    return process + width * (rows * SOURCE_MAP_BYTES + height * SOURCE_PIXEL_BYTES)


def _check_sources(config: PictureConfig, params: Params, sizes: Sequence[Size], limit: int) -> None:
    """Refuse a source that is larger than the picture and takes too much memory to be measured.

    Raises:
        InputError: there is such a source.
    """
    for height, width in sizes:
        needed = measuring_bytes(config, params, (height, width), sizes)
        if needed > limit and height * width > config.size[0] * config.size[1]:
            by = f" with {setting('source_width')}" if hasattr(config, "source_width") else ""
            raise InputError(
                f"measuring the source of {width}x{height} takes {format_size(needed)} of memory, and "
                f"{format_size(limit)} may be used; make the source smaller{by}, or use another "
                f"{setting('memory_limit')}"
            )
