"""L-BFGS-B by scipy's compiled routine, on the host and in float64.

`scipy.optimize.minimize(method="L-BFGS-B")` calls this routine (`scipy.optimize._lbfgsb`) in a loop and does not give
access to the routine's arrays. This module has its own loop and allocates the arrays itself, before the first step.
The arrays can therefore be written to disk and read back. The tests check that every step equals scipy's, to the bit.

The routine is private, and any version of scipy may change it. Therefore the routine is used only if its signature is
`_SIGNATURE`, and if our loop takes the same steps as scipy's public function on a small problem. If not, `unavailable`
returns the reason. The tests of the optimizers pass with scipy 1.15.0 to 1.15.3, 1.16.0 to 1.16.3, 1.17.0, 1.17.1,
1.18.0 and 1.18.1, on Python 3.11, 3.12 and 3.13 (scipy 1.18 needs 3.12). scipy 1.14 and older are not supported: their
routine is in Fortran and has another signature.

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
from itertools import accumulate, islice
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy
import scipy.optimize

from subjective.checks import InputError
from subjective.devices import one_blas_thread
from subjective.optimize.protocol import Evaluation, Layout, Problem, State, StuckError, check_arrays, unfit

LINE_SEARCH_EVALUATIONS = 20
"""Largest number of evaluations in the line search of one step (scipy's default)."""

# Values of `task`, by which the routine says what it wants next; scipy's names for these values are not public.
_NEW_POINT, _EVALUATE, _CONVERGED = 1, 3, 4

_SIGNATURE = "setulb(m,x,l,u,nbd,f,g,factr,pgtol,wa,iwa,task,lsave,isave,dsave,maxls,ln_task)"
_INTEGERS = ("iwa", "task", "ln_task", "lsave", "isave")

Bounds = tuple[float, float]


@dataclass(frozen=True)
class _Routine:
    """scipy's compiled routine.

    Attributes:
        setulb: the routine.
        integers: integer type that the routine was built for. In scipy 1.18 this is int64 if scipy's BLAS uses int64.
    """

    setulb: Callable[..., None]
    integers: type[np.int32 | np.int64]

    def sizes(self, count: int, history: int) -> dict[str, int]:
        """Return the lengths of the arrays that the routine works in, as scipy chooses them.

        Args:
            count: number of variables.
            history: number of pairs in the history; a pair is a step and the gradient's change.
        """
        return {
            "wa": 2 * history * count + 5 * count + 11 * history * history + 8 * history,
            "iwa": 3 * count,
            "task": 2,
            "ln_task": 2,
            "lsave": 4,
            "isave": 44,
            "dsave": 29,
        }

    def memory(self, count: int, history: int) -> dict[str, np.ndarray]:
        """Allocate the arrays that the routine works in; see `sizes`."""
        # Write to the arrays, so that a lack of memory causes an error now and not in a later step.
        return {name: np.full(size, 0, self._type(name)) for name, size in self.sizes(count, history).items()}

    def adapt(self, arrays: dict[str, Any]) -> None:
        """Convert the integer arrays to this routine's type. A resumed run may have saved them in another type."""
        for name in _INTEGERS:
            arrays[name] = arrays[name].astype(self.integers, copy=False)

    def check(self, arrays: dict[str, Any], count: int, history: int) -> None:
        """Check the routine's own arrays, which may come from a file.

        The routine trusts them: it uses the integers as places in other arrays. The names of the integers in this
        function are those in scipy's source.

        Raises:
            InputError: an array has another shape or type, or a number is out of the range that the routine gives it.
        """
        floats, integers = ("float64",), ("int32", "int64")
        ranges = {"iwa": (-3, max(count, 3)), "task": (0, 999), "ln_task": (0, 999), "lsave": (0, 1)}
        wanted = {
            name: Layout((size,), integers, *ranges.get(name, (-(2**31), 2**31 - 1)), host=True)
            if name in _INTEGERS
            else Layout((size,), floats, host=True)
            for name, size in self.sizes(count, history).items()
        }
        wanted |= {"x": Layout((count,), floats, host=True), "g": Layout((count,), floats, host=True)}
        wanted |= {"f": Layout((), floats, host=True), "unit": Layout((), floats, 0), "scale": Layout((), floats, 0)}
        check_arrays(arrays, wanted)
        square = history * history
        sizes = [history * count] * 2 + [square] * 3 + [4 * square] * 2 + [count] * 5
        places = [history * count, square, 4 * square, *accumulate(sizes, initial=0)]
        saved = arrays["isave"].tolist()
        head, col, itail, iupdat = saved[26], saved[27], saved[28], saved[30]
        nfree, nact, ileave, nenter = saved[37:41]
        index, iwhere, indx2 = np.split(arrays["iwa"], 3)
        fits = [
            saved[: len(places)] == places,
            0 <= head < history and 0 <= itail < history and col == min(iupdat, history) and 0 <= iupdat < 2**30,
            all(0 <= number <= count for number in (nfree, nact, ileave, nenter)),
            all(part.min() >= 0 and part.max() < count for part in (index, indx2)),
            iwhere.min() >= -3 and iwhere.max() <= 3,
            arrays["task"][0] in (_NEW_POINT, _EVALUATE) and arrays["unit"] > 0,
        ]
        if not all(fits):
            raise unfit("its whole numbers are none that the routine leaves")

    def _type(self, name: str) -> type[np.number]:
        return self.integers if name in _INTEGERS else np.float64

    def __call__(self, arrays: dict[str, Any], history: int, bounds: Bounds | None) -> None:
        """Call the routine once. Afterwards ``arrays["task"]`` says what the routine wants next."""
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
            0.0,  # this number and the next turn off the routine's stopping rules; `minimize` has its own
            0.0,
            *(arrays[name] for name in ("wa", "iwa", "task", "lsave", "isave", "dsave")),
            LINE_SEARCH_EVALUATIONS,
            arrays["ln_task"],
        )


def unavailable() -> str | None:
    """Return the reason why L-BFGS-B cannot run with the installed scipy, as a clause; None if L-BFGS-B can run."""
    if _known_routine() is not None:
        return None
    return f"lbfgsb needs the L-BFGS-B routine of scipy 1.15 to 1.18, and scipy {scipy.__version__} has another"


def _known_routine() -> _Routine | None:
    """Return the routine of the installed scipy; None if the routine is unknown or scipy does not have it."""
    try:
        setulb = getattr(importlib.import_module("scipy.optimize._lbfgsb"), "setulb", None)
    except ImportError:
        return None
    return _checked(setulb)


@lru_cache(maxsize=8)
def _checked(setulb: Any) -> _Routine | None:
    """Return the routine if it is known, otherwise None. A routine with another signature is never called."""
    first_line = (getattr(setulb, "__doc__", None) or "").strip().partition("\n")[0]
    if "".join(first_line.split()) != _SIGNATURE:
        return None
    for integers in (np.int32, np.int64):  # the routine raises an error if the integers have the wrong type
        routine = _Routine(setulb, integers)
        with contextlib.suppress(Exception):  # an unknown routine may raise anything
            if _takes_steps_of_scipy(routine, None) and _takes_steps_of_scipy(routine, (-0.5, 0.7)):
                return routine
    return None


def _takes_steps_of_scipy(routine: _Routine, bounds: Bounds | None) -> bool:
    """Whether our loop takes the same steps as scipy's public function on a small quadratic function.

    The second half of the steps is also repeated from copied arrays. The points may differ by 1e-6, because with
    some BLAS libraries the last digits of a result depend on where the arrays lie in memory. Extra numbers follow each
    array; a routine that needs larger arrays would overwrite these numbers.
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
        history: number of pairs from which the Hessian is estimated (m); a pair is a step and the gradient's change.
        bounds: lowest and highest number that an element may have; None for no bounds.
        patience: see `Optimizer.patience`.

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

    @staticmethod
    def unavailable() -> str | None:
        """See `subjective.optimize.registry.unavailable`."""
        return unavailable()

    @property
    def bytes_per_number(self) -> int:
        """See `Optimizer.bytes_per_number`: arrays of the routine in float64, value and gradient in float32."""
        return 8 * (2 * self.history + 11) + 8

    def __str__(self) -> str:
        """Return the name of the optimizer."""
        return "lbfgsb"

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`.

        The first step of the routine has length one. The routine's variables are the value divided by ``unit``, so
        that the first step changes the value by the length ``unit``.
        """
        flat = np.asarray(start, dtype=np.float64).ravel()
        unit = first_step * math.sqrt(flat.size)
        arrays: dict[str, Any] = {
            "unit": np.float64(unit),
            # The routine gets the loss times `scale`. In any units of the loss, the routine's first gradient then has
            # norm one.
            "scale": np.float64(1 / ((found.gradient_norm or 1.0) * unit)),
            "x": flat / unit,
            "f": np.zeros((), np.float64),
            "g": np.zeros(flat.size, np.float64),
            **self._routine().memory(flat.size, self.history),
        }
        # The routine first asks for the loss at the start, which is known.
        self._call(arrays)
        self._answer(arrays, found)
        return State(arrays, found.loss, found.parts, found.gradient_norm)

    def check(self, problem: Problem, state: State) -> None:
        """See `Checking.check`."""
        self._routine().check(state.arrays, math.prod(problem.shape), self.history)

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. This function changes the given state."""
        arrays, tried = state.arrays, {}
        while True:
            self._call(arrays)
            if arrays["task"][0] == _EVALUATE:
                found = problem(self._value(problem, arrays))
                self._answer(arrays, found)
                tried[float(arrays["f"])] = (found.loss, found.parts, found.gradient_norm)
            elif arrays["task"][0] == _NEW_POINT:
                return State(arrays, *tried[float(arrays["f"])])  # the loop has evaluated this point
            elif arrays["task"][0] == _CONVERGED:
                raise StuckError("nothing lower is to be had within the bounds: the gradient is zero", converged=True)
            else:
                raise StuckError("the line search found no lower loss, most likely because of rounding errors")

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
        bounds = None if self.bounds is None else (self.bounds[0] / unit, self.bounds[1] / unit)
        with one_blas_thread():
            routine(arrays, self.history, bounds)

    def _routine(self) -> _Routine:
        routine = _known_routine()
        if routine is None:
            raise InputError(f"{unavailable()}; use lbfgs or adam, or install one of those versions")
        return routine
