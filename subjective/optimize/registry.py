"""The names of the optimizers: L-BFGS-B runs on the host, L-BFGS and Adam run on the device.

To add an optimizer, write it in a new file of this package, and add the optimizer to `OPTIMIZERS`.
`subjective.plugins.register` adds optimizers of other packages.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from subjective.optimize.adam import Adam
from subjective.optimize.lbfgs import LBFGS, HistoryType
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.preconditioned import Preconditioned, Preconditioner
from subjective.optimize.protocol import Optimizer

OPTIMIZERS: dict[str, type[Optimizer]] = {"lbfgsb": LBFGSB, "lbfgs": LBFGS, "adam": Adam}
"""Map from the name of an optimizer to its class."""


def create_optimizer(
    name: str,
    *,
    history: int = 10,
    history_type: HistoryType = "float32",
    bounds: tuple[float, float] | None = None,
    preconditioner: Preconditioner | None = None,
) -> Optimizer:
    """Create an optimizer from its name and its settings.

    ``history`` and ``history_type`` are ignored if the optimizer does not have them.

    Args:
        name: one of `OPTIMIZERS`.
        history: number of pairs in the history of L-BFGS and L-BFGS-B; a pair is a step and the gradient's change.
        history_type: number type of the pairs of L-BFGS.
        bounds: lowest and highest number that an element may have; None for no bounds.
        preconditioner: square root of an approximate inverse Hessian (see `subjective.optimize.preconditioned`); None
            for no preconditioner.

    Raises:
        ValueError: bounds or a preconditioner are given for an optimizer that does not take them, or both are given.
    """
    kind: Any = OPTIMIZERS[name]
    if bounds is not None and not kind.keeps_bounds:
        able = " or ".join(other for other, known in OPTIMIZERS.items() if known.keeps_bounds)
        raise ValueError(f"the optimizer {name} cannot keep bounds; use {able}")
    settings = {"history": history, "history_type": history_type, "bounds": bounds}
    taken = {field.name for field in dataclasses.fields(kind)}
    optimizer: Optimizer = kind(**{name: value for name, value in settings.items() if name in taken})
    return optimizer if preconditioner is None else Preconditioned(optimizer, preconditioner)


def optimizers_with(ability: str) -> str:
    """Return the names of the optimizers whose attribute ``ability`` is true, joined by "or"."""
    return " or ".join(name for name, kind in OPTIMIZERS.items() if getattr(kind, ability))
