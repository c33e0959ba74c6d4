"""The loop over the stages of a picture, from the coarsest to the finest, as in the paper.

A run makes one or several pictures, each stage by stage. An `OnStep` function is called after each step. The steps of
a picture are numbered through all its stages. The step's `Position` holds everything that is needed to resume the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp

from subjective.checks import InputError
from subjective.compilation import jit
from subjective.devices import share_out
from subjective.losses import Loss
from subjective.optimize.minimizer import Point, Result, Step, minimize
from subjective.optimize.preconditioned import START
from subjective.optimize.protocol import Shared
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.plan import choose_optimizer
from subjective.synthesis.problem import Job
from subjective.synthesis.schedule import Schedule
from subjective.synthesis.stages import Stage, enlarge

OnStep = Callable[[int, Step], None]
"""``on_step(picture, step)`` is called after each step; ``picture`` is the picture's number, counted from 0."""

FLAT_STD = 1 / 255
"""A picture is flat if its standard deviation is less than this in every channel."""

MIN_LOSS_DROP = 0.01
"""If the last stage lowers its first loss by less than this share, the result's message says so."""

MAX_CLIPPED = 0.2
"""If more than this share of a picture's values lies beyond black or white, the result's message says so."""


@dataclasses.dataclass(frozen=True)
class Position:
    """The state of a run after a step: everything that is needed to continue as if the run had never stopped.

    Attributes:
        picture: number of the picture that is being made.
        stage: index of the current stage.
        attempt: at the first stage, number of the current attempt; at later stages, number of the attempt that they
            continue.
        steps: number of steps of this picture in the stages and attempts that have ended.
        evaluations: number of evaluations of the loss in the same stages and attempts.
        seconds: seconds that the same stages and attempts took.
        attempts: results of this picture's finished attempts at the first stage.
        finished: results of the pictures before this one.
        point: state of the current stage's optimization.
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


def run(
    job: Job, on_step: OnStep | None = None, resume: Position | None = None, schedule: Schedule | None = None
) -> list[Result]:
    """Make all pictures of a job.

    Args:
        job: from `prepare` of a verb.
        on_step: called with a picture's number and each `Step`.
        resume: the position from which the run continues; `run` clears the position's arrays to free their memory.
        schedule: how the job's weights change on the way. ``on_step`` may add changes, which count from the next step
            on. None for the changes that the job's config names.

    Returns:
        A `Result` for each picture. The result's value is the picture that ``job.render`` makes from the value of the
        last stage; steps, evaluations and seconds are sums over all stages.

    Raises:
        NonFiniteLossError: see `minimize`.
        InputError: ``resume`` is no position of this job.
    """
    if resume is not None:
        check_position(job, resume)
    finished = list(resume.finished) if resume else []
    schedule = schedule or Schedule(job)
    for picture in range(len(finished), job.pictures):
        counter = StepCounter(job, schedule, picture, on_step, finished, resume)
        resume = None
        finished.append(counter.sum_up(coarse_to_fine(job, counter)))
    return finished


def check_position(job: Job, position: Position) -> None:
    """Check that a position, which may come from a file, is one of a job: its numbers, and the sizes of its results.

    `minimize` checks the arrays of the position's point.

    Raises:
        InputError: the position is of another job, or damaged.
    """
    attempts, wanted = position.attempts, tuple(job.shape(job.stages[0]))
    fits = [
        position.picture == len(position.finished) < job.pictures,
        0 <= position.stage < len(job.stages),
        0 <= position.attempt < job.starts,
        min(position.steps, position.evaluations) >= 0,
        len(attempts) == (job.starts if position.stage else position.attempt),
        all(result.value.shape == wanted for result in attempts),
    ]
    if not all(fits):
        raise InputError("the position to resume from is damaged, or of another run")


def coarse_to_fine(job: Job, counter: StepCounter) -> Result:
    """Make a picture: attempt the first stage ``job.starts`` times, then enlarge the best attempt stage by stage."""
    first, picture = job.stages[0], counter.picture
    tries = counter.attempts
    for attempt in counter.attempts_left():
        tries.append(minimize_stage(counter, first, attempt, _Start(picture, attempt, first)))
    best = min(range(job.starts), key=lambda attempt: tries[attempt].loss)
    result = tries[best]
    counter.tell_best(result, best)
    for before, stage in counter.stages_left():
        start = _Start(picture, best, stage, before, result)
        begun = result.begun if before.octave == stage.octave else None
        result = minimize_stage(counter, stage, best, start)
        if begun is not None:  # the same size again, in float32: keep the earlier first loss
            result = dataclasses.replace(result, begun=begun)
    return result


def minimize_stage(counter: StepCounter, stage: Stage, attempt: int, begin: Callable[[Job], jax.Array]) -> Result:
    """Minimize a stage's loss, whose weights may change on the way.

    Args:
        counter: counts the steps, and holds the job at each step and the point from which a resumed run continues.
        stage: the stage.
        attempt: number of the attempt at the first stage.
        begin: makes the starting value for a job; not called if the stage is resumed.
    """
    point = counter.enter(stage, attempt)
    job = counter.job_before(0 if point is None else point.step)
    config = job.config
    start = jnp.asarray(begin(job) if point is None else jnp.zeros(job.shape(stage)), jnp.float32)
    loss, arguments = counter.problem(job)
    began_with_gains = point is not None and START in point.state.arrays  # begun when all stages had gains
    result = minimize(
        loss,
        start if isinstance(loss, Shared) else _place(start, point, config),
        (arguments,),
        choose_optimizer(config, full_size=stage.octave == 0 or began_with_gains),
        max_steps=stage.steps,
        tolerance=config.tol,
        enough=job.enough(stage),
        first_step=config.first_step,
        on_step=counter.tell if counter.on_step else None,
        resume=point,
        renew=counter.renew,
    )
    counter.leave(result)
    if point is not None:  # free the memory, even if the caller still holds the point
        point.state.arrays.clear()
    return result


@dataclasses.dataclass(frozen=True)
class _Start:
    """Makes the start of a stage: a start of the job's own, or the enlarged value of the stage before.

    Attributes:
        picture: number of the picture.
        attempt: number of the attempt.
        stage: the stage.
        before: the stage before; None for the first stage.
        result: result of the stage before.
    """

    picture: int
    attempt: int
    stage: Stage
    before: Stage | None = None
    result: Result | None = None

    def __call__(self, job: Job) -> jax.Array:
        """Return the start; to an enlarged value, the fine detail of a new start is added."""
        detail = job.start(self.picture, self.attempt, self.stage)
        before, result = self.before, self.result
        if before is None or result is None:
            return detail
        value = result.value if result.value.ndim == detail.ndim else job.render(result.value, before)

        def grow(value: jax.Array, detail: jax.Array) -> jax.Array:
            return enlarge(value, before, self.stage, detail, job.config.padding_mode)

        return (grow if value.ndim == 3 else jax.vmap(grow))(value, detail)


def _place(start: jax.Array, point: Point | None, config: PictureConfig) -> jax.Array:
    """Divide a start among the devices, and also the arrays of a point, because a point may come from disk."""
    if config.devices == 1:
        return start
    axis = -3 if config.row_shards > 1 else -4  # rows of a picture, or frames
    if point is not None:
        arrays = point.state.arrays
        pictures = [name for name, array in arrays.items() if array.shape[axis:] == start.shape[axis:]]
        arrays.update({name: share_out(arrays[name], config.devices, axis) for name in pictures})
    return share_out(start, config.devices, axis)


class StepCounter:
    """Counts the steps of a picture over all its stages, and knows what a resumed run has finished already.

    Attributes:
        picture: number of the picture.
        attempts: results of the finished attempts at the first stage.
    """

    def __init__(
        self,
        job: Job,
        schedule: Schedule,
        picture: int,
        on_step: OnStep | None,
        finished: Sequence[Result],
        resume: Position | None,
    ):
        """Begin at the first step, or at the position from which a run is resumed."""
        self._schedule = schedule
        self.job, self.picture, self.on_step, self._finished = job, picture, on_step, finished
        self.attempts: list[Result] = list(resume.attempts) if resume else []
        self._steps, self._evaluations, self._seconds = 0, 0, 0.0
        if resume is not None:
            self._steps, self._evaluations, self._seconds = resume.steps, resume.evaluations, resume.seconds
        self._point = resume.point if resume else None
        self._place, self._attempt, self._told = resume.stage if resume else 0, 0, resume is not None
        self._stage = job.stages[self._place]

    def attempts_left(self) -> range:
        """Return the numbers of the attempts at the first stage that are not finished."""
        return range(len(self.attempts), self.job.starts if self._place == 0 else 0)

    def stages_left(self) -> list[tuple[Stage, Stage]]:
        """Return (the stage before, the stage) for each stage after the first that is not finished."""
        return list(pairwise(self.job.stages))[max(self._place - 1, 0) :]

    def enter(self, stage: Stage, attempt: int) -> Point | None:
        """Note which stage begins. Return the point of a resumed run at the first call, and None at later calls."""
        self._stage, self._place, self._attempt = stage, self.job.stages.index(stage), attempt
        point, self._point = self._point, None
        return point

    def job_before(self, step: int) -> Job:
        """Return the job whose loss has led to a step of the current stage, or with which the stage begins."""
        return self._schedule.before(self.picture, self._steps + step)

    def problem(self, job: Job) -> tuple[Loss, Any]:
        """Return the loss of the current stage and its argument, as a job has them."""
        return job.problem(job.stages[self._place], self.picture, self._attempt)

    def renew(self, step: int) -> tuple[Loss, tuple[Any]] | None:
        """Return the loss and its argument that count after a step of the current stage; None if they stay."""
        job = self._schedule.after(self.picture, self._steps + step)
        if job is None:
            return None
        loss, argument = self.problem(job)
        return loss, (argument,)

    def leave(self, result: Result) -> None:
        """Add the steps, evaluations and seconds of a stage that has ended."""
        self._steps += result.steps
        self._evaluations += result.evaluations
        self._seconds += result.seconds

    def tell(self, step: Step) -> None:
        """Report a step to ``on_step``. Starting points are not reported, except the first one of the picture."""
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
        """Report the best attempt again if there is one stage and another attempt came last.

        Observers keep the picture of the last step that is reported.
        """
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
        """Turn the last stage's result into the result of the whole picture."""
        last = self.job.stages[-1]
        result = dataclasses.replace(result, value=self.job.render(result.value, last))
        full_size = sum(stage.steps for stage in self.job.stages if stage.octave == last.octave)
        made_all = 0 < result.steps == last.steps < full_size  # the last of several stages at full size
        ended = f"all {full_size} steps at full size were made" if made_all else result.message
        enough = self.job.enough(last)
        is_near = enough is not None and result.loss <= enough
        if is_near and self._steps == 0:
            ended = f"no step was needed: {ended}"
        message = "; ".join([ended, *_find_faults(result, last.steps > 0, last.steps > 0 and not is_near)])
        return dataclasses.replace(
            result, message=message, steps=self._steps, evaluations=self._evaluations, seconds=self._seconds
        )


def _find_faults(result: Result, asked: bool, stepped: bool) -> list[str]:
    """Return a clause for each unexpected fault of a picture.

    Args:
        result: the picture.
        asked: whether steps were asked for.
        stepped: whether the loss had to fall.
    """
    faults, (contrast, clipped) = [], map(float, _measure_faults(result.value))
    if stepped and result.loss > (1 - MIN_LOSS_DROP) * result.begun:
        fell = f"from {result.begun:.4g} to {result.loss:.4g}"
        faults.append(f"the loss hardly fell, {fell}: the target is out of reach, or reached already")
    if contrast < FLAT_STD and asked:
        faults.append("the picture is of one flat color, as its sources are, or out of their reach")
    if clipped > MAX_CLIPPED:
        faults.append(f"{clipped:.0%} of it lies beyond black or white and is cut off; lower mul or set bounds")
    return faults


@jit
def _measure_faults(picture: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the largest standard deviation of a channel, and the share of values beyond black or white."""
    return jnp.max(jnp.std(picture, axis=(-3, -2))), jnp.mean((picture < 0) | (picture > 1))
