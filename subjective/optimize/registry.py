"""Every optimizer by its name: L-BFGS-B on the host, L-BFGS and Adam on the device.

A new optimizer is a file of this package and a line in `OPTIMIZERS` and `OptimizerName`.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from subjective.optimize.adam import Adam
from subjective.optimize.lbfgs import LBFGS, HistoryType
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.preconditioned import Preconditioned, Preconditioner
from subjective.optimize.protocol import Optimizer

OptimizerName = Literal["lbfgsb", "lbfgs", "adam"]

OPTIMIZERS: dict[str, type[LBFGSB] | type[LBFGS] | type[Adam]] = {"lbfgsb": LBFGSB, "lbfgs": LBFGS, "adam": Adam}


def create_optimizer(
    name: OptimizerName,
    *,
    history: int = 10,
    history_type: HistoryType = "float32",
    bounds: tuple[float, float] | None = None,
    preconditioner: Preconditioner | None = None,
) -> Optimizer:
    """Create an optimizer from settings; each optimizer takes the settings that it has.

    Args:
        name: one of `OPTIMIZERS`.
        history: pairs that L-BFGS remembers.
        history_type: number type of these pairs.
        bounds: lowest and highest value of every element; None for none.
        preconditioner: the root of the inverse Hessian that L-BFGS begins with; None for a multiple of the identity.

    Raises:
        ValueError: bounds or a preconditioner for an optimizer that does not take them, or both of them.
    """
    kind = OPTIMIZERS[name]
    if bounds is not None and not kind.keeps_bounds:
        able = " or ".join(other for other, known in OPTIMIZERS.items() if known.keeps_bounds)
        raise ValueError(f"the optimizer {name} cannot keep bounds; use {able}")
    settings = {"history": history, "history_type": history_type, "bounds": bounds}
    taken = {field.name for field in dataclasses.fields(kind)}
    optimizer: Optimizer = kind(**{name: value for name, value in settings.items() if name in taken})  # type: ignore
    return optimizer if preconditioner is None else Preconditioned(optimizer, preconditioner)
