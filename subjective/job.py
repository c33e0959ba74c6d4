"""Work made ready: targets measured, stages laid out, and what is to be minimized at each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from subjective import joins
from subjective.compilation import jit
from subjective.config import AnimationConfig, NoveltyConfig, SynthesisConfig
from subjective.frames import (
    Distances,
    check_moves,
    interframe_loss,
    mean_over_frames,
    octaves_of,
    shifted_distances,
    with_colors,
)
from subjective.losses import Loss, novelty_loss, texture_loss, weighted_sum
from subjective.picture_config import PictureConfig
from subjective.plan import VALID, analysis_of, check_image, check_size, with_octaves
from subjective.stages import Stage, stages_of
from subjective.statistics import Analysis, Statistics, analyze, network_layers, places_of
from subjective.vgg import Params, Precision

SOURCE_ROWS = 512
"""Rows of a source that are analyzed at a time; photographs are large, and what is learned of them is small."""

Config = TypeVar("Config", bound=PictureConfig)

_analyze = jit(analyze, static_argnums=2)


def measured(sources: Sequence[np.ndarray], analysis: Analysis, params: Params) -> list[Statistics]:
    """The statistics of each source, always with ``valid`` padding: a photograph has no outside.

    Args:
        sources: images ``(height, width, 3)``, of any sizes.
        analysis: of the picture to be made.
        params: the network.

    Raises:
        ValueError: a source too small.
    """
    adds_up = all(term.statistic.sums or not network_layers(term.layers) for term in analysis.terms)
    analysis = dataclasses.replace(analysis, padding=VALID, devices=1, tile=SOURCE_ROWS if adds_up else None)
    for number, source in enumerate(sources, 1):
        check_size(f"source {number}", source.shape[:2], analysis, params)
    return [_analyze(params, jnp.asarray(source, jnp.float32), analysis) for source in sources]


def joined(
    found: Sequence[Statistics], weights: Sequence[float] | None, analysis: Analysis, config: SynthesisConfig
) -> Statistics:
    """One target out of what was measured of several sources.

    Args:
        found: from `measured`.
        weights: share of each source; those of none do not take part.
        analysis: of the picture to be made.
        config: join mode and ``mul``.

    Raises:
        ValueError: weights that do not fit.
    """
    if weights is not None and len(weights) == len(found) and any(weight > 0 for weight in weights):
        found = [each for each, weight in zip(found, weights, strict=True) if weight > 0]
        weights = [weight for weight in weights if weight > 0]
    target = joins.join(found, config.join_mode, weights)
    places = places_of(analysis.terms)
    return tuple(
        {
            layer: {name: places[layer, name][0].scaled(target, config.mul) for name, target in there.items()}
            for layer, there in octave.items()
        }
        for octave in target
    )


def targets_of(
    sources: Sequence[np.ndarray], analysis: Analysis, config: SynthesisConfig, params: Params
) -> Statistics:
    """The joined target of several sources; arguments and errors as of `measured` and `joined`."""
    if config.source_weights is not None and len(config.source_weights) != len(sources):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(sources)} pictures; give one for each"
        )
    return joined(measured(sources, analysis, params), config.source_weights, analysis, config)


@dataclasses.dataclass(frozen=True)
class Job:
    """Work made ready: what is to be minimized at each stage.

    Attributes:
        config: with its number of octaves chosen.
        stages: coarsest first.
        problem: of a stage: the loss, and its argument after the picture.
        starts: times that the first stage is made.
        times: that all of it is made, each time a picture.
        frames: made together; None for a picture without a frame axis.
    """

    config: PictureConfig
    stages: Sequence[Stage]
    problem: Callable[[Stage], tuple[Loss, Any]]
    starts: int = 1
    times: int = 1
    frames: int | None = None

    def shape(self, stage: Stage) -> tuple[int, ...]:
        """Of what is optimized at a stage."""
        return (*(() if self.frames is None else (self.frames,)), *stage.size, 3)


def prepared(sources: Sequence[np.ndarray], config: SynthesisConfig, params: Params) -> Job:
    """A synthesis: check everything, measure the sources, and lay out the stages.

    Raises:
        ValueError: settings, sources or sizes that do not fit, said in one line.
    """
    config, analysis, stages = _laid_out(sources, config, params)
    # In the precision of each stage: what it errs by is then the same on both sides of a distance.
    targets: dict[Precision, Statistics] = {
        precision: targets_of(sources, dataclasses.replace(analysis, precision=precision), config, params)
        for precision in dict.fromkeys(stage.analysis.precision for stage in stages)
    }

    def problem(stage: Stage) -> tuple[Loss, Any]:
        weights = config.octave_weights and config.octave_weights[stage.first :]
        loss = synthesis_loss(stage.analysis, weights, config.relative)
        return loss, {"texture": (targets[stage.analysis.precision][stage.first :], params)}

    return Job(config, stages, problem, config.starts, config.count)


def _laid_out(
    sources: Sequence[np.ndarray], config: Config, params: Params
) -> tuple[Config, Analysis, Sequence[Stage]]:
    config.check()
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = with_octaves(config, params, sizes)
    analysis = analysis_of(config, params, sizes)
    check_size("the picture", config.size, analysis, params)
    schedule = config.schedule if isinstance(config, SynthesisConfig) else "plain"
    return config, analysis, stages_of(schedule, config.size, analysis, params, config.steps)


def prepared_animation(
    sources: Sequence[np.ndarray], config: AnimationConfig, params: Params, weights: np.ndarray | None = None
) -> Job:
    """Frames of a loop, as `prepared`.

    Args:
        sources: images.
        config: settings.
        params: the network.
        weights: of each source at each frame, ``(count, sources)``; ``config.source_weights`` at all if not given.

    Raises:
        ValueError: settings, sources or sizes that do not fit.
    """
    if weights is not None and weights.shape != (config.count, len(sources)):
        raise ValueError(
            f"weights are of shape {weights.shape}; wanted {(config.count, len(sources))}: of each frame, each source"
        )
    devices = config.devices  # share the frames, and each looks at whole ones
    config, analysis, stages = _laid_out(sources, dataclasses.replace(config, devices=1), params)
    check_moves(sources, config.moves, config.distances)
    targets: dict[Precision, Statistics] = {}
    for precision in dict.fromkeys(stage.analysis.precision for stage in stages):
        exact = dataclasses.replace(analysis, precision=precision)
        if weights is None:
            targets[precision] = targets_of(sources, exact, config, params)
            continue
        found = measured(sources, exact, params)
        of_frames = [joined(found, list(row), exact, config) for row in weights]
        targets[precision] = jax.tree.map(lambda *leaves: jnp.stack(leaves), *of_frames)
    shares = np.asarray(weights if weights is not None else config.source_weights or np.ones(len(sources)))
    shares = shares / shares.sum(axis=-1, keepdims=True)
    colors = np.stack([source.mean(axis=(0, 1)) for source in sources])

    def problem(stage: Stage) -> tuple[Loss, Any]:
        octave_weights = config.octave_weights and config.octave_weights[stage.first :]
        texture = texture_loss(stage.analysis, octave_weights, relative=config.relative)
        octaves = min(config.distances, octaves_of(stage.size))
        distances = Distances(config.if_steps, config.if_distance_type, octaves, config.padding_mode)
        frames = mean_over_frames(texture, config.batch, weights is not None, devices)
        loss = animation_loss(frames, config.if_weight, distances)
        moved = [shifted_distances(source, config.moves, distances.kind, stage.octave, octaves) for source in sources]
        apart = np.tensordot(shares, np.stack(moved), 1)
        if weights is not None:
            apart = with_colors(apart, shares @ colors, config.if_steps, distances.kind)
        arguments = {
            "texture": (targets[stage.analysis.precision][stage.first :], params),
            "interframe": (jnp.asarray(apart, jnp.float32),),
        }
        return loss, arguments

    config = dataclasses.replace(config, devices=devices)
    return Job(config, stages, problem, config.starts, frames=config.count)


def prepared_novelty(config: NoveltyConfig, params: Params) -> Job:
    """Pictures unlike each other, as `prepared`."""
    config, _, stages = _laid_out((), config, params)

    def problem(stage: Stage) -> tuple[Loss, Any]:
        how = {"internal": config.internal, "octave_weights": config.octave_weights}
        return novelty_loss(stage.analysis, config.mul, **how), params

    return Job(config, stages, problem, frames=config.together)


@lru_cache(maxsize=32)
def synthesis_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """The loss of a synthesis, as ``loss(image, {"texture": (targets, params)})``."""
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})


@lru_cache(maxsize=32)
def animation_loss(texture: Loss, weight: float, distances: Distances) -> Loss:
    """The loss of a loop, as ``loss(frames, {"texture": (targets, params), "interframe": (distances,)})``."""
    return weighted_sum({"texture": (1.0, texture), "interframe": (weight, interframe_loss(distances))})
