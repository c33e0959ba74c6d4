"""Minimize a loss with any of the optimizers, through one function `minimize` and one class `Result`.

This module does what is the same for all optimizers: it decides when to stop, reports each step, and restarts the
optimizer after a failed step. It knows nothing of images.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective.arguments import check_function, check_kind
from subjective.checks import FINITE, InputError, above, at_least, check_number, describe
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.protocol import (
    Checking,
    Evaluation,
    Layout,
    Loss,
    NotFiniteError,
    Optimizer,
    Problem,
    Rising,
    State,
    StuckError,
    check_arrays,
)

RETRIES = 5
"""Largest number of restarts in a row after failed steps. Restart number n begins with 0.1**n of the first step."""


@dataclass
class Point:
    """Where a minimization stands. Continued from here, the minimization gives the same result to the bit.

    Attributes:
        state: state of the optimizer.
        step: number of accepted steps so far.
        evaluations: number of evaluations of the loss so far.
        seconds: run time so far.
        retries: number of failed steps since the last accepted step.
        begun: loss at the start.
        lowest: loss after the last improvement, or at the start. A step is an improvement if its loss is below
            ``lowest`` by more than the share ``tolerance`` of ``lowest``.
        since: number of steps since the last improvement, or since the start.
        best: the value with the lowest loss so far, if the optimizer is `Rising`; otherwise None.
        best_loss: loss at ``best``.
    """

    state: State
    step: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    retries: int = 0
    lowest: float = math.inf
    since: int = 0
    begun: float = math.inf
    best: Any = None
    best_loss: float = math.inf


@dataclass(frozen=True)
class Step:
    """One accepted step, as ``on_step`` receives it.

    Attributes:
        step: number of the step, counted from 1; 0 is the starting point.
        value: the value that the step reached.
        loss: loss at this value.
        parts: pytree of the floats whose sum is the loss.
        gradient_norm: Euclidean norm of the gradient at this value, in the optimizer's coordinates.
        evaluations: number of evaluations of the loss so far.
        seconds: time of the steps so far, with compiling the loss and with the steps before a resume.
        position: where the run can be continued. `minimize` sets a `Point`; its callers may replace the point by an
            object that contains the point. The next step changes the point: copy it (`copy.deepcopy`) or write it to
            disk before ``on_step`` returns.
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
        value: the last accepted value; of an optimizer whose steps may raise the loss, such as Adam, the best value.
        loss: loss at this value.
        steps: number of accepted steps.
        evaluations: number of evaluations of the loss.
        seconds: time of the steps, with compiling the loss and with the steps before a resume; reading, measuring the
            sources and planning come on top.
        converged: whether the minimization ended before all steps were made: because further steps would lower the loss
            little or not at all, or because the loss is low enough.
        message: why the minimization ended, as a sentence.
        parts: pytree of the floats whose sum is the loss.
        gradient_norm: Euclidean norm of the gradient, in the optimizer's coordinates.
        begun: loss at the start.
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
    """The loss or the gradient is NaN or infinite at the start, or a step failed too often.

    Attributes:
        result: the result at the last accepted step; None if the loss or the gradient is not finite at the start.
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
    enough: float | None = None,
    first_step: float | None = None,
    on_step: Callable[[Step], None] | None = None,
    resume: Point | None = None,
    renew: Callable[[int], tuple[Loss, tuple[Any, ...]] | None] | None = None,
) -> Result:
    """Minimize a loss.

    The length of the first step does not depend on the units of the loss. A step fails if the loss or the gradient
    is not finite after the step, or if Adam's loss rises far too much. After a failed step, the optimizer starts again
    from the last accepted value, with a first step a tenth as long.

    Args:
        fn: ``fn(value, *args) -> (scalar, parts)``, differentiable in ``value``.
        init: starting value, of any shape.
        args: further arguments of ``fn``. A call with arguments of the same shapes needs no new compilation.
        optimizer: how to minimize, such as ``LBFGS(history=10)``; L-BFGS-B if None.
        max_steps: largest number of accepted steps. 0 evaluates the loss at ``init`` and returns ``init``.
        tolerance: stop when ten steps (of Adam: fifty) together lower the loss by less than this share of the loss.
        enough: stop when the loss is at most this number; if None, or after a change by ``renew``, never.
        first_step: root mean square change of an element in the first step that is tried; None for a step of
            Euclidean length one, as in scipy. L-BFGS chooses the lengths of later steps by the curvature found so far.
            For Adam, this is the learning rate of all steps.
        on_step: called with each `Step`, the starting point included. ``on_step`` may raise an exception, which comes
            through; but after `EndError`, `minimize` returns the step's result.
        resume: a point of an earlier minimization; continue from it as if the minimization had never stopped.
            `minimize` changes this point. All other arguments must be the same as before; of ``init``, only shape and
            number type are used.
        renew: called with the number of each step before the next one is made. It returns None, or another loss and its
            further arguments, which count from the next step on: the optimizer then begins again at the value of the
            step, because what it remembers is of the loss before.

    Returns:
        The last accepted value, or Adam's best. ``message`` says why the minimization ended.

    Raises:
        InputError: ``max_steps`` or ``tolerance`` is negative, ``enough`` is not finite, ``first_step`` is not positive
            and finite, ``resume`` is no point of this minimization, or an argument is of a wrong kind.
        NonFiniteLossError: the loss or the gradient is not finite at the start, or a step failed more than `RETRIES`
            times in a row. The exception holds the result at the last accepted step.

    Examples:
        >>> def bowl(x):
        ...     loss = jnp.sum((x - 3) ** 2)
        ...     return loss, loss
        >>> result = subjective.minimize(bowl, jnp.zeros(2), (), max_steps=20)
        >>> np.asarray(result.value).round(3).tolist()
        [3.0, 3.0]
    """
    check_number("max_steps", max_steps, at_least(0), whole=True)
    check_number("tolerance", tolerance, at_least(0))
    if enough is not None:
        check_number("enough", enough, FINITE)
    if first_step is not None:
        check_number("first_step", first_step, above(0))
    if on_step is not None:
        check_function("on_step", on_step, ["step"])
    if optimizer is not None:
        check_kind("optimizer", optimizer, Optimizer, "an Optimizer, such as LBFGS()")
    if resume is not None:
        check_kind("resume", resume, Point, "a Point of an earlier minimization")
    check_kind("args", args, tuple, "a tuple of the loss's further arguments")
    init = _read_start(init)
    run = _Run(optimizer or LBFGSB(), Problem(fn, args, init, resume.evaluations if resume else 0), first_step, on_step)
    if resume is None:
        try:
            run.start(init)
        except TypeError as error:
            if "aux" not in str(error):
                raise
            given = "fn returns the loss alone"
            raise InputError(f"{given}; wanted (loss, parts), where parts is a dict that may be empty") from error
        if run.point.state.gradient_norm == 0:
            return run.result(True, "the gradient is zero at the starting point: nothing to do")
        if max_steps == 0:
            return run.result(False, "no step was asked for")
    else:
        run.go_on(resume)
    while True:
        if renew is not None and run.point.step < max_steps and run.renew(renew):
            enough = None  # it was a share of the loss before
        if run.point.since >= run.optimizer.patience:
            return run.result(True, f"{run.optimizer.patience} steps lowered the loss by less than {tolerance:g} of it")
        if enough is not None and run.point.state.loss <= enough:
            return run.result(True, f"the loss is at most {enough:.3g}, which is near enough")
        if run.point.step >= max_steps:
            return run.result(False, f"all {max_steps} steps were made" if max_steps != 1 else "the only step was made")
        try:
            run.point.state = run.optimizer.advance(run.problem, run.point.state)
        except StuckError as end:
            return run.result(end.converged, str(end))
        except NotFiniteError as error:
            run.retry(error)
            continue
        try:
            run.accept(tolerance)
        except EndError as end:
            return run.result(False, str(end))
        if run.point.state.gradient_norm == 0:
            return run.result(True, "the gradient is zero: this is a minimum")


class EndError(Exception):
    """Raise this in ``on_step`` to end a minimization at its last step, as if no more steps were asked for.

    The text of the exception becomes the message of the result.
    """


class _Run:
    """One call of `minimize`: the current point, and the functions that change the point."""

    point: Point
    value: jax.Array  # the value at the point; after a failed step, the optimizer starts again from this value

    def __init__(
        self,
        optimizer: Optimizer,
        problem: Problem,
        first_step: float | None,
        on_step: Callable[[Step], None] | None,
    ):
        self.optimizer, self.problem, self.first_step, self.on_step = optimizer, problem, first_step, on_step
        self.started = time.perf_counter()
        self._asked = -1  # the last step at which `renew` was asked, which a failed step must not repeat

    def start(self, init: jax.Array) -> None:
        """Clip ``init`` to the bounds, begin there, and report the start to ``on_step``."""
        bounds = self.optimizer.bounds
        start = init if bounds is None else jnp.clip(init, *bounds)
        first = _first(self.problem, start)
        self.point = Point(self._begin(start, first), lowest=first.loss, begun=first.loss)
        self._tell()

    def go_on(self, point: Point) -> None:
        """Continue at a point of an earlier minimization, which has already reported the point."""
        if isinstance(self.optimizer, Checking):  # the point may come from a file
            self.optimizer.check(self.problem, point.state)
        if point.best is not None:
            check_arrays({"best": point.best}, {"best": Layout(self.problem.shape, (str(self.problem.dtype),))})
        self.point, self.value = point, self.optimizer.value(self.problem, point.state)
        self.started -= point.seconds

    def accept(self, tolerance: float) -> None:
        """Count the step that the optimizer made, and report the step to ``on_step``."""
        point = self.point
        point.step, point.retries, point.since = point.step + 1, 0, point.since + 1
        if point.lowest - point.state.loss > tolerance * abs(point.lowest):
            point.lowest, point.since = point.state.loss, 0
        self._tell()

    def retry(self, error: NotFiniteError) -> None:
        """Start the optimizer again from the last accepted value, with a shorter first step.

        Raises:
            NonFiniteLossError: the optimizer was already started again `RETRIES` times in a row.
        """
        point, where = self.point, f"{error} in step {self.point.step + 1}"
        if point.retries == RETRIES:
            kept = f"{where}; the last finite point is kept: lower the weights, or set bounds"
            raise NonFiniteLossError(kept, self.result(False, where)) from None
        point.retries += 1
        point.state.arrays.clear()  # free the memory before the new state takes as much
        point.state = self._begin(self.value, self._evaluate_again(), 0.1**point.retries)

    def renew(self, ask: Callable[[int], tuple[Loss, tuple[Any, ...]] | None]) -> bool:
        """Begin again at the last accepted value if there is another loss from here on; return whether there is.

        Raises:
            NonFiniteLossError: the other loss is not finite at this value.
        """
        point = self.point
        if point.step == self._asked:
            return False
        self._asked = point.step
        other = ask(point.step)
        if other is None:
            return False
        self.problem = Problem(*other, self.value, self.problem.evaluations)
        point.state.arrays.clear()  # free the memory before the new state takes as much
        try:
            found = self.problem(self.value)
        except NotFiniteError as error:
            raise NonFiniteLossError(f"{error} under the weights after step {point.step}; lower them", None) from None
        point.state = self._begin(self.value, found)
        point.begun = point.lowest = found.loss
        point.since = point.retries = 0
        point.best, point.best_loss = None, math.inf
        return True

    def _evaluate_again(self) -> Evaluation:
        """Evaluate the loss at the last accepted value, at which it was finite; a point from a file may be none."""
        try:
            return self.problem(self.value)
        except NotFiniteError as error:
            raise NonFiniteLossError(f"{error} at the point to resume from; begin again", None) from None

    def result(self, converged: bool, message: str) -> Result:
        """Return the result at the current point, with the reason why the minimization ended."""
        point, value = self.point, self.value
        at: State | Evaluation = point.state
        if point.best is not None and point.best_loss < point.state.loss:
            value, at = point.best, self.problem(point.best)
        counted = (point.step, self.problem.evaluations, time.perf_counter() - self.started)
        return Result(value, at.loss, *counted, converged, message, at.parts, at.gradient_norm, point.begun)

    def _tell(self) -> None:
        point, state = self.point, self.point.state
        point.evaluations, point.seconds = self.problem.evaluations, time.perf_counter() - self.started
        self.value = self.optimizer.value(self.problem, state)
        if isinstance(self.optimizer, Rising) and state.loss < point.best_loss:
            point.best, point.best_loss = self.value, state.loss
        if self.on_step is not None:
            counted = (point.evaluations, point.seconds)
            self.on_step(Step(point.step, self.value, state.loss, state.parts, state.gradient_norm, *counted, point))

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


def _read_start(init: Any) -> jax.Array:
    """Return the starting value; refuse what is no array of floats."""
    if not isinstance(init, (jax.Array, np.ndarray)) or not init.size:
        raise InputError(f"init is {describe(init)}; wanted an array of floats")
    if not jnp.issubdtype(init.dtype, jnp.floating):
        raise InputError(f"init is of dtype {init.dtype}; wanted floats")
    return init  # type: ignore[return-value]
