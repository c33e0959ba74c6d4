"""An optimizer in other coordinates: value = start + root(z), z being what it moves.

L-BFGS knows nothing of the Hessian at first and little of it ever. What is known beforehand is given to it as the
symmetric root of an approximate inverse, by which every direction of z is about as steep. It is as if its two loops
began with that inverse in place of a multiple of one, and either L-BFGS can do it as it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from subjective.optimize.protocol import Evaluation, Optimizer, Problem, State, inner

Root = Callable[[jax.Array], jax.Array]

START = "start"
"""Name of the array that is held besides the optimizer's own."""


class TurnedProblem(Problem):
    """A problem as a function of z."""

    def __init__(self, problem: Problem, start: jax.Array, root: Root):
        """Nothing is compiled again: the loss stays that of the value, whose own problem counts evaluations."""
        self.shape, self.dtype = problem.shape, problem.dtype
        self._problem, self._start, self._root = problem, start, root

    def __call__(self, value: jax.Array) -> Evaluation:
        """Evaluate; the gradient is that with respect to z."""
        return turned(self._problem(self._start + self._root(value)), self._root)


@dataclass(frozen=True)
class Preconditioned:
    """An optimizer that moves z.

    Attributes:
        optimizer: of z, without bounds.
        root: linear, symmetric and positive definite; from arrays of the value's shape to such.
    """

    optimizer: Optimizer
    root: Root

    @property
    def patience(self) -> int:
        """See `Optimizer.patience`."""
        return self.optimizer.patience

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`. The first step has that root mean square in the value, as without."""
        here = turned(found, self.root)
        moved = self.root(here.gradient)
        longer = here.gradient_norm / (math.sqrt(inner(moved, moved)) or 1.0) or 1.0
        at_zero = TurnedProblem(problem, start, self.root)
        state = self.optimizer.begin(at_zero, jnp.zeros_like(start), here, first_step * longer)
        state.arrays[START] = start
        return state

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. The state given is changed."""
        return self.optimizer.advance(TurnedProblem(problem, state.arrays[START], self.root), state)

    def value(self, problem: Problem, state: State) -> jax.Array:
        """See `Optimizer.value`."""
        start: jax.Array = state.arrays[START]
        return start + self.root(self.optimizer.value(problem, state))


def turned(found: Evaluation, root: Root) -> Evaluation:
    """An evaluation with its gradient with respect to z."""
    gradient = root(found.gradient)
    return dataclasses.replace(found, gradient=gradient, gradient_norm=math.sqrt(inner(gradient, gradient)))
