"""What is matched: numbers that say what a picture looks like, not where.

A `Statistic` measures one feature map; a `Term` says which one at which layers, and how much it counts;
an `Analysis` holds all terms and how the picture is looked at. `analyze` applies it at every octave.
What comes out, and every target made from it, is a pytree ``tuple[dict[layer, dict[statistic, Array]], ...]``,
octave first.
"""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Array, Float

from subjective.colors import opponent
from subjective.pyramid import Padding, band, gaussian_pyramid, octave_size
from subjective.statistics.gram import GRAM, gram
from subjective.statistics.grid import GRID
from subjective.statistics.lags import AUTOCORRELATION, AUTOCORRELATION_32, SPECTRUM
from subjective.statistics.moments import COVARIANCE, GAUSSIAN
from subjective.statistics.protocol import Statistic, squared_distance
from subjective.statistics.shifted import SHIFTED
from subjective.statistics.sliced import SLICED
from subjective.tiles import Tiling, measure_in_tiles, multiple
from subjective.vgg import Params, Pooling, extract_features, feature_size

__all__ = [
    "PICTURE_LAYERS",
    "STATISTICS",
    "Analysis",
    "Statistic",
    "Statistics",
    "Term",
    "analyze",
    "fits",
    "gram",
    "map_size",
    "network_layers",
    "parse_term",
    "places_of",
    "smallest_picture",
    "squared_distance",
    "tiling_of",
]

STATISTICS = {
    statistic.name: statistic
    for statistic in (GRAM, COVARIANCE, GAUSSIAN, SLICED, SPECTRUM, SHIFTED, AUTOCORRELATION, AUTOCORRELATION_32, GRID)
}
"""Every statistic by its name."""

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
    """

    octaves: tuple[int, ...] = (0, 1, 2, 3)
    terms: tuple[Term, ...] = (Term(GRAM, ("pool1", "conv3_2"), (1.0, 1.0)),)
    padding: Padding = "circular"
    pooling: Pooling = "average"
    tile: int | None = None

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


def analyze(params: Params, image: Float[Array, "height width 3"], analysis: Analysis) -> Statistics:
    """The statistics of a picture at every octave and layer.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: where to look, and what for.

    Returns:
        One dict ``{layer: {statistic: array}}`` for each octave in ``analysis.octaves``.

    Raises:
        ValueError: a layer the network lacks, or an image too small at some octave.
    """
    smallest = smallest_picture(analysis, params)
    if min(image.shape[:2]) < smallest:
        raise ValueError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for octaves {analysis.octaves} of "
            f"{', '.join(analysis.layers)}; wanted at least {smallest} a side"
        )
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)
    wraps = analysis.padding == "circular"

    def measured(octave: int) -> dict[str, dict[str, Array]]:
        image, layers = pyramid[octave], analysis.layers_at(octave)
        tiling = tiling_of(analysis, octave, image.shape[0])
        whole = layers if tiling is None else tuple(layer for layer in layers if layer in PICTURE_LAYERS)
        in_tiles = {} if tiling is None else measure_in_tiles(params, image, tiling)
        return in_tiles | {
            layer: {s.name: s.measure(features, wraps) for s in analysis.statistics_at(octave, layer)}
            for layer, features in _features(params, image, whole, analysis).items()
        }

    return tuple(measured(octave) for octave in analysis.octaves)


def tiling_of(analysis: Analysis, octave: int, height: int) -> Tiling | None:
    """How the network's layers of an octave of that height are taken in tiles; None if the octave is looked at whole.

    Raises:
        ValueError: a statistic that does not add up over tiles.
    """
    layers = network_layers(analysis.layers_at(octave))
    if analysis.tile is None or not layers:
        return None
    step = multiple(layers)
    rows = -(-analysis.tile // step) * step
    if height <= rows:
        return None
    statistics = tuple((layer, analysis.statistics_at(octave, layer)) for layer in layers)
    for layer, there in statistics:
        for statistic in there:
            if statistic.sums is None:
                fine = ", ".join(name for name, known in STATISTICS.items() if known.sums)
                raise ValueError(
                    f"{statistic.name} at {layer} does not add up over tiles, and tiles of {analysis.tile} rows were "
                    f"asked for; take it at rgb, where nothing is tiled, leave the tiles out, or match one of {fine}"
                )
    return Tiling(statistics, analysis.padding, analysis.pooling, rows)


def _features(params: Params, image: Array, layers: tuple[str, ...], analysis: Analysis) -> dict[str, Array]:
    features: dict[str, Array] = {}
    if "rgb" in layers:
        features["rgb"] = image
    if "opponent" in layers:
        features["opponent"] = opponent(image)
    if "band" in layers:
        features["band"] = band(image, analysis.padding)
    of_network = network_layers(layers)
    if of_network:
        features |= extract_features(params, image, of_network, padding=analysis.padding, pooling=analysis.pooling)
    return features


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
        raise ValueError(f"unknown statistic {name!r} in {text!r}; wanted one of {', '.join(STATISTICS)}")
    try:
        weight = float(number) if number else 1.0
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0) or ("=" in text and not number):
        raise ValueError(f"statistic {text!r} has no weight that is a number of 0 or more after its '='")
    if not at:
        return Term(STATISTICS[name], tuple(layers), tuple(weight * w for w in weights))
    chosen = tuple(named.split(","))
    if not all(chosen):
        raise ValueError(f"statistic {text!r} names no layer after its '@'; write for example {name}@pool1,conv3_2")
    return Term(STATISTICS[name], chosen, (weight,) * len(chosen))
