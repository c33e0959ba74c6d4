"""Minimization behind one signature and one `Result`, whichever optimizer does it; knows nothing of images.

What all optimizers have in common is here: when to stop, what is told, and what happens when a step goes astray.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from subjective.checks import InputError
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.protocol import (
    Evaluation,
    Loss,
    NotFiniteError,
    Optimizer,
    Problem,
    State,
    StuckError,
    fetched,
)

RETRIES = 5
"""Times in a row that a step which went astray is tried again, each time a tenth as long."""


@dataclass
class Point:
    """Where a minimization stands: all that it takes to go on from there, bit for bit.

    Attributes:
        state: the optimizer's.
        step: accepted iterations.
        evaluations: calls of the loss.
        seconds: spent.
        retries: times in a row that the optimizer had to begin anew.
        begun: the loss at the start.
        lowest: the lowest loss so far.
        since: steps since then.
    """

    state: State
    step: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    retries: int = 0
    lowest: float = math.inf
    since: int = 0
    begun: float = math.inf


@dataclass(frozen=True)
class Step:
    """One accepted iteration, as `on_step` sees it.

    Attributes:
        step: counted from 1; 0 is the starting point.
        value: the array reached.
        loss: there.
        parts: what the loss is the sum of; a pytree of scalars.
        gradient_norm: Euclidean norm of the gradient there, in the optimizer's coordinates.
        evaluations: calls of the loss so far.
        seconds: since `minimize` was called, compilation included.
        position: to go on from, as long as the call of ``on_step`` lasts, since the next step changes it: copy it
            (`copy.deepcopy`), or write it to disk. A `Point` here, what holds one elsewhere.
    """

    step: int
    value: jax.Array
    loss: float
    parts: Any
    gradient_norm: float
    evaluations: int
    seconds: float
    position: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Result:
    """Where a minimization ended, and why.

    Attributes:
        value: the array reached.
        loss: there.
        steps: accepted iterations.
        evaluations: calls of the loss.
        seconds: what it took, compilation included.
        converged: whether it stopped because there was (almost) nothing left to gain.
        message: the reason in a sentence.
        parts: what the loss is the sum of.
        gradient_norm: Euclidean norm of the gradient, in the optimizer's coordinates.
        begun: the loss at the start.
    """

    value: jax.Array
    loss: float
    steps: int
    evaluations: int
    seconds: float
    converged: bool
    message: str
    parts: Any = None
    gradient_norm: float = math.nan
    begun: float = math.inf


class NonFiniteLossError(InputError):
    """The loss, or its gradient, became NaN or infinite.

    Attributes:
        result: the last finite point, None if there was none.
    """

    def __init__(self, message: str, result: Result | None):
        super().__init__(message)
        self.result = result


def minimize(
    fn: Loss,
    init: jax.Array,
    args: tuple[Any, ...] = (),
    optimizer: Optimizer | None = None,
    *,
    max_steps: int = 500,
    tolerance: float = 1e-9,
    first_step: float | None = None,
    on_step: Callable[[Step], None] | None = None,
    resume: Point | None = None,
) -> Result:
    """Minimize a loss.

    Each optimizer divides the loss by the norm of its first gradient, so that the first step does not depend on the
    loss's units. A step at which the loss is not finite is taken back: the optimizer begins anew from the last good
    point with a tenth of the step.

    Args:
        fn: ``fn(value, *args) -> (scalar, parts)``, differentiable in ``value``.
        init: starting point, any shape.
        args: further arguments of ``fn``; they are arguments of the compiled function, not constants of it.
        optimizer: how to minimize, such as ``LBFGS(history=10)``; L-BFGS-B if None.
        max_steps: most accepted iterations. 0 evaluates and returns ``init``.
        tolerance: stop when ten steps (of Adam: fifty) lower the loss by less than this share of the loss.
        first_step: root mean square change of an element in the first step that is tried; None for a step of length
            one, as scipy has it. Later steps are as long as the curvature found so far says. Adam's learning rate.
        on_step: called with each `Step`, the starting point included. It may raise an exception to stop.
        resume: continue from here as if the minimization had never stopped, and use the point up. All other arguments
            must be as they were; ``init`` gives only shape and dtype.

    Returns:
        The last accepted point. ``message`` says why the minimization ended.

    Raises:
        ValueError: numbers that do not fit.
        NonFiniteLossError: with the last finite point in it.
    """
    _check(max_steps, tolerance, first_step)
    run = _Run(optimizer or LBFGSB(), Problem(fn, args, init, resume.evaluations if resume else 0), first_step, on_step)
    if resume is None:
        run.start(init)
        if run.point.state.gradient_norm == 0:
            return run.result(True, "the gradient is zero at the starting point: nothing to do")
        if max_steps == 0:
            return run.result(False, "no step was asked for")
    else:
        run.go_on(resume)
    while run.point.since < run.optimizer.patience:
        if run.point.step >= max_steps:
            return run.result(False, f"all {max_steps} steps were made")
        try:
            run.point.state = run.optimizer.advance(run.problem, run.point.state)
        except StuckError as end:
            return run.result(end.converged, str(end))
        except NotFiniteError as error:
            run.retry(error)
            continue
        run.accept(tolerance)
        if run.point.state.gradient_norm == 0:
            return run.result(True, "the gradient is zero: this is a minimum")
    return run.result(True, f"{run.optimizer.patience} steps lowered the loss by less than {tolerance:g} of it")


class _Run:
    """One call of `minimize`: the point where it stands, and what changes that point."""

    point: Point
    value: jax.Array  # at the point; what a step that went astray goes back to

    def __init__(
        self,
        optimizer: Optimizer,
        problem: Problem,
        first_step: float | None,
        on_step: Callable[[Step], None] | None,
    ):
        self.optimizer, self.problem, self.first_step, self.on_step = optimizer, problem, first_step, on_step
        self.started = time.perf_counter()

    def start(self, init: jax.Array) -> None:
        """Stand at ``init``, within the bounds, and report it."""
        bounds = self.optimizer.bounds
        start = init if bounds is None else jnp.clip(init, *bounds)
        first = _first(self.problem, start)
        self.point = Point(self._begin(start, first), lowest=first.loss, begun=first.loss)
        self._tell()

    def go_on(self, point: Point) -> None:
        """Stand where an earlier minimization stood; that point was reported then."""
        self.point, self.value = point, self.optimizer.value(self.problem, point.state)
        self.started -= point.seconds

    def accept(self, tolerance: float) -> None:
        """Count the step that the optimizer made, and report it."""
        point = self.point
        point.step, point.retries, point.since = point.step + 1, 0, point.since + 1
        if point.lowest - point.state.loss > tolerance * abs(point.lowest):
            point.lowest, point.since = point.state.loss, 0
        self._tell()

    def retry(self, error: NotFiniteError) -> None:
        """Begin anew from the last finite value, with a shorter step.

        Raises:
            NonFiniteLossError: that was done `RETRIES` times in a row.
        """
        point, where = self.point, f"{error} in step {self.point.step + 1}"
        if point.retries == RETRIES:
            kept = f"{where}; the last finite point is kept: lower the weights, or set bounds"
            raise NonFiniteLossError(kept, self.result(False, where)) from None
        point.retries += 1
        point.state.arrays.clear()  # before as much is allocated again
        point.state = self._begin(self.value, self.problem(self.value), 0.1**point.retries)

    def result(self, converged: bool, message: str) -> Result:
        """Return the point, and why the minimization ended there."""
        at, seconds = self.point.state, time.perf_counter() - self.started
        counted = (self.point.step, self.problem.evaluations, seconds)
        parts = fetched(at.parts)
        return Result(self.value, at.loss, *counted, converged, message, parts, at.gradient_norm, self.point.begun)

    def _tell(self) -> None:
        point, state = self.point, self.point.state
        point.evaluations, point.seconds = self.problem.evaluations, time.perf_counter() - self.started
        self.value = self.optimizer.value(self.problem, state)
        if self.on_step is not None:
            counted = (point.evaluations, point.seconds)
            parts = fetched(state.parts)
            self.on_step(Step(point.step, self.value, state.loss, parts, state.gradient_norm, *counted, point))

    def _begin(self, start: jax.Array, found: Evaluation, shorter: float = 1.0) -> State:
        length = 1 / math.sqrt(start.size) if self.first_step is None else self.first_step
        return self.optimizer.begin(self.problem, start, found, length * shorter)


def _first(problem: Problem, start: jax.Array) -> Evaluation:
    try:
        return problem(start)
    except NotFiniteError as error:
        finite = bool(jnp.isfinite(start).all())
        where = "at the starting picture" if finite else "since the start itself is not finite"
        raise NonFiniteLossError(f"{error} {where}; check the sources and the weights", None) from None


def _check(max_steps: int, tolerance: float, first_step: float | None) -> None:
    if max_steps < 0:
        raise ValueError(f"max_steps is {max_steps}; wanted 0 or more")
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance}; wanted 0 or more")
    if first_step is not None and not (math.isfinite(first_step) and first_step > 0):
        raise ValueError(f"first_step is {first_step}; wanted a number above 0")
