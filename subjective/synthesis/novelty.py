"""Novelty: pictures without a source, whose statistics differ from each other as much as possible."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.images import PictureLike
from subjective.losses import Loss, novelty_loss
from subjective.network.vgg import Params
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.config import NoveltyConfig
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_params
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, can_prepare_again, check_inputs
from subjective.synthesis.result import PictureResult, make_pictures
from subjective.synthesis.stages import Stage
from subjective.synthesis.starts import make_start

GREY = np.full(3, 0.5)
"""Mean color of the starting pictures."""


def invent(
    config: NoveltyConfig | None = None,
    *,
    params: Params,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make pictures without a source, whose statistics differ from each other as much as possible.

    Args:
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        init: as in `synthesize`.
        extra: as in `synthesize`; each loss gets one picture at a time, and counts as the mean over the pictures.
        on_step: called as ``on_step(0, step)``; the first argument is always 0, because the pictures are optimized
            together as one value.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A `PictureResult` for each picture.

    Raises:
        InputError: a setting or a size is invalid.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.
    """
    config = read_config(config, NoveltyConfig)
    params = read_params(params, config)
    job = prepare(config, params, read_init(init, config.output_size))
    return make_pictures(add_losses(job, extra), on_step, resume, apart=True, progress=progress)


@can_prepare_again
def prepare(config: NoveltyConfig, params: Params, init: np.ndarray | None = None) -> Job:
    """Return the job of `invent`; arguments and errors are the same."""
    check_inputs((), config, None, init)
    plan = make_plan(config, params)
    config = plan.config

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        internal, weights = config.internal, config.octave_weights
        return novelty_loss(stage.analysis, config.mul, internal=internal, octave_weights=weights), params

    def shape(stage: Stage) -> tuple[int, ...]:
        return (config.pictures_per_step, *stage.size, 3)

    one = make_start(config, (), GREY, init, plan.stages[0])

    def start(picture: int, attempt: int, stage: Stage) -> Array:
        return jnp.stack([one(number, attempt, stage) for number in range(config.pictures_per_step)])

    return Job(config, plan.stages, problem, start, shape=shape, notes=plan.notes)
