"""Every statistic by its name, and a term as the command line writes it.

A new statistic is a file of this package and its line in `STATISTICS`.
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

_ALL = (GRAM, GRAM_SUM, COVARIANCE, GAUSSIAN, SLICED, SPECTRUM, SHIFTED, AUTOCORRELATION, AUTOCORRELATION_32, GRID)

STATISTICS = {statistic.name: statistic for statistic in _ALL}
"""Every statistic by its name."""


def parse_term(text: str, layers: Sequence[str] = (), weights: Sequence[float] = ()) -> Term:
    """A term as the command line writes it: ``NAME[@LAYER,LAYER...][=WEIGHT]``.

    Args:
        text: such as ``gram``, ``gram=2``, ``spectrum@rgb=0.1``.
        layers: where it is taken if it does not say.
        weights: of those, times its own.

    Raises:
        ValueError: an unknown name, a weight that is no number of 0 or more, or no layer after the ``@``.
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
