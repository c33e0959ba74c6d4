"""Edits: a part of a picture is made, and the rest is kept as it is.

An `Edit` is a picture, how much of each pixel is kept, and the pictures whose statistics the made part matches. The
value that is optimized is a whole picture; the kept pixels are laid over it before the network sees it, so that
structure goes on across the border. The statistics are those of the made part and its surroundings alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array

from subjective.checks import InputError, setting
from subjective.losses import Loss, texture_loss, weighted_sum
from subjective.network.vgg import Params
from subjective.statistics.regions import RegionMap
from subjective.statistics.terms import Analysis
from subjective.synthesis.edit_config import EditConfig
from subjective.synthesis.enough import end_when_near, ends_when_near
from subjective.synthesis.held import Held, fill_nearest
from subjective.synthesis.layout import (
    SMALLEST_SOURCE,
    Layouts,
    held_octave,
    hold_to_layout,
    layout_octave,
)
from subjective.synthesis.plan import MOST_OCTAVES, make_plan
from subjective.synthesis.problem import (
    Job,
    can_prepare_again,
    check_inputs,
    mean_colors,
    octave_weights_at,
    place_targets,
    sizes_of,
    target_at,
)
from subjective.synthesis.shifts import fill_by_shifts
from subjective.synthesis.stages import Stage, padding_of_pyramid, reduce_to_stage, stage_size
from subjective.synthesis.starts import Start, key_of, make_start
from subjective.synthesis.targets import targets_by_precision, targets_of

SURROUNDINGS = 16
"""Pixels around the made part whose statistics count as much as its own. They fade out over as many pixels more."""

MARGIN = 32
"""Width in pixels of the mirror image at a side of the picture at which a part is made. It is a multiple of the
smallest picture's pixels at 6 octaves."""

LEAST_OCTAVE = 80
"""Smallest side in pixels of the coarsest octave, if the number of octaves is open. The statistics of fewer pixels of a
part say more about chance than about the source: at 48 pixels, they were further from a photograph than its copies."""

LEAST_PART = 1e-3
"""Smallest share of the picture that must be kept, and that a source's part must have."""


@dataclass(frozen=True)
class Edit:
    """A part of a picture that is made, and what it is made from.

    Attributes:
        picture: ``(height, width, 3)``. Pixels that are not known have any color.
        kept: share of each pixel that is kept, ``(height, width)``, 1 for kept pixels, 0 for pixels that are made, and
            between where the old picture fades into the new one.
        sources: the pictures whose statistics are matched.
        parts: which pixels of each source count, ``(height, width)``.
        wraps: whether the picture continues with its other side: from the last row, and from the last column.
        blends: whether steps of color at the border are spread. They are not where the sources are others than what is
            kept, whose colors may differ.
    """

    picture: np.ndarray
    kept: np.ndarray
    sources: Sequence[np.ndarray]
    parts: Sequence[np.ndarray]
    wraps: tuple[bool, bool] = (False, False)
    blends: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return (self.picture.shape[0], self.picture.shape[1])

    @property
    def made(self) -> np.ndarray:
        """The pixels that are not kept whole, ``(height, width)``."""
        return self.kept < 1

    @cached_property
    def completed(self) -> list[np.ndarray]:
        """The sources, in which copies of the part that counts fill the rest.

        The statistics are those of real pixels, and the source keeps its size: maps of coarse octaves have few pixels,
        and hardly any that do not see a hole.
        """
        held = [Held(fill_nearest(source, part), part) for source, part in zip(self.sources, self.parts, strict=True)]
        return [
            one.picture if one.known.all() else fill_by_shifts(one, [one], key_of(0, number))
            for number, one in enumerate(held)
        ]

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Pixels of the mirror image at the top, bottom, left and right side."""
        made, (height, width) = self.made, self.size
        near = min(MARGIN, height, width)
        strips = (made[:near], made[-near:], made[:, :near], made[:, -near:])
        wraps = (self.wraps[0], self.wraps[0], self.wraps[1], self.wraps[1])
        top, bottom, left, right = (
            MARGIN if strip.any() and not wrap else 0 for strip, wrap in zip(strips, wraps, strict=True)
        )
        return top, bottom, left, right


def fade(known: np.ndarray, kept: np.ndarray, pixels: int, wraps: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """Let what is kept fade out over some pixels of what is made, as far as the old picture is known.

    Args:
        known: pixels that the old picture has, ``(height, width)``.
        kept: pixels that are kept.
        pixels: width of the fade.
        wraps: as in `Edit`.

    Returns:
        Shares for `Edit.kept`.
    """
    share = kept.astype(np.float32)
    if not pixels:
        return share
    faded = np.clip(1 - _distance_from(kept, wraps, pixels) / (pixels + 1), 0, 1)
    return np.where(known, np.maximum(share, faded), share).astype(np.float32)


def _distance_from(marked: np.ndarray, wraps: tuple[bool, bool], reach: int) -> np.ndarray:
    """Return the distance of each pixel from the nearest marked one, right up to ``reach`` pixels."""
    reach = min(reach, *marked.shape)
    padded = marked
    for axis, wrap in enumerate(wraps):
        around = [(reach, reach) if axis == other else (0, 0) for other in range(2)]
        padded = np.pad(padded, around, mode="wrap") if wrap else np.pad(padded, around)
    found = scipy.ndimage.distance_transform_edt(~padded)
    return np.asarray(found[reach:-reach, reach:-reach])


def find_rectangle(marked: np.ndarray, wraps: tuple[bool, bool] = (False, False)) -> tuple[np.ndarray, np.ndarray]:
    """Find the largest rectangle of marked pixels.

    Args:
        marked: ``(height, width)``.
        wraps: whether a rectangle may go on at the other side of the picture, as in `Edit`.

    Returns:
        The rectangle's rows and its columns; none if no pixel is marked.
    """
    height, width = marked.shape
    turned = [side // 2 if wrap else 0 for side, wrap in zip((height, width), wraps, strict=True)]
    cells = np.roll(marked, turned, axis=(0, 1))
    best, found, heights = 0, (0, 0, 0, 0), np.zeros(width + 1, int)
    for row in range(height):
        heights[:-1] = np.where(cells[row], heights[:-1] + 1, 0)
        open_: list[tuple[int, int]] = []  # (first column, height) of the rectangles that may grow, ever higher
        for column, tall in enumerate(heights.tolist()):
            first = column
            while open_ and open_[-1][1] >= tall:
                first, high = open_.pop()
                if high * (column - first) > best:
                    best, found = high * (column - first), (row - high + 1, row + 1, first, column)
            open_.append((first, tall))
    top, bottom, left, right = found
    return (np.arange(top, bottom) - turned[0]) % height, (np.arange(left, right) - turned[1]) % width


def check_edit(edit: Edit, names: Sequence[str] | None = None) -> None:
    """Refuse an edit that makes or keeps nothing, or takes its statistics from nothing.

    Raises:
        InputError: see above.
    """
    if not edit.made.any():
        raise InputError(
            f"there is nothing to make: all pixels are kept; mark what is made by {setting('fill')} or transparency"
        )
    if not (edit.kept >= 1).any():
        raise InputError("there is nothing to keep: all pixels would be made; use `subjective synthesize` instead")
    for number, part in enumerate(edit.parts):
        if part.mean() < LEAST_PART:
            name = names[number] if names else "the picture"
            raise InputError(f"no part of {name} is left to take statistics from; mark less, or give another source")


@can_prepare_again
def prepare(edit: Edit, config: EditConfig, params: Params, init: np.ndarray | None = None) -> Job:
    """Make an edit ready: check everything, measure the sources, plan the stages.

    Args:
        edit: what is made and kept.
        config: settings; the size is that of the edit's picture.
        params: the network.
        init: a starting picture of the edit's size; None for the start that ``config.init`` names.

    Raises:
        InputError: a setting, a picture or a size is invalid.
    """
    check_edit(edit)
    config = fit_config(edit, config, has_init=init is not None)
    check_inputs(edit.sources, config, None, init)
    plan = make_plan(config, params, sizes_of(edit.sources), by_regions=True)
    config, stages = plan.config, plan.stages
    weights = np.asarray([config.source_weights or (1.0,) * len(edit.sources)])
    copies = _lay_out_copies(edit, config)
    targets = targets_by_precision(edit.completed, stages, plan.analysis, config, params, weights)
    near = np.clip(2 - _distance_from(edit.made, edit.wraps, 2 * SURROUNDINGS) / SURROUNDINGS, 0, 1)
    region = near.astype(np.float32)[:, :, None]

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        margins = _margins_at(edit.margins, stage)
        mask = np.asarray(reduce_to_stage(region, stage, "valid"))
        mask = np.pad(mask, (margins[:2], margins[2:], (0, 0)))
        at_stage = dataclasses.replace(stage, octave=0, size=(mask.shape[0], mask.shape[1]))
        target, _, regions = place_targets(target_at(targets, stage), params, mask, at_stage)
        trusted = tuple(
            {layer: RegionMap(one.weights, jnp.ones_like(one.trust)) for layer, one in octave.items()}
            for octave in regions
        )
        loss = _part_loss(stage.analysis, octave_weights_at(config, stage), config.relative, margins)
        return loss, {"texture": (target, params, trusted)}

    begins_with_copies = init is None and config.init == "patches"
    start: Start = copies.start
    if not begins_with_copies:
        mean = np.average(mean_colors(edit.completed), axis=0, weights=config.source_weights)
        start = make_start(config, edit.completed, mean, init, stages[0])
    job = Job(config, stages, problem, start, starts=config.starts, pictures=config.count, notes=plan.notes)
    if not begins_with_copies:
        return keep_pixels(job, edit)
    if ends_when_near(config, len(edit.sources)):
        exact = stages[-1].analysis.precision
        own = [jax.tree.map(lambda stacked: stacked[0], targets[exact])]  # of the one source
        if len(edit.sources) > 1:
            alone = dataclasses.replace(config, source_weights=None)
            analysis = dataclasses.replace(plan.analysis, precision=exact)
            own = [targets_of([one], analysis, alone, params) for one in edit.completed]
        side = math.isqrt(int(edit.made.sum()))
        job = end_when_near(job, config, edit.completed, own, params, (side, side))
    job = hold_to_layout(job, copies, config.layout_weight / max(float(edit.made.mean()), LEAST_PART))
    return keep_pixels(job, edit)


def fit_config(edit: Edit, config: EditConfig, *, has_init: bool = False) -> EditConfig:
    """Give a config the size of the edit's picture; choose octaves and first stage if the config leaves them open.

    Args:
        edit: the edit.
        config: settings.
        has_init: whether the edit begins with a picture of its own.
    """
    height, width = edit.size
    config = dataclasses.replace(config, output_height=height, output_width=width)
    if config.octaves is None:
        shortest = min(min(edit.size), *(min(source.shape[:2]) for source in edit.sources))
        octaves = math.floor(math.log2(max(shortest / LEAST_OCTAVE, 1))) + 1
        config = dataclasses.replace(config, octaves=min(octaves, MOST_OCTAVES))
    if config.first_stage is not None or config.schedule == "plain" or has_init or config.init != "patches":
        return config
    return dataclasses.replace(config, first_stage=stage_size(min(edit.size), _copies_octave(edit)))


def _copies_octave(edit: Edit) -> int:
    """Return the octave at which copies are laid out: the finest at which few enough pixels are made."""
    smallest = min(min(source.shape[:2]) for source in edit.sources)
    return layout_octave((int(edit.made.sum()), 1), max(smallest, SMALLEST_SOURCE))


def _margins_at(margins: tuple[int, int, int, int], stage: Stage) -> tuple[int, int, int, int]:
    top, bottom, left, right = (margin >> stage.octave for margin in margins)
    return top, bottom, left, right


@lru_cache(maxsize=32)
def _part_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool, margins: tuple[int, int, int, int]
) -> Loss:
    """Return the loss of the made part, as ``loss(picture, {"texture": ...})``; see `place_targets`."""
    loss = weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})
    if not any(margins):
        return loss

    def of_picture(picture: Array, arguments: Any) -> tuple[Array, Any]:
        return loss(jnp.pad(picture, (margins[:2], margins[2:], (0, 0)), mode="reflect"), arguments)

    return of_picture


def keep_pixels(job: Job, edit: Edit) -> Job:
    """Lay the kept pixels over the value of every stage, before the loss and before anybody sees it.

    Args:
        job: a job whose value is a picture.
        edit: says what is kept.
    """
    kept = edit.kept.astype(np.float32)[:, :, None]
    over = {}
    for stage in job.stages:
        share = np.asarray(reduce_to_stage(kept, stage, "valid"))
        held = np.asarray(reduce_to_stage(edit.picture * kept, stage, "valid"))
        over[stage.octave] = (jnp.asarray(held), jnp.asarray(1 - share))

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        loss, arguments = job.problem(stage, picture, attempt)
        return _loss_beneath(loss), {"verb": arguments, "kept": over[stage.octave]}

    def render(value: Array, stage: Stage) -> Array:
        return _lay_over(value, *over[stage.octave])

    return dataclasses.replace(job, problem=problem, render=render)


def _lay_over(value: Array, held: Array, free: Array) -> Array:
    """Return ``held + free · value``: where ``free`` is 0, exactly what is held."""
    return jnp.asarray(held + free * value)


@lru_cache(maxsize=32)  # the same function for the same loss, so that it is compiled once
def _loss_beneath(loss: Loss) -> Loss:
    def total(value: Array, arguments: Any) -> tuple[Array, Any]:
        return loss(_lay_over(value, *arguments["kept"]), arguments["verb"])

    return total


def _lay_out_copies(edit: Edit, config: EditConfig) -> Layouts:
    """Return the layouts of an edit: copies of the sources fill what is made, and the rest is kept."""
    smallest = min(min(source.shape[:2]) for source in edit.sources)
    octave = _copies_octave(edit)
    picture = Held(fill_nearest(edit.picture, ~edit.made), ~edit.made, edit.wraps).reduce(octave)
    copied = [
        Held(fill_nearest(source, part), part).reduce(octave)
        for source, part in zip(edit.sources, edit.parts, strict=True)
    ]
    return Layouts(
        partial(fill_by_shifts, picture, copied, blends=edit.blends),
        [source.picture for source in copied],
        config,
        size=edit.size,
        octave=octave,
        held=max(held_octave(edit.size, smallest), octave),
        padding=padding_of_pyramid("circular" if all(edit.wraps) else "valid"),
    )
