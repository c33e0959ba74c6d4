"""Estimate a run's memory and time from the sizes of its maps, without compiling or measuring anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import jax

from subjective.network.vgg import Params
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
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.cost import count_work
from subjective.synthesis.plan import Plan, Size, analysis_of, make_plan

PROCESS_BYTES = 900_000_000
"""Bytes of a process on the CPU besides feature maps and the optimizer's arrays: libraries, the network, what compiling
leaves, small programs, pictures that are scored and written (measured: 0.8 to 1.0 GB)."""

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
        InputError: a statistic cannot be measured in the tiles that the config asks for.
    """
    try:
        choice = choose_to_fit(config, params, sizes, limit, rates.compiler_bytes)
    except TooLargeError as error:  # the rule by which tiles are chosen asks for more than a small picture needs
        if error.closest is None:
            raise
        needed = estimate_memory(error.closest, params, sizes)
        if needed > limit:
            raise TooLargeError(config.output_size, min(needed, error.needed or needed), limit) from None
        choice = error.closest
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
    rows = rows_of_tile(config, params, sizes)
    if rows is None:
        whole = count_work(analysis_of(config, params, sizes), config.size, params).bytes
        further = config.pictures_per_step - config.pictures_in_memory
        maps = config.pictures_in_memory * int(whole) + further * PICTURE_BYTES * config.size[0] * config.size[1]
    else:
        maps = map_bytes(config, rows)
    process = PROCESS_BYTES if jax.default_backend() == "cpu" else 0
    return process + optimizer_bytes(config) + maps + source_bytes(sizes)
