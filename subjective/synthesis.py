"""Wires the stages together; holds no mathematics of its own.

`synthesize` makes a picture of the texture of its sources; `invent` makes pictures that are
unlike each other. Both are pure: pictures and parameters in, a `Result` out, progress through
``on_step``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective.config import NoveltyConfig, PictureConfig, SynthesisConfig
from subjective.devices import shared_out
from subjective.init import initial_image, key_of, random_phases, variation
from subjective.job import Job, prepared, prepared_novelty
from subjective.losses import Loss
from subjective.optimize import Point, Result, Step, minimize
from subjective.plan import VALID, check_image
from subjective.position import OnStep, Position, Told
from subjective.pyramid import Padding, gaussian_pyramid
from subjective.stages import Stage, enlarged
from subjective.vgg import Params

FLAT = 1 / 255
"""A picture whose standard deviation is less, in every channel, is flat."""

HARDLY = 0.99
"""Share of the loss at which a stage began above which it hardly fell."""

BEYOND = 0.2
"""Share of a picture's values that may be cut off without a remark."""


def synthesize(
    sources: Sequence[np.ndarray],
    config: SynthesisConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> list[Result]:
    """Make pictures of the texture that the sources share.

    Args:
        sources: images in [0, 1], ``(height, width, 3)``; sizes may differ.
        config: settings; the defaults if not given. With ``count`` above 1 as many pictures are made
            one after the other, each from its own noise and independent of the rest.
        params: the network, as `load_params` gives it.
        init: a starting image of the output's size, instead of what ``config.seed`` says.
        on_step: called with a picture's number and each `Step`. Steps of all stages are counted on; the value has
            the size of its stage.
        resume: the ``position`` of a step of the same synthesis, copied or read from disk: go on from there, bit for
            bit, and use it up.

    Returns:
        A `Result` for each picture; ``value`` is ``(height, width, 3)``, not clipped. Steps and evaluations are those
        of all stages, whatever their size.

    Raises:
        ValueError: settings, sources or sizes that do not fit, said in one line.
        NonFiniteLossError: see `minimize`.

    References:
        Snelgrove, "High-resolution multi-scale neural texture synthesis", SIGGRAPH Asia 2017 Technical Briefs.
        Departures: the output wraps, the start is faint noise around the sources' mean color, the coarse octaves
        come first, and the spectrum of the pixels is matched beside Gram matrices of more layers.
    """
    config = config or SynthesisConfig()
    if init is not None:
        check_image("init", init, config.size)
    job = prepared(sources, config, params)
    stages = job.stages
    colors = [source.mean(axis=(0, 1)) for source in sources]
    mean = np.average(colors, axis=0, weights=config.source_weights)
    phases = config.seed == "phases" and init is None
    reduced = [_octave_of(source, stages[0].octave, VALID) for source in sources] if phases else []
    shares = config.source_weights or (1.0,) * len(sources)

    def start(number: int, attempt: int, stage: Stage) -> jax.Array:
        """The starting picture at a stage's size."""
        key = key_of(config.rng_seed, number, attempt)
        if init is not None:
            image = variation(init, key if number or attempt else None, noise=config.noise)
            return _octave_of(image, stage.octave, config.padding_mode)
        image = initial_image(config.seed, stage.size, mean, key, noise=config.noise)
        if phases and stage == stages[0]:
            image = image + random_phases(reduced, shares, stage.size, key)
        return jnp.asarray(image)

    finished = list(resume.finished) if resume else []
    for number in range(len(finished), config.count):
        finished.append(_in_stages(job, partial(start, number), number, on_step, finished, resume))
        resume = None
    return finished


def _octave_of(image: np.ndarray, octave: int, padding: Padding) -> jax.Array:
    """An image reduced, of the size that a stage has."""
    return gaussian_pyramid(jnp.asarray(image, jnp.float32), octave + 1, "same" if padding == VALID else padding)[-1]


def _in_stages(
    job: Job,
    start: Callable[[int, Stage], jax.Array],
    number: int,
    on_step: OnStep | None,
    finished: Sequence[Result],
    resume: Position | None,
) -> Result:
    """One picture, coarse to fine: the first stage from several starts, the others from the best that came of it."""
    stages = job.stages
    told = Told(number, on_step, finished, resume)
    attempts = told.attempts

    def minimized(place: int, attempt: int, begin: Callable[[], jax.Array]) -> Result:
        nonlocal resume
        stage, point, resume = stages[place], resume.point if resume else None, None
        begun = jnp.zeros(job.shape(stage)) if point else begin()
        told.place, told.attempt = place, attempt
        result = _minimize(*job.problem(stage), begun, job.config, stage.steps, told.tell, point)
        told.add(result)
        if point is not None:  # used up: whoever still holds it holds no more than its name
            point.state.arrays.clear()
        return result

    first = 0 if resume is None else resume.stage
    if first == 0:
        for attempt in range(len(attempts), job.starts):
            attempts.append(minimized(0, attempt, partial(start, attempt, stages[0])))
    best = min(range(job.starts), key=lambda attempt: attempts[attempt].loss)
    result = attempts[best]
    if len(stages) == 1 and best != job.starts - 1:
        told.tell_again(result)  # what is told last is what is kept
    for place in range(max(first, 1), len(stages)):
        before, stage = stages[place - 1], stages[place]

        def grown(result: Result = result, before: Stage = before, stage: Stage = stage) -> jax.Array:
            grow = partial(enlarged, before=before, stage=stage, padding=job.config.padding_mode)
            return (grow if job.frames is None else jax.vmap(grow))(result.value, start=start(best, stage))

        begun = result.begun
        result = minimized(place, best, grown)
        if before.octave == stage.octave:
            result = dataclasses.replace(result, begun=begun)
    message = "; ".join([result.message, *_remarks(result, stages[-1].steps > 0)])
    return dataclasses.replace(
        result, message=message, steps=told.steps, evaluations=told.evaluations, seconds=told.seconds
    )


def _remarks(result: Result, asked: bool) -> list[str]:
    """What is wrong with a picture that nobody has asked for, if anything; ``asked`` whether for any step."""
    remarks, picture = [], result.value
    if asked and result.loss > HARDLY * result.begun:
        fell = f"from {result.begun:.4g} to {result.loss:.4g}"
        remarks.append(f"the loss hardly fell, {fell}: the target is out of reach, or reached already")
    if float(jnp.max(jnp.std(picture, axis=(-3, -2)))) < FLAT:
        remarks.append("the picture is of one flat color, as its sources are, or out of their reach")
    beyond = float(jnp.mean((picture < 0) | (picture > 1)))
    if beyond > BEYOND:
        remarks.append(f"{beyond:.0%} of it lies beyond black or white and is cut off; lower --mul or set --bounds")
    return remarks


def invent(
    config: NoveltyConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> Result:
    """Make pictures whose statistics are as unlike each other as can be, from no source at all.

    Args:
        config: settings; the defaults if not given.
        params: the network.
        init: a starting image of the output's size, instead of what ``config.seed`` says.
        on_step: called with 0 and each `Step`; the frames are optimized together.
        resume: as in `synthesize`.

    Returns:
        One `Result`; ``value`` is ``(count, height, width, 3)``, not clipped.

    Raises:
        ValueError: settings or sizes that do not fit.
        NonFiniteLossError: see `minimize`.
    """
    config = config or NoveltyConfig()
    if init is not None:
        check_image("init", init, config.size)
    job = prepared_novelty(config, params)
    grey = np.full(3, 0.5)

    def start(_: int, stage: Stage) -> jax.Array:
        """The starting pictures."""
        starts = [
            initial_image(config.seed, config.size, grey, key_of(config.rng_seed, number), noise=config.noise)
            if init is None
            else variation(init, key_of(config.rng_seed, number) if number else None, noise=config.noise)
            for number in range(config.together)
        ]
        return jnp.asarray(np.stack(starts))

    return _in_stages(job, start, 0, on_step, (), resume)


def _minimize(
    loss: Loss,
    argument: Any,
    init: Any,
    config: PictureConfig,
    max_steps: int,
    on_step: Callable[[Step], None] | None,
    resume: Point | None,
) -> Result:
    start = jnp.asarray(init, jnp.float32)
    if config.devices > 1:
        if resume is not None:  # what was read from disk is on one
            arrays = resume.state.arrays
            pictures = [name for name, array in arrays.items() if array.shape[-3:] == start.shape[-3:]]
            arrays.update({name: shared_out(arrays[name], config.devices) for name in pictures})
        start = shared_out(start, config.devices)
    return minimize(
        loss,
        start,
        (argument,),
        method=config.method,
        max_steps=max_steps,
        tolerance=config.tol,
        on_step=on_step,
        bounds=(0.0, 1.0) if config.bounds else None,
        history=config.history,
        history_type=config.history_type,
        first_step=config.first_step,
        resume=resume,
    )
