"""Where to look in a picture, and what for: terms, and all of them with how the picture is taken."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Array

from subjective.network.vgg import Pooling, Precision, feature_size
from subjective.pyramid import Padding, octave_size
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
        tile: rows of a tile, for what adds up over tiles (see `subjective.statistics.tiles`); None to look at it whole.
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


def map_size(size: int, layer: str, padding: Padding, params: Iterable[str]) -> int:
    """Length of a side of a layer's map, the picture's own layers included; 0 or less where there is none."""
    if layer in PICTURE_LAYERS:
        return size - 4 if layer == "band" and padding == "valid" else size
    return feature_size(size, layer, padding, params)


def fits(size: int, term: Term, octave: int, padding: Padding, params: Iterable[str]) -> bool:
    """Whether a picture that is ``size`` pixels at its smaller side is large enough for a term at an octave."""
    side = octave_size(size, octave, padding)
    least = term.statistic.least[padding != "circular"]
    return all(map_size(side, layer, padding, params) >= least for layer in term.layers)


def smallest_picture(analysis: Analysis, params: Iterable[str]) -> int:
    """Smallest side in pixels at which every layer still has what its statistics need, wherever it is looked at."""
    names, padding = tuple(params), analysis.padding
    # Of several statistics in one place the neediest comes last, and stands.
    needs = {
        (octave, layer): max(term.statistic.least[padding != "circular"], 1)
        for term in sorted(analysis.terms, key=lambda term: max(term.statistic.least))
        for octave in analysis.octaves
        for layer in term.layers
        if term.counts(octave, layer)
    }

    def enough(size: int) -> bool:
        return all(
            map_size(octave_size(size, octave, padding), layer, padding, names) >= least
            for (octave, layer), least in needs.items()
        )

    most = 1
    while not enough(most):
        most *= 2
    return bisect_left(range(most + 1), True, key=enough)
