"""Will it fit, and how long will it take? Known before the first step, from the compiled program itself.

Memory is planned with a rule of thumb (`planned`), then read off the compiled programs (`compiled`); what will not fit
is refused before anything is evaluated. Then one evaluation is timed (`forecast`).
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

from subjective.network.vgg import Params
from subjective.optimize.minimizer import value_and_gradient
from subjective.optimize.registry import bytes_per_number
from subjective.runs.memory import duration_text, size_text, used_bytes
from subjective.statistics.tiling import tiling_of, window_rows
from subjective.synthesis.compute_config import ComputeConfig
from subjective.synthesis.picture_config import PictureConfig
from subjective.synthesis.plan import analysis_of
from subjective.synthesis.problem import Job

MAP_BYTES = 2500
"""For a pixel of a tile's window, all feature maps and their derivatives (measured: 2,300 to 2,450)."""

PICTURE_BYTES = 32
"""For a pixel of the picture, besides the optimizer's: pyramid and derivatives (measured: 29 to 36)."""

COMPILER_BYTES = 1_000_000_000
"""What compiling leaves behind in the process (measured: 0.6 to 1.0 GB)."""

REST_BYTES = 300_000_000
"""Of the process, for all that is done besides: noise, pictures written, small programs (measured: 0.2 to 0.45 GB)."""

TILES = (None, 1024, 512, 256, 128, 64, 32)
"""Rows of a tile that are tried, the fastest first."""

EVALUATIONS_PER_STEP = 1.06
"""Of L-BFGS, on the average of many runs."""

Config = TypeVar("Config", bound=PictureConfig)
Size = tuple[int, int]


@dataclass(frozen=True)
class Compiled:
    """All programs of a job, ready to run.

    Attributes:
        peak_bytes: of memory: the process' where it is computed on the host, the device's elsewhere.
        seconds: that compiling took.
        evaluate: makes one loss and gradient at full size.
    """

    peak_bytes: int
    seconds: float
    evaluate: Callable[[], None]

    def __str__(self) -> str:
        """In a line."""
        return f"{size_text(self.peak_bytes)} of memory at most, compiled in {self.seconds:.0f} s"


@dataclass(frozen=True)
class Forecast:
    """How long a job will take.

    Attributes:
        evaluation_seconds: of one loss and gradient at full size.
        total_seconds: of all steps, if none is spared, once compiled.
    """

    evaluation_seconds: float
    total_seconds: float

    def __str__(self) -> str:
        """In a line."""
        return (
            f"{self.evaluation_seconds:.2g} s a step at full size, {duration_text(self.total_seconds)} in all at most"
        )


def fitted(
    config: Config,
    params: Params,
    sizes: Sequence[Size],
    prepare: Callable[[Config], Job],
    limit: int,
    say: Callable[[str], None],
) -> tuple[Config, Job]:
    """The config with tiles, and an optimizer, that do fit: planned, compiled, and planned again where that was off.

    With it the work that was made ready for it.

    Args:
        config: settings, the number of octaves chosen.
        params: the network.
        sizes: (height, width) of each source.
        prepare: makes the work ready that a config asks for.
        limit: bytes.
        say: told what is done and what it takes.

    Raises:
        ValueError: nothing fits.
    """
    allowed, peak = limit, None
    while True:
        try:
            choice = planned(config, params, sizes, allowed)
        except ValueError:
            if peak is None:
                raise
            raise too_large(config.output_size, peak, limit) from None
        say(f"compiling for {_how(choice)} ...")
        try:
            job = prepare(choice)
            programs = compiled(job)
            say(str(programs))
            if programs.peak_bytes <= limit:
                say(str(forecast(job, programs)))
                return choice, job
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise too_large(config.output_size, None, limit) from None
        peak = programs.peak_bytes
        # The rule of thumb was too low by so much; what has failed is not tried again.
        allowed = min(int(allowed * limit / peak), _estimate(choice, params, sizes) - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error says, on whatever device."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _how(config: PictureConfig) -> str:
    """Size and means of a run in a few words."""
    memory = f" with a {config.history_type} history of {config.history}" if config.method == "lbfgs" else ""
    whole, (height, width) = config.tile is None or config.tile >= config.size[0], config.output_size
    tiles = "" if whole else f", tiles of {config.tile} rows"
    number = f"{config.together} pictures of " if config.together > 1 else ""
    return f"{number}{width}x{height} pixels by {config.method}{memory}{tiles}"


def planned(config: Config, params: Params, sources: Sequence[Size], limit: int) -> Config:
    """The config with tiles, and an optimizer, that will fit into a limit by the rule of thumb.

    What the config asks for is kept: tiles are planned if it names none, optimizer and history if it names no
    optimizer. Tiles go down to 128 rows before the optimizer remembers less.

    Args:
        config: settings, the number of octaves chosen.
        params: the network.
        sources: (height, width) of each.
        limit: bytes.

    Raises:
        ValueError: nothing fits.
    """
    least = None
    for choice in _choices(config):
        try:
            needed = _estimate(choice, params, sources)
        except ValueError:  # tiles that a statistic cannot have
            if choice.tile == config.tile:
                raise
            continue
        if needed <= limit:
            # By name, so that the run is made again, or gone on with, in the same way whatever is free then.
            tile = choice.size[0] if choice.tile is None else choice.tile
            return dataclasses.replace(choice, tile=tile, optimizer=choice.method)
        least = needed if least is None else min(least, needed)
    raise too_large(config.output_size, least or 0, limit)


def too_large(size: Size, needed: int | None, limit: int) -> ValueError:
    """The refusal of a picture that will not fit; ``needed`` is None where that is not known."""
    more = "more" if needed is None else size_text(needed)
    return ValueError(
        f"a picture of {size[1]}x{size[0]} needs {more} of memory, and {size_text(limit)} may be used; "
        "make it smaller, or use another --optimizer, --history, --tile or --memory-limit"
    )


def _choices(config: Config) -> Iterator[Config]:
    tiles = TILES if config.tile is None else (config.tile,)
    optimizers: list[dict[str, Any]] = [{}]
    last: list[dict[str, Any]] = []
    if config.optimizer is None and not config.bounds:
        optimizers += [{"optimizer": "lbfgs"}, {"optimizer": "lbfgs", "history_type": "bfloat16"}]
        if config.history == ComputeConfig.history:
            optimizers += [{"optimizer": "lbfgs", "history_type": "bfloat16", "history": 4}]
        if config.preconditioned and config.preconditioner is None:
            last.append(optimizers[-1] | {"preconditioner": "none"})
        if config.preconditioner != "octaves":
            last.append({"optimizer": "adam"})  # which needs ten times the steps
    large, small = ([tile for tile in tiles if (tile is None or tile >= 128) is fit] for fit in (True, False))
    for some in (large, small):
        for optimizer in optimizers:
            for tile in some:
                yield dataclasses.replace(config, tile=tile, **optimizer)
    for optimizer in last:
        for tile in small or large:
            yield dataclasses.replace(config, tile=tile, **optimizer)


def _estimate(config: PictureConfig, params: Params, sources: Sequence[Size]) -> int:
    height, width = config.size
    rows = height
    tiling = tiling_of(analysis_of(config, params, sources), config.octave_indices[0], height, params)
    if tiling is not None:
        rows = min(window_rows(params, height, tiling), height)
    maps = MAP_BYTES if config.precision == "float32" or tiling is None else MAP_BYTES // 2
    work = width * (config.together * height * PICTURE_BYTES + config.at_once * rows * maps)
    return process_bytes() + _held_bytes(config) + work


def _held_bytes(config: PictureConfig) -> int:
    """What the optimizer holds, the pictures and their gradient included."""
    per_number = bytes_per_number(config.method, config.history, config.history_type, config.preconditioned)
    return config.together * 3 * config.size[0] * config.size[1] * per_number


def process_bytes() -> int:
    """What the process takes without any picture; none of it is the device's, where that has memory of its own."""
    return used_bytes() + COMPILER_BYTES + REST_BYTES if jax.default_backend() == "cpu" else 0


def compiled(job: Job) -> Compiled:
    """Compile all stages; nothing is compiled again when the job is done.

    Args:
        job: the work.
    """
    config = job.config
    began, temporary = time.perf_counter(), 0
    for stage in job.stages:
        loss, arguments = job.problem(stage)
        function, picture = value_and_gradient(loss), jax.ShapeDtypeStruct(job.shape(stage), jnp.float32)
        memory = function.lower(picture, arguments).compile().memory_analysis()
        if memory is None:  # some compilers do not say
            continue
        # On the host the arguments are there already, and counted with the process.
        given = 0 if jax.default_backend() == "cpu" else memory.argument_size_in_bytes
        temporary = max(temporary, int(memory.temp_size_in_bytes + given))
    seconds = time.perf_counter() - began
    peak = _held_bytes(config) + temporary
    if jax.default_backend() == "cpu":
        peak += used_bytes() + REST_BYTES

    def evaluate() -> None:
        jax.block_until_ready(function(jnp.full(picture.shape, 0.5, picture.dtype), arguments))

    return Compiled(peak, seconds, evaluate)


def forecast(job: Job, programs: Compiled) -> Forecast:
    """Evaluate the last stage, the largest, once, and say how long the whole job takes.

    Args:
        job: the work.
        programs: its own.
    """
    began = time.perf_counter()
    programs.evaluate()
    seconds = time.perf_counter() - began
    work = sum(
        each.steps * (job.starts if each is job.stages[0] else 1) * math.prod(job.shape(each)) for each in job.stages
    )
    share = work / math.prod(job.shape(job.stages[-1]))
    return Forecast(seconds, job.times * share * EVALUATIONS_PER_STEP * seconds)
