"""The stages in which a picture is made, each at twice the size of the stage before.

The first stage makes a small picture that matches the coarsest octaves alone. Each later stage enlarges the picture and
matches one octave more. The pyramid's own `expand` enlarges: any other way leaves a grid and does not wrap. So large
structure settles where an evaluation costs next to nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.compilation import jit
from subjective.network.vgg import Params
from subjective.pyramid import Padding, expand, gaussian_pyramid
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis

Schedule = Literal["coarse-to-fine", "plain"]

POLISH = 0.25
"""Share of the last stage's steps that are made in float32, where the earlier steps are made in bfloat16. Near the end
bfloat16 errs by a tenth and more of the gradient (`experiments/08_precision.md`)."""


@dataclass(frozen=True)
class Stage:
    """One of the optimizations that make a picture.

    Attributes:
        octave: number of reductions from the full picture to the stage's picture; 0 for the last stage.
        size: (height, width) of the stage's picture.
        analysis: how the stage's picture is measured.
        first_octave: place of the stage's finest octave among the octaves of the full analysis.
        steps: most steps of the optimizer.
    """

    octave: int
    size: tuple[int, int]
    analysis: Analysis
    first_octave: int
    steps: int


def plan_stages(
    schedule: Schedule,
    size: tuple[int, int],
    analysis: Analysis,
    params: Params,
    steps: Callable[[tuple[int, int]], int],
    least: int = 1,
) -> list[Stage]:
    """Plan the stages of a picture, coarsest first.

    Args:
        schedule: ``plain`` plans the last stage alone.
        size: (height, width) of the full picture.
        analysis: how the full picture is measured.
        params: the network.
        steps: most steps of a stage, given the (height, width) of its picture.
        least: fewest pixels a side of a stage before the last. If no such stage has so many pixels, the largest of
            them is planned all the same.

    Returns:
        One stage for each octave whose picture is large enough for the statistics at that octave and the coarser ones.
        Where feature maps are bfloat16, one more stage at full size follows, in float32.
    """
    stages = []
    for first, octave in enumerate(analysis.octaves if schedule == "coarse-to-fine" else analysis.octaves[:1]):
        reduced_analysis = analysis.from_octave(octave)
        reduced = (stage_size(size[0], octave), stage_size(size[1], octave))
        if reduced_analysis.terms and min(reduced) >= smallest_picture(reduced_analysis, params):
            stages.append(Stage(octave, reduced, reduced_analysis, first, steps(reduced)))
    full, coarse = stages[:1], stages[1:]
    large = [stage for stage in coarse if min(stage.size) >= least]
    return _add_polish([*(large or coarse[:1])[::-1], *full])


def _add_polish(stages: list[Stage]) -> list[Stage]:
    """Make a share of the last stage's steps in float32, as a stage of its own."""
    if not stages or stages[-1].analysis.precision == "float32":
        return stages
    *before, last = stages
    share = math.ceil(POLISH * last.steps)
    exact = dataclasses.replace(last.analysis, precision="float32")
    rough = dataclasses.replace(last, steps=last.steps - share)
    return [*before, rough, dataclasses.replace(last, steps=share, analysis=exact)]


def stage_size(size: int, octave: int) -> int:
    """Return the length of a side after so many halvings, rounded up as `expand` needs it."""
    return -(-size // 2**octave)


def reduce_to_stage(image: Array | np.ndarray, stage: Stage, padding: Padding) -> Array:
    """Reduce a picture of full size, ``(height, width, channels)``, to the size of a stage."""
    whole = jnp.asarray(image, jnp.float32)
    return whole if stage.octave == 0 else _reduce(whole, stage.octave + 1, _padding_of_pyramid(padding))


@partial(jit, static_argnums=(1, 2))
def _reduce(image: Array, octaves: int, padding: Padding) -> Array:
    return gaussian_pyramid(image, octaves, padding)[-1]


def add_margin(image: Array | np.ndarray, margin: int) -> np.ndarray:
    """Add so many pixels of its mirror image to each side of a picture, ``(height, width, channels)``."""
    return np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")


def remove_margin(image: Array, margin: int, size: tuple[int, int]) -> Array:
    """Cut the margin off a picture of any stage, ``(rows, columns, channels)``.

    Args:
        image: a picture with its margin.
        margin: pixels of the margin at full size.
        size: (height, width) of the full picture with its margin.
    """
    top, left = (margin * side // whole for side, whole in zip(image.shape[:2], size, strict=True))
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _padding_of_pyramid(padding: Padding) -> Padding:
    return "same" if padding == "valid" else padding


def enlarge(value: Array, before: Stage, stage: Stage, start: Array, padding: Padding) -> Array:
    """Enlarge the picture of a stage to the size of the next, and add the finer detail of a start.

    Args:
        value: the picture of the stage before.
        before: the stage before.
        stage: the stage that begins.
        start: image of the new stage's size; noise, or a picture.
        padding: of the picture; ``valid`` is enlarged by mirroring.

    Returns:
        Image of the new stage's size.
    """
    if before.octave == stage.octave:
        return value
    around, steps = _padding_of_pyramid(padding), before.octave - stage.octave
    height, width = stage.size
    sizes = tuple((stage_size(height, octave), stage_size(width, octave)) for octave in reversed(range(steps)))
    change = value - _reduce(start, steps + 1, around)  # zero, to the bit, if the value still is the start
    return jnp.asarray(start + _expand(change, sizes, around))


@partial(jit, static_argnums=(1, 2))
def _expand(change: Array, sizes: tuple[tuple[int, int], ...], padding: Padding) -> Array:
    for size in sizes:
        change = expand(change, size, padding)
    return change
