"""The Job: all that `coarse_to_fine.run` needs to make a picture. The `prepare` of each verb returns a Job."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array

from subjective.checks import InputError, Message, check_image, check_weights
from subjective.choices import Precision
from subjective.colors import share_colors
from subjective.compilation import jit
from subjective.losses import Loss
from subjective.network.vgg import Params
from subjective.statistics.regions import Regions, carry_masks
from subjective.statistics.terms import Analysis, Statistics
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.stages import Stage, reduce_to_stage
from subjective.synthesis.starts import Start
from subjective.synthesis.targets import targets_by_region


@runtime_checkable
class Problem(Protocol):
    """What a stage minimizes."""

    def __call__(self, stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        """Return a stage's loss, which is the same for all pictures, and the argument that it takes after the value.

        Args:
            stage: the stage.
            picture: number of the picture.
            attempt: number of the attempt at the picture.
        """


Render = Callable[[Array, Stage], Array]
"""``render(value, stage)`` turns the value that a stage optimizes into a picture."""

_carry_masks = jit(carry_masks, static_argnums=(1, 2))


def _shape_of_picture(stage: Stage) -> tuple[int, ...]:
    return (*stage.size, 3)


def never_enough(stage: Stage) -> None:
    """Say that a stage never ends because its picture is near enough."""


def _as_it_is(value: Array, stage: Stage) -> Array:
    return value


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that `subjective.synthesis.coarse_to_fine.run` needs to make a picture.

    Attributes:
        config: the settings, with the number of octaves chosen.
        stages: the stages, coarsest first.
        problem: returns the loss of a stage, and the loss's argument, for each picture and attempt.
        start: returns the starting value of a stage, for each picture and attempt.
        render: turns a stage's value into a picture. The value may differ from the picture: it may have a margin, it
            may lack the final colors, or it may hold each region as a picture of its own.
        shape: returns the shape of a stage's value.
        seen: turns a stage's value into the picture that the caller's own losses see
            (`subjective.synthesis.extra`), if ``render`` cannot be differentiated; None for ``render``.
        enough: returns the loss at which a stage ends, since its picture is near enough; None if a stage never ends so.
        starts: number of attempts at the first stage.
        pictures: number of pictures that are made one after the other.
        notes: lines for the user about statistics that are left out and settings without effect.
        prepare: makes the same job with another config, which differs in weights only; None if it cannot be made again.
        scored: the sources that finished pictures are compared with, of a texture, a loop, a material or tiles: a
            regular one may be stretched, and those that are fused have common colors.
    """

    config: PictureConfig
    stages: Sequence[Stage]
    problem: Problem
    start: Start
    render: Render = _as_it_is
    shape: Callable[[Stage], tuple[int, ...]] = _shape_of_picture
    seen: Render | None = None
    enough: Callable[[Stage], float | None] = never_enough
    starts: int = 1
    pictures: int = 1
    notes: tuple[Message, ...] = ()
    prepare: Callable[[Any], Job] | None = None
    scored: Sequence[np.ndarray] = ()

    @property
    def analysis(self) -> Analysis:
        """How the full picture is measured."""
        return self.stages[-1].analysis


Arguments = ParamSpec("Arguments")


def can_prepare_again(prepare: Callable[Arguments, Job]) -> Callable[Arguments, Job]:
    """Decorate the `prepare` of a verb: its jobs remember how they were made, and can be made with another config.

    Args:
        prepare: a function with an argument ``config``.
    """
    signature = inspect.signature(prepare)

    @functools.wraps(prepare)
    def remember(*given: Arguments.args, **named: Arguments.kwargs) -> Job:
        bound = signature.bind(*given, **named)

        def again(config: Any) -> Job:
            arguments = {**bound.arguments, "config": config}
            return prepare(**arguments)  # type: ignore[call-arg]

        return dataclasses.replace(prepare(*given, **named), prepare=again)

    return remember


def check_inputs(
    sources: Sequence[np.ndarray], config: PictureConfig, masks: np.ndarray | None, init: np.ndarray | None
) -> None:
    """Check the arrays that a picture is made from.

    Raises:
        InputError: an array is not an image; masks or the start do not have the picture's size; masks are given
            together with source weights or a join mode other than average; or there are not as many source weights as
            sources.
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
    if not masks.any():
        raise InputError("masks are 0 everywhere; wanted shares that add up to 1 at each pixel")
    if getattr(config, "source_weights", None) or getattr(config, "join_mode", None) not in (None, "average"):
        raise InputError("masks say how much of each source there is; leave out source weights and join mode")


def fuse_sources(sources: Sequence[np.ndarray], config: PictureConfig) -> Sequence[np.ndarray]:
    """Return the sources with common colors if the config fuses them into one material; else as they are."""
    if getattr(config, "join_mode", None) != "fuse":
        return sources
    return share_colors(sources, getattr(config, "source_weights", None))


def sizes_of(pictures: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Return the (height, width) of each picture."""
    return [(picture.shape[0], picture.shape[1]) for picture in pictures]


def mean_colors(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean color of each picture, ``(pictures, 3)``."""
    return np.stack([picture.mean(axis=(0, 1)) for picture in pictures])


def target_at(targets: Mapping[Precision, Statistics], stage: Stage) -> Statistics:
    """Return the part of the targets that a stage matches: in its precision, from its first octave on."""
    return targets[stage.analysis.precision][stage.first_octave :]


def octave_weights_at(config: PictureConfig, stage: Stage) -> tuple[float, ...] | None:
    """Return the weights of the octaves that a stage matches; None if the config has no weights."""
    return config.octave_weights and config.octave_weights[stage.first_octave :]


def region_areas(masks: np.ndarray) -> list[float]:
    """Return the share of the picture that the region of each source covers."""
    areas: list[float] = masks.mean(axis=(0, 1)).tolist()
    return areas


def source_per_region(masks: np.ndarray | None) -> np.ndarray | None:
    """Return how much each source counts for each region, ``(regions, sources)``: region n has source n alone.

    Without masks, return None.
    """
    return None if masks is None else np.eye(masks.shape[2])


def place_targets(
    targets: Statistics, params: Params, masks: np.ndarray, stage: Stage
) -> tuple[Statistics, Params, tuple[Regions, ...]]:
    """Return the arguments that the texture loss of a picture with regions takes after the picture.

    Args:
        targets: the targets of the single sources, stacked on a leading axis.
        params: the network.
        masks: the region of each source, ``(height, width, sources)``, at full size.
        stage: the stage; the masks are reduced to the size of each of its maps.
    """
    analysis = stage.analysis
    reduced = reduce_to_stage(masks, stage, analysis.padding)
    carried = _carry_masks(reduced, analysis.octaves, analysis.padding, params)
    regions = tuple({layer: maps[layer] for layer in analysis.layers if layer in maps} for maps in carried)
    return targets_by_region(targets, region_areas(masks), analysis), params, regions
