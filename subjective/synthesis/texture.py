"""Wires the stages together; holds no mathematics of its own.

`synthesize` makes a picture of the texture of its sources; `invent` makes pictures that are
unlike each other. Both are pure: pictures and parameters in, a `Result` out, progress through
``on_step``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from subjective.colors import in_colors, with_luminance
from subjective.network.vgg import Params
from subjective.optimize.minimizer import Result
from subjective.synthesis.coarse_to_fine import in_stages
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.plan import VALID, check_image
from subjective.synthesis.position import OnStep, Position
from subjective.synthesis.problem import Job, prepared, prepared_animation, prepared_novelty, prepared_transfer
from subjective.synthesis.stages import Stage, at_stage, with_margin, without_margin
from subjective.synthesis.starts import LOOP_CONTRAST, PHASES_CONTRAST, initial_image, key_of, random_phases, variation


def synthesize(
    sources: Sequence[np.ndarray],
    config: SynthesisConfig | None = None,
    *,
    params: Params,
    masks: np.ndarray | None = None,
    init: np.ndarray | None = None,
    job: Job | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> list[Result]:
    """Make pictures of the texture that the sources share.

    Args:
        sources: images in [0, 1], ``(height, width, 3)``; sizes may differ.
        config: settings; the defaults if not given. With ``count`` above 1 as many pictures are made
            one after the other, each from its own noise and independent of the rest.
        params: the network, as `load_params` gives it.
        masks: the region of each source, ``(height, width, sources)``, adding up to 1 (see
            `subjective.statistics.regions`); if not given, all make up one texture, as ``config.join_mode`` says.
        init: a starting image of the output's size, instead of what ``config.seed`` says.
        job: what `prepared` makes of these sources, config, parameters and masks, where that was done already.
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
    job = job or prepared(sources, config, params, masks)
    colors = np.stack([source.mean(axis=(0, 1)) for source in sources])
    mean = np.average(colors, axis=0, weights=config.source_weights) if masks is None else masks @ colors
    together = _starts(sources, job, mean, init)
    of_regions = [_starts([source], job, color, init) for source, color in zip(sources, colors, strict=True)]

    def start(number: int, attempt: int, stage: Stage) -> jax.Array:
        if not job.regions(stage):
            return together(number, attempt, stage)
        return jnp.stack([of_region(number, attempt, stage) for of_region in of_regions])

    finished = list(resume.finished) if resume else []
    for number in range(len(finished), config.count):
        finished.append(in_stages(job, partial(start, number), number, on_step, finished, resume))
        resume = None
    return finished


def animate(
    sources: Sequence[np.ndarray],
    config: AnimationConfig | None = None,
    *,
    params: Params,
    weights: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    init: np.ndarray | None = None,
    job: Job | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> Result:
    """Make the frames of a loop, each of the texture of the sources, and each near its neighbors.

    Args:
        sources: images in [0, 1], ``(height, width, 3)``; sizes may differ.
        config: settings; the defaults if not given.
        params: the network.
        weights: of each source at each frame, ``(count, sources)``, see `subjective.synthesis.morph`; if not given,
            all frames are of the texture that ``config.source_weights`` join.
        masks: as in `synthesize`, of every frame; instead of ``weights``.
        init: as in `synthesize`, of every frame.
        job: as in `synthesize`, from `prepared_animation`.
        on_step: called with 0 and each `Step`; the frames are optimized together.
        resume: as in `synthesize`.

    Returns:
        One `Result`; ``value`` is ``(count, height, width, 3)``, not clipped.

    Raises:
        ValueError: settings, sources or sizes that do not fit.
        NonFiniteLossError: see `minimize`.

    References:
        As of `synthesize`. Departures: distances are compared octave by octave, at every stage; a frame that is as many
        steps on is to be as far as a source moved as many times; and the frames start on a circle, being
        mixed of two pictures in changing shares, random phases of the sources' spectrum at every stage unless
        ``seed`` says otherwise: the loop is closed from the first, and its detail turns steadily.
    """
    config = config or AnimationConfig()
    if init is not None:
        check_image("init", init, config.size)
    job = job or prepared_animation(sources, config, params, weights, masks)
    colors = np.stack([source.mean(axis=(0, 1)) for source in sources])
    shares = np.ones((config.count, len(sources))) * (config.source_weights or 1.0) if weights is None else weights
    means = (shares @ colors / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    starts = _starts(sources, job, np.zeros(3), init)

    def start(attempt: int, stage: Stage) -> jax.Array:
        """All frames at a stage's size."""
        even = jnp.zeros((*stage.size, 3)) if init is None else at_stage(init, stage, config.padding_mode)
        one, other = (starts(number, attempt, stage) - even for number in (1, 2))
        turns = 2 * np.pi * np.arange(config.count) / config.count
        frames = jnp.stack([even + np.cos(turn) * one + np.sin(turn) * other for turn in turns])
        if init is not None:
            return frames
        return frames + (
            means[:, None, None, :] if masks is None else at_stage(masks @ colors, stage, config.padding_mode)[None]
        )

    return in_stages(job, start, 0, on_step, (), resume)


def transfer(
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    config: TransferConfig | None = None,
    *,
    params: Params,
    masks: np.ndarray | None = None,
    parts: Sequence[np.ndarray] | None = None,
    init: np.ndarray | None = None,
    job: Job | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> Result:
    """Make a picture of the content of one and the style of others.

    Args:
        content: image in [0, 1], ``(height, width, 3)``; the picture has its size, whatever the config says.
        styles: images, of any sizes.
        config: settings; the defaults if not given.
        params: the network.
        masks: the region of each style, as in `synthesize`.
        parts: how much of each pixel of each style counts, ``(height, width)`` in [0, 1]; all if not given.
        init: a starting image of the content's size, instead of what ``config.seed`` says.
        job: as in `synthesize`, from `prepared_transfer`.
        on_step: called with 0 and each `Step`.
        resume: as in `synthesize`.

    Returns:
        One `Result`; ``value`` is ``(height, width, 3)``, not clipped.

    Raises:
        ValueError: settings, pictures or sizes that do not fit.
        NonFiniteLossError: see `minimize`.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016. Departures: style and
        content are matched at several octaves, each relative to its own size; coarse octaves come first.
    """
    config = dataclasses.replace(
        config or TransferConfig(), output_height=content.shape[0], output_width=content.shape[1]
    )
    if init is not None:
        check_image("init", init, config.output_size)
    job = job or prepared_transfer(content, styles, config, params, masks, parts)
    config = dataclasses.replace(config, octaves=job.config.octaves)  # which say how wide the margin is
    plain, styles = in_colors(content, styles, config.colors)
    begin = plain if init is None and config.seed == "content" else init
    begin = None if begin is None else with_margin(begin, config.mirrored)
    mean = np.average([style.mean(axis=(0, 1)) for style in styles], axis=0, weights=config.source_weights)
    start, by_size = _starts(styles, job, mean, begin), {}
    if config.colors == "luminance":
        whole = with_margin(content, config.mirrored)
        by_size = {stage.size: np.asarray(at_stage(whole, stage, config.padding_mode)) for stage in job.stages}

    def shown(value: jax.Array) -> jax.Array:
        if by_size:
            value = jnp.asarray(with_luminance(by_size[value.shape[0], value.shape[1]], np.asarray(value)))
        return without_margin(value, config.mirrored, config.size)

    return in_stages(job, partial(start, 0), 0, on_step, (), resume, shown)


Start = Callable[[int, int, Stage], jax.Array]


def _starts(sources: Sequence[np.ndarray], job: Job, mean: np.ndarray, init: np.ndarray | None) -> Start:
    """``start(number, attempt, stage)``: the starting picture of that number, at a stage's size.

    ``mean`` is its color, or that of each pixel.
    """
    config, loops = job.config, job.frames is not None
    phases = config.seed == "phases" and init is None
    shares = getattr(config, "source_weights", None) or (1.0,) * len(sources)

    def start(number: int, attempt: int, stage: Stage) -> jax.Array:
        key = key_of(config.rng_seed, number, attempt)
        if init is not None:
            image = variation(init, key if number or attempt else None, noise=config.noise)
            return at_stage(image, stage, config.padding_mode)
        color = mean if mean.ndim == 1 else np.zeros(3)
        image = initial_image(config.seed, stage.size, color, key, noise=config.noise)
        if mean.ndim == 3:
            image = image + np.asarray(at_stage(mean, stage, config.padding_mode))
        if phases and (loops or stage == job.stages[0]):
            reduced = [at_stage(source, stage, VALID) for source in sources]
            image = image + random_phases(reduced, shares, stage.size, key, LOOP_CONTRAST if loops else PHASES_CONTRAST)
        return jnp.asarray(image)

    return start


def invent(
    config: NoveltyConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    job: Job | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> Result:
    """Make pictures whose statistics are as unlike each other as can be, from no source at all.

    Args:
        config: settings; the defaults if not given.
        params: the network.
        init: a starting image of the output's size, instead of what ``config.seed`` says.
        job: as in `synthesize`, from `prepared_novelty`.
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
    job = job or prepared_novelty(config, params)
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

    return in_stages(job, start, 0, on_step, (), resume)
