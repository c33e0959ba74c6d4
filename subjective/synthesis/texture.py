"""A texture: new pictures that match the joined statistics of the sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import ArrayLike

from subjective.checks import InputError, Message, count_of, setting
from subjective.images import PictureLike
from subjective.losses import Loss, texture_loss, weighted_sum
from subjective.network.vgg import Params
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.enough import end_when_near, ends_when_near, mixed_weights
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.frames import mean_over_frames
from subjective.synthesis.guide import Guide, guide_layouts, read_guide
from subjective.synthesis.inputs import read_config, read_init, read_params, read_pictures, read_shares
from subjective.synthesis.layout import (
    begins_with_patches,
    choose_first_stage,
    fit_regular,
    hold_to_layout,
    make_layouts,
)
from subjective.synthesis.plan import make_plan
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
from subjective.synthesis.stages import Stage, reduce_to_stage
from subjective.synthesis.starts import Start, make_start
from subjective.synthesis.targets import as_source, targets_by_precision


def synthesize(
    sources: PictureLike | Sequence[PictureLike],
    config: SynthesisConfig | None = None,
    *,
    params: Params,
    masks: ArrayLike | None = None,
    guide: Sequence[PictureLike] | None = None,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make new pictures with the texture of one or several sources.

    Args:
        sources: pictures in any form that `as_image` takes: paths, PIL images or arrays; sizes may differ. One
            picture is taken as a list of one.
        config: settings; the defaults if None. If ``count`` is above 1, the pictures are made one after the other,
            each from its own noise and independent of the others.
        params: the network, from `load_params`.
        masks: the region of each source, ``(height, width, sources)``, adding up to 1 (see
            `subjective.statistics.regions`). If None, all sources make one texture, as ``config.join_mode`` says.
        guide: labels of the one source and labels of the picture, two pictures: where the picture has a color, it looks
            like the source under the same color. Gray labels with many values are a progression (see
            `subjective.synthesis.guide`).
        init: a starting picture, which is resized to the output's size; None for the start that ``config.init`` names.
        extra: losses of your own, ``[(weight, loss), ...]``. At every stage, ``loss(picture)`` gets the picture as
            ``(height, width, 3)`` and returns a scalar that JAX can differentiate. The loss appears under its
            function's name in the parts of each step (see `subjective.synthesis.extra`).
        on_step: called as ``on_step(picture, step)`` after each step; ``picture`` is the picture's number. Steps
            are numbered through all stages of a picture; the step's value is a picture of the stage's size. Raise
            `Stop` to end the run.
        resume: the ``position`` of a step of the same synthesis, copied or read from disk. The synthesis continues at
            this position with the same bits as without the break, and clears the position's arrays.
        progress: whether to show on stderr, in a terminal or a notebook, the steps, which share of the run is done and
            how long the rest takes.

    Returns:
        A `PictureResult` for each picture. After `Stop` or Ctrl-C the last one is the last step's, of its stage's size.

    Raises:
        InputError: a setting, a source or a size is invalid.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.

    References:
        Snelgrove, "High-resolution multi-scale neural texture synthesis", SIGGRAPH Asia 2017 Technical Briefs.
        Departures: the output wraps; the start is joined from patches of the sources; coarse octaves are made
        first; Gram matrices of more layers are matched, and also the spectrum of the pixels.

    Examples:
        >>> config = subjective.SynthesisConfig(output_width=64, octaves=2, max_iter=5)
        >>> [result] = subjective.synthesize(rock, config, params=params)
        >>> result.picture.shape, result.picture.dtype.name
        ((64, 64, 3), 'float32')
    """
    images, config = read_pictures(sources, "source"), read_config(config, SynthesisConfig)
    params = read_params(params, config)
    regions = read_shares(masks, "masks", "(height, width, sources)")
    labels = None if guide is None else read_guide(guide, images[0].shape, config.output_size)
    job = prepare(images, config, params, regions, read_init(init, config.output_size), labels)
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


@can_prepare_again
def prepare(
    sources: Sequence[np.ndarray],
    config: SynthesisConfig,
    params: Params,
    masks: np.ndarray | None = None,
    init: np.ndarray | None = None,
    guide: Guide | None = None,
) -> Job:
    """Make a synthesis ready: check everything, measure the sources, plan the stages.

    Args:
        sources: see `synthesize`.
        config: see `synthesize`.
        params: see `synthesize`.
        masks: see `synthesize`. At stages before full size, each region is made as a whole picture of its own;
            otherwise a narrow region, which coarse maps do not separate, would be painted with the texture beside it.
        init: see `synthesize`.
        guide: see `synthesize`.

    Raises:
        InputError: a setting, a source or a size is invalid.
    """
    if guide is not None:
        return _prepare_guided(sources, config, params, guide, init, has_masks=masks is not None)
    check_inputs(sources, config, masks, init)
    sources = fuse_sources(sources, config)
    has_layouts, regular = masks is None and init is None, None
    config = choose_first_stage(config, sources, has_layouts=has_layouts)
    plan = make_plan(config, params, sizes_of(sources), by_regions=masks is not None)
    config, stages = plan.config, plan.stages
    if has_layouts and len(sources) == 1 and begins_with_patches(config, sources):
        measured = as_source(plan.analysis, sources[0].shape[1])
        regular = fit_regular(config, sources[0], smallest_picture(measured, params))
    layouts = make_layouts(config, sources, regular=regular) if has_layouts else None
    sources = sources if regular is None else [regular.measured]
    is_mixed = layouts is not None and len(sources) > 1 and config.octave_weights is None
    targets = targets_by_precision(sources, stages, plan.analysis, config, params, source_per_region(masks))
    reduced_masks = {
        stage.octave: reduce_to_stage(masks, stage, config.padding_mode)
        for stage in stages
        if masks is not None and stage.octave > 0
    }

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        weights = mixed_weights(stage) if is_mixed else octave_weights_at(config, stage)
        target = target_at(targets, stage)
        if stage.octave in reduced_masks:
            loss = _mean_texture_loss(stage.analysis, weights, config.relative)
            return loss, {"texture": (target, params)}
        arguments = (target, params) if masks is None else place_targets(target, params, masks, stage)
        return _texture_loss(stage.analysis, weights, config.relative), {"texture": arguments}

    def shape(stage: Stage) -> tuple[int, ...]:
        regions = (len(sources),) if stage.octave in reduced_masks else ()
        return (*regions, *stage.size, 3)

    def render(value: Array, stage: Stage) -> Array:
        """Put together the pictures of the regions, each masked by its region."""
        if stage.octave not in reduced_masks:
            return value
        return jnp.einsum("yxr,ryxc->yxc", reduced_masks[stage.octave], value)

    colors = mean_colors(sources)
    mean = np.average(colors, axis=0, weights=config.source_weights) if masks is None else masks @ colors
    whole = make_start(config, sources, mean, init, stages[0]) if layouts is None else layouts.start
    by_region = [
        make_start(config, [source], color, init, stages[0]) for source, color in zip(sources, colors, strict=True)
    ]

    def start(picture: int, attempt: int, stage: Stage) -> Array:
        if stage.octave not in reduced_masks:
            return whole(picture, attempt, stage)
        return jnp.stack([region(picture, attempt, stage) for region in by_region])

    notes = plan.notes if layouts is None or not layouts.note else (*plan.notes, Message(layouts.note))
    job = Job(
        config,
        stages,
        problem,
        start,
        render,
        shape,
        starts=config.starts,
        pictures=config.count,
        notes=notes,
        scored=sources,
    )
    if layouts is None:
        return job
    if ends_when_near(config, len(sources)):
        own = [targets]
        if len(sources) > 1:
            alone = dataclasses.replace(config, source_weights=None)
            own = [targets_by_precision([one], stages[-1:], plan.analysis, alone, params, None) for one in sources]
        exact = stages[-1].analysis.precision
        job = end_when_near(job, config, sources, [target[exact] for target in own], params)
    return hold_to_layout(job, layouts, config.layout_weight)


def _prepare_guided(
    sources: Sequence[np.ndarray],
    config: SynthesisConfig,
    params: Params,
    guide: Guide,
    init: np.ndarray | None,
    *,
    has_masks: bool,
) -> Job:
    """Return the job of a picture whose regions come from regions of its one source.

    The regions are made together at every stage: the layout already has narrow ones.
    """
    if len(sources) != 1 or has_masks:
        given = "masks" if has_masks else count_of(len(sources), "source")
        raise InputError(f"{setting('guide')} is for one source, without masks; got {given}")
    regions = [sources[0]] * guide.picture.shape[2]
    check_inputs(regions, config, guide.picture, init)
    config = choose_first_stage(config, sources, has_layouts=init is None)
    plan = make_plan(config, params, sizes_of(sources), by_regions=True)
    config, stages = plan.config, plan.stages
    layouts = guide_layouts(sources[0], guide, config) if init is None else None
    each = source_per_region(guide.picture)
    targets = targets_by_precision(regions, stages, plan.analysis, config, params, each, guide.parts)

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        loss = _texture_loss(stage.analysis, octave_weights_at(config, stage), config.relative)
        return loss, {"texture": place_targets(target_at(targets, stage), params, guide.picture, stage)}

    start: Start
    if layouts is None:
        colors = [np.average(sources[0], axis=(0, 1), weights=np.stack([part] * 3, axis=2)) for part in guide.parts]
        start = make_start(config, sources, guide.picture @ np.stack(colors), init, stages[0])
    else:
        start = layouts.start
    job = Job(
        config,
        stages,
        problem,
        start,
        starts=config.starts,
        pictures=config.count,
        notes=plan.notes,
        scored=sources,
    )
    return job if layouts is None else hold_to_layout(job, layouts, config.layout_weight)


@lru_cache(maxsize=32)
def _texture_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """Return the loss of one picture, as ``loss(picture, {"texture": arguments of `texture_loss`})``."""
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})


@lru_cache(maxsize=32)
def _mean_texture_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """Return the mean loss of several pictures, each with its own targets, as ``loss(pictures, {"texture": ...})``."""
    texture = texture_loss(dataclasses.replace(analysis, in_loop=True), octave_weights, relative=relative)
    return weighted_sum({"texture": (1.0, mean_over_frames(texture, 1, True))})
