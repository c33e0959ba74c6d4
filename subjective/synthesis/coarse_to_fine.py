"""The loop over the stages of a picture, from the coarsest to the finest, as the paper has it.

A run is a number of pictures, each made stage by stage. Whoever watches a run is told of each step as if all stages
were one optimization; the step's `Position` is all that it takes to resume the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp

from subjective.compilation import jit
from subjective.devices import share_out
from subjective.optimize.minimizer import Point, Result, Step, minimize
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.plan import choose_optimizer
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage, enlarge

OnStep = Callable[[int, Step], None]
"""``on_step(picture, step)``: the picture's number, counted from 0, and where its optimization stands."""

FLAT_STD = 1 / 255
"""A picture is flat if its standard deviation is less than this in every channel."""

MIN_LOSS_DROP = 0.01
"""Share of its first loss by which the last stage must lower the loss; otherwise the result says so."""

MAX_CLIPPED = 0.2
"""Share of a picture's values that may lie beyond black and white; otherwise the result says so."""


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a run stands after a step: all that it takes to continue as if the run had never stopped.

    Attributes:
        picture: its number.
        stage: its place in the schedule.
        attempt: at the first stage; from the second stage on, the attempt that is continued.
        steps: of the picture's optimizations that have ended.
        evaluations: of the same.
        seconds: of the same.
        attempts: the results of the attempts at the first stage so far.
        finished: the results of the pictures before this one.
        point: of the optimization that goes on.
    """

    picture: int
    stage: int
    attempt: int
    steps: int
    evaluations: int
    seconds: float
    attempts: tuple[Result, ...]
    finished: tuple[Result, ...]
    point: Point


def run(job: Job, on_step: OnStep | None = None, resume: Position | None = None) -> list[Result]:
    """Make all pictures of a job.

    Args:
        job: from `prepare` of a verb.
        on_step: called with a picture's number and each `Step`.
        resume: where the run continues; used up.

    Returns:
        A `Result` for each picture. Its value is what ``job.render`` makes of the last stage's value; its steps and
        evaluations are those of all stages.

    Raises:
        NonFiniteLossError: see `minimize`.
    """
    finished = list(resume.finished) if resume else []
    for picture in range(len(finished), job.pictures):
        counter = StepCounter(job, picture, on_step, finished, resume)
        resume = None
        finished.append(counter.sum_up(coarse_to_fine(job, counter)))
    return finished


def coarse_to_fine(job: Job, counter: StepCounter) -> Result:
    """Make the first stage from ``job.starts`` noises; every later stage from the best picture so far, enlarged."""
    first, picture = job.stages[0], counter.picture
    tries = counter.attempts
    for attempt in counter.attempts_left():
        tries.append(minimize_stage(job, counter, first, attempt, partial(job.start, picture, attempt, first)))
    best = min(range(job.starts), key=lambda attempt: tries[attempt].loss)
    result = tries[best]
    counter.tell_best(result, best)
    for before, stage in counter.stages_left():
        begin = partial(_enlarge_result, job, picture, best, result, before, stage)
        begun = result.begun if before.octave == stage.octave else None
        result = minimize_stage(job, counter, stage, best, begin)
        if begun is not None:  # the same picture, polished in another precision
            result = dataclasses.replace(result, begun=begun)
    return result


def minimize_stage(
    job: Job, counter: StepCounter, stage: Stage, attempt: int, begin: Callable[[], jax.Array]
) -> Result:
    """Minimize a stage's loss.

    Args:
        job: what is made.
        counter: told of each step; knows where a resumed run continues.
        stage: the stage.
        attempt: its number.
        begin: makes the starting value, where the stage is not resumed.
    """
    config, point = job.config, counter.enter(stage, attempt)
    start = jnp.asarray(begin() if point is None else jnp.zeros(job.shape(stage)), jnp.float32)
    loss, arguments = job.problem(stage)
    result = minimize(
        loss,
        _place(start, point, config),
        (arguments,),
        choose_optimizer(config),
        max_steps=stage.steps,
        tolerance=config.tol,
        first_step=config.first_step,
        on_step=counter.tell if counter.on_step else None,
        resume=point,
    )
    counter.leave(result)
    if point is not None:  # used up: whoever still holds the point holds none of its arrays
        point.state.arrays.clear()
    return result


def _enlarge_result(job: Job, picture: int, attempt: int, result: Result, before: Stage, stage: Stage) -> jax.Array:
    """Return the start of a stage: the value of the stage before, enlarged, with the finer detail of a fresh start."""
    detail = job.start(picture, attempt, stage)
    value = result.value if result.value.ndim == detail.ndim else job.render(result.value, before)

    def grow(value: jax.Array, detail: jax.Array) -> jax.Array:
        return enlarge(value, before, stage, detail, job.config.padding_mode)

    return (grow if value.ndim == 3 else jax.vmap(grow))(value, detail)


def _place(start: jax.Array, point: Point | None, config: PictureConfig) -> jax.Array:
    """Share a start, and the arrays of a point that was read from disk, among the devices."""
    if config.devices == 1:
        return start
    axis = -3 if config.row_shards > 1 else -4  # rows of a picture, or frames
    if point is not None:
        arrays = point.state.arrays
        pictures = [name for name, array in arrays.items() if array.shape[axis:] == start.shape[axis:]]
        arrays.update({name: share_out(arrays[name], config.devices, axis) for name in pictures})
    return share_out(start, config.devices, axis)


class StepCounter:
    """Counts the steps of a picture over all its stages, and knows what a resumed run has done already.

    Attributes:
        picture: its number.
        attempts: results of the attempts at the first stage so far.
    """

    def __init__(
        self, job: Job, picture: int, on_step: OnStep | None, finished: Sequence[Result], resume: Position | None
    ):
        """Begin at the first step, or where a run is resumed."""
        self.job, self.picture, self.on_step, self._finished = job, picture, on_step, finished
        self.attempts: list[Result] = list(resume.attempts) if resume else []
        self._steps, self._evaluations, self._seconds = 0, 0, 0.0
        if resume is not None:
            self._steps, self._evaluations, self._seconds = resume.steps, resume.evaluations, resume.seconds
        self._point = resume.point if resume else None
        self._place, self._attempt, self._told = resume.stage if resume else 0, 0, resume is not None
        self._stage = job.stages[self._place]

    def attempts_left(self) -> range:
        """Return the attempts at the first stage that are still to be made."""
        return range(len(self.attempts), self.job.starts if self._place == 0 else 0)

    def stages_left(self) -> list[tuple[Stage, Stage]]:
        """Each later stage that is still to be made, after the stage before it."""
        return list(pairwise(self.job.stages))[max(self._place - 1, 0) :]

    def enter(self, stage: Stage, attempt: int) -> Point | None:
        """Note which stage begins; return the point from which the stage is resumed, once."""
        self._stage, self._place, self._attempt = stage, self.job.stages.index(stage), attempt
        point, self._point = self._point, None
        return point

    def leave(self, result: Result) -> None:
        """Count the steps of a stage that has ended."""
        self._steps += result.steps
        self._evaluations += result.evaluations
        self._seconds += result.seconds

    def tell(self, step: Step) -> None:
        """Tell of a step; the starting point is told of the first stage alone."""
        if step.step == 0 and self._told:
            return
        self._told = True
        position = Position(
            self.picture,
            self._place,
            self._attempt,
            self._steps,
            self._evaluations,
            self._seconds,
            tuple(self.attempts),
            tuple(self._finished),
            step.position,
        )
        value = self.job.render(step.value, self._stage)
        self._tell(dataclasses.replace(step, value=value, position=position), step)

    def tell_best(self, result: Result, best: int) -> None:
        """Where one stage is all, tell of the best attempt once more, if it was not the last: the last step is kept."""
        if len(self.job.stages) == 1 and best != self.job.starts - 1:
            value = self.job.render(result.value, self.job.stages[0])
            step = Step(0, value, result.loss, result.parts, result.gradient_norm, 0, 0.0)
            self._tell(step, step)

    def _tell(self, shown: Step, counted: Step) -> None:
        if self.on_step is not None:
            steps, evaluations = self._steps + counted.step, self._evaluations + counted.evaluations
            seconds = self._seconds + counted.seconds
            self.on_step(self.picture, dataclasses.replace(shown, step=steps, evaluations=evaluations, seconds=seconds))

    def sum_up(self, result: Result) -> Result:
        """Return the last stage's result as that of the whole picture."""
        last = self.job.stages[-1]
        result = dataclasses.replace(result, value=self.job.render(result.value, last))
        message = "; ".join([result.message, *_find_faults(result, last.steps > 0)])
        return dataclasses.replace(
            result, message=message, steps=self._steps, evaluations=self._evaluations, seconds=self._seconds
        )


def _find_faults(result: Result, stepped: bool) -> list[str]:
    """Say what is wrong with a picture that nobody has asked for; ``stepped`` whether any step was asked for."""
    faults, (contrast, clipped) = [], map(float, _measure_faults(result.value))
    if stepped and result.loss > (1 - MIN_LOSS_DROP) * result.begun:
        fell = f"from {result.begun:.4g} to {result.loss:.4g}"
        faults.append(f"the loss hardly fell, {fell}: the target is out of reach, or reached already")
    if contrast < FLAT_STD:
        faults.append("the picture is of one flat color, as its sources are, or out of their reach")
    if clipped > MAX_CLIPPED:
        faults.append(f"{clipped:.0%} of it lies beyond black or white and is cut off; lower mul or set bounds")
    return faults


@jit
def _measure_faults(picture: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the largest standard deviation of a channel, and the share of values beyond black or white."""
    return jnp.max(jnp.std(picture, axis=(-3, -2))), jnp.mean((picture < 0) | (picture > 1))
