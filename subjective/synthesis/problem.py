"""The Job: a picture made ready to be optimized, and the only thing that is handed on from `prepare` to `run`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array

from subjective.checks import InputError, Message, check_image, check_weights
from subjective.compilation import jit
from subjective.losses import Loss
from subjective.network.vgg import Params
from subjective.statistics.regions import Regions, carry_masks
from subjective.statistics.terms import Analysis, Statistics
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.stages import Stage, reduce_to_stage
from subjective.synthesis.starts import Start
from subjective.synthesis.targets import targets_by_region

Problem = Callable[[Stage], tuple[Loss, Any]]
"""Of a stage: the loss, and the argument that the loss takes after the value."""

Render = Callable[[Array, Stage], Array]
"""From a stage's value to the picture that the value stands for."""

_carry_masks = jit(carry_masks, static_argnums=(1, 2))


def _shape_of_picture(stage: Stage) -> tuple[int, ...]:
    return (*stage.size, 3)


def _as_it_is(value: Array, stage: Stage) -> Array:
    return value


@dataclasses.dataclass(frozen=True)
class Job:
    """A picture made ready to be optimized: `subjective.synthesis.coarse_to_fine.run` needs nothing else.

    Attributes:
        config: the settings, with the number of octaves chosen.
        stages: coarsest first.
        problem: what is minimized at a stage.
        start: the starting value of a stage, for each picture and attempt.
        render: the picture that a stage's value stands for. What is optimized may be more than a picture: it may have a
            margin, colors that come later, or regions that are made one by one.
        shape: shape of a stage's value.
        starts: number of attempts at the first stage.
        pictures: number of pictures that are made one after the other.
        notes: lines for the user: what is left out, and what has no effect.
    """

    config: PictureConfig
    stages: Sequence[Stage]
    problem: Problem
    start: Start
    render: Render = _as_it_is
    shape: Callable[[Stage], tuple[int, ...]] = _shape_of_picture
    starts: int = 1
    pictures: int = 1
    notes: tuple[Message, ...] = ()

    @property
    def analysis(self) -> Analysis:
        """How the full picture is measured."""
        return self.stages[-1].analysis


def check_inputs(
    sources: Sequence[np.ndarray], config: PictureConfig, masks: np.ndarray | None, init: np.ndarray | None
) -> None:
    """Check the arrays that a picture is made from.

    Raises:
        InputError: an array that is no image, masks or a start of another size than the picture's, or another number
            of source weights than of sources.
    """
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    if init is not None:
        check_image("init", init, config.output_size)
    check_weights("source_weights", getattr(config, "source_weights", None), len(sources), "source")
    if masks is None:
        return
    wanted = (*config.output_size, len(sources))
    if masks.shape != wanted:
        raise InputError(f"masks are of shape {masks.shape}; wanted {wanted}: of each pixel, the share of each source")
    if getattr(config, "source_weights", None) or getattr(config, "join_mode", None) not in (None, "average"):
        raise InputError("masks say how much of each source there is; leave out source weights and join mode")


def sizes_of(pictures: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """(height, width) of each picture."""
    return [(picture.shape[0], picture.shape[1]) for picture in pictures]


def octave_weights_at(config: PictureConfig, stage: Stage) -> tuple[float, ...] | None:
    """Weights of the octaves that take part in a stage."""
    return config.octave_weights and config.octave_weights[stage.first_octave :]


def source_per_region(masks: np.ndarray | None) -> np.ndarray | None:
    """How much each source counts for the target of each region: all of its own source. None without regions."""
    return None if masks is None else np.eye(masks.shape[2])


def place_targets(
    targets: Statistics, params: Params, masks: np.ndarray, stage: Stage
) -> tuple[Statistics, Params, tuple[Regions, ...]]:
    """Return what the texture loss of a picture with regions takes after the picture, at a stage.

    Args:
        targets: of each source by itself, on a leading axis.
        params: the network.
        masks: the region of each source, ``(height, width, sources)``, at full size.
        stage: whose maps the masks are carried to.
    """
    analysis = stage.analysis
    reduced = reduce_to_stage(masks, stage, analysis.padding)
    carried = _carry_masks(reduced, analysis.octaves, analysis.padding, params)
    regions = tuple({layer: maps[layer] for layer in analysis.layers if layer in maps} for maps in carried)
    return targets_by_region(targets, masks.mean(axis=(0, 1)).tolist(), analysis), params, regions
