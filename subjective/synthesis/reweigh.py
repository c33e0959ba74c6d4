"""Weights that change in the middle of a run: what the setting ``reweigh`` says, and the config that follows from it.

A change is a text ``[N:]STEP:SETTING=W[,W...]``, such as ``40:source_weights=0.7,0.3``: from the step after step 40 of
the first picture on, the sources count 0.7 and 0.3. N names another picture. Steps are counted as in the trace, through
all stages of a picture.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from subjective.checks import InputError, describe, setting
from subjective.statistics.registry import read_text

SINGLE = ("layout_weight", "if_weight", "content_weight", "tv_weight", "mix_weight")
"""Settings that are one weight."""

SEVERAL = ("source_weights", "layer_weights", "octave_weights")
"""Settings that are one weight for each source, layer or octave."""

STATISTIC = "statistic"
"""The setting whose texts hold the weights of the statistics; a change gives one weight for each text."""

MOST_WEIGHTS = 64
"""Most weights of a change."""

Config = TypeVar("Config")
"""A `subjective.synthesis.config.PictureConfig`."""


@dataclass(frozen=True)
class Change:
    """A change of one setting.

    Attributes:
        picture: number of the picture, counted from 0.
        step: number of the step after which the weights count.
        name: name of the setting.
        weights: the new weights.
    """

    picture: int
    step: int
    name: str
    weights: tuple[float, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Picture and step."""
        return (self.picture, self.step)

    def __str__(self) -> str:
        """Return the text from which `read_change` makes the change again, to the bit."""
        picture = f"{self.picture}:" if self.picture else ""
        return f"{picture}{self.step}:{self.name}={','.join(format(weight, '.17g') for weight in self.weights)}"


def read_change(text: str) -> Change:
    """Read the text of a change.

    Raises:
        InputError: the text is none.
    """
    where, _, what = text.rpartition(":")
    name, _, numbers = what.partition("=")
    places = where.split(":")
    try:
        weights = tuple(map(float, numbers.split(",")))
    except ValueError:
        weights = ()
    whole = len(places) <= 2 and all(place.isascii() and place.isdigit() and len(place) < 10 for place in places)
    if not whole or not weights or not all(0 <= weight < math.inf for weight in weights):
        wanted = "wanted [N:]STEP:SETTING=W,W..., such as 40:source_weights=0.7,0.3"
        raise InputError(f"{setting('reweigh')} holds {describe(text)}; {wanted}")
    return Change(int(places[0]) if len(places) == 2 else 0, int(places[-1]), name.replace("-", "_"), weights)


def read_changes(texts: Sequence[str]) -> list[Change]:
    """Read the changes of a config in the order of their steps; of two of one setting after one step, the last counts.

    Raises:
        InputError: a text is no change.
    """
    found = {(*change.place, change.name): change for change in map(read_change, texts)}
    return sorted(found.values(), key=lambda change: change.place)


def list_weights(config: Any, sources: Sequence[str] = ()) -> dict[str, list[tuple[str, float]]]:
    """List the weights of a config that can be changed, by setting: for each, what it is of, and the weight.

    Args:
        config: settings, with the number of octaves chosen.
        sources: names of the sources that ``source_weights`` are of; fewer than two have no weights.
    """
    labels = {
        "source_weights": sources if len(sources) > 1 else (),
        "layer_weights": config.layers,
        "octave_weights": [f"octave {octave}" for octave in config.octave_indices],
    }
    statistics = [(text.partition("=")[0], read_text(text).weight) for text in config.statistic]
    found: dict[str, list[tuple[str, float]]] = {}
    fields = {field.name for field in dataclasses.fields(config)}
    for name in SEVERAL:
        if name in fields and labels[name]:
            weights = getattr(config, name) or (1.0,) * len(labels[name])
            found[name] = list(zip(labels[name], weights, strict=True))
    found[STATISTIC] = statistics
    return found | {name: [(name, getattr(config, name))] for name in SINGLE if name in fields}


def apply_change(config: Config, name: str, weights: Sequence[float]) -> Config:
    """Return a config with other weights of a setting.

    Raises:
        InputError: the setting is not one of weights, or takes other weights.
    """
    fields = {field.name for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    known = [one for one in (STATISTIC, *SEVERAL, *SINGLE) if one in fields]
    if name not in known:
        raise InputError(f"{setting('reweigh')} names {describe(name)}; wanted one of {', '.join(known)}")
    value: Any = tuple(map(float, weights))
    wanted = None
    if name in SINGLE:
        wanted, value = 1, value[0]
    elif name == STATISTIC:
        texts = getattr(config, name)
        wanted = len(texts)
        value = tuple(f"{text.partition('=')[0]}={weight:.17g}" for text, weight in zip(texts, weights, strict=False))
    if wanted is not None and len(weights) != wanted:
        raise InputError(f"{setting('reweigh')} has {len(weights)} weights for {name}; wanted {wanted}")
    changes: dict[str, Any] = {name: value, "reweigh": ()}
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def apply_changes(config: Config, changes: Sequence[Change]) -> Config:
    """Return a config with the weights that count after some changes, one after the other."""
    for change in changes:
        config = apply_change(config, change.name, change.weights)
    return config


def check_changes(config: Any) -> None:
    """Check the changes of a config, each on top of those before.

    Raises:
        InputError: a text is no change, or the setting that it names does not take the weights.
    """
    if config.reweigh:
        apply_changes(config, read_changes(config.reweigh))


def to_changes(picture: int, step: int, weights: Mapping[str, Sequence[float]]) -> list[Change]:
    """Return the changes of several settings after one step of a picture."""
    return [Change(picture, step, name, tuple(map(float, values))) for name, values in weights.items()]
