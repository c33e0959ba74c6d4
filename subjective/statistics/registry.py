"""All statistics by name, and the notation for them in settings and on the command line.

To add a statistic, write a module of this package and add a line to `STATISTICS`. `subjective.plugins` adds statistics
of other packages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from subjective.checks import InputError, describe, setting
from subjective.choices import list_words
from subjective.imports import Table

if TYPE_CHECKING:
    from subjective.statistics.protocol import Statistic

STATISTICS: Table[Statistic] = Table(
    {
        "gram": "subjective.statistics.gram:GRAM",
        "gram_sum": "subjective.statistics.gram:GRAM_SUM",
        "covariance": "subjective.statistics.moments:COVARIANCE",
        "gaussian": "subjective.statistics.moments:GAUSSIAN",
        "sliced": "subjective.statistics.sliced:SLICED",
        "patches": "subjective.statistics.patches:PATCHES",
        "spectrum": "subjective.statistics.autocorrelation:SPECTRUM",
        "shifted": "subjective.statistics.shifted:SHIFTED",
        "autocorrelation": "subjective.statistics.autocorrelation:AUTOCORRELATION",
        "autocorrelation32": "subjective.statistics.autocorrelation:AUTOCORRELATION_32",
        "grid": "subjective.statistics.grid:GRID",
    }
)
"""Map from the name of a statistic to the statistic."""


class StatisticText(NamedTuple):
    """What the text of a statistic says: ``NAME[@LAYER,LAYER...][=WEIGHT]``.

    Attributes:
        name: one of `STATISTICS`.
        layers: the layers at which the statistic is measured; None if the text names none.
        weight: the weight in the loss; 1 if the text has none.
    """

    name: str
    layers: tuple[str, ...] | None
    weight: float


def read_text(text: str) -> StatisticText:
    """Read the text of a statistic, such as ``gram``, ``gram=2`` or ``spectrum@rgb=0.1``.

    Raises:
        InputError: the name is unknown, the weight is not a finite number of 0 or more, or no layer follows the ``@``.
    """
    place, _, number = text.partition("=")
    name, at, named = place.partition("@")
    if name not in STATISTICS:
        known = list_words(STATISTICS, name)
        raise InputError(f"unknown statistic {describe(name)} in {describe(text)}; wanted one of a plugin, or {known}")
    try:
        weight = float(number) if number else 1.0
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0) or ("=" in text and not number):
        raise InputError(f"statistic {describe(text)} has no weight that is a number of 0 or more after its '='")
    if not at:
        return StatisticText(name, None, weight)
    layers = tuple(named.split(","))
    if not all(layers):
        raise InputError(
            f"statistic {describe(text)} names no layer after its '@'; write for example {name}@pool1,conv3_2"
        )
    return StatisticText(name, layers, weight)


def write_terms(statistic: Any) -> Any:
    """Replace each term (`subjective.Term`) in a setting by texts that `read_text` reads.

    Other values are returned unchanged.

    Raises:
        InputError: a term is measured at some octaves only, which no text can say.
    """
    items = statistic if isinstance(statistic, (list, tuple)) else [statistic]
    if not any(hasattr(item, "to_texts") for item in items):
        return statistic
    return tuple(text for item in items for text in (item.to_texts() if hasattr(item, "to_texts") else [item]))


def check_statistics(statistic: Sequence[str], layers: Sequence[str]) -> None:
    """Check the texts of a config's statistics.

    Args:
        statistic: texts in the form that `read_text` reads.
        layers: layers at which a statistic is measured if its text names no layers.

    Raises:
        InputError: there is no layer or no statistic, or `read_text` refuses a text.
    """
    if not layers:
        raise InputError(f"{setting('layers')} got no layer; wanted at least one, such as pool1")
    if not statistic:
        raise InputError(f"{setting('statistic')} got no name; wanted at least one, such as gram")
    for text in statistic:
        try:
            read_text(text)
        except InputError as error:
            raise InputError(f"{setting('statistic')}: {error.message.marked}") from None
