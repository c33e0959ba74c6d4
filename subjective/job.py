"""Work made ready: targets measured, stages laid out, and what is to be minimized at each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

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
from subjective.guides import Guides, guides_of
from subjective.losses import Loss, novelty_loss, texture_loss, weighted_sum
from subjective.picture_config import PictureConfig
from subjective.plan import VALID, analysis_of, check_image, check_size, with_octaves
from subjective.pyramid import gaussian_pyramid
from subjective.stages import Stage, stages_of
from subjective.statistics import Analysis
from subjective.targets import targets_by_precision
from subjective.vgg import Params

Config = TypeVar("Config", bound=PictureConfig)


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


def prepared(
    sources: Sequence[np.ndarray], config: SynthesisConfig, params: Params, masks: np.ndarray | None = None
) -> Job:
    """A synthesis: check everything, measure the sources, and lay out the stages.

    Args:
        sources: images.
        config: settings.
        params: the network.
        masks: the region of each source, ``(height, width, sources)``, see `subjective.guides`; all sources make up
            one texture if not given.

    Raises:
        ValueError: settings, sources or sizes that do not fit, said in one line.
    """
    config, analysis, stages = _laid_out(sources, config, params, masks)
    targets = targets_by_precision(sources, stages, analysis, config, params, None, masks)

    def problem(stage: Stage) -> tuple[Loss, Any]:
        weights = config.octave_weights and config.octave_weights[stage.first :]
        loss = synthesis_loss(stage.analysis, weights, config.relative)
        guides = () if masks is None else (_guides(masks, stage, params),)
        return loss, {"texture": (targets[stage.analysis.precision][stage.first :], params, *guides)}

    return Job(config, stages, problem, config.starts, config.count)


def _guides(masks: np.ndarray, stage: Stage, params: Params) -> tuple[Guides, ...]:
    """The masks of a stage's maps, those alone that are looked at."""
    analysis = stage.analysis
    around = "same" if analysis.padding == VALID else analysis.padding
    reduced = gaussian_pyramid(jnp.asarray(masks, jnp.float32), stage.octave + 1, around)[-1]
    found = guides_of(reduced, analysis.octaves, analysis.padding, params)
    return tuple({layer: guides[layer] for layer in analysis.layers if layer in guides} for guides in found)


def _laid_out(
    sources: Sequence[np.ndarray], config: Config, params: Params, masks: np.ndarray | None = None
) -> tuple[Config, Analysis, Sequence[Stage]]:
    config.check()
    if masks is not None and masks.shape != (*config.size, len(sources)):
        wanted = (*config.size, len(sources))
        raise ValueError(f"masks are of shape {masks.shape}; wanted {wanted}: of each pixel, the share of each source")
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = with_octaves(config, params, sizes)
    analysis = analysis_of(config, params, sizes)
    if masks is not None:
        analysis = dataclasses.replace(analysis, regions=len(sources))
        for term in analysis.terms:
            if not (term.statistic.by_region or term.statistic.of_all):
                raise ValueError(f"{term.statistic.name} cannot be taken of a region; match another with --blend-map")
    check_size("the picture", config.size, analysis, params)
    schedule = config.schedule if isinstance(config, SynthesisConfig) else "plain"
    return config, analysis, stages_of(schedule, config.size, analysis, params, config.steps)


def prepared_animation(
    sources: Sequence[np.ndarray],
    config: AnimationConfig,
    params: Params,
    weights: np.ndarray | None = None,
    masks: np.ndarray | None = None,
) -> Job:
    """Frames of a loop, as `prepared`.

    Args:
        sources: images.
        config: settings.
        params: the network.
        weights: of each source at each frame, ``(count, sources)``; ``config.source_weights`` at all if not given.
        masks: as of `prepared`, of all frames.

    Raises:
        ValueError: settings, sources or sizes that do not fit.
    """
    if weights is not None and masks is not None:
        raise ValueError("weights of frames and masks were both given; give one of them")
    if weights is not None and weights.shape != (config.count, len(sources)):
        raise ValueError(
            f"weights are of shape {weights.shape}; wanted {(config.count, len(sources))}: of each frame, each source"
        )
    devices = config.devices  # share the frames, and each looks at whole ones
    config, analysis, stages = _laid_out(sources, dataclasses.replace(config, devices=1), params, masks)
    check_moves(sources, config.moves, config.distances)
    targets = targets_by_precision(sources, stages, analysis, config, params, weights, masks)
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
        guides = () if masks is None else (_guides(masks, stage, params),)
        arguments = {
            "texture": (targets[stage.analysis.precision][stage.first :], params, *guides),
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
    """The loss of a synthesis, as ``loss(image, {"texture": (targets, params)})``, and guides if it has regions."""
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})


@lru_cache(maxsize=32)
def animation_loss(texture: Loss, weight: float, distances: Distances) -> Loss:
    """The loss of a loop, as ``loss(frames, {"texture": (targets, params), "interframe": (distances,)})``."""
    return weighted_sum({"texture": (1.0, texture), "interframe": (weight, interframe_loss(distances))})
