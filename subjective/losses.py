"""Make the losses that are minimized: functions ``loss(image, *arguments) -> (scalar, parts)``.

A loss gets its targets as arguments and never captures them in a closure, so that JAX traces it only once for all
targets. The scalar is the sum of the parts. The parts are a pytree of scalars, which is kept for the log. Only
`variation_loss` has no parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.arguments import check_kind, check_numbers
from subjective.checks import FINITE, WEIGHT, InputError, check_number, check_weights, describe
from subjective.choices import ContentForm
from subjective.network.vgg import Params
from subjective.statistics.analysis import ContentMaps, Differences, analyze, analyze_and_compare
from subjective.statistics.block_grid import WHOLE, Grid
from subjective.statistics.blocks import uses_blocks
from subjective.statistics.protocol import squared_distance
from subjective.statistics.regions import Regions
from subjective.statistics.terms import Analysis, Comparison, Statistics, Term, index_terms

Scalar = Float[Array, ""]
Loss = Callable[..., tuple[Scalar, Any]]

TINY = 1e-20
"""Small number that is added to a divisor, or in `variation_loss` to the base of the power, so that it is not zero.

For example, distances are divided by the size of a target, and the targets of a black source have size 0.
"""


Parts = tuple[dict[str, dict[str, Scalar]], ...]
"""The parts of a loss, whose sum is the loss: ``{layer: {name: scalar}}`` for each octave."""


def match(
    found: Statistics,
    targets: Statistics,
    terms: Sequence[Term],
    *,
    octave_weights: Sequence[float] | None = None,
    relative: bool = False,
    regions: Sequence[Regions] | None = None,
    blocks: Grid = WHOLE,
) -> Parts:
    """Return the weighted distances between the statistics of a picture and their targets.

    Args:
        found: statistics of the picture.
        targets: statistics to match, of the same structure as ``found``. The shapes are also the same, with one
            exception: if a statistic is measured by blocks, its first axis in ``found`` counts the blocks, and the
            target does not have this axis.
        terms: the statistics and their weights.
        octave_weights: weight of each octave; None for 1.
        relative: whether to divide each distance by the size of its target (`Statistic.size`).
        regions: the regions of the picture at each octave. Each region has a target of its own. The distance of each
            region is multiplied by `RegionMap.trust`, and the distance of a statistic is the mean of these products.
        blocks: the blocks of the picture. All blocks have the same target. The distance of a statistic is the mean of
            the distances of the blocks.

    Returns:
        The weighted distances, in the structure of the targets.

    Raises:
        ValueError: structures or shapes do not fit; arrays are never broadcast.
    """
    wanted, came = str(jax.tree.structure(targets)), str(jax.tree.structure(found))
    if wanted != came:
        raise ValueError(f"statistics and targets differ in structure: {came} against {wanted}")
    octave_weights = octave_weights or (1.0,) * len(targets)
    places = index_terms(terms)

    def weigh_distance(octave: int, layer: str, name: str) -> Scalar:
        statistic, weight = places[layer, name]

        def distance(found: Array, target: Array) -> Scalar:
            apart = statistic.distance(found, target)
            return _divide_by_size(apart, statistic.size(target)) if relative else apart

        here, there = found[octave][layer][name], targets[octave][layer][name]
        several = uses_blocks(statistic, blocks)
        if here.shape[several:] != there.shape:
            raise ValueError(f"cannot compare {name} at {layer} of shape {here.shape} with a target of {there.shape}")
        if regions and statistic.by_region:
            apart = jnp.mean(regions[octave][layer].trust * jax.vmap(distance)(here, there))
        elif several:
            apart = jnp.mean(jax.vmap(distance, (0, None))(here, there))
        else:
            apart = distance(here, there)
        return octave_weights[octave] * weight * apart

    return tuple(
        {layer: {name: weigh_distance(octave, layer, name) for name in measured} for layer, measured in layers.items()}
        for octave, layers in enumerate(targets)
    )


def weigh_differences(
    differences: Differences,
    comparison: Comparison,
    *,
    octave_weights: Sequence[float] | None = None,
    sizes: Differences | None = None,
) -> Parts:
    """Return the weighted squared differences between the feature maps of a picture and those of a content.

    Args:
        differences: from `subjective.statistics.analysis.analyze_and_compare`.
        comparison: the layers that are compared and their weights.
        octave_weights: weight of each octave; None for 1.
        sizes: numbers by which the differences are divided, in the structure of ``differences``; None to divide by
            nothing.

    Returns:
        ``{layer: {"content": scalar}}`` for each octave. The key is ``content_sum`` instead of ``content`` if the
        squared differences are summed and not averaged.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016, equation 1,
        without the factor of 1/2 and usually with the mean in place of the sum.
    """
    name: ContentForm = "content" if comparison.mean else "content_sum"
    weights = dict(zip(comparison.layers, comparison.weights, strict=True))
    octave_weights = octave_weights or (1.0,) * len(differences)

    def weigh(octave: int, layer: str, apart: Array) -> Scalar:
        if sizes is not None:
            apart = _divide_by_size(apart, sizes[octave][layer])
        return octave_weights[octave] * weights[layer] * apart

    return tuple(
        {layer: {name: weigh(octave, layer, apart)} for layer, apart in layers.items()}
        for octave, layers in enumerate(differences)
    )


def _divide_by_size(apart: Array, size: Array) -> Array:
    return apart / (jax.lax.stop_gradient(size) + TINY)


def merge_parts(one: Parts, other: Parts) -> Parts:
    """Merge the parts of two losses at the same octaves."""
    return tuple(
        {layer: first.get(layer, {}) | second.get(layer, {}) for layer in dict.fromkeys([*first, *second])}
        for first, second in zip(one, other, strict=True)
    )


def sum_parts(parts: Any) -> Scalar:
    """Sum all parts of a loss."""
    return jnp.sum(jnp.stack(jax.tree.leaves(parts)))


def texture_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None = None, *, relative: bool = False
) -> Loss:
    """Make the texture loss: a function ``loss(image, targets, params)`` that is summed over octaves.

    Calls with the same arguments return the same function, so that JAX need not compile it again.

    Args:
        analysis: octaves, terms with their weights, padding and pooling.
        octave_weights: weight of each of ``analysis.octaves``; None for 1.
        relative: whether to divide each distance by the size of its target. A weight then has the same effect at every
            layer and octave, and for every source.

    Returns:
        ``loss(image, targets, params) -> (scalar, parts)``. The parts are those that `match` returns. For a picture
        with regions, call ``loss(image, targets, params, regions)``.

    References:
        Gatys, Ecker and Bethge, 2015, equations 3 and 4, without their factor of 1/4. Several octaves at once:
        Snelgrove, "High-resolution multi-scale neural texture synthesis", 2017.

    Raises:
        InputError: the analysis is of another class, or there are not as many octave weights as octaves.

    Examples:
        >>> analysis = subjective.Analysis(octaves=(0,), terms=(subjective.parse_term("gram@pool1"),))
        >>> targets = subjective.analyze(params, jnp.asarray(rock), analysis)
        >>> loss, parts = subjective.texture_loss(analysis)(jnp.asarray(rock), targets, params)
        >>> float(loss)  # of the source itself
        0.0
    """
    return _texture_loss(analysis, _check_octave_weights(analysis, octave_weights), relative)


def _check_octave_weights(analysis: Analysis, weights: Sequence[float] | None) -> tuple[float, ...] | None:
    """Check an analysis and the weights of its octaves; return the weights."""
    check_kind("analysis", analysis, Analysis, "a subjective.Analysis")
    if weights is None:
        return None
    weights = check_numbers("octave_weights", weights, WEIGHT, "a number for each octave")
    check_weights("octave_weights", weights, len(analysis.octaves), "octave")
    return weights


@lru_cache(maxsize=32)
def _texture_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """Make the loss of `texture_loss` once for the same arguments."""
    options: dict[str, Any] = {"octave_weights": octave_weights, "relative": relative, "blocks": analysis.blocks}

    def loss(
        image: Float[Array, "height width 3"],
        targets: Statistics,
        params: Params,
        regions: Sequence[Regions] | None = None,
    ) -> tuple[Scalar, Parts]:
        found = analyze(params, image, analysis, regions)
        if str(jax.tree.structure(found)) != str(jax.tree.structure(targets)):
            raise InputError(
                "targets are of other octaves, layers or statistics than the analysis; make them with analyze and the "
                "same analysis"
            )
        parts = match(found, targets, analysis.terms, regions=regions, **options)
        return sum_parts(parts), parts

    return loss


@lru_cache(maxsize=32)
def style_and_content_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None = None, *, relative: bool = False
) -> Loss:
    """Make the sum of the texture loss of a style and the content loss, computed in one pass through the network.

    Args:
        analysis: as in `texture_loss`. ``analysis.comparison`` has the layers at which the content is compared.
        octave_weights: as in `texture_loss`.
        relative: as in `texture_loss`; if true, the differences from the content are divided by ``sizes``.

    Returns:
        ``loss(image, targets, params, regions, contents, sizes) -> (scalar, parts)``. ``regions`` may be None.
        ``contents`` comes from `subjective.statistics.analysis.content_maps`. ``sizes`` holds the differences between
        the content and a flat picture. The parts of style and content are merged into one structure.

    Raises:
        ValueError: the analysis has no comparison.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016.
    """
    if analysis.comparison is None:
        raise ValueError("the analysis compares nothing with a content; give it a comparison")
    comparison, options = analysis.comparison, {"octave_weights": octave_weights}

    def loss(
        image: Float[Array, "height width 3"],
        targets: Statistics,
        params: Params,
        regions: Sequence[Regions] | None,
        contents: Sequence[ContentMaps],
        sizes: Differences,
    ) -> tuple[Scalar, Parts]:
        found, differences = analyze_and_compare(params, image, analysis, regions, contents)
        style = match(
            found, targets, analysis.terms, relative=relative, regions=regions, blocks=analysis.blocks, **options
        )
        content = weigh_differences(differences, comparison, sizes=sizes if relative else None, **options)
        parts = merge_parts(style, content)
        return sum_parts(parts), parts

    return loss


@lru_cache(maxsize=32)
def variation_loss(power: float, wraps: bool) -> Loss:
    """Make the total variation: the mean over pixels and colors of (dx² + dy²)^power, as a function ``loss(image)``.

    Args:
        power: 1 gives the mean of squared differences. The first Keras program used 1.25.
        wraps: whether the last row and column are neighbors of the first row and column.

    Returns:
        ``loss(image) -> (scalar, {})``.

    References:
        Mahendran and Vedaldi, "Understanding deep image representations by inverting them", 2015, section 3.
    """

    def loss(image: Float[Array, "height width 3"]) -> tuple[Scalar, Any]:
        down, right = (jnp.roll(image, -1, axis) - image for axis in (0, 1))
        if not wraps:
            down, right = down[:-1, :-1], right[:-1, :-1]
        # Without `TINY`, a power below 1 would have an infinite derivative at zero.
        return jnp.mean((down**2 + right**2 + TINY) ** power), {}

    return loss


def novelty_loss(
    analysis: Analysis,
    scale: float = 1.0,
    *,
    internal: bool = False,
    octave_weights: tuple[float, ...] | None = None,
) -> Loss:
    """Make a loss that is small if statistics differ from each other: a function ``loss(frames, params)``.

    By default, the loss compares n pictures. There is one matrix V for each octave, layer and statistic. It has n rows:
    row i is the statistic of picture i, written as a vector. The term for this matrix is ‖V Vᵀ − scale · I‖². The term
    is zero if the rows are orthogonal and each has the norm √scale. The loss is the weighted sum of the terms. If
    ``internal``, the loss compares the n octaves of each picture instead. There is then one matrix V for each picture,
    layer and statistic, and row i is the statistic at octave i.

    Args:
        analysis: octaves, terms with their weights, padding and pooling.
        scale: the squared norm that each vector should have.
        internal: whether to compare the octaves of each picture with each other, and not the pictures.
        octave_weights: weight of each of ``analysis.octaves``; None for 1. Ignored if ``internal``.

    Returns:
        ``loss(frames, params) -> (scalar, parts)``. ``frames`` is ``(count, height, width, 3)``. ``parts`` is
        ``{layer: {statistic: scalar}}`` for each octave; if ``internal``, the tuple has only one such dictionary.

    References:
        `novelty.py` of the 2017 program. In that program the internal form could not run, because the program stacked
        matrices of different layers, whose shapes differ.

    Raises:
        InputError: the analysis is of another class, the scale is not finite, or there are not as many octave weights
            as octaves.
    """
    check_number("scale", scale, FINITE)
    return _novelty_loss(analysis, scale, internal, _check_octave_weights(analysis, octave_weights))


@lru_cache(maxsize=32)
def _novelty_loss(analysis: Analysis, scale: float, internal: bool, octave_weights: tuple[float, ...] | None) -> Loss:
    """Make the loss of `novelty_loss` once for the same arguments."""
    places = index_terms(analysis.terms)
    by_octave = octave_weights or (1.0,) * len(analysis.octaves)

    def measure_likeness(vectors: Float[Array, "count numbers"]) -> Scalar:
        products = jnp.matmul(vectors, vectors.T, precision="highest")
        return squared_distance(products, scale * jnp.eye(products.shape[0], dtype=products.dtype))

    def loss(frames: Float[Array, "count height width 3"], params: Params) -> tuple[Scalar, Any]:
        found = jax.vmap(lambda image: analyze(params, image, analysis))(frames)
        flat = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0], -1), found)
        if internal:
            # Each array is (count, octaves, numbers), so that `measure_likeness` gets the octaves of one picture.
            flat = (jax.tree.map(lambda *octaves: jnp.stack(octaves, axis=1), *flat),)
        likeness = jax.vmap(measure_likeness) if internal else measure_likeness
        parts = tuple(
            {
                layer: {name: weight * places[layer, name][1] * jnp.sum(likeness(v)) for name, v in measured.items()}
                for layer, measured in octave.items()
            }
            for weight, octave in zip((1.0,) if internal else by_octave, flat, strict=True)
        )
        return sum_parts(parts), parts

    return loss


def weighted_sum(terms: Mapping[str, tuple[float, Loss]]) -> Loss:
    """Make the weighted sum of several losses.

    Args:
        terms: (weight, loss) by name. A loss is a function ``loss(value, *arguments) -> (scalar, parts)``.

    Returns:
        ``loss(value, arguments) -> (scalar, {name: parts})``. ``arguments[name]`` is the tuple of arguments that
        ``terms[name]`` takes after the value. The parts of each loss are multiplied by its weight. The function raises
        `ValueError` if ``arguments`` has other names than ``terms``.

    Raises:
        InputError: the terms are no map from names to pairs of a finite number and a function.

    Examples:
        >>> square = lambda value, center: (jnp.sum((value - center) ** 2),) * 2
        >>> both = subjective.weighted_sum({"near": (1.0, square), "far": (0.5, square)})
        >>> float(both(jnp.zeros(1), {"near": (1.0,), "far": (2.0,)})[0])
        3.0
    """
    wanted = "a map from names to pairs (weight, loss)"
    for name, pair in check_kind("terms", terms, Mapping, wanted).items():
        if not isinstance(name, str) or not isinstance(pair, (list, tuple)) or len(pair) != 2 or not callable(pair[1]):
            raise InputError(f"terms holds {describe(name)}: {describe(pair)}; wanted {wanted}")
        check_number(f"the weight of {name!r}", pair[0], FINITE)

    def loss(value: Array, arguments: Mapping[str, tuple[Any, ...]]) -> tuple[Scalar, dict[str, Any]]:
        if set(arguments) != set(terms):
            raise ValueError(f"arguments are for terms {sorted(arguments)}; wanted {sorted(terms)}")
        total, parts = jnp.zeros((), value.dtype), {}
        for name, (weight, term) in terms.items():
            scalar, unweighted = term(value, *arguments[name])
            total = total + weight * scalar
            parts[name] = jax.tree.map(lambda part, weight=weight: weight * part, unweighted)
        return total, parts

    return loss
