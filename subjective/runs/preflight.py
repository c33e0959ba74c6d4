"""Forecast before the first step how much memory a run needs, and whether it fits.

`choose_to_fit` estimates memory by a rule of thumb. `compile_job` compiles the programs of a run and asks the compiler
how much memory they use. A run that does not fit is refused before its loss is evaluated.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp

from subjective.checks import InputError, setting
from subjective.network.vgg import Params
from subjective.optimize.protocol import value_and_gradient
from subjective.runs.memory import format_size, give_back, is_out_of_memory, used_bytes
from subjective.runs.rates import COMPILER_BYTES
from subjective.statistics.tiling import choose_tiling, window_rows
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.plan import Size, analysis_of, choose_optimizer
from subjective.synthesis.problem import Job

MAP_BYTES = 2500
"""Bytes of all feature maps and their derivatives for each pixel of a tile with its halo (measured: 2,300 to 2,450)."""

PICTURE_BYTES = 95
"""Bytes of the pyramid, the contrast and their derivatives for each pixel of the picture (measured: 90 to 96).

The optimizer's arrays are not included.
"""

SOURCE_BYTES = 30
"""Bytes of a source for each of its pixels, beyond those that are there when the tiles are chosen (measured: 30 for
3000 x 3000 pixels)."""

REST_BYTES = 300_000_000
"""Bytes of everything else in the process: noise, pictures that are written, small programs (measured: 0.2 to 0.45
GB)."""

TILES = (None, 1024, 512, 256, 128, 64, 32)
"""Numbers of rows of a tile to try, the fastest first. None means one piece: the picture is not divided into tiles."""

SMALL_TILES = 128
"""Tiles of fewer rows than this are slow; the program first tries optimizers that need less memory."""

LIGHTER_OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"optimizer": "lbfgs"},
    {"optimizer": "lbfgs", "history_type": "bfloat16"},
    {"optimizer": "lbfgs", "history_type": "bfloat16", "history": 4},
)
"""Settings of optimizers to try if the config names no optimizer. Each one needs less memory than the one before."""

LIGHTEST_OPTIMIZER: dict[str, Any] = {"optimizer": "adam"}
"""Settings of the last optimizer to try: Adam, which needs ten times as many steps as L-BFGS."""

RULE_ERROR = 2.0
"""The rule of thumb may ask for more memory than a small picture needs, by up to this factor."""

SHORT_EVALUATION = 1.0
"""An evaluation that takes less than this number of seconds is measured twice, because the first one is slower."""

Config = TypeVar("Config", bound=PictureConfig)


@dataclass(frozen=True)
class CompiledJob:
    """The compiled programs of a job.

    Attributes:
        peak_bytes: the most bytes that the job uses at any time, in the process if the host computes, otherwise on the
            device.
        seconds: time that compiling took.
        evaluations: for each stage, a function that evaluates the stage's loss and gradient once; the same function for
            stages with the same program.
        compiler_bytes: bytes that compiling has left in the process.
    """

    peak_bytes: int
    seconds: float
    evaluations: tuple[Callable[[], None], ...]
    compiler_bytes: int

    def time_evaluations(self) -> tuple[float, ...]:
        """Return the seconds of one evaluation at each stage."""
        seconds = {evaluate: _time_evaluation(evaluate) for evaluate in dict.fromkeys(self.evaluations)}
        return tuple(seconds[evaluate] for evaluate in self.evaluations)

    def __str__(self) -> str:
        """Describe the memory and the compile time in one line."""
        return f"{format_size(self.peak_bytes)} of memory at most, compiled in {self.seconds:.0f} s"


def _time_evaluation(evaluate: Callable[[], None]) -> float:
    """Return the seconds of an evaluation. A short evaluation is repeated, because the first one is slower."""
    seconds = math.inf
    for _ in range(2):
        began = time.perf_counter()
        evaluate()
        seconds = min(seconds, time.perf_counter() - began)
        if seconds > SHORT_EVALUATION:
            break
    return seconds


@dataclass(frozen=True)
class FittedJob(Generic[Config]):
    """A job that fits into memory.

    Attributes:
        config: the settings, with tiles and optimizer chosen.
        job: the job.
        evaluation_seconds: time of one evaluation of the loss and gradient at each stage.
        compiler_bytes: bytes that compiling has left in the process.
    """

    config: Config
    job: Job
    evaluation_seconds: tuple[float, ...]
    compiler_bytes: int


def fit_to_memory(
    config: Config,
    params: Params,
    sizes: Sequence[Size],
    prepare: Callable[[Config], Job],
    limit: int,
    note: Callable[[str], None],
    compiler_bytes: float = COMPILER_BYTES,
) -> FittedJob[Config]:
    """Choose tiles and optimizer so that the run fits into memory, prepare the job, and compile its programs.

    If the compiled programs need more than ``limit``, tiles and optimizer are chosen again, with a lower limit for the
    rule of thumb.

    Args:
        config: all settings, with the number of octaves chosen.
        params: parameters of the network.
        sizes: (height, width) of each source.
        prepare: makes the job of a config.
        limit: number of bytes that may be used.
        note: called with lines of text that say what is compiled, and how much memory the run needs.
        compiler_bytes: bytes that compiling is expected to leave in the process.

    Returns:
        The config with tiles and optimizer chosen, its job, and the time of an evaluation at each stage.

    Raises:
        TooLargeError: no tiles and optimizer fit.
        InputError: a statistic cannot be measured in the tiles that the config asks for.
    """
    allowed, peak, process = limit, None, process_bytes(compiler_bytes)
    while True:
        try:
            choice = choose_to_fit(config, params, sizes, allowed, process=process)
        except TooLargeError as error:
            if peak is not None:
                raise TooLargeError(config.output_size, peak, limit) from None
            if error.closest is None or (error.needed or 0) > limit * RULE_ERROR:
                raise
            choice = error.closest  # the rule of thumb may be wrong: the compiler decides
        note(f"compiling for {_describe(choice)} ...")
        try:
            job = prepare(choice)
            programs = compile_job(job)
            note(str(programs))
            if programs.peak_bytes <= limit:
                return FittedJob(choice, job, programs.time_evaluations(), programs.compiler_bytes)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise TooLargeError(config.output_size, None, limit) from None
        peak = programs.peak_bytes
        # The programs were too large by the factor peak / limit, so the allowed bytes are divided by this factor.
        # They must also be fewer than the estimate for the choice that failed.
        allowed = min(int(allowed * limit / peak), _estimate(choice, params, sizes, process) - 1)
        del job, programs  # what they hold must not count against the next choice


class TooLargeError(InputError):
    """A picture needs more memory than may be used."""

    def __init__(self, size: Size, needed: int | None, limit: int, closest: Any = None):
        """Make the message, which says how much memory the picture needs and how much may be used.

        Args:
            size: (height, width) of the picture.
            needed: number of bytes that the picture needs; None if this is not known.
            limit: number of bytes that may be used.
            closest: the config that needs the least memory, if it is not compiled yet.
        """
        self.needed, self.closest = needed, closest
        more = "more" if needed is None else format_size(needed)
        others = [setting(name) for name in ("optimizer", "history", "tile")]
        super().__init__(
            f"a picture of {size[1]}x{size[0]} needs {more} of memory, and {format_size(limit)} may be used; "
            f"make it smaller, or use another {', '.join(others)} or {setting('memory_limit')}"
        )


def _describe(config: PictureConfig) -> str:
    """Describe the number and size of the pictures, the optimizer and the tiles."""
    whole, (height, width) = config.tile is None or config.tile >= config.size[0], config.output_size
    tiles = "" if whole else f", tiles of {config.tile} rows"
    number = f"{config.pictures_per_step} pictures of " if config.pictures_per_step > 1 else ""
    return f"{number}{width}x{height} pixels by {choose_optimizer(config)}{tiles}"


def choose_to_fit(
    config: Config,
    params: Params,
    sources: Sequence[Size],
    limit: int,
    compiler_bytes: float = COMPILER_BYTES,
    process: int | None = None,
) -> Config:
    """Choose tiles and optimizer with which, by the rule of thumb, the run fits into a limit.

    The function changes no setting that the config names. It chooses tiles if the config names no tile, and optimizer
    and history if the config names no optimizer. It tries tiles down to `SMALL_TILES` rows before it tries an
    optimizer that needs less memory.

    Args:
        config: all settings, with the number of octaves chosen.
        params: parameters of the network.
        sources: (height, width) of each source.
        limit: number of bytes that may be used.
        compiler_bytes: bytes that compiling is expected to leave in the process.
        process: from `process_bytes`; None for what it returns now.

    Returns:
        The config with tiles and optimizer chosen.

    Raises:
        TooLargeError: no tiles and optimizer fit.
        InputError: a statistic cannot be measured in the tiles that the config asks for.
    """
    process = process_bytes(compiler_bytes) if process is None else process
    least, closest = None, None
    for choice in _choices(config):
        try:
            needed = _estimate(choice, params, sources, process)
        except InputError:  # a statistic cannot be measured in tiles of this size
            if choice.tile == config.tile:
                raise
            continue
        # The returned config names the choice. A repeated or resumed run then keeps it, whatever memory is free and
        # whatever device computes.
        tile = choice.size[0] if choice.tile is None else choice.tile
        named: dict[str, Any] = {"optimizer": choice.optimizer_name, "precision": choice.map_precision}
        choice = dataclasses.replace(choice, tile=tile, **named)
        if needed <= limit:
            return choice
        if least is None or needed < least:
            least, closest = needed, choice
    raise TooLargeError(config.output_size, least or 0, limit, closest)


def _choices(config: Config) -> Iterator[Config]:
    """Yield copies of the config with each choice of tiles and optimizer to try, the fastest first."""
    tiles = TILES if config.tile is None else (config.tile,)
    large = [tile for tile in tiles if tile is None or tile >= SMALL_TILES]
    small = [tile for tile in tiles if tile is not None and tile < SMALL_TILES]
    optimizers, last = _optimizer_choices(config)
    for some, group in ((large, optimizers), (small, optimizers), (small or large, last)):
        for changes in group:
            for tile in some:
                yield dataclasses.replace(config, tile=tile, **changes)


def _optimizer_choices(config: PictureConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return two lists of changes to the optimizer's settings: those to try first, and those that need more steps."""
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


def _estimate(config: PictureConfig, params: Params, sources: Sequence[Size], process: int) -> int:
    """Estimate how many bytes a run needs, by the rule of thumb; the process needs ``process`` besides."""
    rows = rows_of_tile(config, params, sources)
    return process + optimizer_bytes(config) + map_bytes(config, rows) + source_bytes(sources)


def source_bytes(sources: Sequence[Size]) -> int:
    """Return, by the rule of thumb, the bytes of the sources and of what is made of them.

    Args:
        sources: (height, width) of each source.
    """
    return sum(SOURCE_BYTES * height * width for height, width in sources)


def map_bytes(config: PictureConfig, rows: int | None) -> int:
    """Return, by the rule of thumb, the bytes of feature maps, pyramid and their derivatives.

    Args:
        config: settings.
        rows: from `rows_of_tile`.
    """
    height, width = config.size
    maps = MAP_BYTES if config.precision != "bfloat16" or rows is None else MAP_BYTES // 2
    rows = height if rows is None else rows
    return width * (config.pictures_per_step * height * PICTURE_BYTES + config.pictures_in_memory * rows * maps)


def rows_of_tile(config: PictureConfig, params: Params, sources: Sequence[Size]) -> int | None:
    """Return the number of rows of a tile with its halo; None if the picture is measured in one piece."""
    height = config.size[0]
    tiling = choose_tiling(analysis_of(config, params, sources), config.octave_indices[0], height, params)
    return None if tiling is None else min(window_rows(params, height, tiling), height)


def optimizer_bytes(config: PictureConfig) -> int:
    """Return the bytes of the optimizer's arrays, including the pictures and their gradient."""
    return (
        config.pictures_per_step
        * config.channels
        * config.size[0]
        * config.size[1]
        * choose_optimizer(config).bytes_per_number
    )


def process_bytes(compiler_bytes: float = COMPILER_BYTES) -> int:
    """Return the bytes that the process needs apart from pictures; 0 if the device has memory of its own.

    Args:
        compiler_bytes: bytes that compiling is expected to leave in the process.
    """
    return used_bytes() + int(compiler_bytes) + REST_BYTES if jax.default_backend() == "cpu" else 0


def compile_job(job: Job) -> CompiledJob:
    """Compile all stages of a job, so that nothing is compiled when the job is run."""
    give_back()
    began, temporary, before = time.perf_counter(), 0, used_bytes()
    evaluations: list[Callable[[], None]] = []
    known: dict[Any, Callable[[], None]] = {}
    for stage in job.stages:
        loss, arguments = job.problem(stage)
        function, value = value_and_gradient(loss), jax.ShapeDtypeStruct(job.shape(stage), jnp.float32)
        if (function, value) in known:
            evaluations.append(known[function, value])
            continue
        memory = function.lower(value, arguments).compile().memory_analysis()
        known[function, value] = partial(_evaluate, function, value, arguments)
        evaluations.append(known[function, value])
        if memory is None:  # some compilers do not report memory
            continue
        # If the host computes, the arguments are in the memory of the process, which is added below.
        given = 0 if jax.default_backend() == "cpu" else memory.argument_size_in_bytes
        temporary = max(temporary, int(memory.temp_size_in_bytes + given))
    seconds = time.perf_counter() - began
    peak = optimizer_bytes(job.config) + temporary
    give_back()
    if jax.default_backend() == "cpu":
        peak += used_bytes() + REST_BYTES
    return CompiledJob(peak, seconds, tuple(evaluations), max(used_bytes() - before, 0))


def _evaluate(function: Callable[..., Any], value: jax.ShapeDtypeStruct, arguments: Any) -> None:
    """Evaluate a loss and its gradient at a gray picture."""
    jax.block_until_ready(function(jnp.full(value.shape, 0.5, value.dtype), arguments))
