"""Measure a picture: every statistic at every octave and layer.

A `Statistic` measures one feature map. A `Term` says at which layers a statistic is measured, and its weight. An
`Analysis` holds all terms and says how the picture is measured; `analyze` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.colors import opponent
from subjective.network.vgg import Params, extract_features
from subjective.pyramid import band, gaussian_pyramid
from subjective.statistics.blocks import WHOLE, Blocks, in_blocks
from subjective.statistics.protocol import Statistic, per_number, squared_difference
from subjective.statistics.regions import Regions
from subjective.statistics.terms import PICTURE_LAYERS, Analysis, Statistics, network_layers, smallest_picture
from subjective.statistics.tiles import measure_in_tiles
from subjective.statistics.tiling import tiling_of

Image = Float[Array, "height width 3"]

ContentMaps = dict[str, Array]
"""The content at one octave: layer to feature map; `PICTURE` to the content itself where maps are made in tiles."""

PICTURE = ""

Differences = tuple[dict[str, Array], ...]
"""Layer to the squared difference of a picture's map and the content's, for each octave."""


def analyze(params: Params, image: Image, analysis: Analysis, regions: Sequence[Regions] | None = None) -> Statistics:
    """Measure the statistics of a picture at every octave and layer.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: what is measured, and how.
        regions: from `subjective.statistics.regions.carry_masks`, if the picture has regions that are measured one by
            one. A statistic that cannot be measured of a region (`Statistic.by_region`) is measured of the whole
            picture.

    Returns:
        One dict ``{layer: {statistic: array}}`` for each octave of the analysis. Where regions are measured one by one,
        an array has a leading axis for them.

    Raises:
        InputError: a layer that the network lacks, an image too small at some octave, or regions of a picture that is
            measured in blocks.
    """
    return analyze_beside(params, image, analysis, regions, None)[0]


def analyze_beside(
    params: Params,
    image: Image,
    analysis: Analysis,
    regions: Sequence[Regions] | None,
    contents: Sequence[ContentMaps] | None,
) -> tuple[Statistics, Differences]:
    """Measure a picture as `analyze` does, and compare its feature maps with a content's in the same pass.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: what is measured; its comparison says where maps are compared.
        regions: see `analyze`.
        contents: from `content_maps`, for each octave; None for no comparison.

    Returns:
        The statistics, and layer to the squared difference of the two maps (mean or sum) for each octave.
    """
    if regions and analysis.blocks != WHOLE:
        raise InputError(f"a picture has regions or blocks, here {analysis.blocks}; wanted one of the two")
    smallest = smallest_picture(analysis, params)
    if min(image.shape[:2]) < smallest:
        raise InputError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for octaves {analysis.octaves} of "
            f"{', '.join(analysis.layers)}; wanted at least {smallest} a side"
        )
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)
    nothing = [None] * len(analysis.octaves)
    measured = [
        _measure_octave(params, pyramid[octave], octave, analysis, its_regions, content)
        for octave, its_regions, content in zip(analysis.octaves, regions or nothing, contents or nothing, strict=True)
    ]
    return tuple(statistics for statistics, _ in measured), tuple(differences for _, differences in measured)


def _measure_octave(
    params: Params,
    image: Array,
    octave: int,
    analysis: Analysis,
    regions: Regions | None,
    content: ContentMaps | None,
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    layers = analysis.layers_at(octave)
    tiling = tiling_of(analysis, octave, image.shape[0], params)
    statistics: dict[str, dict[str, Array]] = {}
    differences: dict[str, Array] = {}
    if tiling is not None:
        statistics, differences = measure_in_tiles(params, image, tiling, regions, (content or {}).get(PICTURE))
        layers = tuple(layer for layer in layers if layer in PICTURE_LAYERS)
    for layer, features in _features(params, image, layers, analysis).items():
        masks = regions[layer].weights if regions else None
        there = analysis.statistics_at(octave, layer)
        if there:
            statistics[layer] = {s.name: _measure(s, features, analysis, masks) for s in there}
        if analysis.comparison is not None and content is not None and layer in content:
            total = squared_difference(features, content[layer])
            differences[layer] = per_number(total, features.shape) if analysis.comparison.mean else total
    return statistics, differences


def _measure(statistic: Statistic, features: Array, analysis: Analysis, masks: Array | None) -> Array:
    wraps = analysis.padding == "circular"
    if masks is not None and statistic.by_region:
        return statistic.of_regions(features, wraps, masks)
    if in_blocks(statistic, analysis.blocks):
        assert statistic.sums is not None
        return Blocks(features.shape, analysis.blocks).of_map(statistic.sums, features, wraps)
    return statistic.measure(features, wraps)


def content_maps(params: Params, image: Image, analysis: Analysis) -> tuple[ContentMaps, ...]:
    """Make what a picture is compared with at each octave: the content's maps, or the content where maps are tiled.

    Args:
        params: the network.
        image: the content, of the size of the pictures that are compared with it.
        analysis: of these pictures.
    """
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)

    def of_octave(octave: int) -> ContentMaps:
        layers = analysis.compared_at(octave)
        if tiling_of(analysis, octave, pyramid[octave].shape[0], params) is None:
            return _features(params, pyramid[octave], layers, analysis)
        of_picture = tuple(layer for layer in layers if layer in PICTURE_LAYERS)
        return {PICTURE: pyramid[octave]} | _features(params, pyramid[octave], of_picture, analysis)

    return tuple(of_octave(octave) for octave in analysis.octaves)


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
