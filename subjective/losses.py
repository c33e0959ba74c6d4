"""The losses that are minimized: functions ``loss(image, *arguments) -> (scalar, parts)``.

Targets are arguments and never captured, so that one trace serves all targets. The scalar is the sum of the parts, a
pytree that is kept for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.network.vgg import Params
from subjective.statistics.analysis import ContentMaps, Differences, analyze, analyze_and_compare
from subjective.statistics.blocks import WHOLE, Grid, uses_blocks
from subjective.statistics.protocol import squared_distance
from subjective.statistics.regions import Regions
from subjective.statistics.terms import Analysis, Comparison, Statistics, Term, index_terms

Scalar = Float[Array, ""]
Loss = Callable[..., tuple[Scalar, Any]]

TINY = 1e-20
"""Number that is added to a divisor; the targets of a black source have size 0."""


ContentForm = Literal["content", "content_sum"]

Parts = tuple[dict[str, dict[str, Scalar]], ...]
"""The parts that a loss is the sum of: ``{layer: {name: scalar}}`` for each octave."""


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
    """Return the weighted distances of a picture's statistics to their targets.

    Args:
        found: statistics of the picture.
        targets: statistics of the same structure and shapes.
        terms: the statistics and their weights.
        octave_weights: one for each octave; 1 if None.
        relative: divide each distance by the target's own size (`Statistic.size`).
        regions: of the picture. Each region has a target of its own; the distance is the mean of the regions'
            distances, each multiplied by the region's trust.
        blocks: of the picture. All blocks have the same target; the distance is the mean of the blocks' distances.

    Returns:
        Distances in the structure of the targets.

    Raises:
        ValueError: structures or shapes differ. Nothing is broadcast.
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
    """Return the weighted squared differences of a picture's feature maps and a content's.

    Args:
        differences: from `subjective.statistics.analysis.analyze_and_compare`.
        comparison: of the analysis, with the weights of the layers.
        octave_weights: one for each octave; 1 if None.
        sizes: number by which each difference is divided; None to divide none.

    Returns:
        ``{layer: {"content": scalar}}`` for each octave; ``content_sum`` instead of ``content`` if the differences are
        sums.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016, equation 1, as a
        mean.
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


@lru_cache(maxsize=32)
def texture_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None = None, *, relative: bool = False
) -> Loss:
    """Make the texture loss, summed over octaves: a function ``loss(image, targets, params)``.

    The same arguments give the same function, so that JAX finds the compiled function again.

    Args:
        analysis: octaves, terms with their weights, padding and pooling.
        octave_weights: one for each of ``analysis.octaves``; 1 if None.
        relative: divide each distance by the target's own size, so that a weight means the same at every layer and
            octave, and for every source.

    Returns:
        ``loss(image, targets, params) -> (scalar, parts)`` with parts as in `match`. For a picture with regions, call
        ``loss(image, targets, params, regions)``.

    References:
        Gatys, Ecker and Bethge, 2015, equations 3 and 4, without their factor of 1/4. Several octaves at once:
        Snelgrove, "High-resolution multi-scale neural texture synthesis", 2017.
    """
    options: dict[str, Any] = {"octave_weights": octave_weights, "relative": relative, "blocks": analysis.blocks}

    def loss(
        image: Float[Array, "height width 3"],
        targets: Statistics,
        params: Params,
        regions: Sequence[Regions] | None = None,
    ) -> tuple[Scalar, Parts]:
        found = analyze(params, image, analysis, regions)
        parts = match(found, targets, analysis.terms, regions=regions, **options)
        return sum_parts(parts), parts

    return loss


@lru_cache(maxsize=32)
def style_and_content_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None = None, *, relative: bool = False
) -> Loss:
    """Make the sum of a style's texture loss and the content loss, computed in one pass of the network.

    Args:
        analysis: as in `texture_loss`; its comparison says at which layers the content is compared.
        octave_weights: as in `texture_loss`.
        relative: as in `texture_loss`; differences from the content are divided by ``sizes``.

    Returns:
        ``loss(image, targets, params, regions, contents, sizes) -> (scalar, parts)``. ``regions`` may be None.
        ``contents`` is from `subjective.statistics.analysis.content_maps`; ``sizes`` holds the differences between the
        content and a flat picture. The parts of style and content are merged.

    Raises:
        ValueError: an analysis without a comparison.

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
        power: 1 for squared differences; 1.25 in the first Keras program.
        wraps: whether the first row and column are neighbors of the last ones.

    Returns:
        ``loss(image) -> (scalar, {})``.

    References:
        Mahendran and Vedaldi, "Understanding deep image representations by inverting them", 2015, section 3.
    """

    def loss(image: Float[Array, "height width 3"]) -> tuple[Scalar, Any]:
        down, right = (jnp.roll(image, -1, axis) - image for axis in (0, 1))
        if not wraps:
            down, right = down[:-1, :-1], right[:-1, :-1]
        # A power below 1 has no finite slope at zero.
        return jnp.mean((down**2 + right**2 + TINY) ** power), {}

    return loss


@lru_cache(maxsize=32)
def novelty_loss(
    analysis: Analysis,
    scale: float = 1.0,
    *,
    internal: bool = False,
    octave_weights: tuple[float, ...] | None = None,
) -> Loss:
    """Make a loss that is small if statistics are unlike each other: a function ``loss(frames, params)``.

    The statistics of n pictures (or, if ``internal``, of the n octaves of one picture) are n vectors, the rows of a
    matrix V. The loss is ‖V Vᵀ − scale · I‖². It is zero if all vectors have the norm √scale and are orthogonal. There
    is one such term for each octave and layer (or, if ``internal``, for each layer and picture).

    Args:
        analysis: octaves, terms with their weights, padding and pooling.
        scale: the squared norm that each vector should have.
        internal: compare the octaves of each picture with each other; otherwise compare the pictures.
        octave_weights: one for each of ``analysis.octaves``; 1 if None. Ignored if ``internal``.

    Returns:
        ``loss(frames, params) -> (scalar, parts)``. ``frames`` is ``(count, height, width, 3)``. ``parts`` is
        ``{layer: {statistic: scalar}}`` for each octave; a single dict in a tuple if ``internal``.

    References:
        `novelty.py` of the 2017 program. The internal form of that program could not run, because it stacked matrices
        of different layers.
    """
    places = index_terms(analysis.terms)
    by_octave = octave_weights or (1.0,) * len(analysis.octaves)

    def measure_likeness(vectors: Float[Array, "count numbers"]) -> Scalar:
        products = jnp.matmul(vectors, vectors.T, precision="highest")
        return squared_distance(products, scale * jnp.eye(products.shape[0], dtype=products.dtype))

    def loss(frames: Float[Array, "count height width 3"], params: Params) -> tuple[Scalar, Any]:
        found = jax.vmap(lambda image: analyze(params, image, analysis))(frames)
        flat = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0], -1), found)
        if internal:
            # (count, octaves, numbers) at each layer, so that each picture is one comparison.
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
    """Add up several losses, each ``loss(value, *its arguments)``.

    Args:
        terms: name to (weight, loss).

    Returns:
        ``loss(value, arguments) -> (scalar, {name: parts})``. ``arguments[name]`` is the tuple of arguments that the
        loss of that name takes after the value. The parts are those of the losses, times their weights. If
        ``arguments`` has other names than ``terms``, the function raises `ValueError`.
    """

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
