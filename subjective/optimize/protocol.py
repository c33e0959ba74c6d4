"""The interface of the optimizers: a state, and a function that returns the state after one more step.

A state holds everything that the next step depends on. A run can therefore be stopped, and continued from its saved
state with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from subjective.checks import InputError, describe
from subjective.compilation import FORK, compiler_options, jit

Loss = Callable[..., tuple[jax.Array, Any]]
"""A function ``(value, *args) -> (scalar, parts)``; the scalar is the sum of the parts, a pytree of scalars."""


class NotFiniteError(ArithmeticError):
    """A step failed: the loss or the gradient became NaN or infinite, or the loss rose far too much."""


class StuckError(ArithmeticError):
    """No step lowers the loss.

    Attributes:
        converged: whether the reason is that the gradient is zero.
    """

    def __init__(self, message: str, *, converged: bool = False):
        super().__init__(message)
        self.converged = converged


@dataclass(frozen=True)
class Evaluation:
    """The loss and its gradient at one point.

    Attributes:
        loss: the loss, as a float on the host.
        parts: pytree of the floats whose sum is the loss.
        gradient: the gradient, on the device; it has the shape of the value.
        gradient_norm: Euclidean norm of the gradient.
        slopes: inner product of each direction that was given, and the gradient.
    """

    loss: float
    parts: Any
    gradient: jax.Array
    gradient_norm: float
    slopes: tuple[float, ...] = ()


@dataclass
class State:
    """The point that the last accepted step reached, and everything else that the next step depends on.

    Attributes:
        arrays: name to array, in NumPy or on the device. Each optimizer has its own names.
        loss: the loss at the point.
        parts: pytree of the floats whose sum is the loss at the point.
        gradient_norm: Euclidean norm of the gradient at the point.
    """

    arrays: dict[str, Any]
    loss: float
    parts: Any
    gradient_norm: float


class Problem:
    """A loss to be minimized, with its arguments and a count of its evaluations.

    An optimizer moves a point; the loss is a function of a value. In this class the point is the value. In a subclass
    the point may be the value in other coordinates.

    Attributes:
        shape, dtype: shape and number type of the value.
        evaluations: number of evaluations of the loss so far.
    """

    def __init__(self, fn: Loss, args: tuple[Any, ...], value: jax.Array, evaluations: int = 0):
        self.shape, self.dtype, self.evaluations = value.shape, value.dtype, evaluations
        # Arrays of NumPy would be copied to the device at each evaluation: at 512 px on a GPU, that takes longer than
        # the evaluation itself.
        self._args: tuple[Any, ...] = jax.tree.map(jnp.asarray, args)
        self._compiled = value_and_gradient(fn)

    def to_value(self, point: jax.Array) -> jax.Array:
        """Return the value at a point."""
        return point

    def to_coordinates(self, gradient: jax.Array) -> jax.Array:
        """Turn a gradient with respect to the value into the gradient with respect to the point."""
        return gradient

    def __call__(self, point: jax.Array, *products: tuple[jax.Array | None, jax.Array]) -> Evaluation:
        """Evaluate the loss and its gradient at a point.

        Args:
            point: the point.
            products: pairs (gradient, direction) whose inner products become `Evaluation.slopes`. None stands for the
                gradient at this point.

        Raises:
            NotFiniteError: the loss or the gradient is not finite. The message says which.
        """
        FORK.check()
        (loss, parts), gradient = self._compiled(self.to_value(point), *self._args)
        self.evaluations += 1
        gradient = self.to_coordinates(gradient)
        leaves, structure = jax.tree.flatten(parts)
        # All numbers come in one array, because each copy from a device waits for the device.
        scalars = np.asarray(_summarize(loss, leaves, gradient, products)).tolist()
        value, squared, slopes = scalars[0], scalars[1], scalars[2 : 2 + len(products)]
        numbers = jax.tree.unflatten(structure, scalars[2 + len(products) :])
        found = Evaluation(value, numbers, gradient, math.sqrt(squared), tuple(slopes))
        if not math.isfinite(found.loss):
            raise NotFiniteError(f"the loss became {found.loss}")
        if not math.isfinite(found.gradient_norm):
            raise NotFiniteError("the gradient became infinite or NaN")
        return found


@runtime_checkable
class Optimizer(Protocol):
    """The methods that every optimizer has. An optimizer is a frozen dataclass of its settings; `State` holds the rest.

    To add an optimizer, write such a class in a new file of this package, and add a line to
    `subjective.optimize.registry`.

    Attributes:
        keeps_bounds: whether the optimizer can keep every element between two bounds.
        takes_preconditioner: whether `Preconditioned` can wrap the optimizer.
        has_history_type: whether the number type of the optimizer's history can be chosen.
        preconditioned_bytes: how many bytes `Preconditioned` adds to `bytes_per_number`.
    """

    keeps_bounds: ClassVar[bool]
    takes_preconditioner: ClassVar[bool]
    has_history_type: ClassVar[bool]
    preconditioned_bytes: ClassVar[int]

    @property
    def patience(self) -> int:
        """Number of steps after which `minimize` stops, if these steps together hardly lowered the loss."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest number that an element of the value may have; None for no bounds."""

    @property
    def bytes_per_number(self) -> int:
        """Bytes of memory for each number of the value; the value, the gradient and the trial point are included."""

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """Return the state at the start of a minimization.

        Args:
            problem: the loss.
            start: the starting point.
            found: the evaluation of the loss at ``start``.
            first_step: root mean square change of an element in the first step that is tried.
        """

    def advance(self, problem: Problem, state: State) -> State:
        """Return the state after one accepted step.

        Raises:
            NotFiniteError: the step failed. The given state may have changed and must not be used again.
            StuckError: no step lowers the loss.
        """

    def value(self, problem: Problem, state: State) -> jax.Array:
        """Return the value that a state has reached."""


@runtime_checkable
class Checking(Protocol):
    """An optimizer that can tell whether it may have made a state, which may come from a file. All of ours can."""

    def check(self, problem: Problem, state: State) -> None:
        """Raise an `InputError` if the state is none that this optimizer makes for this problem."""


@runtime_checkable
class Evaluate(Protocol):
    """The compiled function of a loss, ``(value, *args) -> ((scalar, parts), gradient)``."""

    def __call__(self, *arguments: Any) -> Any:
        """Return ((scalar, parts), gradient)."""

    def lower(self, *arguments: Any) -> Any:
        """Return an object whose method ``compile`` compiles for arguments of these shapes, as `jax.jit` does."""


@runtime_checkable
class Shared(Protocol):
    """A loss that is evaluated elsewhere too, such as in several processes. What it returns is whole, and here."""

    def value_and_gradient(self) -> Evaluate:
        """Return the function that evaluates the loss and its gradient."""


@runtime_checkable
class Rising(Protocol):
    """An optimizer whose steps may raise the loss. `minimize` then keeps the best point, and returns that one.

    Attributes:
        may_rise: true.
    """

    may_rise: ClassVar[bool]


@dataclass(frozen=True)
class Layout:
    """What an array of a state must be.

    Attributes:
        shape: shape of the array.
        dtypes: names of the number types that it may have.
        least: the smallest number that it may hold.
        most: the largest.
        host: whether it must be an array of NumPy in one piece, which compiled code may write to.
    """

    shape: tuple[int, ...]
    dtypes: tuple[str, ...]
    least: float = -math.inf
    most: float = math.inf
    host: bool = False


def check_arrays(arrays: dict[str, Any], wanted: dict[str, Layout]) -> None:
    """Check the names, the shapes, the number types and the ranges of all arrays of a state. All must be finite.

    Raises:
        InputError: an array does not fit. The message names the array.
    """
    if arrays.keys() != wanted.keys():
        strange = ", ".join(sorted(map(str, arrays.keys() ^ wanted.keys())))
        raise unfit(f"it should not differ in {strange} from a state of the optimizer")
    for name, layout in wanted.items():
        array = arrays[name]
        dtype, shape = str(getattr(array, "dtype", type(array).__name__)), getattr(array, "shape", None)
        if shape != layout.shape or dtype not in layout.dtypes:
            raise unfit(f"{name} is {dtype} of shape {shape}; wanted {' or '.join(layout.dtypes)} of {layout.shape}")
        if layout.host and not (isinstance(array, np.ndarray) and array.flags.carray):
            raise unfit(f"{name} is {type(array).__name__}; wanted an array of NumPy in one piece")
        if array.size:
            low, high = float(array.min()), float(array.max())  # NaN if any number is NaN
            if not (math.isfinite(low) and math.isfinite(high) and layout.least <= low and high <= layout.most):
                given = f"{name} holds numbers from {low:g} to {high:g}"
                raise unfit(f"{given}; wanted {layout.least:g} to {layout.most:g}")


def unfit(reason: str) -> InputError:
    """Return the error for a state that an optimizer cannot continue from."""
    return InputError(f"the point to resume from is damaged, or of another run ({reason}); begin again")


def value_and_gradient(fn: Loss) -> Evaluate:
    """Return the compiled function ``(value, *args) -> ((scalar, parts), gradient)`` of a loss.

    The function is cached for each loss, so that a loss is not traced or compiled again.

    Args:
        fn: ``fn(value, *args) -> (scalar, parts)``.

    Raises:
        InputError: ``fn`` is no function.

    Examples:
        >>> def square(x):
        ...     loss = jnp.sum(x**2)
        ...     return loss, {"square": loss}
        >>> (loss, parts), gradient = subjective.value_and_gradient(square)(jnp.array([1.0, 2.0]))
        >>> float(loss), gradient.tolist()
        (5.0, [2.0, 4.0])
    """
    if not callable(fn):
        raise InputError(f"fn is {describe(fn)}; wanted a function that returns (scalar, parts)")
    if isinstance(fn, Shared):
        return fn.value_and_gradient()
    return _value_and_gradient(fn)


@lru_cache(maxsize=32)
def _value_and_gradient(fn: Loss) -> Evaluate:
    return jax.jit(jax.value_and_grad(fn, has_aux=True), compiler_options=compiler_options())


def inner(a: jax.Array, b: jax.Array) -> float:
    """Return the inner product of two arrays of the same shape, as a float on the host."""
    return float(_inner(a, b))


@jit
def _inner(a: jax.Array, b: jax.Array) -> jax.Array:
    return inner_traced(a, b)


@jit
def _summarize(
    loss: jax.Array, parts: list[jax.Array], gradient: jax.Array, products: tuple[tuple[Any, jax.Array], ...]
) -> jax.Array:
    """Return, in one array, the loss, the gradient's squared norm, the inner products, and the parts."""
    pairs = ((gradient, gradient), *((gradient if one is None else one, other) for one, other in products))
    return jnp.stack([loss, *(inner_traced(*pair) for pair in pairs), *parts])


def inner_traced(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return the inner product of two arrays of the same shape, inside a compiled function.

    Each row is summed first, because a single sum of millions of float32 numbers loses digits.
    """
    rows = a.reshape(a.shape[0], -1) * b.reshape(b.shape[0], -1)
    return jnp.sum(jnp.sum(rows.astype(jnp.promote_types(a.dtype, jnp.float32)), axis=1))
