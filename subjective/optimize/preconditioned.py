"""An optimizer in other coordinates: value = start + preconditioner(z), and the optimizer moves z.

L-BFGS begins without any knowledge of the Hessian and learns little of it. The preconditioner is the symmetric root of
an approximate inverse Hessian that is known beforehand: in the coordinates z all directions are about equally steep.
The two loops of L-BFGS then begin with that inverse in place of a multiple of the identity.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from subjective.optimize.protocol import Evaluation, Optimizer, Problem, State, inner

Preconditioner = Callable[[jax.Array], jax.Array]
"""Linear, symmetric and positive definite, from arrays of the value's shape to arrays of that shape."""

START = "start"
"""Name of the array that the state holds beside the optimizer's own."""


class PreconditionedProblem(Problem):
    """A problem as a function of z."""

    def __init__(self, problem: Problem, start: jax.Array, preconditioner: Preconditioner):
        """Wrap a problem. Nothing is compiled again: the problem itself evaluates, and counts its evaluations."""
        self.shape, self.dtype = problem.shape, problem.dtype
        self._problem, self._start, self._preconditioner = problem, start, preconditioner

    def __call__(self, value: jax.Array) -> Evaluation:
        """Evaluate at z; the gradient is with respect to z."""
        return change_coordinates(self._problem(self._start + self._preconditioner(value)), self._preconditioner)


@dataclass(frozen=True)
class Preconditioned:
    """An optimizer that moves z.

    Attributes:
        optimizer: of z, without bounds.
        preconditioner: from a change of z to a change of the value.
    """

    keeps_bounds: ClassVar[bool] = False
    takes_preconditioner: ClassVar[bool] = False
    has_history_type: ClassVar[bool] = False
    preconditioned_bytes: ClassVar[int] = 0
    bounds: ClassVar[None] = None

    optimizer: Optimizer
    preconditioner: Preconditioner

    @property
    def patience(self) -> int:
        """See `Optimizer.patience`."""
        return self.optimizer.patience

    @property
    def bytes_per_number(self) -> int:
        """See `Optimizer.bytes_per_number`."""
        return self.optimizer.bytes_per_number + self.optimizer.preconditioned_bytes

    def __str__(self) -> str:
        """Say which optimizer."""
        return str(self.optimizer)

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`. The first step has the given root mean square in the value, not in z."""
        here = change_coordinates(found, self.preconditioner)
        moved = self.preconditioner(here.gradient)
        longer = here.gradient_norm / (math.sqrt(inner(moved, moved)) or 1.0) or 1.0
        at_zero = PreconditionedProblem(problem, start, self.preconditioner)
        state = self.optimizer.begin(at_zero, jnp.zeros_like(start), here, first_step * longer)
        state.arrays[START] = start
        return state

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. The given state is changed."""
        inside = PreconditionedProblem(problem, state.arrays[START], self.preconditioner)
        return self.optimizer.advance(inside, state)

    def value(self, problem: Problem, state: State) -> jax.Array:
        """See `Optimizer.value`."""
        start: jax.Array = state.arrays[START]
        return start + self.preconditioner(self.optimizer.value(problem, state))


def change_coordinates(found: Evaluation, preconditioner: Preconditioner) -> Evaluation:
    """Return an evaluation with its gradient taken with respect to z."""
    gradient = preconditioner(found.gradient)
    return dataclasses.replace(found, gradient=gradient, gradient_norm=math.sqrt(inner(gradient, gradient)))
