"""All statistics by name, and the notation for terms on the command line.

To add a statistic, write a module of this package and add a line to `STATISTICS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from subjective.arguments import check_kind, check_numbers, check_texts
from subjective.checks import WEIGHT, InputError, describe, setting
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
"""Map from the name of a statistic to the statistic."""


def write_terms(statistic: Any) -> Any:
    """Replace each `Term` in a setting by texts that `parse_term` reads; other values are returned unchanged.

    Raises:
        InputError: a term is measured at some octaves only, which no text can say.
    """
    items = [statistic] if isinstance(statistic, Term) else statistic
    if not isinstance(items, (list, tuple)) or not any(isinstance(item, Term) for item in items):
        return statistic
    return tuple(text for item in items for text in (_write_term(item) if isinstance(item, Term) else [item]))


def _write_term(term: Term) -> list[str]:
    """Return the texts of a term, one for each layer."""
    if term.octaves is not None:
        raise InputError(f"a setting cannot say the octaves {term.octaves} of a term; give its text, for all octaves")
    name = term.statistic.name
    return [f"{name}@{layer}={weight:g}" for layer, weight in zip(term.layers, term.weights, strict=True)]


def parse_term(text: str, layers: Sequence[str] = (), weights: Sequence[float] = ()) -> Term:
    """Parse a term in the notation of the command line: ``NAME[@LAYER,LAYER...][=WEIGHT]``.

    Args:
        text: such as ``gram``, ``gram=2``, ``spectrum@rgb=0.1``. A text without ``=`` has the weight 1.
        layers: layers at which the statistic is measured if the text names no layer.
        weights: one weight for each of ``layers``. The term's weights are ``weights`` times the weight in the text.

    Returns:
        The term. If the text names layers, each of them has the weight in the text.

    Raises:
        InputError: the name is unknown, the weight is not a finite number of 0 or more, no layer follows the ``@``, or
            an argument is of a wrong kind.
    """
    check_kind("text", text, str, "a term such as 'gram=2'")
    layers = check_texts("layers", layers, "names of layers, such as ('pool1',)")
    weights = check_numbers("weights", weights, WEIGHT, "a number for each layer")
    place, _, number = text.partition("=")
    name, at, named = place.partition("@")
    if name not in STATISTICS:
        known = ", ".join(STATISTICS)
        raise InputError(
            f"unknown statistic {describe(name)} in {describe(text)}; wanted one of {known}, or one from a plugin"
        )
    try:
        weight = float(number) if number else 1.0
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0) or ("=" in text and not number):
        raise InputError(f"statistic {describe(text)} has no weight that is a number of 0 or more after its '='")
    if not at:
        return Term(STATISTICS[name], tuple(layers), tuple(weight * w for w in weights))
    chosen = tuple(named.split(","))
    if not all(chosen):
        raise InputError(
            f"statistic {describe(text)} names no layer after its '@'; write for example {name}@pool1,conv3_2"
        )
    return Term(STATISTICS[name], chosen, (weight,) * len(chosen))


def check_statistics(
    statistic: Sequence[str], layers: Sequence[str], layer_weights: Sequence[float] | None = None
) -> None:
    """Check the texts of a config's statistics.

    Args:
        statistic: texts in the form that `parse_term` reads.
        layers: layers at which a statistic is measured if its text names no layers.
        layer_weights: weight of each of ``layers``; 1 if None.

    Raises:
        InputError: there is no layer or no statistic, or `parse_term` refuses a text.
    """
    if not layers:
        raise InputError(f"{setting('layers')} got no layer; wanted at least one, such as pool1")
    if not statistic:
        raise InputError(f"{setting('statistic')} got no name; wanted at least one, such as gram")
    for text in statistic:
        try:
            parse_term(text, layers, layer_weights or (1.0,) * len(layers))
        except InputError as error:
            raise InputError(f"{setting('statistic')}: {error.message.marked}") from None
