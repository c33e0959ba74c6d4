"""Will a run fit into memory, and how long will it take? Known before the first step, from the compiled program itself.

`choose_to_fit` plans memory by a rule of thumb; `compile_job` then reads the memory off the compiled programs. A run
that does not fit is refused before anything is evaluated. Then one evaluation is timed (`forecast`).
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from subjective.checks import InputError, setting
from subjective.network.vgg import Params
from subjective.optimize.protocol import value_and_gradient
from subjective.runs.memory import duration_text, is_out_of_memory, size_text, used_bytes
from subjective.statistics.tiling import tiling_of, window_rows
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.plan import analysis_of, choose_optimizer
from subjective.synthesis.problem import Job

MAP_BYTES = 2500
"""All feature maps and their derivatives, in bytes for a pixel of a tile's window (measured: 2,300 to 2,450)."""

PICTURE_BYTES = 32
"""Pyramid and derivatives, in bytes for a pixel of the picture; the optimizer's arrays not counted (measured: 29 to
36)."""

COMPILER_BYTES = 1_000_000_000
"""What compiling leaves behind in the process (measured: 0.6 to 1.0 GB)."""

REST_BYTES = 300_000_000
"""Everything else in the process: noise, pictures that are written, small programs (measured: 0.2 to 0.45 GB)."""

TILES = (None, 1024, 512, 256, 128, 64, 32)
"""Rows of a tile that are tried, the fastest first."""

SMALL_TILES = 128
"""Tiles of fewer rows are slow; the optimizer remembers less before they are tried."""

LIGHTER_OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"optimizer": "lbfgs"},
    {"optimizer": "lbfgs", "history_type": "bfloat16"},
    {"optimizer": "lbfgs", "history_type": "bfloat16", "history": 4},
)
"""Optimizers that take less and less memory, where the config leaves the optimizer open."""

LIGHTEST_OPTIMIZER: dict[str, Any] = {"optimizer": "adam"}
"""The last resort: Adam needs ten times the steps."""

EVALUATIONS_PER_STEP = 1.06
"""Evaluations of L-BFGS for a step, on the average of many runs."""

Config = TypeVar("Config", bound=PictureConfig)
Size = tuple[int, int]


@dataclass(frozen=True)
class Compiled:
    """All programs of a job, ready to run.

    Attributes:
        peak_bytes: most memory: of the process where the host computes, of the device elsewhere.
        seconds: what compiling took.
        evaluate: makes one loss and gradient at full size.
    """

    peak_bytes: int
    seconds: float
    evaluate: Callable[[], None]

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{size_text(self.peak_bytes)} of memory at most, compiled in {self.seconds:.0f} s"


@dataclass(frozen=True)
class Forecast:
    """How long a job will take.

    Attributes:
        evaluation_seconds: of one loss and gradient at full size.
        total_seconds: of all steps, compiling not counted, if no stage ends early.
    """

    evaluation_seconds: float
    total_seconds: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.evaluation_seconds:.2g} s a step at full size, {duration_text(self.total_seconds)} in all at most"
        )


def fit_to_memory(
    config: Config,
    params: Params,
    sizes: Sequence[Size],
    prepare: Callable[[Config], Job],
    limit: int,
    note: Callable[[str], None],
) -> tuple[Config, Job]:
    """Choose tiles and optimizer so that the run fits into memory, and prepare the job.

    What the compiled programs take corrects the rule of thumb; then tiles and optimizer are chosen again.

    Args:
        config: settings, the number of octaves chosen.
        params: the network.
        sizes: (height, width) of each source.
        prepare: makes the job of a config.
        limit: bytes.
        note: told what is done and what the run takes.

    Returns:
        The config with tiles and optimizer chosen, and its job.

    Raises:
        InputError: nothing fits.
    """
    allowed, peak = limit, None
    while True:
        try:
            choice = choose_to_fit(config, params, sizes, allowed)
        except TooLargeError:
            if peak is None:
                raise
            raise TooLargeError(config.output_size, peak, limit) from None
        note(f"compiling for {_describe(choice)} ...")
        try:
            job = prepare(choice)
            programs = compile_job(job)
            note(str(programs))
            if programs.peak_bytes <= limit:
                note(str(forecast(job, programs)))
                return choice, job
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise TooLargeError(config.output_size, None, limit) from None
        peak = programs.peak_bytes
        # The rule of thumb was too low by so much; what has failed is not tried again.
        allowed = min(int(allowed * limit / peak), _estimate(choice, params, sizes) - 1)


class TooLargeError(InputError):
    """A picture needs more memory than may be used."""

    def __init__(self, size: Size, needed: int | None, limit: int):
        """Say so; ``needed`` is None where the number of bytes is not known."""
        more = "more" if needed is None else size_text(needed)
        others = [setting(name) for name in ("optimizer", "history", "tile")]
        super().__init__(
            f"a picture of {size[1]}x{size[0]} needs {more} of memory, and {size_text(limit)} may be used; "
            f"make it smaller, or use another {', '.join(others)} or {setting('memory_limit')}"
        )


def _describe(config: PictureConfig) -> str:
    """Say the size of a run, its optimizer and its tiles."""
    whole, (height, width) = config.tile is None or config.tile >= config.size[0], config.output_size
    tiles = "" if whole else f", tiles of {config.tile} rows"
    number = f"{config.pictures_per_step} pictures of " if config.pictures_per_step > 1 else ""
    return f"{number}{width}x{height} pixels by {choose_optimizer(config)}{tiles}"


def choose_to_fit(config: Config, params: Params, sources: Sequence[Size], limit: int) -> Config:
    """Choose tiles and optimizer that fit into a limit by the rule of thumb.

    What the config asks for is kept: tiles are chosen if it names none, optimizer and history if it names no
    optimizer. Tiles go down to 128 rows before the optimizer remembers less.

    Args:
        config: settings, the number of octaves chosen.
        params: the network.
        sources: (height, width) of each source.
        limit: bytes.

    Raises:
        TooLargeError: nothing fits.
        InputError: a statistic that does not add up over the tiles that are asked for.
    """
    least = None
    for choice in _choices(config):
        try:
            needed = _estimate(choice, params, sources)
        except InputError:  # tiles that a statistic cannot have
            if choice.tile == config.tile:
                raise
            continue
        if needed <= limit:
            # By name, so that the run is repeated, or resumed, in the same way whatever memory is free then.
            tile = choice.size[0] if choice.tile is None else choice.tile
            return dataclasses.replace(choice, tile=tile, optimizer=choice.optimizer_name)
        least = needed if least is None else min(least, needed)
    raise TooLargeError(config.output_size, least or 0, limit)


def _choices(config: Config) -> Iterator[Config]:
    """The config with other tiles and optimizers, the fastest first."""
    tiles = TILES if config.tile is None else (config.tile,)
    large = [tile for tile in tiles if tile is None or tile >= SMALL_TILES]
    small = [tile for tile in tiles if tile is not None and tile < SMALL_TILES]
    optimizers, last = _optimizer_choices(config)
    for some, group in ((large, optimizers), (small, optimizers), (small or large, last)):
        for changes in group:
            for tile in some:
                yield dataclasses.replace(config, tile=tile, **changes)


def _optimizer_choices(config: PictureConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Changes of the optimizer's settings that take less memory; and the last resorts, which need more steps."""
    if config.optimizer is not None or config.bounds:
        return [{}], []
    lighter = [
        changes for changes in LIGHTER_OPTIMIZERS if "history" not in changes or config.history == type(config).history
    ]
    last = []
    if config.preconditioned and config.preconditioner is None:
        last.append(lighter[-1] | {"preconditioner": "none"})
    if config.preconditioner != "octaves":
        last.append(LIGHTEST_OPTIMIZER)
    return [{}, *lighter], last


def _estimate(config: PictureConfig, params: Params, sources: Sequence[Size]) -> int:
    """Bytes that a run takes, by the rule of thumb."""
    height, width = config.size
    rows = height
    tiling = tiling_of(analysis_of(config, params, sources), config.octave_indices[0], height, params)
    if tiling is not None:
        rows = min(window_rows(params, height, tiling), height)
    maps = MAP_BYTES if config.precision == "float32" or tiling is None else MAP_BYTES // 2
    work = width * (config.pictures_per_step * height * PICTURE_BYTES + config.pictures_in_memory * rows * maps)
    return process_bytes() + _optimizer_bytes(config) + work


def _optimizer_bytes(config: PictureConfig) -> int:
    """What the optimizer holds, the pictures and their gradient included."""
    return config.pictures_per_step * 3 * config.size[0] * config.size[1] * choose_optimizer(config).bytes_per_number


def process_bytes() -> int:
    """What the process takes without any picture; 0 where the device has memory of its own."""
    return used_bytes() + COMPILER_BYTES + REST_BYTES if jax.default_backend() == "cpu" else 0


def compile_job(job: Job) -> Compiled:
    """Compile all stages of a job; nothing is compiled again when the job is run."""
    config = job.config
    began, temporary = time.perf_counter(), 0
    for stage in job.stages:
        loss, arguments = job.problem(stage)
        function, value = value_and_gradient(loss), jax.ShapeDtypeStruct(job.shape(stage), jnp.float32)
        memory = function.lower(value, arguments).compile().memory_analysis()
        if memory is None:  # some compilers do not say
            continue
        # On the host the arguments are there already, and counted with the process.
        given = 0 if jax.default_backend() == "cpu" else memory.argument_size_in_bytes
        temporary = max(temporary, int(memory.temp_size_in_bytes + given))
    seconds = time.perf_counter() - began
    peak = _optimizer_bytes(config) + temporary
    if jax.default_backend() == "cpu":
        peak += used_bytes() + REST_BYTES

    def evaluate() -> None:
        jax.block_until_ready(function(jnp.full(value.shape, 0.5, value.dtype), arguments))

    return Compiled(peak, seconds, evaluate)


def forecast(job: Job, programs: Compiled) -> Forecast:
    """Evaluate the last stage, the largest, once, and say how long the whole job takes.

    Args:
        job: what is made.
        programs: from `compile_job`.
    """
    began = time.perf_counter()
    programs.evaluate()
    seconds = time.perf_counter() - began
    work = sum(
        each.steps * (job.starts if each is job.stages[0] else 1) * math.prod(job.shape(each)) for each in job.stages
    )
    share = work / math.prod(job.shape(job.stages[-1]))
    return Forecast(seconds, job.pictures * share * EVALUATIONS_PER_STEP * seconds)
