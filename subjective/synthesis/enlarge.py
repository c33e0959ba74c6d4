"""Enlarge a picture: finer detail is made, and the picture itself is kept.

The mean of each square of pixels of the result is the pixel of the picture that the square stands for, whatever is
optimized. Detail begins with that of the sources where they look the same one octave coarser; then the statistics of
the octaves that the picture lacks are matched.

References:
    Freeman, Jones and Pasztor, "Example-based super-resolution", 2002. Glasner, Bagon and Irani, "Super-resolution from
    a single image", ICCV 2009: the examples come from the picture itself, one octave coarser.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.checks import InputError, check_image
from subjective.colors import match_colors
from subjective.images import MAX_PIXELS, PictureLike, as_image
from subjective.losses import Loss, texture_loss, weighted_sum
from subjective.network.vgg import Params
from subjective.statistics.terms import Analysis
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.detail import MOST_GAIN, SIDE, add_detail, average_squares, double
from subjective.synthesis.edit_config import EnlargeConfig
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_params, read_pictures
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, check_inputs, octave_weights_at, sizes_of, target_at
from subjective.synthesis.result import PictureResult, make_pictures
from subjective.synthesis.stages import Stage
from subjective.synthesis.starts import key_of, vary_image
from subjective.synthesis.targets import targets_by_precision

MARGIN = 32
"""Width in pixels of the mirror image at a side at which the picture does not tile."""

OWN_GAIN = 1.2
"""`MOST_GAIN` for the detail of the picture itself: its places are less alike, and stronger detail is noise."""

OWN_HOLD = 10.0
"""How many times as strongly the detail of the picture itself is held. Its statistics are those of another scale: held
as detail of sources is, gravel became pebbles of half the size under a weave of pixels."""

LEAST_CONTRAST = (2 / 255) ** 2
"""Smallest mean square of the detail by which a difference from the start is divided."""


def enlarge(
    picture: PictureLike,
    config: EnlargeConfig | None = None,
    *,
    params: Params,
    sources: PictureLike | Sequence[PictureLike] | None = None,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make a larger picture of a picture, with finer detail.

    Args:
        picture: a picture in any form that `as_image` takes.
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        sources: pictures at the scale of the result whose detail is taken, with the colors of the picture; the picture
            itself if None: its own detail is then repeated at the finer scale.
        init: a starting picture, which is resized to the result's size; None for detail of the sources.
        extra: as in `synthesize`.
        on_step: as in `synthesize`.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A `PictureResult` for each of ``config.count`` variants. The mean of each square of ``config.scale`` pixels a
        side is the picture's pixel, but where the values are clipped to [0, 1].

    Raises:
        InputError: a setting, a picture or a size is invalid.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.
    """
    config = read_config(config, EnlargeConfig)
    params = read_params(params, config)
    image = as_image(picture, "the picture")
    others = None if sources is None else read_pictures(sources, "source")
    config = fit_config(image, config)
    job = prepare(image, config, params, others, read_init(init, config.output_size))
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


def fit_config(picture: np.ndarray, config: EnlargeConfig) -> EnlargeConfig:
    """Give a config the size of the result, and the octaves that the picture lacks if their number is open.

    Raises:
        InputError: the result would be too large.
    """
    height, width = (config.scale * side for side in picture.shape[:2])
    if height * width > MAX_PIXELS:
        raise InputError(f"a picture of {width}x{height} is larger than {MAX_PIXELS:,} pixels; give a smaller scale")
    octaves = config.octaves or config.octaves_added
    first = config.first_stage or 1
    return dataclasses.replace(config, output_height=height, output_width=width, octaves=octaves, first_stage=first)


def choose_examples(
    picture: np.ndarray, config: EnlargeConfig, sources: Sequence[np.ndarray] | None
) -> list[np.ndarray]:
    """Return the pictures whose detail is taken: the picture, or sources with the picture's colors.

    Raises:
        InputError: a source is too small for patches.
    """
    chosen = [picture] if sources is None else [match_colors(source, picture) for source in sources]
    least = 2 * SIDE * (1 if sources is None else config.scale // 2)
    for number, one in enumerate(chosen, 1):
        if min(one.shape[:2]) < least:
            name = "the picture" if sources is None else f"source {number}"
            raise InputError(f"{name} is of {one.shape[1]}x{one.shape[0]} pixels; wanted {least} or more a side")
    return chosen


def prepare(
    picture: np.ndarray,
    config: EnlargeConfig,
    params: Params,
    sources: Sequence[np.ndarray] | None = None,
    init: np.ndarray | None = None,
) -> Job:
    """Return the job of `enlarge`; arguments and errors are the same. The config comes from `fit_config`."""
    check_image("the picture", picture)
    itself, examples = sources is None, choose_examples(picture, config, sources)
    check_inputs(examples, config, None, init)
    plan = make_plan(config, params, sizes_of(examples))
    config, stages = plan.config, plan.stages
    targets = targets_by_precision(examples, stages, plan.analysis, config, params, None)
    if itself:  # at every octave that the picture lacks, its finest detail is repeated
        targets = {precision: found[:1] * len(found) for precision, found in targets.items()}
    kept, wraps = jnp.asarray(picture, jnp.float32), config.wraps
    is_held = init is None and config.init == "patches" and config.layout_weight > 0

    @lru_cache(maxsize=4)
    def start(number: int, attempt: int, stage: Stage) -> Array:
        key = key_of(config.seed, number, attempt)
        if init is not None:
            reduced = average_squares(init, 2**stage.octave)
            return jnp.asarray(vary_image(reduced, key if number or attempt else None, noise=config.noise))
        grown, weights = picture, config.source_weights or (1.0,) * len(examples)
        for octave in range(config.octaves_added - 1, stage.octave - 1, -1):
            if config.init == "patches":
                scaled = examples if itself else [average_squares(one, 2**octave) for one in examples]
                grown = add_detail(grown, scaled, weights, key, wraps, OWN_GAIN if itself else MOST_GAIN)
            else:
                grown = double(grown, wraps)
        return jnp.asarray(grown if config.init == "patches" else vary_image(grown, key, noise=config.noise))

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        vertical, horizontal = (0 if wrap else MARGIN >> stage.octave for wrap in wraps)
        loss = _kept_loss(
            stage.analysis,
            octave_weights_at(config, stage),
            config.relative,
            (vertical, horizontal),
            bool(config.layout_weight),
        )
        arguments: dict[str, Any] = {"verb": {"texture": (target_at(targets, stage), params)}, "kept": kept}
        if is_held:
            begun = start(picture, attempt, stage)
            contrast = jnp.mean((begun - _repeat(average_squares(begun, 2), 2)) ** 2)
            weight = config.layout_weight * (OWN_HOLD if itself else 1)
            arguments["held"] = (begun, weight / jnp.maximum(contrast, LEAST_CONTRAST))
        return loss, arguments

    def render(value: Array, stage: Stage) -> Array:
        return keep_means(value, kept)

    return Job(config, stages, problem, start, render, starts=config.starts, pictures=config.count, notes=plan.notes)


def keep_means(value: Array, kept: Array) -> Array:
    """Change a picture as little as possible so that the mean of each square of its pixels is a pixel of ``kept``."""
    side = value.shape[0] // kept.shape[0]
    return jnp.asarray(value + _repeat(kept - average_squares(value, side), side))


def _repeat(picture: Array, side: int) -> Array:
    """Make a square of each pixel."""
    return jnp.repeat(jnp.repeat(picture, side, axis=0), side, axis=1)


@lru_cache(maxsize=32)  # the same function for the same settings, so that it is compiled once
def _kept_loss(
    analysis: Analysis,
    octave_weights: tuple[float, ...] | None,
    relative: bool,
    margins: tuple[int, int],
    is_held: bool,
) -> Loss:
    """Return the loss as ``loss(value, {"verb": ..., "kept": the picture, "held": (start, weight)})``."""
    loss = weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})

    def total(value: Array, arguments: Any) -> tuple[Array, Any]:
        made = keep_means(value, arguments["kept"])
        around = ((margins[0],) * 2, (margins[1],) * 2, (0, 0))
        scalar, parts = loss(jnp.pad(made, around, mode="reflect"), arguments["verb"])
        if not is_held:
            return scalar, parts
        begun, weight = arguments["held"]
        held = weight * jnp.mean((made - begun) ** 2)
        return scalar + held, {**parts, "held": held}

    return total
