"""Wires the stages together; holds no mathematics of its own.

`synthesize` makes a picture of the texture of its sources; `invent` makes pictures that are
unlike each other. Both are pure: pictures and parameters in, a `Result` out, progress through
``on_step``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective import joins
from subjective.config import NoveltyConfig, PictureConfig, SynthesisConfig
from subjective.init import initial_image, variation
from subjective.losses import Loss, novelty_loss, texture_loss, weighted_sum
from subjective.optimize import Result, Step, minimize
from subjective.pyramid import Padding
from subjective.statistics import Analysis, Statistics, analyze
from subjective.vgg import Params, minimum_size, resolve_layers

OnStep = Callable[[int, Step], None]
"""``on_step(picture, step)``: the picture's number, counted from 0, and where its optimization stands."""

_analyze = jax.jit(analyze, static_argnums=2)


def analysis_of(config: PictureConfig, params: Params, padding: Padding | None = None) -> Analysis:
    """The `Analysis` that a config asks for.

    Args:
        config: settings; layers by name or number.
        params: the network, which says what layers there are.
        padding: instead of the config's own.

    Raises:
        ValueError: a layer that the network lacks.
    """
    layers = resolve_layers(config.layers, params)
    return Analysis(config.octave_indices, layers, padding or config.padding_mode, config.pooling)


def check_size(name: str, size: tuple[int, int], analysis: Analysis, params: Params) -> None:
    """Refuse a picture too small for its octaves and layers, before anything is compiled.

    Args:
        name: of the picture, for the message.
        size: (height, width) in pixels.
        analysis: octaves, layers and padding.
        params: the network.

    Raises:
        ValueError: saying what size, or what number of octaves, would do.
    """
    octaves = max(analysis.octaves) + 1
    smallest = minimum_size(analysis.layers, octaves, analysis.padding, params)
    if min(size) >= smallest:
        return
    fits = [
        count
        for count in range(1, octaves)
        if min(size) >= minimum_size(analysis.layers, count, analysis.padding, params)
    ]
    remedy = f"use --octaves {fits[-1]}" if fits else "use shallower layers"
    raise ValueError(
        f"{name} of {size[1]}x{size[0]} pixels is too small for {octaves} octaves of {', '.join(analysis.layers)} "
        f"with padding {analysis.padding}: wanted at least {smallest} pixels a side; enlarge it or {remedy}"
    )


def check_image(name: str, image: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Refuse what is no image in the sense of this package.

    Args:
        name: of the image, for the message.
        image: anything with a shape and a dtype.
        size: (height, width) that it must have, if any.

    Raises:
        TypeError: not of a floating dtype.
        ValueError: of another shape or size, or not finite.
    """
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"{name} is of dtype {image.dtype}; wanted floats in [0, 1]: divide 8-bit integers by 255")
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{name} has shape {image.shape}; wanted (height, width, 3)")
    if size is not None and tuple(image.shape[:2]) != size:
        raise ValueError(f"{name} is {image.shape[1]}x{image.shape[0]} pixels; wanted {size[1]}x{size[0]}: resize it")
    if not np.isfinite(image).all():
        raise ValueError(f"{name} holds NaN or infinite values; wanted floats in [0, 1]")


def targets_of(sources: Sequence[np.ndarray], config: SynthesisConfig, params: Params) -> Statistics:
    """The joined target of several sources.

    A source is always analyzed with ``valid`` padding: a photograph has no outside.

    Args:
        sources: images ``(height, width, 3)``, of any sizes.
        config: octaves, layers, join mode, source weights and ``mul``.
        params: the network.

    Returns:
        Statistics, octave first.

    Raises:
        ValueError: a source too small, or weights that do not fit.
    """
    analysis = analysis_of(config, params, "valid")
    if config.source_weights is not None and len(config.source_weights) != len(sources):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(sources)} pictures; give one for each"
        )
    for number, source in enumerate(sources, 1):
        check_size(f"source {number}", source.shape[:2], analysis, params)
    found = [_analyze(params, jnp.asarray(source, jnp.float32), analysis) for source in sources]
    joined = joins.join(found, config.join_mode, config.source_weights)
    return jax.tree.map(lambda target: config.mul * target, joined)


@lru_cache(maxsize=32)
def synthesis_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None, layer_weights: tuple[float, ...] | None
) -> Loss:
    """All terms of a synthesis, as ``loss(image, {"texture": (targets, params)})``.

    Terms that couple pictures, such as a distance between frames, join the texture here.
    """
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, layer_weights))})


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
        on_step: called with a picture's number and each `Step`.

    Returns:
        A `Result` for each picture; ``value`` is ``(height, width, 3)``, not clipped.

    Raises:
        ValueError: settings, sources or sizes that do not fit, said in one line.
        NonFiniteLossError: see `minimize`.

    References:
        Snelgrove, "High-resolution multi-scale neural texture synthesis", SIGGRAPH Asia 2017 Technical Briefs.
        Departures: the output wraps, the start is faint noise around the sources' mean color.
    """
    config = config or SynthesisConfig()
    config.check()
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    if init is not None:
        check_image("init", init, config.size)
    analysis = analysis_of(config, params)
    check_size("the picture", config.size, analysis, params)
    targets = targets_of(sources, config, params)
    colors = [source.mean(axis=(0, 1)) for source in sources]
    mean = np.average(colors, axis=0, weights=config.source_weights)
    loss = synthesis_loss(analysis, config.octave_weights, config.layer_weights)
    results = []
    for number in range(config.count):
        if init is not None:
            start = variation(init, config.rng_seed, number)
        else:
            start = initial_image(config.seed, config.size, mean, config.rng_seed, number)
        results.append(_minimize(loss, start, {"texture": (targets, params)}, config, number, on_step))
    return results


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
    analysis = analysis_of(config, params)
    check_size("the picture", config.size, analysis, params)
    loss = novelty_loss(
        analysis,
        config.mul,
        internal=config.internal,
        octave_weights=config.octave_weights,
        layer_weights=config.layer_weights,
    )
    grey = np.full(3, 0.5)
    starts = [
        initial_image(config.seed, config.size, grey, config.rng_seed, number)
        if init is None
        else variation(init, config.rng_seed, number)
        for number in range(config.frames)
    ]
    return _minimize(loss, np.stack(starts), params, config, 0, on_step)


def _minimize(
    loss: Loss, init: np.ndarray, argument: Any, config: PictureConfig, number: int, on_step: OnStep | None
) -> Result:
    return minimize(
        loss,
        jnp.asarray(init, jnp.float32),
        (argument,),
        max_steps=config.max_iter,
        tolerance=config.tol,
        on_step=None if on_step is None else lambda step: on_step(number, step),
        bounds=(0.0, 1.0) if config.bounds else None,
        history=config.history,
    )
