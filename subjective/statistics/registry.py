"""All statistics by name, and the notation for terms on the command line.

To add a statistic, write a module of this package and add a line to `STATISTICS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from subjective.checks import InputError
from subjective.statistics.autocorrelation import AUTOCORRELATION, AUTOCORRELATION_32, SPECTRUM
from subjective.statistics.gram import GRAM, GRAM_SUM
from subjective.statistics.grid import GRID
from subjective.statistics.moments import COVARIANCE, GAUSSIAN
from subjective.statistics.shifted import SHIFTED
from subjective.statistics.sliced import SLICED
from subjective.statistics.terms import Term

STATISTICS = {
    statistic.name: statistic
    for statistic in (
        GRAM,
        GRAM_SUM,
        COVARIANCE,
        GAUSSIAN,
        SLICED,
        SPECTRUM,
        SHIFTED,
        AUTOCORRELATION,
        AUTOCORRELATION_32,
        GRID,
    )
}
"""Name to statistic."""


def parse_term(text: str, layers: Sequence[str] = (), weights: Sequence[float] = ()) -> Term:
    """Parse a term as the command line writes it: ``NAME[@LAYER,LAYER...][=WEIGHT]``.

    Args:
        text: such as ``gram``, ``gram=2``, ``spectrum@rgb=0.1``.
        layers: layers at which the statistic is measured if the text names none.
        weights: one for each of ``layers``; each is multiplied by the text's weight.

    Returns:
        The term. All layers that the text names have the text's weight.

    Raises:
        InputError: an unknown name, a weight that is no number of 0 or more, or no layer after the ``@``.
    """
    place, _, number = text.partition("=")
    name, at, named = place.partition("@")
    if name not in STATISTICS:
        raise InputError(f"unknown statistic {name!r} in {text!r}; wanted one of {', '.join(STATISTICS)}")
    try:
        weight = float(number) if number else 1.0
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0) or ("=" in text and not number):
        raise InputError(f"statistic {text!r} has no weight that is a number of 0 or more after its '='")
    if not at:
        return Term(STATISTICS[name], tuple(layers), tuple(weight * w for w in weights))
    chosen = tuple(named.split(","))
    if not all(chosen):
        raise InputError(f"statistic {text!r} names no layer after its '@'; write for example {name}@pool1,conv3_2")
    return Term(STATISTICS[name], chosen, (weight,) * len(chosen))
