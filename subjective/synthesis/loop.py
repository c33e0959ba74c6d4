"""A loop: frames that each have the sources' texture and differ little from the next; the first follows the last."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import ArrayLike

from subjective.checks import InputError
from subjective.images import PictureLike
from subjective.losses import Loss, texture_loss, weighted_sum
from subjective.network.vgg import Params
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.config import AnimationConfig
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.frames import (
    Distances,
    check_moves,
    interframe_loss,
    mean_over_frames,
    octaves_of,
    shifted_distances,
    weigh_frames,
)
from subjective.synthesis.inputs import read_config, read_init, read_params, read_pictures, read_shares
from subjective.synthesis.morph import TURN_BY, add_changes, frame_importance, measure_contrast
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
from subjective.synthesis.settings import NOT_FUSED
from subjective.synthesis.stages import Stage, reduce_to_stage
from subjective.synthesis.starts import Start, make_start
from subjective.synthesis.targets import targets_by_precision


def animate(
    sources: PictureLike | Sequence[PictureLike],
    config: AnimationConfig | None = None,
    *,
    params: Params,
    frame_weights: ArrayLike | None = None,
    masks: ArrayLike | None = None,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make the frames of a loop. Each frame has the sources' texture and differs little from its neighbors.

    Args:
        sources: as in `synthesize`.
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        frame_weights: how much each source counts at each frame, ``(count, sources)``, see
            `subjective.synthesis.morph`. If None, all frames have one texture, joined by ``config.source_weights``.
        masks: as in `synthesize`; all frames have the same masks. Do not give masks and ``frame_weights`` together.
        init: as in `synthesize`; all frames start near this picture.
        extra: as in `synthesize`; each loss gets one frame at a time, and counts as the mean over the frames.
        on_step: called as ``on_step(0, step)``; the frames are optimized together as one value.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A list of one `PictureResult`, whose picture is ``(count, height, width, 3)``.

    Raises:
        InputError: a setting, a source or a size is invalid.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.

    References:
        As for `synthesize`. Departures: distances are compared octave by octave, at every stage. For frames that are N
        steps apart, the wanted distance is found with a move of the source N times as long. The frames start on a
        circle: each is a mixture of the same two pictures, in shares that change from frame to frame. The two pictures
        have the sources' spectrum at random phases, at every stage, unless ``init`` says otherwise. So the loop is
        closed from the beginning, and its detail changes steadily.
    """
    images, config = read_pictures(sources, "source"), read_config(config, AnimationConfig)
    params = read_params(params, config)
    weights = read_shares(frame_weights, "frame_weights", "(frames, sources)")
    regions = read_shares(masks, "masks", "(height, width, sources)")
    job = prepare(images, config, params, weights, regions, read_init(init, config.output_size))
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


@can_prepare_again
def prepare(
    sources: Sequence[np.ndarray],
    config: AnimationConfig,
    params: Params,
    frame_weights: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    init: np.ndarray | None = None,
) -> Job:
    """Return the job of `animate`; arguments and errors are the same."""
    if frame_weights is not None and config.join_mode == "fuse":
        raise InputError(NOT_FUSED)
    if frame_weights is not None:
        _check_frame_weights(frame_weights, (config.count, len(sources)), masks)
        config = dataclasses.replace(config, join_mode=config.join_mode or TURN_BY)
    check_inputs(sources, config, masks, init)
    sources = fuse_sources(sources, config)
    plan = make_plan(config, params, sizes_of(sources), by_regions=masks is not None)
    config, stages = plan.config, plan.stages
    check_moves(sources, config.frame_shifts, 1)
    several = source_per_region(masks) if frame_weights is None else frame_weights
    targets = targets_by_precision(sources, stages, plan.analysis, config, params, several)
    weights = _weights_of_sources(config, len(sources), frame_weights, masks)
    shares = weights / weights.sum(axis=-1, keepdims=True)
    colors = mean_colors(sources)

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        octave_weights = octave_weights_at(config, stage)
        by_frame = dataclasses.replace(stage.analysis, in_loop=True)
        texture = texture_loss(by_frame, octave_weights, relative=config.relative)
        target: Any = target_at(targets, stage)
        distances = _distances_at(config, sources, stage)
        least = most = _wanted_distances(config, sources, shares, distances, stage)
        if frame_weights is not None:
            texture = weigh_frames(texture)
            target = (target, jnp.asarray(frame_importance(shares), jnp.float32))
            contrasts = np.stack(
                [
                    measure_contrast(jnp.asarray(source, jnp.float32), distances.kind, stage.octave, distances.octaves)
                    for source in sources
                ]
            )
            least, most = add_changes(least, shares, colors, contrasts, config.frame_steps, distances.kind)
        frames = mean_over_frames(texture, config.batch, frame_weights is not None, config.devices)
        arguments = {
            "texture": (target, params) if masks is None else place_targets(target, params, masks, stage),
            "interframe": tuple(jnp.asarray(bound, jnp.float32) for bound in (least, most)),
        }
        return _loop_loss(frames, config.if_weight, distances), arguments

    def shape(stage: Stage) -> tuple[int, ...]:
        return (config.count, *stage.size, 3)

    pictures = make_start(config, sources, np.zeros(3), init, stages[0], loops=True)
    start = _turning_start(config, pictures, weights, colors, masks, init)
    return Job(config, stages, problem, start, shape=shape, starts=config.starts, notes=plan.notes, scored=sources)


@lru_cache(maxsize=32)
def _loop_loss(texture: Loss, weight: float, distances: Distances) -> Loss:
    """Return the loss of a loop, as ``loss(frames, {"texture": (targets, params), "interframe": (least, most)})``."""
    return weighted_sum({"texture": (1.0, texture), "interframe": (weight, interframe_loss(distances))})


def _check_frame_weights(frame_weights: np.ndarray, wanted: tuple[int, int], masks: np.ndarray | None) -> None:
    if masks is not None:
        raise InputError("frame weights and masks were both given; give one of them")
    if frame_weights.shape != wanted:
        raise InputError(
            f"frame weights are of shape {frame_weights.shape}; wanted {wanted}: for each frame, one for each source"
        )


def _weights_of_sources(
    config: AnimationConfig, sources: int, frame_weights: np.ndarray | None, masks: np.ndarray | None
) -> np.ndarray:
    """Return how much each source counts: ``(sources,)``, or ``(frames, sources)`` if frames differ."""
    if frame_weights is not None:
        return frame_weights
    if masks is not None:
        return masks.mean(axis=(0, 1))
    return np.ones(sources) if config.source_weights is None else np.asarray(config.source_weights)


def _distances_at(config: AnimationConfig, sources: Sequence[np.ndarray], stage: Stage) -> Distances:
    """Return which frames are compared at a stage, and how; with at most as many octaves as fit all pictures."""
    room = [octaves_of(size, max(config.frame_shifts)) for size in sizes_of(sources)]
    octaves = max(min(config.distance_octaves, octaves_of(stage.size), min(room) - stage.octave), 1)
    return Distances(config.frame_steps, config.if_distance_type, octaves, config.padding_mode)


def _wanted_distances(
    config: AnimationConfig, sources: Sequence[np.ndarray], shares: np.ndarray, distances: Distances, stage: Stage
) -> np.ndarray:
    """Return the distances of moved sources from themselves, averaged over the sources by their shares."""
    moved = [
        shifted_distances(source, config.frame_shifts, distances.kind, stage.octave, distances.octaves)
        for source in sources
    ]
    return np.tensordot(shares, np.stack(moved), 1)


def _turning_start(
    config: AnimationConfig,
    pictures: Start,
    weights: np.ndarray,
    colors: np.ndarray,
    masks: np.ndarray | None,
    init: np.ndarray | None,
) -> Start:
    """Start frame n of N as a mean, plus cos(2πn / N) times one noise picture, plus sin(2πn / N) times another."""
    by_frame = np.broadcast_to(weights, (config.count, len(colors)))
    means = (by_frame @ colors / by_frame.sum(axis=1, keepdims=True)).astype(np.float32)

    def start(picture: int, attempt: int, stage: Stage) -> Array:
        even = jnp.zeros((*stage.size, 3)) if init is None else reduce_to_stage(init, stage, config.padding_mode)
        one, other = (pictures(number, attempt, stage) - even for number in (1, 2))
        turns = 2 * np.pi * np.arange(config.count) / config.count
        frames = jnp.stack([even + np.cos(turn) * one + np.sin(turn) * other for turn in turns])
        if init is not None:
            return frames
        if masks is None:
            return frames + means[:, None, None, :]
        return frames + reduce_to_stage(masks @ colors, stage, config.padding_mode)[None]

    return start
