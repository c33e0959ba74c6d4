"""The stages in which a picture is made, each at twice the size of the stage before.

The first stage makes a small picture that matches the coarsest octaves only. Each later stage enlarges the picture and
matches one more octave. So large structure forms in small pictures, for which an evaluation of the loss costs little.
The pyramid's `expand` enlarges the picture: other methods leave a grid and do not wrap.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.choices import Padding, Schedule
from subjective.compilation import jit
from subjective.network.vgg import Params
from subjective.pyramid import expand, gaussian_pyramid
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis

POLISH = 0.25
"""If feature maps are bfloat16, the last steps at full size are made in float32: this share of the steps. Near the end
the errors of bfloat16 reach a tenth of the gradient and more (`experiments/08_precision.md`)."""


@dataclass(frozen=True)
class Stage:
    """One of the optimizations that make a picture.

    Attributes:
        octave: how many times the full picture is reduced to the size of the stage's picture; 0 for the last stage.
        size: (height, width) of the stage's picture.
        analysis: how the stage's picture is measured.
        first_octave: index of the stage's finest octave in the octaves of the full analysis.
        steps: largest number of optimizer steps.
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
        schedule: ``plain`` plans full size only.
        size: (height, width) of the full picture.
        analysis: how the full picture is measured.
        params: the network.
        steps: returns the largest number of steps of a stage, given the (height, width) of the stage's picture.
        least: smallest side, in pixels, of a stage before full size.

    Returns:
        One stage for each octave whose picture has room for the statistics of that octave and of coarser octaves. If
        feature maps are bfloat16, one more stage at full size follows, in float32.
    """
    stages = []
    for first, octave in enumerate(analysis.octaves if schedule == "coarse-to-fine" else analysis.octaves[:1]):
        reduced_analysis = analysis.from_octave(octave)
        reduced = (stage_size(size[0], octave), stage_size(size[1], octave))
        if reduced_analysis.terms and min(reduced) >= smallest_picture(reduced_analysis, params):
            stages.append(Stage(octave, reduced, reduced_analysis, first, steps(reduced)))
    full, coarse = stages[:1], stages[1:]
    return _add_polish([*(stage for stage in reversed(coarse) if min(stage.size) >= least), *full])


def _add_polish(stages: list[Stage]) -> list[Stage]:
    """Split the last stage in two if its feature maps are bfloat16: `POLISH` of its steps become a stage in float32."""
    if not stages or stages[-1].analysis.precision != "bfloat16":
        return stages
    *before, last = stages
    share = math.ceil(POLISH * last.steps)
    exact = dataclasses.replace(last.analysis, precision="float32")
    rough = dataclasses.replace(last, steps=last.steps - share)
    return [*before, rough, dataclasses.replace(last, steps=share, analysis=exact)]


def stage_size(size: int, octave: int) -> int:
    """Return the length of a side at an octave: ``size`` / 2^octave, rounded up, as `expand` needs it."""
    return -(-size // 2**octave)


def reduce_to_stage(image: Array | np.ndarray, stage: Stage, padding: Padding) -> Array:
    """Reduce a picture of full size, ``(height, width, channels)``, to the size of a stage."""
    whole = jnp.asarray(image, jnp.float32)
    return whole if stage.octave == 0 else reduce_by(whole, stage.octave, padding_of_pyramid(padding))


@partial(jit, static_argnums=(1, 2))
def reduce_by(image: Array, octaves: int, padding: Padding) -> Array:
    """Reduce a picture ``(height, width, channels)`` by a number of octaves."""
    return gaussian_pyramid(image, octaves + 1, padding)[-1]


def add_margin(image: Array | np.ndarray, margin: int) -> np.ndarray:
    """Add ``margin`` pixels of a picture's mirror image on each side of the picture, ``(height, width, channels)``."""
    return np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")


def remove_margin(image: Array, margin: int, size: tuple[int, int]) -> Array:
    """Cut the margin off a picture of any stage.

    Args:
        image: a picture of any stage's size with its margin, ``(rows, columns, channels)``.
        margin: width of the margin in pixels of full size.
        size: (height, width) of the full picture with its margin.
    """
    top, left = (margin * side // whole for side, whole in zip(image.shape[:2], size, strict=True))
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def padding_of_pyramid(padding: Padding) -> Padding:
    """Return the padding with which a picture is reduced and enlarged: ``same`` for ``valid``, which would cut it."""
    return "same" if padding == "valid" else padding


def enlarge(value: Array, before: Stage, stage: Stage, start: Array, padding: Padding) -> Array:
    """Enlarge the picture of a stage to the size of the next stage, and add the finer detail of a starting picture.

    Args:
        value: the picture of the stage before.
        before: the stage before.
        stage: the stage that begins.
        start: starting picture of the new stage's size.
        padding: the picture's padding; unless it is ``circular``, the picture is mirrored at its sides.

    Returns:
        Image of the new stage's size.
    """
    if before.octave == stage.octave:
        return value
    around, steps = padding_of_pyramid(padding), before.octave - stage.octave
    height, width = stage.size
    sizes = tuple((stage_size(height, octave), stage_size(width, octave)) for octave in reversed(range(steps)))
    change = value - reduce_by(start, steps, around)  # exactly zero if the value is still the reduced start
    return jnp.asarray(start + enlarge_to(change, sizes, around))


@partial(jit, static_argnums=(1, 2))
def enlarge_to(image: Array, sizes: tuple[tuple[int, int], ...], padding: Padding) -> Array:
    """Enlarge a picture octave by octave, to one (height, width) after the other."""
    for size in sizes:
        image = expand(image, size, padding)
    return image
