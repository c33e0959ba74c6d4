"""Keep the whole process from faults of XLA: programs that compute wrong numbers, or crash.

XLA reads $XLA_FLAGS when JAX starts its first device. `subjective.compilation` gives options to this package's own
programs only. The flags of this module hold for all others too: single operations of `jax.numpy`, optax's programs,
and programs of the user.
"""

from __future__ import annotations

import os

YNN_FUSIONS = "--xla_cpu_experimental_ynn_fusion_type"
"""The flag of XLA that says which operations CPUs hand to YNNPACK; if empty, none."""

FAULTY = {
    "0.10.2": "products of matrices that are summed at once come out wrong, and some sums crash (JAX issues 39103, "
    "39257, 40412)",
    "0.11.0": "some sums crash (JAX issue 39257)",
}
"""Versions of jaxlib whose YNNPACK is at fault, and what is wrong with it. 0.10.1 and 0.11.1 are sound."""


def avoid_faults() -> None:
    """Set $XLA_FLAGS so that XLA does not use what is at fault in the installed version.

    Call this before JAX starts its devices. JAX itself is not imported.
    """
    try:
        from jaxlib import __version__  # some milliseconds, and no JAX
    except ImportError:  # what computes will say that JAX is missing
        return
    given = os.environ.get("XLA_FLAGS", "")
    flags = with_workarounds(given, __version__)
    if flags != given:
        os.environ["XLA_FLAGS"] = flags


def with_workarounds(flags: str, version: str) -> str:
    """Return flags of XLA, and behind them those that keep a version of jaxlib from its faults.

    XLA ends the process at a flag that it does not know. Flags are therefore added for known versions only.

    Args:
        flags: the user's flags. If they name `YNN_FUSIONS`, the user has decided, and nothing is added.
        version: version of jaxlib.
    """
    if version not in FAULTY or YNN_FUSIONS in flags:
        return flags
    return f"{flags} {YNN_FUSIONS}=".lstrip()
