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
    """A problem as a function of z. Nothing is compiled again, and the problem itself counts the evaluations."""

    def __init__(self, problem: Problem, start: jax.Array, preconditioner: Preconditioner):
        self.shape, self.dtype = problem.shape, problem.dtype
        self._args, self._compiled = problem._args, problem._compiled
        self._problem, self._start, self._preconditioner = problem, start, preconditioner

    @property
    def evaluations(self) -> int:
        """Evaluations of the problem so far."""
        return self._problem.evaluations

    @evaluations.setter
    def evaluations(self, count: int) -> None:
        self._problem.evaluations = count

    def to_value(self, point: jax.Array) -> jax.Array:
        """See `Problem.to_value`."""
        return self._start + self._preconditioner(point)

    def to_coordinates(self, gradient: jax.Array) -> jax.Array:
        """See `Problem.to_coordinates`."""
        return self._preconditioner(gradient)


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

    def __post_init__(self) -> None:
        """Refuse an optimizer that takes no preconditioner, and bounds, which do not hold in the coordinates z."""
        if self.optimizer.bounds is not None or not self.optimizer.takes_preconditioner:
            kept = self.optimizer.bounds is not None
            other = "bounds, which do not hold in its coordinates" if kept else f"the optimizer {self.optimizer}"
            raise ValueError(f"a preconditioner was given with {other}; leave one of the two out")

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
        at_zero = PreconditionedProblem(problem, start, self.preconditioner)
        gradient = at_zero.to_coordinates(found.gradient)
        here = dataclasses.replace(found, gradient=gradient, gradient_norm=math.sqrt(inner(gradient, gradient)))
        moved = self.preconditioner(gradient)
        longer = here.gradient_norm / (math.sqrt(inner(moved, moved)) or 1.0) or 1.0
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
