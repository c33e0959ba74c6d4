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

from jaxtyping import Array, Float

from subjective.colors import opponent
from subjective.guides import Guides
from subjective.network.vgg import Params, extract_features, feature_size
from subjective.pyramid import Padding, band, gaussian_pyramid, octave_size
from subjective.statistics.analysis import PICTURE_LAYERS, Analysis, Statistics, Term, network_layers, places_of
from subjective.statistics.blocks import WHOLE, Blocks, Grid, blocks_of, in_blocks
from subjective.statistics.content import CONTENT, CONTENTS, squared_difference
from subjective.statistics.gram import GRAM, GRAM_SUM, gram
from subjective.statistics.grid import GRID
from subjective.statistics.lags import AUTOCORRELATION, AUTOCORRELATION_32, SPECTRUM
from subjective.statistics.moments import COVARIANCE, GAUSSIAN
from subjective.statistics.protocol import Statistic, squared_distance
from subjective.statistics.shifted import SHIFTED
from subjective.statistics.sliced import SLICED
from subjective.tiles import measure_in_tiles
from subjective.windows import Tiling, multiple, shares_out

__all__ = [
    "CONTENT",
    "CONTENTS",
    "PICTURE",
    "PICTURE_LAYERS",
    "STATISTICS",
    "WHOLE",
    "Analysis",
    "Content",
    "Grid",
    "Statistic",
    "Statistics",
    "Term",
    "analyze",
    "blocks_of",
    "contents_of",
    "fits",
    "gram",
    "in_blocks",
    "map_size",
    "network_layers",
    "parse_term",
    "places_of",
    "smallest_picture",
    "squared_distance",
    "tiling_of",
]

_ALL = (GRAM, GRAM_SUM, COVARIANCE, GAUSSIAN, SLICED, SPECTRUM, SHIFTED, AUTOCORRELATION, AUTOCORRELATION_32, GRID)

STATISTICS = {statistic.name: statistic for statistic in _ALL}
"""Every statistic by its name."""


def analyze(
    params: Params,
    image: Float[Array, "height width 3"],
    analysis: Analysis,
    guides: Sequence[Guides] | None = None,
    contents: Sequence[Content] | None = None,
) -> Statistics:
    """The statistics of a picture at every octave and layer.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: where to look, and what for.
        guides: from `guides_of`, if the picture has regions that are measured by themselves; what cannot be
            (`Statistic.by_region`) is measured of the whole picture.
        contents: from `contents_of`, for one that measures content.

    Returns:
        One dict ``{layer: {statistic: array}}`` for each octave in ``analysis.octaves``. Where regions are measured by
        themselves, an array has a leading axis for them.

    Raises:
        ValueError: a layer the network lacks, an image too small at some octave, or regions of a picture that is to
            match in blocks.
    """
    if guides and analysis.blocks != WHOLE:
        raise ValueError(f"a picture has regions or blocks, here {analysis.blocks}; wanted one of the two")
    smallest = smallest_picture(analysis, params)
    if min(image.shape[:2]) < smallest:
        raise ValueError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for octaves {analysis.octaves} of "
            f"{', '.join(analysis.layers)}; wanted at least {smallest} a side"
        )
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)

    def measured(place: int, octave: int) -> dict[str, dict[str, Array]]:
        image, layers = pyramid[octave], analysis.layers_at(octave)
        its, content = guides[place] if guides else None, contents[place] if contents else {}
        tiling = tiling_of(analysis, octave, image.shape[0], params)
        whole = layers if tiling is None else tuple(layer for layer in layers if layer in PICTURE_LAYERS)
        in_tiles = {} if tiling is None else measure_in_tiles(params, image, tiling, its, content.get(PICTURE))
        return in_tiles | {
            layer: {
                s.name: _measured(s, features, analysis, its[layer].weights if its else None, content.get(layer))
                for s in analysis.statistics_at(octave, layer)
            }
            for layer, features in _features(params, image, whole, analysis).items()
        }

    return tuple(measured(place, octave) for place, octave in enumerate(analysis.octaves))


Content = dict[str, Array]
"""Layer to the map that content is measured against; `PICTURE` to the picture where that is done in tiles."""

PICTURE = ""


def contents_of(params: Params, image: Float[Array, "height width 3"], analysis: Analysis) -> tuple[Content, ...]:
    """What content is measured against at each octave: maps, or where it is tiled the picture that they are of.

    Args:
        params: the network.
        image: the content.
        analysis: of a picture of the same size.
    """
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)

    def of_octave(octave: int) -> Content:
        layers = tuple(
            layer
            for layer in analysis.layers_at(octave)
            if any(statistic.against for statistic in analysis.statistics_at(octave, layer))
        )
        if tiling_of(analysis, octave, pyramid[octave].shape[0], params) is None:
            return _features(params, pyramid[octave], layers, analysis)
        of_picture = tuple(layer for layer in layers if layer in PICTURE_LAYERS)
        return {PICTURE: pyramid[octave]} | _features(params, pyramid[octave], of_picture, analysis)

    return tuple(of_octave(octave) for octave in analysis.octaves)


def _measured(
    statistic: Statistic, features: Array, analysis: Analysis, masks: Array | None, content: Array | None
) -> Array:
    wraps = analysis.padding == "circular"
    if statistic.against is not None and content is not None:
        return statistic.against(squared_difference(features, content), features.shape)
    if masks is not None and statistic.by_region:
        return statistic.of_regions(features, wraps, masks)
    if in_blocks(statistic, analysis.blocks):
        assert statistic.sums is not None
        return Blocks(features.shape, analysis.blocks).of_map(statistic.sums, features, wraps)
    return statistic.measure(features, wraps)


def tiling_of(analysis: Analysis, octave: int, height: int, params: Params) -> Tiling | None:
    """How the network's layers of an octave of that height are taken in tiles; None if the octave is looked at whole.

    On several devices each has some tiles, or one; octaves that are too small for that are looked at whole by each.

    Raises:
        ValueError: a statistic that does not add up over tiles.
    """
    layers = network_layers(analysis.layers_at(octave))
    if not layers or (analysis.tile is None and analysis.devices == 1):
        return None
    step = multiple(layers)
    rows = height if analysis.tile is None else -(-analysis.tile // step) * step
    statistics = tuple((layer, analysis.statistics_at(octave, layer)) for layer in layers)
    how = (analysis.padding, analysis.pooling, rows, 1, analysis.precision, analysis.blocks)
    whole = Tiling(statistics, *how)
    shared = _shared(whole, analysis, step, height, params)
    if shared is None and height <= rows:
        return None
    for layer, there in statistics:
        for statistic in there:
            if statistic.sums is None and statistic.against is None:
                fine = ", ".join(name for name, known in STATISTICS.items() if known.sums)
                raise ValueError(
                    f"{statistic.name} at {layer} does not add up over tiles or devices, which were asked for; take it "
                    f"at rgb, where nothing is tiled, leave them out, or match one of {fine}"
                )
    return shared or whole


def _shared(whole: Tiling, analysis: Analysis, step: int, height: int, params: Params) -> Tiling | None:
    share = height // analysis.devices
    if analysis.devices == 1 or share % step:
        return None
    # The most rows up to a tile's that divide a device's share; the least beyond if these are far fewer.
    fitting = [rows for rows in range(step, share + 1, step) if share % rows == 0]
    fewer, more = ([rows for rows in fitting if (rows <= whole.rows) is side] for side in (True, False))
    rows = fewer[-1] if fewer and (4 * fewer[-1] >= whole.rows or not more) else (more or [0])[0]
    shared = dataclasses.replace(whole, rows=rows, devices=analysis.devices)
    return shared if rows and shares_out(params, height, shared) else None


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
        features |= extract_features(
            params,
            image,
            of_network,
            padding=analysis.padding,
            pooling=analysis.pooling,
            precision=analysis.precision,
            in_loop=analysis.in_loop,
        )
    return features


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
