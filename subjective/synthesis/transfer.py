"""A transfer: a picture with the content of one picture and the style of others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import ArrayLike

from subjective.checks import check_image
from subjective.colors import choose_colors, replace_luminance
from subjective.compilation import jit
from subjective.images import PictureLike, as_image
from subjective.losses import Loss, style_and_content_loss, variation_loss, weighted_sum
from subjective.network.vgg import Params
from subjective.statistics.analysis import Differences, analyze_and_compare, content_maps
from subjective.statistics.terms import Analysis
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.config import TransferConfig
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_params, read_parts, read_pictures, read_shares
from subjective.synthesis.plan import check_regions, make_plan
from subjective.synthesis.problem import (
    Job,
    can_prepare_again,
    check_inputs,
    fuse_sources,
    mean_colors,
    octave_weights_at,
    place_targets,
    sizes_of,
    source_per_region,
    target_at,
)
from subjective.synthesis.result import PictureResult, make_pictures
from subjective.synthesis.stages import Stage, add_margin, reduce_to_stage, remove_margin
from subjective.synthesis.starts import make_start
from subjective.synthesis.targets import targets_by_precision

VARIATION_POWER = 1.25
"""Power of the total variation, as in the first Keras program."""

_analyze_and_compare = jit(analyze_and_compare, static_argnums=2)
_content_maps = jit(content_maps, static_argnums=2)


def transfer(
    content: PictureLike,
    styles: PictureLike | Sequence[PictureLike],
    config: TransferConfig | None = None,
    *,
    params: Params,
    masks: ArrayLike | None = None,
    parts: Sequence[ArrayLike] | None = None,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make a picture with the content of one picture and the style of others.

    Args:
        content: a picture in any form that `as_image` takes. The result has the content's size, not the config's.
        styles: pictures, of any sizes. One picture is taken as a list of one.
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        masks: the region of each style, as in `synthesize`.
        parts: for each style, how much each pixel counts, ``(height, width)`` in [0, 1]; 1 if None.
        init: a starting picture, which is resized to the content's size; None for the start that ``config.init`` names.
        extra: as in `synthesize`; a loss sees the picture before the content's colors replace the style's.
        on_step: called as ``on_step(0, step)`` after each step.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A list of one `PictureResult`.

    Raises:
        InputError: a setting, a picture or a size is invalid.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016. Departures: style and
        content are matched at several octaves; a style distance is divided by the size of its target, and a content
        difference by the difference between the content and a flat picture; coarse octaves are made first.
    """
    image, images = as_image(content, "the content"), read_pictures(styles, "style")
    config = read_config(config, TransferConfig)
    params = read_params(params, config)
    regions = read_shares(masks, "masks", "(height, width, styles)")
    shares, begin = read_parts(parts, sizes_of(images)), read_init(init, sizes_of([image])[0])
    job = prepare(image, images, config, params, regions, shares, begin)
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


@can_prepare_again
def prepare(
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    config: TransferConfig,
    params: Params,
    masks: np.ndarray | None = None,
    parts: Sequence[np.ndarray] | None = None,
    init: np.ndarray | None = None,
) -> Job:
    """Return the job of `transfer`; arguments and errors are the same."""
    check_image("the content", content)
    config = dataclasses.replace(config, output_height=content.shape[0], output_width=content.shape[1])
    check_inputs(styles, config, masks, init)
    plan = make_plan(config, params, sizes_of(styles), by_regions=masks is not None)
    config, stages = plan.config, plan.stages
    if parts is not None:
        check_regions(plan.analysis.terms)
    original, margin = content, config.margin_pixels
    content, styles = choose_colors(content, styles, config.colors)
    styles = fuse_sources(styles, config)
    begin = content if init is None and config.init == "content" else init
    begin = None if begin is None else add_margin(begin, margin)
    content = add_margin(content, margin)
    masks = None if masks is None else add_margin(masks, margin)
    targets = targets_by_precision(styles, stages, plan.analysis, config, params, source_per_region(masks), parts)
    wraps = config.padding_mode == "circular"

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        weights, analysis = octave_weights_at(config, stage), stage.analysis
        reduced = reduce_to_stage(content, stage, config.padding_mode)
        maps = _content_maps(params, reduced, analysis)
        style, regions = target_at(targets, stage), None
        if masks is not None:
            style, _, regions = place_targets(style, params, masks, stage)
        loss = _transfer_loss(analysis, weights, config.relative, config.tv_weight, wraps)
        features = (style, params, regions, maps, _differences_of_flat(params, reduced, analysis))
        return loss, {"features": features, **({"variation": ()} if config.tv_weight else {})}

    mean = np.average(mean_colors(styles), axis=0, weights=config.source_weights)
    start = make_start(config, styles, mean, begin, stages[0])
    render = _render_without_margin(original, config, stages)

    def without_margin(value: Array, stage: Stage) -> Array:
        return remove_margin(value, margin, config.size)

    return Job(config, stages, problem, start, render, seen=without_margin, starts=config.starts, notes=plan.notes)


@lru_cache(maxsize=32)
def _transfer_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool, variation: float, wraps: bool
) -> Loss:
    """Return ``loss(picture, {"features": arguments of `style_and_content_loss`, "variation": ()})``."""
    features = style_and_content_loss(analysis, octave_weights, relative=relative)
    terms: dict[str, tuple[float, Loss]] = {"features": (1.0, features)}
    if variation:
        terms["variation"] = (variation, variation_loss(VARIATION_POWER, wraps))
    return weighted_sum(terms)


def _differences_of_flat(params: Params, content: Array, analysis: Analysis) -> Differences:
    """Return the differences between the content and a flat picture of its mean color.

    They are the unit of the differences between the picture and the content.
    """
    # An analysis without the style's terms may cut other octaves into tiles, and content maps depend on the tiles. So
    # the content's maps are computed again.
    alone = dataclasses.replace(analysis, terms=())
    flat = jnp.broadcast_to(jnp.mean(content, axis=(0, 1), keepdims=True), content.shape)
    return _analyze_and_compare(params, flat, alone, None, _content_maps(params, content, alone))[1]


def _render_without_margin(
    content: np.ndarray, config: TransferConfig, stages: Sequence[Stage]
) -> Callable[[Array, Stage], Array]:
    """Return a `Render` that cuts the margin off; with ``colors="luminance"`` it first adds the content's colors."""
    colored = {}
    if config.colors == "luminance":
        whole = add_margin(content, config.margin_pixels)
        colored = {stage.size: np.asarray(reduce_to_stage(whole, stage, config.padding_mode)) for stage in stages}

    def render(value: Array, stage: Stage) -> Array:
        if colored:
            value = jnp.asarray(replace_luminance(colored[stage.size], np.asarray(value)))
        return remove_margin(value, config.margin_pixels, config.size)

    return render
