"""Novelty: pictures whose statistics are as unlike each other as can be, from no source at all."""

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
"""Mean color of the start."""


def invent(
    config: NoveltyConfig | None = None,
    *,
    params: Params,
    init: np.ndarray | None = None,
    on_step: OnStep | None = None,
    resume: Position | None = None,
) -> Result:
    """Make pictures whose statistics are as unlike each other as can be, from no source at all.

    Args:
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        init: a starting image of the output's size, instead of what ``config.init`` says.
        on_step: called with 0 and each `Step`; the pictures are optimized together.
        resume: as in `synthesize`.

    Returns:
        One `Result`; ``value`` is ``(count, height, width, 3)``, not clipped.

    Raises:
        InputError: settings or sizes that do not fit.
        NonFiniteLossError: see `minimize`.
    """
    return run(prepare(config or NoveltyConfig(), params, init), on_step, resume)[0]


def prepare(config: NoveltyConfig, params: Params, init: np.ndarray | None = None) -> Job:
    """Make novelty ready; arguments and errors as of `invent`."""
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
