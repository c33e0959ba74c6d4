"""Measure a picture: every statistic at every octave and layer.

A `Statistic` measures one feature map. A `Term` says at which layers a statistic is measured, and with which weights.
An `Analysis` holds all terms and says how the picture is measured. `analyze` measures the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Array, Float

from subjective.arguments import check_kind, check_list, check_map
from subjective.checks import InputError
from subjective.colors import to_opponent
from subjective.network.vgg import Params, check_network, extract_features
from subjective.pyramid import band, gaussian_pyramid
from subjective.statistics.block_grid import WHOLE
from subjective.statistics.blocks import Blocks, uses_blocks
from subjective.statistics.local_contrast import local_contrast
from subjective.statistics.protocol import Statistic, divide_by_count, squared_difference
from subjective.statistics.regions import Regions
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis, Comparison, Statistics, network_layers
from subjective.statistics.tiles import measure_in_tiles
from subjective.statistics.tiling import choose_tiling

Image = Float[Array, "height width 3"]

ContentMaps = dict[str, Array]
"""The content at one octave: a dict from layer to feature map. If the picture is measured in tiles, the network's maps
are missing. The key `PICTURE` then has the content's picture, from which the maps of each tile are computed."""

PICTURE = ""
"""Key of the content's picture in `ContentMaps`. No layer has this name."""

Differences = tuple[dict[str, Array], ...]
"""One dict for each octave, from layer to the squared difference between the picture's map and the content's map."""


def analyze(params: Params, image: Image, analysis: Analysis, regions: Sequence[Regions] | None = None) -> Statistics:
    """Measure the statistics of a picture at every octave and layer.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: what is measured, and how.
        regions: from `subjective.statistics.regions.carry_masks`, to measure each region of the picture by itself. A
            statistic that cannot measure a region (see `Statistic.by_region`) measures the whole picture.

    Returns:
        One dict ``{layer: {name of the statistic: array}}`` for each octave of the analysis. If a statistic measures
        each region, its array has a leading axis for the regions.

    Raises:
        InputError: the network lacks a layer, the image is too small at some octave, both blocks and regions are
            given, or an argument is of a wrong kind.

    Examples:
        >>> analysis = subjective.Analysis(octaves=(0, 1), terms=(subjective.parse_term("gram@pool1"),))
        >>> found = subjective.analyze(params, jnp.asarray(rock), analysis)
        >>> [octave["pool1"]["gram"].shape for octave in found]
        [(64, 64), (64, 64)]
    """
    if regions is not None:
        wanted = "regions from subjective.statistics.regions.carry_masks"
        regions = [check_kind("a region", one, Mapping, wanted) for one in check_list("regions", regions, wanted)]
    measured = []
    for place, octave_image in enumerate(_reduce_to_octaves(params, image, analysis, regions)):
        octave_regions = regions[place] if regions else None
        measured.append(_measure_octave(params, octave_image, place, analysis, octave_regions, None)[0])
    return tuple(measured)


def analyze_and_compare(
    params: Params,
    image: Image,
    analysis: Analysis,
    regions: Sequence[Regions] | None,
    contents: Sequence[ContentMaps] | None,
) -> tuple[Statistics, Differences]:
    """Measure a picture as `analyze` does, and compare its feature maps with the content's maps in the same pass.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: what is measured; `Analysis.comparison` says at which layers maps are compared.
        regions: as in `analyze`.
        contents: from `content_maps`; None for no comparison.

    Returns:
        The statistics, as from `analyze`; and for each octave, a dict from layer to the squared difference of the two
        maps. `Comparison.mean` says whether the difference is a mean or a sum over the map.

    Raises:
        InputError: as in `analyze`.
    """
    measured, differences = [], []
    for place, octave_image in enumerate(_reduce_to_octaves(params, image, analysis, regions)):
        octave_regions = regions[place] if regions else None
        content = contents[place] if contents else None
        found = _measure_octave(params, octave_image, place, analysis, octave_regions, content)
        measured.append(found[0])
        differences.append(found[1])
    return tuple(measured), tuple(differences)


def _reduce_to_octaves(
    params: Params, image: Image, analysis: Analysis, regions: Sequence[Regions] | None = None
) -> list[Array]:
    """Check that a picture can be measured, and reduce it to each octave of the analysis."""
    check_kind("analysis", analysis, Analysis, "a subjective.Analysis")
    check_map("image", image, 3)
    if network_layers(analysis.layers):
        check_network(params)
    if not (analysis.octaves and analysis.layers):
        raise InputError(
            "the analysis has no octave or no layer; wanted both: octaves=(0, 1), and terms that name layers, "
            "such as parse_term('gram@pool1')"
        )
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
    """Measure one octave, and compare its feature maps with the content's maps.

    Args:
        params: the network.
        image: the octave's picture.
        place: the octave's place in ``analysis.octaves``.
        analysis: what is measured, and how.
        regions: the regions at this octave; None to measure the whole picture.
        content: the content at this octave; None for no comparison.

    Returns:
        ``{layer: {name of the statistic: array}}``; and a dict from layer to the squared difference.
    """
    octave = analysis.octaves[place]
    layers = analysis.layers_at(octave)
    tiling = choose_tiling(analysis, octave, image.shape[0], params)
    statistics: dict[str, dict[str, Array]] = {}
    differences: dict[str, Array] = {}
    if tiling is not None:
        statistics, differences = measure_in_tiles(params, image, tiling, regions, (content or {}).get(PICTURE))
    maps = _picture_maps(image, layers, analysis)
    if tiling is None:
        maps |= _network_maps(params, image, layers, analysis)
    for layer, features in maps.items():
        masks = regions[layer].weights if regions else None
        measured = analysis.statistics_at(octave, layer)
        if measured:
            statistics[layer] = {s.name: _measure(s, features, analysis, masks) for s in measured}
        if analysis.comparison is not None and content is not None and layer in content:
            differences[layer] = _compare(features, content[layer], analysis.comparison)
    return statistics, differences


def _measure(statistic: Statistic, features: Array, analysis: Analysis, masks: Array | None) -> Array:
    """Measure a map as a whole, region by region or block by block."""
    wraps = analysis.padding == "circular"
    if masks is not None and statistic.by_region:
        return statistic.measure_regions(features, wraps, masks)
    if uses_blocks(statistic, analysis.blocks):
        assert statistic.sums is not None
        return Blocks(features.shape, analysis.blocks).measure_map(statistic.sums, features, wraps)
    return statistic.measure(features, wraps)


def _compare(features: Array, content: Array, comparison: Comparison) -> Array:
    """Return the mean or the sum of the squared differences of two maps."""
    total = squared_difference(features, content)
    return divide_by_count(total, features.shape) if comparison.mean else total


def content_maps(params: Params, image: Image, analysis: Analysis) -> tuple[ContentMaps, ...]:
    """Compute the content's feature maps, with which `analyze_and_compare` compares a picture's maps.

    Args:
        params: the network.
        image: the content. It has the same size as the pictures that are compared with it.
        analysis: the analysis with which the pictures are measured.

    Returns:
        One `ContentMaps` for each octave.
    """
    contents = []
    for octave, picture in zip(analysis.octaves, _reduce_to_octaves(params, image, analysis), strict=True):
        layers = analysis.compared_at(octave)
        maps = _picture_maps(picture, layers, analysis)
        if choose_tiling(analysis, octave, picture.shape[0], params) is not None:
            maps[PICTURE] = picture
        else:
            maps |= _network_maps(params, picture, layers, analysis)
        contents.append(maps)
    return tuple(contents)


def _picture_maps(image: Array, layers: Sequence[str], analysis: Analysis) -> dict[str, Array]:
    """Compute the maps of those ``layers`` that need no network (`PICTURE_LAYERS`)."""
    maps: dict[str, Array] = {}
    if "rgb" in layers:
        maps["rgb"] = image
    if "opponent" in layers:
        maps["opponent"] = to_opponent(image)
    if "band" in layers:
        maps["band"] = band(image, analysis.padding)
    if "contrast" in layers:
        maps["contrast"] = local_contrast(image, analysis.padding, is_color=analysis.is_color)
    return maps


def _network_maps(params: Params, image: Array, layers: Sequence[str], analysis: Analysis) -> dict[str, Array]:
    """Compute the maps of those ``layers`` that belong to the network."""
    names = network_layers(layers)
    if not names:
        return {}
    return extract_features(
        params,
        image,
        names,
        padding=analysis.padding,
        pooling=analysis.pooling,
        precision=analysis.precision,
        in_loop=analysis.in_loop,
    )
