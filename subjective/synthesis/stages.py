"""Coarse to fine: the stages in which a picture is made, each at twice the size of the one before.

The first stage makes a small picture that matches the coarsest octaves alone; each stage after it enlarges what
there is by the pyramid's own `expand` (any other leaves a grid, and does not wrap) and matches an octave more. Large
structure so settles where an evaluation costs next to nothing.
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
from subjective.statistics.terms import Analysis, smallest_picture

Schedule = Literal["coarse-to-fine", "plain"]

POLISH = 0.25
"""Share of the last stage's steps that are made in float32 where the steps before are not: near the end bfloat16 errs
by a tenth and more of the gradient (`experiments/LOG.md`)."""


@dataclass(frozen=True)
class Stage:
    """One optimization of several.

    Attributes:
        octave: reductions between the full picture and this stage's; 0 is the last stage.
        size: (height, width) of this stage's picture.
        analysis: of this stage's picture.
        first_octave: index of the first of the full analysis' octaves that takes part.
        steps: of the optimizer at most.
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
    """The stages of a picture, coarsest first.

    Args:
        schedule: ``plain`` is the last stage alone.
        size: (height, width) of the full picture.
        analysis: of the full picture.
        params: the network.
        steps: of a stage of some size (height, width), at most.
        least: pixels a side of the first stage, where more than one comes before the last.

    Returns:
        One stage for each octave that is matched and whose picture is large enough for what remains to be matched, and
        for ``least``, unless no other comes before the last; and one more at full size, in float32, if the others are
        not.
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
    """With a share of the last stage's steps in float32."""
    if not stages or stages[-1].analysis.precision == "float32":
        return stages
    *before, last = stages
    share = math.ceil(POLISH * last.steps)
    exact = dataclasses.replace(last.analysis, precision="float32")
    rough = dataclasses.replace(last, steps=last.steps - share)
    return [*before, rough, dataclasses.replace(last, steps=share, analysis=exact)]


def stage_size(size: int, octave: int) -> int:
    """Length of a side after so many halvings, rounded up, as `expand` wants it."""
    return -(-size // 2**octave)


def reduce_to_stage(image: Array | np.ndarray, stage: Stage, padding: Padding) -> Array:
    """A picture of full size, ``(height, width, channels)``, reduced to the size that a stage has."""
    whole = jnp.asarray(image, jnp.float32)
    return whole if stage.octave == 0 else _reduced(whole, stage.octave + 1, _around(padding))


@partial(jit, static_argnums=(1, 2))
def _reduced(image: Array, octaves: int, padding: Padding) -> Array:
    return gaussian_pyramid(image, octaves, padding)[-1]


def add_margin(image: Array | np.ndarray, margin: int) -> np.ndarray:
    """A picture of full size, ``(height, width, channels)``, and so many pixels of its mirror image on each side."""
    return np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")


def remove_margin(image: Array, margin: int, size: tuple[int, int]) -> Array:
    """A picture of any stage, ``(rows, columns, channels)``, without its margin.

    Args:
        image: with it.
        margin: at full size.
        size: (height, width) of the full picture with it.
    """
    top, left = (margin * side // whole for side, whole in zip(image.shape[:2], size, strict=True))
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _around(padding: Padding) -> Padding:
    return "same" if padding == "valid" else padding


def enlarge(value: Array, before: Stage, stage: Stage, start: Array, padding: Padding) -> Array:
    """Where a stage begins: what the stage before it made, enlarged, with the finer detail of a start.

    Args:
        value: what the stage before made.
        before: that stage.
        stage: the one to begin.
        start: image of the new stage's size; noise, or a picture.
        padding: of the picture; ``valid`` is enlarged by mirroring.

    Returns:
        Image of the new stage's size.
    """
    if before.octave == stage.octave:
        return value
    around, steps = _around(padding), before.octave - stage.octave
    height, width = stage.size
    sizes = tuple((stage_size(height, octave), stage_size(width, octave)) for octave in reversed(range(steps)))
    change = value - _reduced(start, steps + 1, around)  # nothing, to the bit, where the start is all there was
    return jnp.asarray(start + _expanded(change, sizes, around))


@partial(jit, static_argnums=(1, 2))
def _expanded(change: Array, sizes: tuple[tuple[int, int], ...], padding: Padding) -> Array:
    for size in sizes:
        change = expand(change, size, padding)
    return change
