"""Wires the stages together; holds no mathematics of its own.

`synthesize` makes a picture of the texture of its sources; `invent` makes pictures that are
unlike each other. Both are pure: pictures and parameters in, a `Result` out, progress through
``on_step``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective.config import NoveltyConfig, PictureConfig, SynthesisConfig
from subjective.init import initial_image, key_of, random_phases, variation
from subjective.job import Job, prepared
from subjective.losses import Loss, novelty_loss
from subjective.optimize import Result, Step, minimize
from subjective.plan import VALID, analysis_of, check_image, check_size, with_octaves
from subjective.pyramid import Padding, gaussian_pyramid
from subjective.stages import Stage, enlarged
from subjective.vgg import Params

OnStep = Callable[[int, Step], None]
"""``on_step(picture, step)``: the picture's number, counted from 0, and where its optimization stands."""


def synthesize(
    sources: Sequence[np.ndarray],
    config: SynthesisConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    on_step: OnStep | None = None,
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
    config, stages = job.config, job.stages
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

    return [_in_stages(job, partial(start, number), number, on_step) for number in range(config.count)]


def _octave_of(image: np.ndarray, octave: int, padding: Padding) -> jax.Array:
    """An image reduced, of the size that a stage has."""
    return gaussian_pyramid(jnp.asarray(image, jnp.float32), octave + 1, "same" if padding == VALID else padding)[-1]


def _in_stages(
    job: Job,
    start: Callable[[int, Stage], jax.Array],
    number: int,
    on_step: OnStep | None,
) -> Result:
    """One picture, coarse to fine: the first stage from several starts, the others from the best that came of it."""
    told, config, stages = _Told(number, on_step), job.config, job.stages

    def minimized(stage: Stage, begun: jax.Array) -> tuple[Result, Step | None]:
        result = _minimize(*job.problem(stage), begun, config, config.steps(stage.size), told.tell)
        told.add(result)
        return result, told.last

    attempts = [minimized(stages[0], start(attempt, stages[0])) for attempt in range(config.starts)]
    best = min(range(config.starts), key=lambda attempt: attempts[attempt][0].loss)
    result, step = attempts[best]
    if len(stages) == 1 and step is not None and step is not told.last:
        told.tell_again(step)  # what is told last is what is kept
    for before, stage in pairwise(stages):
        begun = enlarged(result.value, before, stage, start(best, stage), config.padding_mode)
        result, _ = minimized(stage, begun)
    return dataclasses.replace(result, steps=told.steps, evaluations=told.evaluations, seconds=told.seconds)


class _Told:
    """Tells of the steps of a picture's optimizations as if they were one."""

    def __init__(self, number: int, on_step: OnStep | None):
        self.number, self.on_step = number, on_step
        self.steps, self.evaluations, self.seconds = 0, 0, 0.0
        self.last: Step | None = None

    def add(self, result: Result) -> None:
        """Count the steps of an optimization that has ended."""
        self.steps += result.steps
        self.evaluations += result.evaluations
        self.seconds += result.seconds

    def tell(self, step: Step) -> None:
        """Tell of a step of the one that is going on; where it starts, only of the first."""
        if step.step == 0 and self.last is not None:
            return
        self.last = step
        self._tell(step, self.steps + step.step, self.evaluations + step.evaluations, self.seconds + step.seconds)

    def tell_again(self, step: Step) -> None:
        """Tell of a step that was told before others, after all that were counted."""
        self._tell(step, self.steps, self.evaluations, self.seconds)

    def _tell(self, step: Step, steps: int, evaluations: int, seconds: float) -> None:
        if self.on_step is not None:
            self.on_step(self.number, dataclasses.replace(step, step=steps, evaluations=evaluations, seconds=seconds))


def invent(
    config: NoveltyConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    on_step: OnStep | None = None,
) -> Result:
    """Make pictures whose statistics are as unlike each other as can be, from no source at all.

    Args:
        config: settings; the defaults if not given.
        params: the network.
        init: a starting image of the output's size, instead of what ``config.seed`` says.
        on_step: called with 0 and each `Step`; the frames are optimized together.

    Returns:
        One `Result`; ``value`` is ``(count, height, width, 3)``, not clipped.

    Raises:
        ValueError: settings or sizes that do not fit.
        NonFiniteLossError: see `minimize`.
    """
    config = config or NoveltyConfig()
    config.check()
    if init is not None:
        check_image("init", init, config.size)
    config = with_octaves(config, params)
    analysis = analysis_of(config, params)
    check_size("the picture", config.size, analysis, params)
    loss = novelty_loss(
        analysis,
        config.mul,
        internal=config.internal,
        octave_weights=config.octave_weights,
    )
    grey = np.full(3, 0.5)
    starts = [
        initial_image(config.seed, config.size, grey, key_of(config.rng_seed, number), noise=config.noise)
        if init is None
        else variation(init, key_of(config.rng_seed, number) if number else None, noise=config.noise)
        for number in range(config.frames)
    ]
    tell = None if on_step is None else partial(on_step, 0)
    return _minimize(loss, params, np.stack(starts), config, config.max_iter, tell)


def _minimize(
    loss: Loss,
    argument: Any,
    init: Any,
    config: PictureConfig,
    max_steps: int,
    on_step: Callable[[Step], None] | None,
) -> Result:
    return minimize(
        loss,
        jnp.asarray(init, jnp.float32),
        (argument,),
        method=config.method,
        max_steps=max_steps,
        tolerance=config.tol,
        on_step=on_step,
        bounds=(0.0, 1.0) if config.bounds else None,
        history=config.history,
        history_type=config.history_type,
        first_step=config.first_step,
    )
