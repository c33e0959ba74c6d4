"""L-BFGS whose memory stays on the device; the host sees only the scalars of the line search.

`optax.lbfgs` runs its line search in a loop on the device, and XLA's convolutions are several times slower in such a
loop on CPUs. `optax.lbfgs` also keeps its history in the precision of the value. Here `scipy.optimize.line_search` runs
on the host: it searches a function of one number, the length of the step, and calls the loss that is already compiled.
The history may be bfloat16. The directions equal those of `optax.scale_by_lbfgs`, as the tests check.

References:
    Nocedal and Wright, "Numerical optimization", 2006, algorithms 7.4 (two loops) and 3.5 (line search).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from subjective.choices import HistoryType
from subjective.compilation import jit
from subjective.optimize.protocol import (
    Evaluation,
    Layout,
    Problem,
    State,
    StuckError,
    check_arrays,
    inner,
    inner_traced,
)

SUFFICIENT_DECREASE, CURVATURE = 1e-3, 0.9
"""The constants of the line search's two conditions; L-BFGS-B uses the same constants."""

Pair = tuple[jax.Array, jax.Array]

LEAST_CURVATURE = 1e-10
"""A pair is dropped if its curvature sᵀy is at most this share of ‖s‖ ‖y‖: such a curvature is a rounding error."""


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS with its state on the device.

    Attributes:
        history: number of pairs from which the Hessian is estimated (m); a pair is a step and the gradient's change.
        history_type: number type in which the pairs are kept.
    """

    keeps_bounds: ClassVar[bool] = False
    takes_preconditioner: ClassVar[bool] = True
    has_history_type: ClassVar[bool] = True
    preconditioned_bytes: ClassVar[int] = 4 * 3  # the start, and second copies of the value and the trial point
    bounds: ClassVar[None] = None

    history: int = 10
    history_type: HistoryType = "float32"
    patience: int = 10

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.history < 1:
            raise ValueError(f"history is {self.history}; wanted 1 or more pairs")

    @property
    def bytes_per_number(self) -> int:
        """See `Optimizer.bytes_per_number`."""
        return 2 * self.history * (4 if self.history_type == "float32" else 2) + 4 * 5

    def __str__(self) -> str:
        """Return the name of the optimizer, with the type and the length of its history."""
        return f"lbfgs with a {self.history_type} history of {self.history}"

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`. This function allocates the history."""
        dtype = self._history_dtype(problem)
        length = first_step * math.sqrt(start.size)
        arrays = {
            "value": start,
            "gradient": found.gradient,
            "steps": _rows_like(start, self.history, dtype),
            "changes": _rows_like(start, self.history, dtype),
            "curvatures": jnp.zeros(self.history, jnp.promote_types(problem.dtype, jnp.float32)),
            "count": jnp.zeros((), jnp.int32),
            "first": np.float64(length / (found.gradient_norm or 1.0)),
        }
        return State(arrays, found.loss, found.parts, found.gradient_norm)

    def _history_dtype(self, problem: Problem) -> Any:
        """Return the number type of the pairs."""
        return jnp.promote_types(problem.dtype, jnp.float32) if self.history_type == "float32" else jnp.bfloat16

    def check(self, problem: Problem, state: State) -> None:
        """See `Checking.check`."""
        value = Layout(problem.shape, (str(problem.dtype),))
        pairs = Layout((self.history, *problem.shape), (str(jnp.dtype(self._history_dtype(problem))),))
        wanted = {
            "value": value,
            "gradient": value,
            "steps": pairs,
            "changes": pairs,
            "curvatures": Layout((self.history,), (str(jnp.promote_types(problem.dtype, jnp.float32)),)),
            "count": Layout((), ("int32",), 0),
            "first": Layout((), ("float64",), 0),
        }
        check_arrays(state.arrays, wanted)

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. This function changes the given state."""
        arrays = state.arrays
        value, gradient, count = arrays["value"], arrays["gradient"], arrays["count"]
        memory = (arrays["steps"], arrays["changes"], arrays["curvatures"])
        toward = direction(gradient, *memory, count, float(arrays["first"]))
        try:
            reached, found = _search(problem, value, gradient, toward, state)
        except StuckError:
            if int(count) == 0:
                raise
            # The history holds only rounding errors. Forget the history, and go down the gradient instead; the first
            # length to try is that of the direction that failed.
            length = math.sqrt(inner(toward, toward)) / (state.gradient_norm or 1.0)
            count = jnp.zeros_like(count)
            toward = direction(gradient, *memory, count, length)
            reached, found = _search(problem, value, gradient, toward, state)
        arrays["steps"], arrays["changes"], arrays["curvatures"], arrays["count"] = _remember(
            *memory, (value, reached), (gradient, found.gradient), count
        )
        arrays["value"], arrays["gradient"] = reached, found.gradient
        return State(arrays, found.loss, found.parts, found.gradient_norm)

    def value(self, problem: Problem, state: State) -> jax.Array:
        """See `Optimizer.value`."""
        value: jax.Array = state.arrays["value"]
        return value


def _rows_like(value: jax.Array, count: int, dtype: Any) -> jax.Array:
    """Make ``count`` arrays of zeros, each of the value's shape and on the devices where the value is."""
    place = None
    if isinstance(value.sharding, NamedSharding):
        place = NamedSharding(value.sharding.mesh, PartitionSpec(None, *value.sharding.spec))
    return jnp.zeros((count, *value.shape), dtype, device=place)


@jit
def direction(
    gradient: jax.Array, steps: jax.Array, changes: jax.Array, curvatures: jax.Array, count: Any, first: Any
) -> jax.Array:
    """Return the direction: minus the estimated inverse Hessian times the gradient, computed by the two loops.

    Args:
        gradient: of the value's shape.
        steps: ``(history, *shape)``; the step of pair number n lies at index ``n % history``.
        changes: changes of the gradient, in the same order as the steps.
        curvatures: inner product of each step and change.
        count: number of pairs remembered so far.
        first: diagonal of the inverse Hessian as long as no pair is remembered.
    """
    history = steps.shape[0]
    held = jnp.minimum(count, history)

    def pair(age: Any) -> tuple[Any, jax.Array, jax.Array]:
        place = (count - 1 - age) % history
        return place, steps[place].astype(gradient.dtype), changes[place].astype(gradient.dtype)

    def newest_first(age: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        q, alphas = carry
        place, step, change = pair(age)
        alpha = inner_traced(step, q) / curvatures[place]
        return q - alpha * change, alphas.at[place].set(alpha)

    def oldest_first(back: Any, r: jax.Array) -> jax.Array:
        place, step, change = pair(held - 1 - back)
        beta = inner_traced(change, r) / curvatures[place]
        return r + (alphas[place] - beta) * step

    q, alphas = lax.fori_loop(0, held, newest_first, (gradient, jnp.zeros_like(curvatures)))
    place, _, change = pair(0)
    size = jnp.where(held > 0, curvatures[place] / inner_traced(change, change), first).astype(gradient.dtype)
    return -lax.fori_loop(0, held, oldest_first, size * q)


@partial(jit, donate_argnums=(0, 1, 2))
def _remember(
    steps: jax.Array, changes: jax.Array, curvatures: jax.Array, values: Pair, gradients: Pair, count: Any
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Write a new pair over the oldest pair of the history, in place, if the new pair's curvature is large enough.

    Returns the arrays of the history, and the number of pairs that have been written.
    """
    place = count % steps.shape[0]
    # Round the step and the change to the history's type first, so that the curvature is that of the kept pair.
    step, change = ((new - old).astype(steps.dtype) for old, new in (values, gradients))
    wide = (step.astype(curvatures.dtype), change.astype(curvatures.dtype))
    curvature, lengths = inner_traced(*wide), [inner_traced(part, part) for part in wide]
    fit = curvature > LEAST_CURVATURE * jnp.sqrt(lengths[0] * lengths[1])

    def replaced(memory: jax.Array, new: jax.Array) -> jax.Array:
        return memory.at[place].set(jnp.where(fit, new, memory[place]))

    return replaced(steps, step), replaced(changes, change), replaced(curvatures, curvature), count + fit


@jit
def _along(value: jax.Array, toward: jax.Array, length: Any) -> jax.Array:
    return value + jnp.asarray(length, value.dtype) * toward


def _search(
    problem: Problem, value: jax.Array, gradient: jax.Array, toward: jax.Array, state: State
) -> tuple[jax.Array, Evaluation]:
    """Search along a direction, and return the point that was found, with its evaluation.

    The point meets both conditions of the line search. If no such point is found, the lowest point that was tried is
    returned, provided that its loss is lower than at the start.
    """
    tried: dict[float, tuple[jax.Array, Evaluation]] = {}  # by the length of the step

    def at(length: float) -> Evaluation:
        if length not in tried:
            point = _along(value, toward, length)
            tried[length] = (point, problem(point, (None, toward), (gradient, toward)))
            for other in list(tried):  # only the last two points and the lowest can be needed again
                if other not in (*list(tried)[-2:], min(tried, key=lambda n: tried[n][1].loss)):
                    del tried[other]
        return tried[length][1]

    # The search tries the length 1 first. This evaluation also returns the slope at the start.
    slope = at(1.0).slopes[1]
    if not slope < 0:
        raise StuckError("the loss does not fall along the direction")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "found no point": handled below
        length = scipy.optimize.line_search(
            lambda x: at(float(x[0])).loss,
            lambda x: np.array([at(float(x[0])).slopes[0]]),
            np.zeros(1),
            np.ones(1),
            gfk=np.array([slope]),
            old_fval=state.loss,
            c1=SUFFICIENT_DECREASE,
            c2=CURVATURE,
            maxiter=20,
        )[0]
    if length is None:
        length = min(tried, key=lambda n: tried[n][1].loss)
        if not tried[length][1].loss < state.loss:
            raise StuckError("the line search found no lower loss, most likely because of rounding errors")
    at(float(length))
    return tried[float(length)]
