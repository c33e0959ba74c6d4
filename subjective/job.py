"""Work made ready: targets measured, stages laid out, and what is to be minimized at each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from subjective import joins
from subjective.compilation import jit
from subjective.config import NoveltyConfig, PictureConfig, SynthesisConfig
from subjective.losses import Loss, novelty_loss, texture_loss, weighted_sum
from subjective.plan import VALID, analysis_of, check_image, check_size, with_octaves
from subjective.stages import Stage, stages_of
from subjective.statistics import Analysis, Statistics, analyze, network_layers, places_of
from subjective.vgg import Params, Precision

SOURCE_ROWS = 512
"""Rows of a source that are analyzed at a time; photographs are large, and what is learned of them is small."""

_analyze = jit(analyze, static_argnums=2)


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
    adds_up = all(term.statistic.sums or not network_layers(term.layers) for term in analysis.terms)
    analysis = dataclasses.replace(analysis, padding=VALID, devices=1, tile=SOURCE_ROWS if adds_up else None)
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
    config.check()
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = with_octaves(config, params, sizes)
    analysis = analysis_of(config, params, sizes)
    check_size("the picture", config.size, analysis, params)
    stages = stages_of(config.schedule, config.size, analysis, params, config.steps)
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


def prepared_novelty(config: NoveltyConfig, params: Params) -> Job:
    """Pictures unlike each other, as `prepared`."""
    config.check()
    config = with_octaves(config, params)
    analysis = analysis_of(config, params)
    check_size("the picture", config.size, analysis, params)
    stages = stages_of("plain", config.size, analysis, params, config.steps)

    def problem(stage: Stage) -> tuple[Loss, Any]:
        how = {"internal": config.internal, "octave_weights": config.octave_weights}
        return novelty_loss(stage.analysis, config.mul, **how), params

    return Job(config, stages, problem, frames=config.together)


@lru_cache(maxsize=32)
def synthesis_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """All terms of a synthesis, as ``loss(image, {"texture": (targets, params)})``.

    Terms that couple pictures, such as a distance between frames, join the texture here.
    """
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})
