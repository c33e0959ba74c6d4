"""Measure a picture: every statistic at every octave and layer.

A `Statistic` measures one feature map. A `Term` says at which layers a statistic is measured, and its weight. An
`Analysis` holds all terms and says how the picture is measured; `analyze` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.colors import to_opponent
from subjective.network.vgg import Params, extract_features
from subjective.pyramid import band, gaussian_pyramid
from subjective.statistics.blocks import WHOLE, Blocks, in_blocks
from subjective.statistics.protocol import Statistic, per_number, squared_difference
from subjective.statistics.regions import Regions
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis, Statistics, network_layers
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
    measured = []
    for place, octave_image in enumerate(_octaves(params, image, analysis, regions)):
        octave_regions = regions[place] if regions else None
        measured.append(_measure_octave(params, octave_image, place, analysis, octave_regions, None)[0])
    return tuple(measured)


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
    measured, differences = [], []
    for place, octave_image in enumerate(_octaves(params, image, analysis, regions)):
        octave_regions = regions[place] if regions else None
        content = contents[place] if contents else None
        found = _measure_octave(params, octave_image, place, analysis, octave_regions, content)
        measured.append(found[0])
        differences.append(found[1])
    return tuple(measured), tuple(differences)


def _octaves(params: Params, image: Image, analysis: Analysis, regions: Sequence[Regions] | None = None) -> list[Array]:
    """The picture at each octave of the analysis, once it is known to be large enough."""
    if regions and analysis.blocks != WHOLE:
        raise InputError(f"a picture has regions or blocks, here {analysis.blocks}; wanted one of the two")
    smallest = smallest_picture(analysis, params)
    if min(image.shape[:2]) < smallest:
        raise InputError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for octaves {analysis.octaves} of "
            f"{', '.join(analysis.layers)}; wanted at least {smallest} a side"
        )
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)
    return [pyramid[octave] for octave in analysis.octaves]


def _measure_octave(
    params: Params,
    image: Array,
    place: int,
    analysis: Analysis,
    regions: Regions | None,
    content: ContentMaps | None,
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Measure the octave at a place of the analysis, and compare its maps with the content's."""
    octave = analysis.octaves[place]
    layers = analysis.layers_at(octave)
    tiling = tiling_of(analysis, octave, image.shape[0], params)
    statistics: dict[str, dict[str, Array]] = {}
    differences: dict[str, Array] = {}
    if tiling is not None:
        statistics, differences = measure_in_tiles(params, image, tiling, regions, (content or {}).get(PICTURE))
    maps = _picture_maps(image, layers, analysis)
    if tiling is None and network_layers(layers):
        maps |= extract_features(params, image, network_layers(layers), **_how(analysis))
    for layer, features in maps.items():
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
    contents = []
    for octave, picture in zip(analysis.octaves, _octaves(params, image, analysis), strict=True):
        layers = analysis.compared_at(octave)
        maps = _picture_maps(picture, layers, analysis)
        if tiling_of(analysis, octave, picture.shape[0], params) is not None:
            maps[PICTURE] = picture
        elif network_layers(layers):
            maps |= extract_features(params, picture, network_layers(layers), **_how(analysis))
        contents.append(maps)
    return tuple(contents)


def _picture_maps(image: Array, layers: Sequence[str], analysis: Analysis) -> dict[str, Array]:
    """The maps of those layers that are the picture's own."""
    maps: dict[str, Array] = {}
    if "rgb" in layers:
        maps["rgb"] = image
    if "opponent" in layers:
        maps["opponent"] = to_opponent(image)
    if "band" in layers:
        maps["band"] = band(image, analysis.padding)
    return maps


def _how(analysis: Analysis) -> dict[str, Any]:
    """How the network sees a picture."""
    return {
        "padding": analysis.padding,
        "pooling": analysis.pooling,
        "precision": analysis.precision,
        "in_loop": analysis.in_loop,
    }
