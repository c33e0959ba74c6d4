"""The optimizers by name: L-BFGS-B on the host, L-BFGS and Adam on the device, behind one protocol."""

from __future__ import annotations

from typing import Literal

from subjective.optimize.adam import Adam
from subjective.optimize.lbfgs import LBFGS, HistoryType
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.preconditioned import Preconditioned, Root
from subjective.optimize.protocol import Optimizer

__all__ = [
    "LBFGS",
    "LBFGSB",
    "Adam",
    "HistoryType",
    "Method",
    "Optimizer",
    "Preconditioned",
    "Root",
    "bytes_per_number",
    "optimizer_of",
]

Method = Literal["lbfgsb", "lbfgs", "adam"]


def optimizer_of(
    method: Method,
    *,
    history: int = 10,
    history_type: HistoryType = "float32",
    bounds: tuple[float, float] | None = None,
    root: Root | None = None,
) -> Optimizer:
    """An optimizer by name.

    Args:
        method: ``lbfgsb`` (scipy's, on the host in float64), ``lbfgs`` or ``adam`` (on the device).
        history: pairs that L-BFGS remembers.
        history_type: how ``lbfgs`` keeps them; the others have no use for it.
        bounds: lowest and highest value of every element; None for none.
        root: of the inverse Hessian that L-BFGS is to assume at first; None for steps in units of the value.

    Raises:
        ValueError: a history of none, bounds that are none, or that ``lbfgs`` cannot keep; or a root with bounds, or
            for ``adam``.
    """
    if root is not None:
        if bounds is not None or method == "adam":
            what = "bounds, which are not those of its coordinates" if bounds is not None else "adam"
            raise ValueError(f"a preconditioner was given with {what}; leave one of the two out")
        return Preconditioned(optimizer_of(method, history=history, history_type=history_type), root)
    if history < 1:
        raise ValueError(f"history is {history}; wanted 1 or more pairs")
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"bounds are {bounds}; wanted a lower and a higher number")
    if method == "lbfgsb":
        return LBFGSB(history, bounds)
    if method == "adam":
        return Adam(bounds)
    if bounds is not None:
        raise ValueError("bounds were asked for, which the optimizer lbfgs cannot keep; use lbfgsb or adam")
    return LBFGS(history, history_type)


def bytes_per_number(method: Method, history: int, history_type: HistoryType, preconditioned: bool = False) -> int:
    """Bytes that an optimizer holds for each number of the value, its gradient and the trial point included."""
    if method == "lbfgsb":
        return 8 * LBFGSB.floats(history) + 8 + (4 if preconditioned else 0)  # the start
    if method == "adam":
        return 4 * 5
    further = 4 * 3 if preconditioned else 0  # the start, the value, and the trial point in both coordinates
    return 2 * history * (4 if history_type == "float32" else 2) + 4 * 5 + further
