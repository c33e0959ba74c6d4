"""What is matched: numbers that say what a picture looks like, not where.

A `Statistic` measures one feature map; a `Term` says which one at which layers, and how much it counts;
an `Analysis` holds all terms and how the picture is looked at. `analyze` applies it at every octave.
What comes out, and every target made from it, is a pytree ``tuple[dict[layer, dict[statistic, Array]], ...]``,
octave first.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, Float

from subjective.colors import opponent
from subjective.network.vgg import Params, extract_features
from subjective.pyramid import band, gaussian_pyramid
from subjective.statistics.blocks import WHOLE, Blocks, in_blocks
from subjective.statistics.content import squared_difference
from subjective.statistics.protocol import Statistic
from subjective.statistics.regions import Guides
from subjective.statistics.terms import PICTURE_LAYERS, Analysis, Statistics, network_layers, smallest_picture
from subjective.statistics.tiles import measure_in_tiles
from subjective.statistics.tiling import tiling_of


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
