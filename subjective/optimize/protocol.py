"""What an optimizer is: where it stands, as arrays that can be kept, and a function from one accepted step to the next.

All that the next step depends on is in `State`, so that a run that is stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from subjective.compilation import compiler_options, jit

Loss = Callable[..., tuple[jax.Array, Any]]


class NotFiniteError(ArithmeticError):
    """A step went where the loss, or its gradient, is NaN or infinite, or rose beyond measure."""


class StuckError(ArithmeticError):
    """No step lowers the loss.

    Attributes:
        converged: whether that is because the gradient is zero.
    """

    def __init__(self, message: str, *, converged: bool = False):
        super().__init__(message)
        self.converged = converged


@dataclass(frozen=True)
class Evaluation:
    """A loss with its gradient.

    Attributes:
        loss: the scalar.
        parts: what it is the sum of; a pytree of scalars, on the device.
        gradient: of the value's shape, on the device.
        gradient_norm: its Euclidean norm.
    """

    loss: float
    parts: Any
    gradient: jax.Array
    gradient_norm: float


@dataclass
class State:
    """An accepted point, and all that the next step depends on.

    Attributes:
        arrays: by name; NumPy's or the device's, of an optimizer's own.
        loss: at the point.
        parts: there.
        gradient_norm: there.
    """

    arrays: dict[str, Any]
    loss: float
    parts: Any
    gradient_norm: float


class Problem:
    """A loss to be minimized, with its arguments; counts its evaluations.

    An optimizer moves a point. Here the point is the value itself; a subclass may have other coordinates.

    Attributes:
        shape, dtype: of the value.
        evaluations: so far.
    """

    def __init__(self, fn: Loss, args: tuple[Any, ...], value: jax.Array, evaluations: int = 0):
        self.shape, self.dtype, self.evaluations = value.shape, value.dtype, evaluations
        self._args, self._compiled = args, value_and_gradient(fn)

    def to_value(self, point: jax.Array) -> jax.Array:
        """Return the value at a point."""
        return point

    def to_coordinates(self, gradient: jax.Array) -> jax.Array:
        """Return the gradient with respect to the point, given that with respect to the value."""
        return gradient

    def __call__(self, point: jax.Array) -> Evaluation:
        """Evaluate the loss and its gradient at a point.

        Raises:
            NotFiniteError: saying which of the two is not finite.
        """
        (loss, parts), gradient = self._compiled(self.to_value(point), *self._args)
        self.evaluations += 1
        gradient = self.to_coordinates(gradient)
        found = Evaluation(float(loss), parts, gradient, math.sqrt(inner(gradient, gradient)))
        if not math.isfinite(found.loss):
            raise NotFiniteError(f"the loss became {found.loss}")
        if not math.isfinite(found.gradient_norm):
            raise NotFiniteError("the gradient became infinite or NaN")
        return found


@runtime_checkable
class Optimizer(Protocol):
    """A way to go from point to point, as a value: a frozen dataclass of its settings.

    A new optimizer is a file of this package with such a class, and a line in `subjective.optimize.registry`.

    Attributes:
        keeps_bounds: whether the optimizer can keep every element between two bounds.
        takes_preconditioner: whether `Preconditioned` can wrap the optimizer.
        has_history_type: whether the number type of its memory can be chosen.
        preconditioned_bytes: bytes for each number of the value that `Preconditioned` needs beside the optimizer.
    """

    keeps_bounds: ClassVar[bool]
    takes_preconditioner: ClassVar[bool]
    has_history_type: ClassVar[bool]
    preconditioned_bytes: ClassVar[int]

    @property
    def patience(self) -> int:
        """Steps that must lower the loss together; a single step may lower the loss little, or raise the loss."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest value of every element; None for no bounds."""

    @property
    def bytes_per_number(self) -> int:
        """Bytes of memory for each number of the value, the value, its gradient and the trial point included."""

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """Return the state at a start that was evaluated; the first step has the root mean square ``first_step``."""

    def advance(self, problem: Problem, state: State) -> State:
        """Return the state after one accepted step.

        Raises:
            NotFiniteError: the step went astray; the given state must no longer be used.
            StuckError: no step lowers the loss.
        """

    def value(self, problem: Problem, state: State) -> jax.Array:
        """Return the point of a state."""


@lru_cache(maxsize=32)
def value_and_gradient(fn: Loss) -> jax.stages.Wrapped:
    """Return the compiled ``(value, *args) -> ((scalar, parts), gradient)`` of a loss.

    One for each loss, so that nothing is traced or compiled twice.

    Args:
        fn: ``fn(value, *args) -> (scalar, parts)``.

    Returns:
        The function, jitted.
    """
    return jax.jit(jax.value_and_grad(fn, has_aux=True), compiler_options=compiler_options())


def inner(a: jax.Array, b: jax.Array) -> float:
    """Inner product of two arrays of one shape."""
    return float(_inner(a, b))


@jit
def _inner(a: jax.Array, b: jax.Array) -> jax.Array:
    return inner_traced(a, b)


def inner_traced(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return the same within compiled code.

    Row by row, since a sum of millions of float32 numbers in one go loses digits.
    """
    rows = a.reshape(a.shape[0], -1) * b.reshape(b.shape[0], -1)
    return jnp.sum(jnp.sum(rows.astype(jnp.promote_types(a.dtype, jnp.float32)), axis=1))


def fetched(parts: Any) -> Any:
    """Return a pytree of scalars from the device as floats."""
    return jax.tree.map(float, jax.device_get(parts))
