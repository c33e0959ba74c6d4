"""Minimization behind one signature and one `Result`; knows nothing of images.

References:
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization",
    1995 (L-BFGS-B), by `scipy.optimize`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

Loss = Callable[..., tuple[jax.Array, Any]]

LINE_SEARCH_EVALUATIONS = 20
"""Evaluations that scipy's line search may spend on a step (its own default)."""


@dataclass(frozen=True)
class Step:
    """One accepted iteration, as `on_step` sees it.

    Attributes:
        step: counted from 1; 0 is the starting point.
        value: the array reached.
        loss: there.
        parts: what the loss is the sum of; a pytree of scalars.
        gradient_norm: Euclidean norm of the gradient there.
        evaluations: calls of the loss so far.
        seconds: since `minimize` was called, compilation included.
    """

    step: int
    value: jax.Array
    loss: float
    parts: Any
    gradient_norm: float
    evaluations: int
    seconds: float


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
    """

    value: jax.Array
    loss: float
    steps: int
    evaluations: int
    seconds: float
    converged: bool
    message: str


class NonFiniteLossError(ValueError):
    """The loss, or its gradient, became NaN or infinite.

    Attributes:
        result: the last finite point, None if there was none.
    """

    def __init__(self, message: str, result: Result | None):
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class _Evaluation:
    loss: float
    parts: Any
    gradient_norm: float


@lru_cache(maxsize=32)
def value_and_gradient(fn: Loss) -> Callable[..., Any]:
    """The compiled ``(value, *args) -> ((scalar, parts), gradient)`` of a loss.

    One for each loss, so that nothing is traced or compiled twice.

    Args:
        fn: ``fn(value, *args) -> (scalar, parts)``.

    Returns:
        The function, jitted.
    """
    return jax.jit(jax.value_and_grad(fn, has_aux=True), compiler_options=_compiler_options())


@lru_cache(maxsize=1)
def _compiler_options() -> dict[str, str]:
    """What makes XLA faster here, as far as this version of it knows the option.

    On CPUs, Eigen's matrix products instead of YNNPACK's: 11 % less time a loss and gradient (`experiments/LOG.md`).
    """
    options = {"xla_cpu_experimental_ynn_fusion_type": ""}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def minimize(
    fn: Loss,
    init: jax.Array,
    args: tuple[Any, ...] = (),
    *,
    max_steps: int = 500,
    tolerance: float = 1e-9,
    on_step: Callable[[Step], None] | None = None,
    bounds: tuple[float, float] | None = None,
    history: int = 10,
    first_step: float | None = None,
) -> Result:
    """Minimize by L-BFGS-B.

    scipy sees float64 copies of flat vectors; the loss sees the shape and dtype of ``init``. The loss is
    divided by the norm of its first gradient before scipy sees it, so that the first step and the
    stopping rule do not depend on the units of the loss.

    Args:
        fn: ``fn(value, *args) -> (scalar, parts)``, differentiable in ``value``.
        init: starting point, any shape.
        args: passed on; arguments of the compiled function, not constants of it.
        max_steps: accepted iterations at most. 0 evaluates and returns ``init``.
        tolerance: stop when a step lowers the loss by less than this share of it.
        on_step: called with each `Step`, the starting point included. It may raise to stop.
        bounds: lowest and highest value of every element; None for none.
        history: pairs of steps and gradient changes that the Hessian is estimated from (m). Each costs two float64
            copies of the value.
        first_step: root mean square change of an element in the first step that is tried, so that it does not depend
            on their number; None for a step of length one, as scipy has it. Later steps are as long as the
            curvature found so far says.

    Returns:
        The last accepted point. Running out of steps, or a line search that finds nothing lower, is
        said in ``message``.

    Raises:
        ValueError: unfit numbers.
        NonFiniteLossError: with the last finite point in it.
    """
    _check(max_steps, tolerance, bounds, history, first_step)
    started = time.perf_counter()
    compiled = value_and_gradient(fn)
    shape, dtype = init.shape, init.dtype
    evaluations = 0
    last: tuple[int, np.ndarray, _Evaluation]

    def to_value(flat: np.ndarray) -> jax.Array:
        return jnp.asarray(flat.reshape(shape), dtype=dtype)

    def evaluate(flat: np.ndarray) -> tuple[_Evaluation, np.ndarray]:
        nonlocal evaluations
        (loss, parts), gradient = compiled(to_value(flat), *args)
        evaluations += 1
        flat_gradient = np.asarray(gradient, dtype=np.float64).ravel()
        norm = float(np.linalg.norm(flat_gradient))
        return _Evaluation(float(loss), jax.tree.map(float, jax.device_get(parts)), norm), flat_gradient

    def report(step: int, flat: np.ndarray, found: _Evaluation) -> None:
        nonlocal last
        last = (step, flat.copy(), found)
        if on_step is not None:
            seconds = time.perf_counter() - started
            on_step(Step(step, to_value(flat), found.loss, found.parts, found.gradient_norm, evaluations, seconds))

    def result(converged: bool, message: str) -> Result:
        step, flat, found = last
        seconds = time.perf_counter() - started
        return Result(to_value(flat), found.loss, step, evaluations, seconds, converged, message)

    def require_finite(found: _Evaluation, step: int, flat: np.ndarray) -> None:
        if math.isfinite(found.loss) and math.isfinite(found.gradient_norm):
            return
        what = (
            f"the loss became {found.loss}" if not math.isfinite(found.loss) else "the gradient became infinite or NaN"
        )
        if step == 0:
            where = "at the starting picture" if np.isfinite(flat).all() else "since the start itself is not finite"
            raise NonFiniteLossError(f"{what} {where}; check the sources and the weights", None)
        raise NonFiniteLossError(
            f"{what} in step {step}; the last finite point is kept: lower the weights, or set bounds",
            result(False, f"{what} in step {step}"),
        )

    start = np.asarray(init, dtype=np.float64).ravel().copy()
    if bounds is not None:
        np.clip(start, *bounds, out=start)
    first, first_gradient = evaluate(start)
    require_finite(first, 0, start)
    report(0, start, first)
    if first.gradient_norm == 0:
        return result(True, "the gradient is zero at the starting point: nothing to do")
    if max_steps == 0:
        return result(False, "no step was asked for")

    # scipy's first step has length one, whatever the gradient's: in units of the value, `unit`.
    unit = 1.0 if first_step is None else first_step * math.sqrt(start.size)
    scale = 1 / (first.gradient_norm * unit)
    # The point that scipy accepts is one that it has just evaluated: kept here, so that nothing is
    # computed twice for the log.
    recent: dict[float, _Evaluation] = {}
    pending: tuple[_Evaluation, np.ndarray] | None = (first, first_gradient)

    def scaled(units: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal pending
        flat = units * unit
        (found, gradient), pending = pending or evaluate(flat), None  # scipy begins at the start, known already
        require_finite(found, last[0] + 1, flat)
        if len(recent) > LINE_SEARCH_EVALUATIONS:
            recent.pop(next(iter(recent)))
        recent[found.loss * scale] = found
        return found.loss * scale, gradient * (scale * unit)

    settled = False

    def callback(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        nonlocal settled
        previous = last[2].loss
        found = recent[float(intermediate_result.fun)]
        recent.clear()
        recent[found.loss * scale] = found
        report(last[0] + 1, intermediate_result.x * unit, found)
        if previous - found.loss <= tolerance * abs(previous):
            settled = True
            raise StopIteration

    outcome = scipy.optimize.minimize(
        scaled,
        start / unit,
        jac=True,
        method="L-BFGS-B",
        bounds=None if bounds is None else scipy.optimize.Bounds(bounds[0] / unit, bounds[1] / unit),
        callback=callback,
        options={
            "maxiter": max_steps,
            "maxfun": max_steps * LINE_SEARCH_EVALUATIONS + 1,
            "maxcor": history,
            "maxls": LINE_SEARCH_EVALUATIONS,
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    if settled:
        return result(True, f"a step lowered the loss by less than {tolerance:g} of it")
    if last[0] >= max_steps:
        return result(False, f"all {max_steps} steps were made")
    if outcome.success:
        return result(True, "nothing lower is to be had within the bounds: the gradient is zero")
    return result(False, "the line search found nothing lower: the limit of the arithmetic is reached")


def _check(
    max_steps: int, tolerance: float, bounds: tuple[float, float] | None, history: int, first_step: float | None
) -> None:
    if max_steps < 0:
        raise ValueError(f"max_steps is {max_steps}; wanted 0 or more")
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance}; wanted 0 or more")
    if history < 1:
        raise ValueError(f"history is {history}; wanted 1 or more pairs")
    if first_step is not None and not (math.isfinite(first_step) and first_step > 0):
        raise ValueError(f"first_step is {first_step}; wanted a number above 0")
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"bounds are {bounds}; wanted a lower and a higher number")
