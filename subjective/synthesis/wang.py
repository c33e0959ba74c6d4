"""Tiles for a plane that never repeats, all optimized together: see `subjective.planes.corners`.

What is optimized is a sheet on which every tile occurs once. The tiles are averaged where they share pixels
(`subjective.synthesis.tile_parts`), and laid on a torus whose statistics are compared with the sources'. No torus shows
all pairs of tiles that may meet; so the steps at full size are divided into turns, each with a torus of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from subjective.checks import Message
from subjective.conversion import to_uint8
from subjective.images import PictureLike
from subjective.losses import Loss, texture_loss, weighted_sum
from subjective.network.vgg import Params
from subjective.planes.corners import TileSet, cut_sheet, number_tiles, place_tiles, sheet_corners, wrap
from subjective.statistics.terms import Analysis
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_params, read_pictures
from subjective.synthesis.layout import choose_first_stage, hold_to_layout, make_layouts
from subjective.synthesis.patches import Form
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import (
    Job,
    can_prepare_again,
    check_inputs,
    fuse_sources,
    mean_colors,
    octave_weights_at,
    sizes_of,
    target_at,
)
from subjective.synthesis.result import PictureResult, make_pictures
from subjective.synthesis.stages import Stage
from subjective.synthesis.starts import make_start
from subjective.synthesis.targets import targets_by_precision
from subjective.synthesis.tile_parts import share, shared_pixels
from subjective.synthesis.wang_config import TilesConfig

TURNS = 5
"""Number of turns at full size: each begins without what L-BFGS remembers."""

TRIES = 64
"""Number of random toruses from which that with the most pairs of tiles which have not met is taken."""

TURNS_KEY = 2
"""The random choices of the toruses come from a key of their own, which no noise of a start has."""


@dataclasses.dataclass(frozen=True)
class LaidStage(Stage):
    """A stage whose tiles are laid on a torus.

    Attributes:
        turn: number of the torus, see `choose_toruses`.
    """

    turn: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class TilesResult(PictureResult):
    """A set of tiles. The picture is the sheet of all tiles, which wraps.

    Attributes:
        colors: number of colors of the corners.
    """

    colors: int = 2

    @property
    def tiles(self) -> TileSet:
        """The tiles, in 8 bits."""
        return tiles_of(self.picture, self.colors)


def make_tiles(
    sources: PictureLike | Sequence[PictureLike],
    config: TilesConfig | None = None,
    *,
    params: Params,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[TilesResult]:
    """Make a complete set of tiles with the texture of the sources; any two tiles that may meet do so without a seam.

    Args:
        sources: pictures, as in `subjective.synthesize`.
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        init: a sheet to start from, which is resized to the sheet's size; None for the start that ``config.init``
            names.
        extra: losses of your own, as in `subjective.synthesize`; they see the sheet.
        on_step: as in `subjective.synthesize`; the step's value is the sheet.
        resume: as in `subjective.synthesize`.
        progress: as in `subjective.synthesize`.

    Returns:
        One result, whose ``tiles`` `subjective.lay` takes. After `Stop` or Ctrl-C it has the last step's tiles, which
        may be smaller; none before the first step.

    Raises:
        InputError: a setting, a source or a size is invalid.
        NonFiniteLossError: see `minimize`.

    References:
        See `subjective.planes.corners`. Departures: the tiles are not cut from samples of the source, but optimized.
    """
    images, config = read_pictures(sources, "source"), read_config(config, TilesConfig)
    params = read_params(params, config)
    job = prepare(images, config, params, read_init(init, config.output_size))
    names = [field.name for field in dataclasses.fields(PictureResult)]
    return [
        TilesResult(**{name: getattr(one, name) for name in names}, colors=config.colors)
        for one in make_pictures(add_losses(job, extra), on_step, resume, progress=progress)
    ]


def tiles_of(sheet: NDArray[np.floating], colors: int) -> TileSet:
    """Return the tiles of a finished sheet, in 8 bits."""
    tiles = cut_sheet(to_uint8(sheet), colors)
    return TileSet(tiles, colors, shared_pixels(tiles.shape[1]))


@can_prepare_again
def prepare(sources: Sequence[np.ndarray], config: TilesConfig, params: Params, init: np.ndarray | None = None) -> Job:
    """Make a set of tiles ready: check everything, measure the sources, plan the stages.

    Args:
        sources: see `make_tiles`.
        config: see `make_tiles`.
        params: see `make_tiles`.
        init: see `make_tiles`.

    Raises:
        InputError: a setting, a source or a size is invalid.
    """
    check_inputs(sources, config, None, init)
    sources = fuse_sources(sources, config)
    config = choose_first_stage(config, sources, has_layouts=init is None)
    plan = make_plan(config, params, sizes_of(sources))
    config, colors = plan.config, plan.config.colors
    toruses = choose_toruses(colors, config.seed)
    stages = divide_stages(plan.stages, config, len(toruses))

    def keep(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(share(picture, colors, pick=True), np.float32)

    layouts = make_layouts(config, sources, Form(colors**2, keep)) if init is None else None
    targets = targets_by_precision(sources, plan.stages, plan.analysis, config, params, None)

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        loss = _laid_loss(stage.analysis, octave_weights_at(config, stage), config.relative, colors)
        turn = stage.turn if isinstance(stage, LaidStage) else 0
        return loss, {"texture": (target_at(targets, stage), params), "numbers": jnp.asarray(toruses[turn])}

    mean = np.average(mean_colors(sources), axis=0, weights=config.source_weights)
    start = make_start(config, sources, mean, init, stages[0]) if layouts is None else layouts.start
    notes = plan.notes if layouts is None or not layouts.note else (*plan.notes, Message(layouts.note))
    job = Job(config, stages, problem, start, starts=config.starts, notes=notes, scored=sources)
    return share_first(job if layouts is None else hold_to_layout(job, layouts, config.layout_weight), colors)


def divide_stages(stages: Sequence[Stage], config: TilesConfig, turns: int) -> tuple[LaidStage, ...]:
    """Divide the steps at full size into turns, and leave out the stages whose tiles are no whole number of pixels.

    Args:
        stages: from `make_plan`, coarsest first.
        config: settings.
        turns: number of toruses. Earlier stages have the sheet only.
    """
    found: list[LaidStage] = []
    for stage in stages:
        if config.output_width % 2**stage.octave:
            continue
        fields = {field.name: getattr(stage, field.name) for field in dataclasses.fields(Stage)}
        if stage.octave:
            found.append(LaidStage(**fields))
            continue
        for turn in range(turns):
            steps = (stage.steps + turn) // turns  # the rest of the division goes to the last turns
            if steps or turn == turns - 1:
                found.append(LaidStage(**fields | {"steps": steps}, turn=turn))
    return tuple(found)


@lru_cache(maxsize=8)
def choose_toruses(colors: int, seed: int) -> tuple[NDArray[np.integer], ...]:
    """Choose toruses of tiles on which as many pairs of tiles as possible meet.

    Args:
        colors: number of colors of the corners.
        seed: the run's seed.

    Returns:
        The number of the tile at each place, ``(colors^2, colors^2)``, for each of `TURNS` toruses. The first and the
        last are the sheet, where each tile occurs once. The others have random corners: each is the one of `TRIES` that
        has the most pairs which the toruses before it do not have.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(TURNS_KEY,)))
    across = colors**2
    sheet = number_tiles(wrap(sheet_corners(colors)), colors)
    found, met = [sheet], pairs_of(sheet)
    while len(found) < TURNS - 1:
        tries = [number_tiles(wrap(random.integers(colors, size=(across, across))), colors) for _ in range(TRIES)]
        best = max(tries, key=lambda numbers: len(pairs_of(numbers) - met))
        found.append(best)
        met |= pairs_of(best)
    return (*found, sheet)


def pairs_of(numbers: NDArray[np.integer]) -> set[tuple[int, int, int]]:
    """Return the pairs of neighbors on a torus of tiles, as (axis, tile before, tile after)."""
    return {
        (axis, int(before), int(after))
        for axis in (0, 1)
        for before, after in zip(numbers.ravel(), np.roll(numbers, -1, axis).ravel(), strict=True)
    }


@lru_cache(maxsize=32)  # the same function for the same settings, so that it is compiled once
def _laid_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool, colors: int) -> Loss:
    """Return the loss of a sheet's tiles on a torus, as ``loss(sheet, {"texture": ..., "numbers": ...})``."""
    texture = weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})

    def loss(sheet: Array, arguments: Any) -> tuple[Array, Any]:
        return texture(place_tiles(cut_sheet(sheet, colors), arguments["numbers"]), {"texture": arguments["texture"]})

    return loss


def share_first(job: Job, colors: int) -> Job:
    """Average the tiles of a sheet where they share pixels, before the loss or anybody else sees the sheet."""

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        loss, arguments = job.problem(stage, picture, attempt)
        return _shared_loss(loss, colors), arguments

    def render(value: Array, stage: Stage) -> Array:
        return jnp.asarray(share(value, colors))

    return dataclasses.replace(job, problem=problem, render=render)


@lru_cache(maxsize=32)
def _shared_loss(loss: Loss, colors: int) -> Loss:
    def shared(sheet: Array, arguments: Any) -> tuple[Array, Any]:
        return loss(share(sheet, colors), arguments)

    return shared
