"""Create an optimizer from its name and its settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from subjective.choices import HistoryType
from subjective.optimize.preconditioned import Preconditioned, Preconditioner
from subjective.optimize.protocol import Optimizer
from subjective.optimize.registry import OPTIMIZERS


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
