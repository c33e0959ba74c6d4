"""Adam, as implemented in `optax.adam`. It keeps two arrays of the value's shape, and every evaluation is a step.

A step may raise the loss. `subjective.optimize.minimizer` therefore keeps the best point, which is the result.

References:
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from subjective.compilation import jit
from subjective.optimize.protocol import Evaluation, Layout, NotFiniteError, Problem, State, check_arrays

EXPLODED = 100.0
"""A step fails if its loss is more than this many times the loss before the step, and is also above the loss at which
Adam began or, after a failed step, began again.
"""


@dataclass(frozen=True)
class Adam:
    """Adam with its state on the device. The argument ``first_step`` of `begin` is the learning rate of all steps.

    Attributes:
        bounds: lowest and highest number that an element may have; None for no bounds. The value is clipped to the
            bounds after each step.
        patience: see `Optimizer.patience`. Adam's is larger, because single steps of Adam may raise the loss.
    """

    keeps_bounds: ClassVar[bool] = True
    takes_preconditioner: ClassVar[bool] = False
    has_history_type: ClassVar[bool] = False
    may_rise: ClassVar[bool] = True
    preconditioned_bytes: ClassVar[int] = 0

    bounds: tuple[float, float] | None = None
    patience: int = 50

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds are {self.bounds}; wanted a lower and a higher number")

    @property
    def bytes_per_number(self) -> int:
        """See `Optimizer.bytes_per_number`: value, gradient, two moments, trial and best point, all in float32."""
        return 4 * 6

    def __str__(self) -> str:
        """Return the name of the optimizer."""
        return "adam"

    def begin(self, problem: Problem, start: jax.Array, found: Evaluation, first_step: float) -> State:
        """See `Optimizer.begin`."""
        moments = optax.adam(first_step).init(start)
        leaves = {f"moments {number}": leaf for number, leaf in enumerate(jax.tree.leaves(moments))}
        arrays = {
            "value": start,
            "gradient": found.gradient,
            "rate": np.float64(first_step),
            "begun": np.float64(found.loss),
            **leaves,
        }
        return State(arrays, found.loss, found.parts, found.gradient_norm)

    def check(self, problem: Problem, state: State) -> None:
        """See `Checking.check`."""
        like = jax.eval_shape(optax.adam(1.0).init, jax.ShapeDtypeStruct(problem.shape, problem.dtype))
        leaves = {f"moments {number}": leaf for number, leaf in enumerate(jax.tree.leaves(like))}
        value, number = Layout(problem.shape, (str(problem.dtype),)), Layout((), ("float64",))
        wanted = {"value": value, "gradient": value, "rate": number, "begun": number}
        wanted |= {name: Layout(leaf.shape, (str(leaf.dtype),)) for name, leaf in leaves.items()}
        check_arrays(state.arrays, wanted)

    def advance(self, problem: Problem, state: State) -> State:
        """See `Optimizer.advance`. This function changes the given state."""
        arrays = state.arrays
        names = [name for name in arrays if name.startswith("moments ")]
        value, moments = _step(
            arrays["value"],
            arrays.pop("gradient"),
            [arrays[name] for name in names],
            float(arrays["rate"]),
            self.bounds,
        )
        found = problem(value)
        if found.loss > max(EXPLODED * abs(state.loss), float(arrays["begun"])):
            raise NotFiniteError(f"the loss rose from {state.loss:.4g} to {found.loss:.4g}")
        arrays.update(zip(names, moments, strict=True), value=value, gradient=found.gradient)
        return State(arrays, found.loss, found.parts, found.gradient_norm)

    def value(self, problem: Problem, state: State) -> jax.Array:
        """See `Optimizer.value`."""
        value: jax.Array = state.arrays["value"]
        return value


@lru_cache(maxsize=8)
def _structure(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.tree.structure(jax.eval_shape(optax.adam(1.0).init, jax.ShapeDtypeStruct(shape, dtype)))


@partial(jit, static_argnums=4, donate_argnums=(1, 2))
def _step(
    value: jax.Array, gradient: jax.Array, leaves: list[jax.Array], rate: Any, bounds: tuple[float, float] | None
) -> tuple[jax.Array, list[jax.Array]]:
    moments = jax.tree.unflatten(_structure(value.shape, value.dtype), leaves)
    change, moments = optax.adam(rate).update(gradient, moments, value)
    value = optax.apply_updates(value, change)
    return value if bounds is None else jnp.clip(value, *bounds), jax.tree.leaves(moments)
