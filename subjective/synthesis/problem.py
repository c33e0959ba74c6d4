"""Work made ready: targets measured, stages laid out, and what is to be minimized at each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.colors import in_colors
from subjective.compilation import jit
from subjective.losses import Loss, novelty_loss, texture_loss
from subjective.network.vgg import Params
from subjective.statistics.analysis import analyze, contents_of
from subjective.statistics.blocks import WHOLE
from subjective.statistics.regions import Guides, guides_of
from subjective.statistics.terms import Analysis, Statistics
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.frames import (
    Distances,
    by_importance,
    check_moves,
    mean_over_frames,
    octaves_of,
    shifted_distances,
)
from subjective.synthesis.morph import TURNED_BY, contrast, importance, with_changes
from subjective.synthesis.objectives import animation_loss, apart_loss, synthesis_loss, transfer_loss
from subjective.synthesis.picture_config import PictureConfig
from subjective.synthesis.plan import analysis_of, check_image, check_size, with_octaves
from subjective.synthesis.stages import Stage, at_stage, stages_of, with_margin
from subjective.synthesis.targets import by_region, targets_by_precision

Config = TypeVar("Config", bound=PictureConfig)

_analyze = jit(analyze, static_argnums=2)
_contents = jit(contents_of, static_argnums=2)
_guides_of = jit(guides_of, static_argnums=(1, 2))


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
        masks: by octave, where regions are made apart, each as a whole picture; before the last octave, since a region
            that is narrow for a coarse map is hidden from it, and would otherwise be made up for beside it.
    """

    config: PictureConfig
    stages: Sequence[Stage]
    problem: Callable[[Stage], tuple[Loss, Any]]
    starts: int = 1
    times: int = 1
    frames: int | None = None
    masks: Mapping[int, Array] = dataclasses.field(default_factory=dict)

    def shape(self, stage: Stage) -> tuple[int, ...]:
        """Of what is optimized at a stage."""
        frames = self.regions(stage) or self.frames
        return (*(() if frames is None else (frames,)), *stage.size, 3)

    def regions(self, stage: Stage) -> int:
        """How many are made apart at a stage; 0 if none are."""
        return self.masks[stage.octave].shape[2] if stage.octave in self.masks else 0

    def side_by_side(self, value: Array, stage: Stage) -> Array:
        """What a stage has made, ``(regions, height, width, 3)`` or a picture already, as one picture."""
        masks = self.masks.get(stage.octave)
        return value if masks is None else jnp.einsum("yxr,ryxc->yxc", masks, value)


def prepared(
    sources: Sequence[np.ndarray], config: SynthesisConfig, params: Params, masks: np.ndarray | None = None
) -> Job:
    """A synthesis: check everything, measure the sources, and lay out the stages.

    Args:
        sources: images.
        config: settings.
        params: the network.
        masks: the region of each source, ``(height, width, sources)``, see `subjective.statistics.regions`; all
            sources make up one texture if not given.

    Raises:
        ValueError: settings, sources or sizes that do not fit, said in one line.
    """
    config, analysis, stages = _laid_out(sources, config, params, masks)
    targets = targets_by_precision(sources, stages, analysis, config, params, _each(masks))

    def problem(stage: Stage) -> tuple[Loss, Any]:
        weights, target = _octave_weights(config, stage), targets[stage.analysis.precision][stage.first :]
        if job.regions(stage):
            return apart_loss(stage.analysis, weights, config.relative), {"texture": (target, params)}
        loss = synthesis_loss(stage.analysis, weights, config.relative)
        return loss, {"texture": (target, params) if masks is None else _by_region(target, params, masks, stage)}

    apart = {}
    if masks is not None:
        apart = {stage.octave: at_stage(masks, stage, config.padding_mode) for stage in stages if stage.octave > 0}
    job = Job(config, stages, problem, config.starts, config.count, masks=apart)
    return job


def _each(masks: np.ndarray | None) -> np.ndarray | None:
    """The shares of each region's target: all of its own source."""
    return None if masks is None else np.eye(masks.shape[2])


def _by_region(
    target: Statistics, params: Params, masks: np.ndarray, stage: Stage
) -> tuple[Statistics, Params, tuple[Guides, ...]]:
    """What a texture loss of a picture with regions takes, after the picture."""
    shares = masks.mean(axis=(0, 1)).tolist()
    return by_region(target, shares, stage.analysis), params, _guides(masks, stage, params)


def _octave_weights(config: PictureConfig, stage: Stage) -> tuple[float, ...] | None:
    """Of the octaves that take part in a stage."""
    return config.octave_weights and config.octave_weights[stage.first :]


def _guides(masks: np.ndarray, stage: Stage, params: Params) -> tuple[Guides, ...]:
    """The masks of a stage's maps, those alone that are looked at."""
    analysis = stage.analysis
    found = _guides_of(at_stage(masks, stage, analysis.padding), analysis.octaves, analysis.padding, params)
    return tuple({layer: guides[layer] for layer in analysis.layers if layer in guides} for guides in found)


def _laid_out(
    sources: Sequence[np.ndarray], config: Config, params: Params, masks: np.ndarray | None = None
) -> tuple[Config, Analysis, Sequence[Stage]]:
    config.check()
    if masks is not None and masks.shape != (*config.output_size, len(sources)):
        wanted = (*config.output_size, len(sources))
        raise ValueError(f"masks are of shape {masks.shape}; wanted {wanted}: of each pixel, the share of each source")
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = with_octaves(config, params, sizes)
    analysis = analysis_of(config, params, sizes)
    if masks is not None:
        analysis = dataclasses.replace(analysis, blocks=WHOLE)
        _check_regions(analysis)
        if isinstance(config, SynthesisConfig) and (config.source_weights or config.join_mode not in (None, "average")):
            raise ValueError("masks say how much of each source there is; leave out source weights and join mode")
    check_size(config.as_painted("the picture"), config.size, analysis, params)
    if not isinstance(config, SynthesisConfig):
        return config, analysis, stages_of("plain", config.size, analysis, params, config.steps)
    stages = stages_of(config.schedule, config.size, analysis, params, config.steps, config.first_stage)
    return config, analysis, stages


def _check_regions(analysis: Analysis) -> None:
    """Refuse what cannot be taken of a part of a picture."""
    for term in analysis.terms:
        if not (term.statistic.by_region or term.statistic.of_all):
            raise ValueError(
                f"{term.statistic.name} cannot be taken of a part of a picture; leave out the masks, or match gram, "
                "covariance, gaussian or spectrum"
            )


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
        weights: of each source at each frame, ``(count, sources)``, joined by `TURNED_BY` if the config does not
            say how; ``config.source_weights`` at all if not given.
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
    if weights is not None:
        config = dataclasses.replace(config, join_mode=config.join_mode or TURNED_BY)
    config, analysis, stages = _laid_out(sources, config, params, masks)
    check_moves(sources, config.moves, 1)
    each = _each(masks) if weights is None else weights
    targets = targets_by_precision(sources, stages, analysis, config, params, each)
    shares = np.ones(len(sources)) if config.source_weights is None else np.asarray(config.source_weights)
    if weights is not None:
        shares = weights
    elif masks is not None:
        shares = masks.mean(axis=(0, 1))
    shares = shares / shares.sum(axis=-1, keepdims=True)
    colors = np.stack([source.mean(axis=(0, 1)) for source in sources])

    def problem(stage: Stage) -> tuple[Loss, Any]:
        octave_weights = _octave_weights(config, stage)
        by_frame = dataclasses.replace(stage.analysis, in_loop=True)
        texture = texture_loss(by_frame, octave_weights, relative=config.relative)
        room = [octaves_of((source.shape[0], source.shape[1]), max(config.moves)) for source in sources]
        octaves = max(min(config.distances, octaves_of(stage.size), min(room) - stage.octave), 1)
        distances = Distances(config.if_steps, config.if_distance_type, octaves, config.padding_mode)
        target: Any = targets[stage.analysis.precision][stage.first :]
        moved = [shifted_distances(source, config.moves, distances.kind, stage.octave, octaves) for source in sources]
        least = most = np.tensordot(shares, np.stack(moved), 1)
        if weights is not None:
            texture = by_importance(texture)
            target = (target, jnp.asarray(importance(shares), jnp.float32))
            pictures = [jnp.asarray(source, jnp.float32) for source in sources]
            contrasts = np.stack([contrast(picture, distances.kind, stage.octave, octaves) for picture in pictures])
            least, most = with_changes(least, shares, colors, contrasts, config.if_steps, distances.kind)
        frames = mean_over_frames(texture, config.batch, weights is not None, config.devices)
        loss = animation_loss(frames, config.if_weight, distances)
        arguments = {
            "texture": (target, params) if masks is None else _by_region(target, params, masks, stage),
            "interframe": tuple(jnp.asarray(bound, jnp.float32) for bound in (least, most)),
        }
        return loss, arguments

    return Job(config, stages, problem, config.starts, frames=config.count)


def prepared_transfer(
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    config: TransferConfig,
    params: Params,
    masks: np.ndarray | None = None,
    parts: Sequence[np.ndarray] | None = None,
) -> Job:
    """A style transfer, as `prepared`.

    Args:
        content: image of the size that the config says.
        styles: images.
        config: settings.
        params: the network.
        masks: the region of each style, as of `prepared`.
        parts: how much of each pixel of each style counts, ``(height, width)``.

    Raises:
        ValueError: settings, pictures or sizes that do not fit.
    """
    check_image("the content", content, config.output_size)
    content, styles = in_colors(content, styles, config.colors)
    config, analysis, stages = _laid_out(styles, config, params, masks)
    content = with_margin(content, config.mirrored)
    masks = None if masks is None else with_margin(masks, config.mirrored)
    of_style = _of_terms(analysis, False)
    if parts is not None:
        _check_regions(of_style)
    targets = targets_by_precision(styles, stages, of_style, config, params, _each(masks), parts)
    wraps = config.padding_mode == "circular"

    def problem(stage: Stage) -> tuple[Loss, Any]:
        weights = _octave_weights(config, stage)
        picture = at_stage(content, stage, config.padding_mode)
        contents = _contents(params, picture, stage.analysis)
        # Relative to a flat picture: what is left of the content in it.
        flat = jnp.broadcast_to(jnp.mean(picture, axis=(0, 1), keepdims=True), picture.shape)
        of_content = _of_terms(stage.analysis, True)  # alone it may be in tiles where with the style it is not
        of_flat = _analyze(params, flat, of_content, None, _contents(params, picture, of_content))
        style, guides = targets[stage.analysis.precision][stage.first :], None
        if masks is not None:
            style, _, guides = _by_region(style, params, masks, stage)
        both = tuple(
            {layer: of_octave.get(layer, {}) | further.get(layer, {}) for layer in stage.analysis.layers_at(octave)}
            for octave, of_octave, further in zip(stage.analysis.octaves, style, of_flat, strict=True)
        )
        loss = transfer_loss(stage.analysis, weights, config.relative, config.tv_weight, wraps)
        return loss, {"features": (both, params, guides, contents), **({"variation": ()} if config.tv_weight else {})}

    return Job(config, stages, problem, config.starts)


def _of_terms(analysis: Analysis, content: bool) -> Analysis:
    """Of those terms alone that measure content, or that do not."""
    terms = tuple(term for term in analysis.terms if (term.statistic.against is not None) is content)
    return dataclasses.replace(analysis, terms=terms)


def prepared_novelty(config: NoveltyConfig, params: Params) -> Job:
    """Pictures unlike each other, as `prepared`."""
    config, _, stages = _laid_out((), config, params)

    def problem(stage: Stage) -> tuple[Loss, Any]:
        how = {"internal": config.internal, "octave_weights": config.octave_weights}
        return novelty_loss(stage.analysis, config.mul, **how), params

    return Job(config, stages, problem, frames=config.together)
