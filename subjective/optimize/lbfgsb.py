"""L-BFGS-B, scipy's, on the host in float64.

scipy's own loop around its compiled routine (`scipy.optimize._lbfgsb`) keeps that routine's memory to itself. Here it
is ours, allocated before the first step, so that it can be written to disk and read back: step for step and bit for bit
this is `scipy.optimize.minimize(method="L-BFGS-B")`, which the tests hold it to.

scipy may change that private routine in any version. So the routine is used only if its signature is the one below and
if our loop around the routine takes the steps of scipy's public function on a small problem; `unavailable` says whether
it is. The tests of the optimizers pass with scipy 1.15.0 to 1.15.3, 1.16.0 to 1.16.3, 1.17.0, 1.17.1, 1.18.0 and 1.18.1
(on Python 3.11, 3.12 and 3.13; scipy 1.18 needs 3.12). scipy 1.14 and older have a routine in Fortran with another
signature, which is not supported.

References:
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization", 1995.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy
import scipy.optimize

from subjective.checks import InputError
from subjective.optimize.protocol import Evaluation, Problem, State, StuckError

LINE_SEARCH_EVALUATIONS = 20
"""Evaluations that the line search may spend on a step (scipy's own default)."""

# What the routine asks for, as it says in `task`; scipy's names for them are not public.
_NEW_POINT, _EVALUATE, _CONVERGED = 1, 3, 4

_SIGNATURE = "setulb(m,x,l,u,nbd,f,g,factr,pgtol,wa,iwa,task,lsave,isave,dsave,maxls,ln_task)"
_INTEGERS = ("iwa", "task", "ln_task", "lsave", "isave")

Bounds = tuple[float, float]


@dataclass(frozen=True)
class _Routine:
    """scipy's compiled routine.

    Attributes:
        setulb: the routine.
        integers: the integers that the routine was built for. scipy 1.18 has 64-bit ones if its BLAS has.
    """

    setulb: Callable[..., None]
    integers: type[np.int32 | np.int64]

    def memory(self, count: int, history: int) -> dict[str, np.ndarray]:
        """Return the arrays that the routine works in, in the sizes that scipy gives them.

        Args:
            count: variables.
            history: pairs of steps and gradient changes.
        """
        sizes = {
            "wa": 2 * history * count + 5 * count + 11 * history * history + 8 * history,
            "iwa": 3 * count,
            "task": 2,
            "ln_task": 2,
            "lsave": 4,
            "isave": 44,
            "dsave": 29,
        }
        # The arrays are written to, not only allocated, so that a lack of memory shows now.
        return {name: np.full(size, 0, self._type(name)) for name, size in sizes.items()}

    def adapt(self, arrays: dict[str, Any]) -> None:
        """Convert integers that a routine built for other integers has left."""
        for name in _INTEGERS:
            arrays[name] = arrays[name].astype(self.integers, copy=False)

    def _type(self, name: str) -> type[np.number]:
        return self.integers if name in _INTEGERS else np.float64

    def __call__(self, arrays: dict[str, Any], history: int, bounds: Bounds | None) -> None:
        """Go on to the next thing that the routine asks for in ``arrays["task"]``."""
        count = arrays["x"].size
        low, high = (0.0, 0.0) if bounds is None else bounds
        self.setulb(
            history,
            arrays["x"],
            np.full(count, low),
            np.full(count, high),
            np.full(count, 0 if bounds is None else 2, self.integers),
            arrays["f"],
            arrays["g"],
            0.0,  # the stopping rules are ours
            0.0,
            *(arrays[name] for name in ("wa", "iwa", "task", "lsave", "isave", "dsave")),
            LINE_SEARCH_EVALUATIONS,
            arrays["ln_task"],
        )


def unavailable() -> str | None:
    """Why L-BFGS-B cannot run with the installed scipy, as a clause; None if it can."""
    if _known_routine() is not None:
        return None
    return f"lbfgsb needs the L-BFGS-B routine of scipy 1.15 to 1.18, and scipy {scipy.__version__} has another"


def _known_routine() -> _Routine | None:
    """Return the routine of the installed scipy; None if it is unknown, or if its private module is gone."""
    try:
        setulb = getattr(importlib.import_module("scipy.optimize._lbfgsb"), "setulb", None)
    except ImportError:
        return None
    return _checked(setulb)


@lru_cache(maxsize=8)
def _checked(setulb: Any) -> _Routine | None:
    """Return the routine if it is the known one; it is not called before its signature is known to be right."""
    first_line = (getattr(setulb, "__doc__", None) or "").strip().partition("\n")[0]
    if "".join(first_line.split()) != _SIGNATURE:
        return None
    for integers in (np.int32, np.int64):  # the routine raises if the integers are not those it was built for
        routine = _Routine(setulb, integers)
        with contextlib.suppress(Exception):  # an unknown routine may raise anything
            if _takes_steps_of_scipy(routine, None) and _takes_steps_of_scipy(routine, (-0.5, 0.7)):
                return routine
    return None


def _takes_steps_of_scipy(routine: _Routine, bounds: Bounds | None) -> bool:
    """Whether our loop takes the steps of scipy's public function on a small quadratic, and again from copied arrays.

    The points are compared to six digits, because some BLAS libraries compute other last digits where arrays lie
    elsewhere in memory. Each array is followed by numbers that a routine which needs larger arrays would overwrite.
    """
    steps, kept_at, history, margin = 12, 6, 2, 1000
    start, center = np.zeros(8), np.linspace(-1, 1, 8)
    steepness = np.array([1.0, 30.0, 7.0, 90.0, 3.0, 50.0, 2.0, 15.0])
    expected: list[np.ndarray] = []

    def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(steepness @ (x - center) ** 2), 2 * steepness * (x - center)

    def points() -> Iterator[np.ndarray]:
        for _ in range(100):
            routine(arrays, history, bounds)
            if arrays["task"][0] == _EVALUATE:
                arrays["f"][...], arrays["g"][...] = bowl(arrays["x"])
            elif arrays["task"][0] == _NEW_POINT:
                yield arrays["x"].copy()
            else:
                return

    scipy.optimize.minimize(
        bowl,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=None if bounds is None else [bounds] * start.size,
        callback=lambda x: expected.append(np.array(x)),
        options={"maxcor": history, "maxiter": steps, "maxls": LINE_SEARCH_EVALUATIONS, "ftol": 0.0, "gtol": 0.0},
    )

    memory = routine.memory(start.size, history)
    guarded = {name: np.full(array.size + margin, 7, array.dtype) for name, array in memory.items()}
    arrays: dict[str, Any] = {"x": start.copy(), "f": np.zeros(()), "g": np.zeros(start.size)}
    for name, array in memory.items():
        arrays[name] = guarded[name][: array.size]
        arrays[name][...] = array
    walk = points()
    found = list(islice(walk, kept_at))
    kept = {name: array.copy() for name, array in arrays.items()}
    found += islice(walk, steps - kept_at)
    if any((guarded[name][array.size :] != 7).any() for name, array in memory.items()):
        return False
    for name, array in kept.items():
        arrays[name][...] = array
    again = list(islice(points(), steps - kept_at))
    same = len(found) == steps and np.allclose(found, expected, rtol=0, atol=1e-6)
    return same and np.allclose(again, found[kept_at:], rtol=0, atol=1e-6)


@dataclass(frozen=True)
class LBFGSB:
    """L-BFGS-B with its state in float64 NumPy arrays.

    Attributes:
        history: pairs of steps and gradient changes that the Hessian is estimated from (m).
        bounds: lowest and highest value of every element; None for none.

    Raises:
        InputError: scipy's routine is unknown.
    """

    keeps_bounds: ClassVar[bool] = True
    takes_preconditioner: ClassVar[bool] = True
    has_history_type: ClassVar[bool] = False
    preconditioned_bytes: ClassVar[int] = 4  # the start

    history: int = 10
    bounds: Bounds | None = None
    patience: int = 10

    def __post_init__(self) -> None:
        """Check the settings, and refuse an unknown routine before anything is computed."""
        if self.history < 1:
            raise ValueError(f"history is {self.history}; wanted 1 or more pairs")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds are {self.bounds}; wanted a lower and a higher number")
        self._routine()

    @property
    def bytes_per_number(self) -> int:
        """See `Optimizer.bytes_per_number`: the routine's float64 arrays, the value and its gradient in float32."""
        return 8 * (2 * self.history + 11) + 8

    def __str__(self) -> str:
        """Say the name."""
        return "lbfgsb"

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`. The routine's first step has length one: in units of the value, ``unit``."""
        flat = np.asarray(start, dtype=np.float64).ravel()
        unit = first_step * math.sqrt(flat.size)
        arrays: dict[str, Any] = {
            "unit": np.float64(unit),
            # The loss is divided by the norm of its gradient, so that its units do not matter.
            "scale": np.float64(1 / ((found.gradient_norm or 1.0) * unit)),
            "x": flat / unit,
            "f": np.zeros((), np.float64),
            "g": np.zeros(flat.size, np.float64),
            **self._routine().memory(flat.size, self.history),
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
        routine, unit = self._routine(), arrays["unit"]
        routine.adapt(arrays)
        routine(arrays, self.history, None if self.bounds is None else (self.bounds[0] / unit, self.bounds[1] / unit))

    def _routine(self) -> _Routine:
        routine = _known_routine()
        if routine is None:
            raise InputError(f"{unavailable()}; use lbfgs or adam, or install one of those versions")
        return routine
