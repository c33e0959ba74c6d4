"""Run an optimizer in other coordinates z, where value = start + preconditioner(z).

L-BFGS begins without any knowledge of the Hessian, and its history holds only little knowledge later. The
preconditioner is the symmetric square root of an approximate inverse Hessian that is known beforehand. In the
coordinates z, the loss curves about equally in all directions. The effect is the same as if the two loops of L-BFGS
began with the approximate inverse Hessian, and not with a multiple of the identity.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from subjective.optimize.protocol import Checking, Evaluation, Layout, Optimizer, Problem, State, check_arrays, inner

Preconditioner = Callable[[jax.Array], jax.Array]
"""A linear, symmetric and positive definite function, from an array of the value's shape to another such array."""

START = "start"
"""Name under which the state holds the start, beside the arrays of the optimizer."""


class PreconditionedProblem(Problem):
    """A problem whose point is z. It uses the compiled loss and the count of evaluations of the original problem."""

    def __init__(self, problem: Problem, start: jax.Array, preconditioner: Preconditioner):
        self.shape, self.dtype = problem.shape, problem.dtype
        self._args, self._compiled = problem._args, problem._compiled
        self._problem, self._start, self._preconditioner = problem, start, preconditioner

    @property
    def evaluations(self) -> int:
        """Number of evaluations of the loss so far, counted by the original problem."""
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
        optimizer: the optimizer that moves z; it must have no bounds.
        preconditioner: turns a change of z into a change of the value.
    """

    keeps_bounds: ClassVar[bool] = False
    takes_preconditioner: ClassVar[bool] = False
    has_history_type: ClassVar[bool] = False
    preconditioned_bytes: ClassVar[int] = 0
    bounds: ClassVar[None] = None

    optimizer: Optimizer
    preconditioner: Preconditioner

    def __post_init__(self) -> None:
        """Refuse an optimizer that takes no preconditioner, or that has bounds, which would hold for z only."""
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
        """Return the name of the optimizer that moves z."""
        return str(self.optimizer)

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`. ``first_step`` is the root mean square change of the value, not of z."""
        at_zero = PreconditionedProblem(problem, start, self.preconditioner)
        gradient = at_zero.to_coordinates(found.gradient)
        here = dataclasses.replace(found, gradient=gradient, gradient_norm=math.sqrt(inner(gradient, gradient)))
        moved = self.preconditioner(gradient)
        longer = here.gradient_norm / (math.sqrt(inner(moved, moved)) or 1.0) or 1.0
        state = self.optimizer.begin(at_zero, jnp.zeros_like(start), here, first_step * longer)
        state.arrays[START] = start
        return state

    def check(self, problem: Problem, state: State) -> None:
        """See `Checking.check`."""
        others = {name: array for name, array in state.arrays.items() if name != START}
        start = {name: array for name, array in state.arrays.items() if name == START}
        check_arrays(start, {START: Layout(problem.shape, (str(problem.dtype),))})
        if isinstance(self.optimizer, Checking):
            inside = PreconditionedProblem(problem, state.arrays[START], self.preconditioner)
            self.optimizer.check(inside, dataclasses.replace(state, arrays=others))

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. This function changes the given state."""
        inside = PreconditionedProblem(problem, state.arrays[START], self.preconditioner)
        return self.optimizer.advance(inside, state)

    def value(self, problem: Problem, state: State) -> jax.Array:
        """See `Optimizer.value`."""
        start: jax.Array = state.arrays[START]
        return start + self.preconditioner(self.optimizer.value(problem, state))
