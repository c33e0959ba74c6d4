"""The names of the optimizers: L-BFGS-B runs on the host, L-BFGS and Adam run on the device.

To add an optimizer, write it in a new file of this package, and add the optimizer to `OPTIMIZERS`.
`subjective.plugins` adds optimizers of other packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subjective.imports import Table

if TYPE_CHECKING:
    from subjective.optimize.protocol import Optimizer

OPTIMIZERS: Table[type[Optimizer]] = Table(
    {
        "lbfgsb": "subjective.optimize.lbfgsb:LBFGSB",
        "lbfgs": "subjective.optimize.lbfgs:LBFGS",
        "adam": "subjective.optimize.adam:Adam",
    }
)
"""Map from the name of an optimizer to its class."""


def unavailable(name: str) -> str | None:
    """Return the reason why an optimizer cannot run with the installed packages, as a clause; None if it can run."""
    reason: str | None = getattr(OPTIMIZERS[name], "unavailable", lambda: None)()
    return reason


def optimizers_with(ability: str) -> str:
    """Return the names of the optimizers whose attribute ``ability`` is true, joined by "or"."""
    return " or ".join(name for name, kind in OPTIMIZERS.items() if getattr(kind, ability))
