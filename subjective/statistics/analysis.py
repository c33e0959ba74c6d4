"""Where to look in a picture, and what for: terms, and all of them with how the picture is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Array

from subjective.network.vgg import Pooling, Precision
from subjective.pyramid import Padding
from subjective.statistics.blocks import WHOLE, Grid
from subjective.statistics.gram import GRAM
from subjective.statistics.protocol import Statistic

Statistics = tuple[dict[str, dict[str, Array]], ...]

PICTURE_LAYERS = ("rgb", "opponent", "band")
"""Layers that are no network's: the octave's pixels, the same in opponent colors, what a 5-tap blur takes of them."""


@dataclass(frozen=True)
class Term:
    """A statistic, where it is taken, and its weight in the loss.

    Attributes:
        statistic: one of `STATISTICS`, or another of that protocol.
        layers: names: the network's, ``rgb`` for the pixels, ``opponent`` for the same in opponent colors, or ``band``
            for their finest detail.
        weights: one for each of ``layers``.
        octaves: those at which it is taken, of the analysis' own; all if None.
    """

    statistic: Statistic
    layers: tuple[str, ...]
    weights: tuple[float, ...]
    octaves: tuple[int, ...] | None = None

    def counts(self, octave: int, layer: str) -> bool:
        """Whether it is taken there."""
        return layer in self.layers and (self.octaves is None or octave in self.octaves)


@dataclass(frozen=True)
class Analysis:
    """How a picture is looked at. Hashable, so that it can key a compiled function.

    Attributes:
        octaves: indices of the octaves used, 0 being full size.
        terms: what is measured.
        padding: what lies outside the picture, for the network and the pyramid (which mirrors for ``same``).
        pooling: ``average`` or ``max``.
        tile: rows of a tile, for what adds up over tiles (see `subjective.tiles`); None to look at it whole.
        devices: among which the picture is shared out.
        precision: of the feature maps.
        blocks: of the picture, below and beside each other, that are each to match where a statistic can be taken of
            a part of a map; its measure then has a leading axis for them.
        in_loop: whether pictures are looked at one after the other in a loop, which changes what is fastest.
    """

    octaves: tuple[int, ...] = (0, 1, 2, 3)
    terms: tuple[Term, ...] = (Term(GRAM, ("pool1", "conv3_2"), (1.0, 1.0)),)
    padding: Padding = "circular"
    pooling: Pooling = "average"
    tile: int | None = None
    devices: int = 1
    precision: Precision = "float32"
    blocks: Grid = WHOLE
    in_loop: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers, each once."""
        return tuple(dict.fromkeys(layer for term in self.terms for layer in term.layers))

    def layers_at(self, octave: int) -> tuple[str, ...]:
        """The layers of an octave, each once."""
        return tuple(layer for layer in self.layers if any(term.counts(octave, layer) for term in self.terms))

    def statistics_at(self, octave: int, layer: str) -> tuple[Statistic, ...]:
        """What is measured there."""
        return tuple(term.statistic for term in self.terms if term.counts(octave, layer))

    def below(self, octave: int) -> Analysis:
        """The same look at the same picture, reduced so that ``octave`` is its octave 0."""
        terms = [
            dataclasses.replace(term, octaves=tuple(o - octave for o in term.octaves if o >= octave))
            if term.octaves is not None
            else term
            for term in self.terms
        ]
        octaves = tuple(o - octave for o in self.octaves if o >= octave)
        kept = tuple(term for term in terms if term.octaves is None or term.octaves)
        return dataclasses.replace(self, octaves=octaves, terms=kept)


def places_of(terms: Sequence[Term]) -> dict[tuple[str, str], tuple[Statistic, float]]:
    """(layer, name of the statistic) to the statistic and its weight there.

    Raises:
        ValueError: a statistic given twice at one layer.
    """
    places: dict[tuple[str, str], tuple[Statistic, float]] = {}
    for term in terms:
        for layer, weight in zip(term.layers, term.weights, strict=True):
            place = (layer, term.statistic.name)
            if place in places:
                raise ValueError(f"statistic {place[1]} is given twice at layer {layer}; give it once")
            places[place] = (term.statistic, weight)
    return places


def network_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """Those layers that are the network's."""
    return tuple(layer for layer in layers if layer not in PICTURE_LAYERS)
