"""L-BFGS-B, scipy's, on the host in float64.

scipy's own loop around its compiled routine (`scipy.optimize._lbfgsb`) keeps that routine's memory to itself. Here it
is ours, allocated before the first step, so that it can be written to disk and read back: step for step and bit for bit
this is `scipy.optimize.minimize(method="L-BFGS-B")`, which the tests hold it to.

References:
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization", 1995.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import _lbfgsb

from subjective.optimize.protocol import Evaluation, Problem, State, StuckError

LINE_SEARCH_EVALUATIONS = 20
"""Evaluations that the line search may spend on a step (scipy's own default)."""

# What the routine asks for, as it says in `task`; scipy's names for them are not public.
_NEW_POINT, _EVALUATE, _CONVERGED = 1, 3, 4


@dataclass(frozen=True)
class LBFGSB:
    """L-BFGS-B with its state in float64 NumPy arrays.

    Attributes:
        history: pairs of steps and gradient changes that the Hessian is estimated from (m).
        bounds: lowest and highest value of every element; None for none.
    """

    history: int = 10
    bounds: tuple[float, float] | None = None
    patience: int = 10

    @staticmethod
    def floats(history: int) -> int:
        """8-byte numbers that the state holds for each element of the value."""
        return 2 * history + 11

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`. The routine's first step has length one: in units of the value, ``unit``."""
        flat = np.asarray(start, dtype=np.float64).ravel()
        count, m = flat.size, self.history
        unit = first_step * math.sqrt(count)
        arrays: dict[str, Any] = {
            "unit": np.float64(unit),
            # The loss is divided by the norm of its gradient, so that its units do not matter.
            "scale": np.float64(1 / ((found.gradient_norm or 1.0) * unit)),
            "x": flat / unit,
            "f": np.zeros((), np.float64),
            "g": np.zeros(count, np.float64),
            # Written to, not only asked for, so that memory that is not there is missed now.
            "wa": np.full(2 * m * count + 5 * count + 11 * m * m + 8 * m, 0.0),
            "iwa": np.zeros(3 * count, np.int32),
            "task": np.zeros(2, np.int32),
            "ln_task": np.zeros(2, np.int32),
            "lsave": np.zeros(4, np.int32),
            "isave": np.zeros(44, np.int32),
            "dsave": np.zeros(29, np.float64),
        }
        # It asks for the start first, which is known.
        self._call(arrays)
        self._answer(arrays, found)
        return State(arrays, found.loss, found.parts, found.gradient_norm)

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. The state given is changed."""
        arrays, tried = state.arrays, {}
        while True:
            self._call(arrays)
            if arrays["task"][0] == _EVALUATE:
                found = problem(self._value(problem, arrays))
                self._answer(arrays, found)
                tried[float(arrays["f"])] = (found.loss, found.parts, found.gradient_norm)
            elif arrays["task"][0] == _NEW_POINT:
                return State(arrays, *tried[float(arrays["f"])])  # a point that it has just had evaluated
            elif arrays["task"][0] == _CONVERGED:
                raise StuckError("nothing lower is to be had within the bounds: the gradient is zero", converged=True)
            else:
                raise StuckError("the line search found nothing lower: the limit of the arithmetic is reached")

    def value(self, problem: Problem, state: State) -> jax.Array:
        """See `Optimizer.value`."""
        return self._value(problem, state.arrays)

    def _value(self, problem: Problem, arrays: dict[str, Any]) -> jax.Array:
        return jnp.asarray((arrays["x"] * arrays["unit"]).reshape(problem.shape), dtype=problem.dtype)

    def _answer(self, arrays: dict[str, Any], found: Evaluation) -> None:
        np.multiply(np.asarray(found.gradient).ravel(), arrays["scale"] * arrays["unit"], out=arrays["g"])
        arrays["f"][...] = found.loss * arrays["scale"]

    def _call(self, arrays: dict[str, Any]) -> None:
        count = arrays["x"].size
        low, high = (0.0, 0.0) if self.bounds is None else (bound / arrays["unit"] for bound in self.bounds)
        _lbfgsb.setulb(
            self.history,
            arrays["x"],
            np.full(count, low),
            np.full(count, high),
            np.full(count, 0 if self.bounds is None else 2, np.int32),
            arrays["f"],
            arrays["g"],
            0.0,  # the stopping rules are ours
            0.0,
            *(arrays[name] for name in ("wa", "iwa", "task", "lsave", "isave", "dsave")),
            LINE_SEARCH_EVALUATIONS,
            arrays["ln_task"],
        )
