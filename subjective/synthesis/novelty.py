"""Novelty: pictures without a source, whose statistics differ from each other as much as possible."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.losses import Loss, novelty_loss
from subjective.network.vgg import Params
from subjective.optimize.minimizer import Result
from subjective.synthesis.coarse_to_fine import OnStep, Position, run
from subjective.synthesis.config import NoveltyConfig
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, check_inputs
from subjective.synthesis.stages import Stage
from subjective.synthesis.starts import make_start

GREY = np.full(3, 0.5)
"""Mean color of the starting pictures."""


def invent(
    config: NoveltyConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> Result:
    """Make pictures without a source, whose statistics differ from each other as much as possible.

    Args:
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        init: a starting image of the output's size; None for the start that ``config.init`` names.
        on_step: called as ``on_step(0, step)``; the first argument is always 0, because the pictures are optimized
            together as one value.
        resume: as in `synthesize`.

    Returns:
        One `Result`; ``value`` is ``(count, height, width, 3)``, not clipped.

    Raises:
        InputError: a setting or a size is invalid.
        NonFiniteLossError: see `minimize`.
    """
    return run(prepare(config or NoveltyConfig(), params, init), on_step, resume)[0]


def prepare(config: NoveltyConfig, params: Params, init: np.ndarray | None = None) -> Job:
    """Return the job of `invent`; arguments and errors are the same."""
    check_inputs((), config, None, init)
    plan = make_plan(config, params)
    config = plan.config

    def problem(stage: Stage) -> tuple[Loss, Any]:
        how = {"internal": config.internal, "octave_weights": config.octave_weights}
        return novelty_loss(stage.analysis, config.mul, **how), params

    def shape(stage: Stage) -> tuple[int, ...]:
        return (config.pictures_per_step, *stage.size, 3)

    one = make_start(config, (), GREY, init, plan.stages[0])

    def start(picture: int, attempt: int, stage: Stage) -> Array:
        return jnp.stack([one(number, attempt, stage) for number in range(config.pictures_per_step)])

    return Job(config, plan.stages, problem, start, shape=shape, notes=plan.notes)
