"""`Term` says which statistic is measured at which layers. `Analysis` holds all terms of a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Array

from subjective.arguments import check_kind, check_list, check_numbers, check_size, check_texts
from subjective.checks import WEIGHT, InputError, at_least, check_number, check_word, count_of
from subjective.choices import PADDINGS, POOLINGS, PRECISIONS, Padding, Pooling, Precision
from subjective.statistics.block_grid import WHOLE, Grid
from subjective.statistics.gram import GRAM
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS, read_text

Statistics = tuple[dict[str, dict[str, Array]], ...]
"""Statistics of a picture, or targets for them: one dict ``{layer: {name of the statistic: array}}`` per octave."""

PICTURE_LAYERS = ("rgb", "opponent", "band", "contrast")
"""Layers that are computed without the network: the RGB pixels of the octave's picture, the pixels in opponent colors,
and the detail that a 5-tap blur removes."""


@dataclass(frozen=True)
class Term:
    """A statistic, the layers at which it is measured, and the weights of these layers in the loss.

    Attributes:
        statistic: one of `subjective.statistics.registry.STATISTICS`, or another `Statistic`.
        layers: names of the network's layers, or of `PICTURE_LAYERS`.
        weights: one weight for each of ``layers``.
        octaves: the octaves at which the statistic is measured; None for all octaves of the analysis.
    """

    statistic: Statistic
    layers: tuple[str, ...]
    weights: tuple[float, ...]
    octaves: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Turn lists into tuples, and refuse values that no term can have."""
        check_kind("statistic", self.statistic, Statistic, "a Statistic, such as subjective.STATISTICS['gram']")
        _tidy_layers(self)

    def to_texts(self) -> list[str]:
        """Return the term in the notation of settings, which `parse_term` reads: one text for each layer.

        Raises:
            InputError: the term is measured at some octaves only, which no text can say.
        """
        if self.octaves is not None:
            raise InputError(
                f"a setting cannot say the octaves {self.octaves} of a term; give its text, for all octaves"
            )
        name = self.statistic.name
        return [f"{name}@{layer}={weight:g}" for layer, weight in zip(self.layers, self.weights, strict=True)]

    def applies_at(self, octave: int, layer: str) -> bool:
        """Return whether the statistic is measured at an octave and layer."""
        return layer in self.layers and (self.octaves is None or octave in self.octaves)


@dataclass(frozen=True)
class Comparison:
    """Says at which layers the picture's feature maps are compared with the maps of a second picture, the content.

    Attributes:
        layers: names of the network's layers, or of `PICTURE_LAYERS`.
        weights: one weight for each of ``layers``.
        mean: whether to take the mean of the squared differences over a map; if not, their sum is taken.
        octaves: the octaves at which the maps are compared; None for all octaves of the analysis.
    """

    layers: tuple[str, ...]
    weights: tuple[float, ...]
    mean: bool = True
    octaves: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Turn lists into tuples, and refuse values that no comparison can have."""
        _tidy_layers(self)


def _tidy_layers(part: Term | Comparison) -> None:
    """Check the layers, weights and octaves of a part, and store them as tuples.

    Raises:
        InputError: there are not as many weights as layers, or a value is of a wrong kind.
    """
    layers = check_texts("layers", part.layers, "names of layers, such as ('pool1',)")
    weights = check_numbers("weights", part.weights, WEIGHT, "a number for each layer")
    if len(weights) != len(layers):
        got = f"weights has {count_of(len(weights), 'number')} for {count_of(len(layers), 'layer')}"
        raise InputError(f"{got}; give one for each layer")
    object.__setattr__(part, "layers", layers)
    object.__setattr__(part, "weights", weights)
    if part.octaves is not None:
        object.__setattr__(part, "octaves", _check_octaves(part.octaves))


def _check_octaves(octaves: Sequence[int]) -> tuple[int, ...]:
    return check_numbers("octaves", octaves, at_least(0), "indices of octaves, such as (0, 1)", whole=True)


@dataclass(frozen=True)
class Analysis:
    """Says how a picture is measured. Hashable, so that a compiled function can be kept for each analysis.

    Attributes:
        octaves: indices of the octaves that are measured; 0 is full size.
        terms: the statistics with their layers and weights.
        padding: what lies outside the picture, for the network and the pyramid. For ``same``, the pyramid mirrors the
            picture.
        pooling: ``average`` or ``max``.
        tile: number of rows in a tile (see `subjective.statistics.tiles`); None to measure the picture in one piece.
        devices: number of devices that share the picture's rows.
        precision: number type of the feature maps.
        blocks: numbers of blocks along the picture's height and width. A statistic with `Statistic.by_block` is
            measured in each block, and its array then has a leading axis for the blocks.
        comparison: layers at which the picture's maps are compared with a content's maps; None for no comparison.
        in_loop: whether a compiled loop measures one picture after the other. In such a loop, a different form of the
            convolution is fastest.
        is_color: whether the picture's channels are red, green and blue; the layer ``contrast`` of other channels is
            that of each channel by itself.
    """

    octaves: tuple[int, ...] = (0, 1, 2, 3)
    terms: tuple[Term, ...] = (Term(GRAM, ("pool1", "conv3_2"), (1.0, 1.0)),)
    padding: Padding = "circular"
    pooling: Pooling = "average"
    tile: int | None = None
    devices: int = 1
    precision: Precision = "float32"
    blocks: Grid = WHOLE
    comparison: Comparison | None = None
    in_loop: bool = False
    is_color: bool = True

    def __post_init__(self) -> None:
        """Turn lists into tuples, and refuse values that no analysis can have."""
        object.__setattr__(self, "octaves", _check_octaves(self.octaves))
        object.__setattr__(self, "terms", tuple(check_list("terms", self.terms, "a list of subjective.Term")))
        for term in self.terms:
            check_kind("a term", term, Term, "a subjective.Term")
        for name, words in (("padding", PADDINGS), ("pooling", POOLINGS), ("precision", PRECISIONS)):
            check_word(name, getattr(self, name), words)
        if self.tile is not None:
            check_number("tile", self.tile, at_least(1, "rows"), whole=True)
        check_number("devices", self.devices, at_least(1), whole=True)
        object.__setattr__(self, "blocks", check_size("blocks", self.blocks))
        if self.comparison is not None:
            check_kind("comparison", self.comparison, Comparison, "a Comparison or None")

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that are measured or compared, each once."""
        compared = self.comparison.layers if self.comparison else ()
        return tuple(dict.fromkeys((*(layer for term in self.terms for layer in term.layers), *compared)))

    def layers_at(self, octave: int) -> tuple[str, ...]:
        """Return the layers that are measured or compared at an octave, each once."""
        compared = self.compared_at(octave)
        return tuple(
            layer
            for layer in self.layers
            if layer in compared or any(term.applies_at(octave, layer) for term in self.terms)
        )

    def statistics_at(self, octave: int, layer: str) -> tuple[Statistic, ...]:
        """Return the statistics that are measured at an octave and layer."""
        return tuple(term.statistic for term in self.terms if term.applies_at(octave, layer))

    def compared_at(self, octave: int) -> tuple[str, ...]:
        """Return the layers that are compared at an octave."""
        compared = self.comparison
        return compared.layers if compared and (compared.octaves is None or octave in compared.octaves) else ()

    def from_octave(self, octave: int) -> Analysis:
        """Return the analysis for the picture reduced to ``octave``, which becomes octave 0. Drop finer octaves."""

        def shift(octaves: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(o - octave for o in octaves if o >= octave)

        def shift_of(part: Term | Comparison) -> tuple[int, ...] | None:
            return None if part.octaves is None else shift(part.octaves)

        terms = [dataclasses.replace(term, octaves=shift_of(term)) for term in self.terms]
        kept = tuple(term for term in terms if term.octaves is None or term.octaves)
        compared = self.comparison and dataclasses.replace(self.comparison, octaves=shift_of(self.comparison))
        return dataclasses.replace(self, octaves=shift(self.octaves), terms=kept, comparison=compared)


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

    Examples:
        >>> term = subjective.parse_term("gram@pool1,conv3_2=0.5")
        >>> term.statistic.name, term.layers, term.weights
        ('gram', ('pool1', 'conv3_2'), (0.5, 0.5))
    """
    check_kind("text", text, str, "a term such as 'gram=2'")
    layers = check_texts("layers", layers, "names of layers, such as ('pool1',)")
    weights = check_numbers("weights", weights, WEIGHT, "a number for each layer")
    name, named, weight = read_text(text)
    if named is None:
        return Term(STATISTICS[name], tuple(layers), tuple(weight * w for w in weights))
    return Term(STATISTICS[name], named, (weight,) * len(named))


def index_terms(terms: Sequence[Term]) -> dict[tuple[str, str], tuple[Statistic, float]]:
    """Map each (layer, name of the statistic) to the statistic and its weight at that layer.

    Raises:
        InputError: a statistic is given twice at one layer.
    """
    places: dict[tuple[str, str], tuple[Statistic, float]] = {}
    for term in terms:
        for layer, weight in zip(term.layers, term.weights, strict=True):
            place = (layer, term.statistic.name)
            if place in places:
                raise InputError(f"statistic {place[1]} is given twice at layer {layer}; give it once")
            places[place] = (term.statistic, weight)
    return places


def network_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """Return the layers of the network, without `PICTURE_LAYERS`."""
    return tuple(layer for layer in layers if layer not in PICTURE_LAYERS)
