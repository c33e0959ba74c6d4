"""A job done stage by stage, coarse to fine; what is told of it reads as one optimization."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from subjective.compilation import jit
from subjective.devices import shared_out
from subjective.losses import Loss
from subjective.optimize.minimizer import Point, Result, Step, minimize
from subjective.synthesis import preconditioner
from subjective.synthesis.picture_config import PictureConfig
from subjective.synthesis.position import OnStep, Position, Told
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage, enlarged

FLAT = 1 / 255
"""A picture whose standard deviation is less, in every channel, is flat."""

HARDLY = 0.99
"""Share of the loss at which a stage began above which it hardly fell."""

BEYOND = 0.2
"""Share of a picture's values that may be cut off without a remark."""


def in_stages(
    job: Job,
    start: Callable[[int, Stage], jax.Array],
    number: int,
    on_step: OnStep | None,
    finished: Sequence[Result],
    resume: Position | None,
    shown: Callable[[jax.Array], jax.Array] = lambda value: value,
) -> Result:
    """One picture, coarse to fine: the first stage from several starts, the others from the best that came of it.

    ``shown`` is what is told and kept of what is optimized, at any stage.
    """
    stages = job.stages
    told = Told(number, on_step, finished, resume)
    attempts = told.attempts

    def minimized(place: int, attempt: int, begin: Callable[[], jax.Array]) -> Result:
        nonlocal resume
        stage, point, resume = stages[place], resume.point if resume else None, None
        begun = jnp.zeros(job.shape(stage)) if point else begin()
        told.place, told.attempt = place, attempt

        def tell(step: Step) -> None:
            told.tell(dataclasses.replace(step, value=shown(job.side_by_side(step.value, stage))))

        result = _minimize(*job.problem(stage), begun, job.config, stage.steps, tell if on_step else None, point)
        told.add(result)
        if point is not None:  # used up: whoever still holds it holds no more than its name
            point.state.arrays.clear()
        return result

    first = 0 if resume is None else resume.stage
    if first == 0:
        for attempt in range(len(attempts), job.starts):
            attempts.append(minimized(0, attempt, partial(start, attempt, stages[0])))
    best = min(range(job.starts), key=lambda attempt: attempts[attempt].loss)
    result = attempts[best]
    if len(stages) == 1 and best != job.starts - 1:
        told.tell_again(dataclasses.replace(result, value=shown(result.value)))  # what is told last is what is kept
    for place in range(max(first, 1), len(stages)):
        before, stage = stages[place - 1], stages[place]

        def grown(result: Result = result, before: Stage = before, stage: Stage = stage) -> jax.Array:
            value = result.value if job.regions(stage) else job.side_by_side(result.value, before)

            def grow(value: jax.Array, start: jax.Array) -> jax.Array:
                return enlarged(value, before, stage, start, job.config.padding_mode)

            return (grow if value.ndim == 3 else jax.vmap(grow))(value, start(best, stage))

        begun = result.begun
        result = minimized(place, best, grown)
        if before.octave == stage.octave:
            result = dataclasses.replace(result, begun=begun)
    result = dataclasses.replace(result, value=shown(result.value))
    message = "; ".join([result.message, *_remarks(result, stages[-1].steps > 0)])
    return dataclasses.replace(
        result, message=message, steps=told.steps, evaluations=told.evaluations, seconds=told.seconds
    )


def _remarks(result: Result, asked: bool) -> list[str]:
    """What is wrong with a picture that nobody has asked for, if anything; ``asked`` whether for any step."""
    remarks, (contrast, beyond) = [], map(float, _looks(result.value))
    if asked and result.loss > HARDLY * result.begun:
        fell = f"from {result.begun:.4g} to {result.loss:.4g}"
        remarks.append(f"the loss hardly fell, {fell}: the target is out of reach, or reached already")
    if contrast < FLAT:
        remarks.append("the picture is of one flat color, as its sources are, or out of their reach")
    if beyond > BEYOND:
        remarks.append(f"{beyond:.0%} of it lies beyond black or white and is cut off; lower --mul or set --bounds")
    return remarks


@jit
def _looks(picture: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The largest standard deviation of a channel, and the share of values beyond black or white."""
    return jnp.max(jnp.std(picture, axis=(-3, -2))), jnp.mean((picture < 0) | (picture > 1))


def _minimize(
    loss: Loss,
    argument: Any,
    init: Any,
    config: PictureConfig,
    max_steps: int,
    on_step: Callable[[Step], None] | None,
    resume: Point | None,
) -> Result:
    start = jnp.asarray(init, jnp.float32)
    if config.devices > 1:
        axis = -3 if config.sharing > 1 else -4  # rows of a picture, or frames
        if resume is not None:  # what was read from disk is on one
            arrays = resume.state.arrays
            pictures = [name for name, array in arrays.items() if array.shape[axis:] == start.shape[axis:]]
            arrays.update({name: shared_out(arrays[name], config.devices, axis) for name in pictures})
        start = shared_out(start, config.devices, axis)
    return minimize(
        loss,
        start,
        (argument,),
        method=config.method,
        max_steps=max_steps,
        tolerance=config.tol,
        on_step=on_step,
        bounds=(0.0, 1.0) if config.bounds else None,
        history=config.history,
        history_type=config.history_type,
        first_step=config.first_step,
        root=preconditioner.root if config.preconditioned else None,
        resume=resume,
    )
