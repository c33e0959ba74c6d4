"""Wires the stages together; holds no mathematics of its own.

`synthesize` makes a picture of the texture of its sources; `invent` makes pictures that are
unlike each other. Both are pure: pictures and parameters in, a `Result` out, progress through
``on_step``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective import joins
from subjective.config import NoveltyConfig, PictureConfig, SynthesisConfig
from subjective.init import initial_image, variation
from subjective.losses import Loss, novelty_loss, texture_loss, weighted_sum
from subjective.optimize import Result, Step, minimize
from subjective.plan import VALID, analysis_of, check_image, check_size, with_octaves
from subjective.pyramid import gaussian_pyramid
from subjective.stages import stage_size, stages_of, start_of
from subjective.statistics import Analysis, Statistics, analyze, places_of
from subjective.vgg import Params

OnStep = Callable[[int, Step], None]
"""``on_step(picture, step)``: the picture's number, counted from 0, and where its optimization stands."""

_analyze = jax.jit(analyze, static_argnums=2)


def targets_of(
    sources: Sequence[np.ndarray], analysis: Analysis, config: SynthesisConfig, params: Params
) -> Statistics:
    """The joined target of several sources.

    A source is always analyzed with ``valid`` padding: a photograph has no outside.

    Args:
        sources: images ``(height, width, 3)``, of any sizes.
        analysis: of the picture to be made.
        config: join mode, source weights and ``mul``.
        params: the network.

    Returns:
        Statistics, octave first.

    Raises:
        ValueError: a source too small, or weights that do not fit.
    """
    analysis = dataclasses.replace(analysis, padding=VALID)
    if config.source_weights is not None and len(config.source_weights) != len(sources):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(sources)} pictures; give one for each"
        )
    for number, source in enumerate(sources, 1):
        check_size(f"source {number}", source.shape[:2], analysis, params)
    found = [_analyze(params, jnp.asarray(source, jnp.float32), analysis) for source in sources]
    joined = joins.join(found, config.join_mode, config.source_weights)
    places = places_of(analysis.terms)
    return tuple(
        {
            layer: {name: places[layer, name][0].scaled(target, config.mul) for name, target in measured.items()}
            for layer, measured in octave.items()
        }
        for octave in joined
    )


@lru_cache(maxsize=32)
def synthesis_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """All terms of a synthesis, as ``loss(image, {"texture": (targets, params)})``.

    Terms that couple pictures, such as a distance between frames, join the texture here.
    """
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})


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
    config.check()
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    if init is not None:
        check_image("init", init, config.size)
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = with_octaves(config, params, sizes)
    analysis = analysis_of(config, params, sizes)
    check_size("the picture", config.size, analysis, params)
    targets = targets_of(sources, analysis, config, params)
    colors = [source.mean(axis=(0, 1)) for source in sources]
    mean = np.average(colors, axis=0, weights=config.source_weights)

    def start(number: int, octave: int) -> jax.Array:
        """The starting picture at an octave's size."""
        size = (stage_size(config.size[0], octave), stage_size(config.size[1], octave))
        if init is None:
            return jnp.asarray(initial_image(config.seed, size, mean, config.rng_seed, number, noise=config.noise))
        image = jnp.asarray(variation(init, config.rng_seed, number, noise=config.noise))
        return gaussian_pyramid(image, octave + 1, "same" if config.padding_mode == VALID else config.padding_mode)[-1]

    return [
        _in_stages(analysis, targets, config, params, partial(start, number), number, on_step)
        for number in range(config.count)
    ]


def _in_stages(
    analysis: Analysis,
    targets: Statistics,
    config: SynthesisConfig,
    params: Params,
    start: Callable[[int], jax.Array],
    number: int,
    on_step: OnStep | None,
) -> Result:
    """One picture, coarse to fine."""
    stages = stages_of(config.schedule, config.size, analysis, params)
    done = Result(jnp.zeros(()), 0.0, 0, 0, 0.0, False, "")
    for index, stage in enumerate(stages):
        value = start_of(stage, stages[:index], done.value if index else None, start, config.padding_mode)
        loss = synthesis_loss(
            stage.analysis, config.octave_weights and config.octave_weights[stage.first :], config.relative
        )
        arguments = {"texture": (targets[stage.first :], params)}
        counted = None if on_step is None else partial(_count_on, on_step, done, index > 0)
        result = _minimize(loss, value, arguments, config, config.steps(stage.size), number, counted)
        done = dataclasses.replace(
            result,
            steps=done.steps + result.steps,
            evaluations=done.evaluations + result.evaluations,
            seconds=done.seconds + result.seconds,
        )
    return done


def _count_on(on_step: OnStep, done: Result, starting_point_known: bool, number: int, step: Step) -> None:
    """Report a step of a later stage as one after those that are done."""
    if step.step > 0 or not starting_point_known:
        on_step(
            number,
            dataclasses.replace(
                step,
                step=done.steps + step.step,
                evaluations=done.evaluations + step.evaluations,
                seconds=done.seconds + step.seconds,
            ),
        )


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
        initial_image(config.seed, config.size, grey, config.rng_seed, number, noise=config.noise)
        if init is None
        else variation(init, config.rng_seed, number, noise=config.noise)
        for number in range(config.frames)
    ]
    return _minimize(loss, np.stack(starts), params, config, config.max_iter, 0, on_step)


def _minimize(
    loss: Loss,
    init: Any,
    argument: Any,
    config: PictureConfig,
    max_steps: int,
    number: int,
    on_step: OnStep | None,
) -> Result:
    return minimize(
        loss,
        jnp.asarray(init, jnp.float32),
        (argument,),
        max_steps=max_steps,
        tolerance=config.tol,
        on_step=None if on_step is None else lambda step: on_step(number, step),
        bounds=(0.0, 1.0) if config.bounds else None,
        history=config.history,
        first_step=config.first_step,
    )
