"""What is minimized: ``loss(image, *arguments) -> (scalar, parts)``.

Targets are arguments, never captured, so that one trace serves all targets. The parts are
what the scalar is the sum of, in any pytree, kept for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.network.vgg import Params
from subjective.statistics.analysis import ContentMaps, Differences, analyze, analyze_beside
from subjective.statistics.blocks import WHOLE, Grid, in_blocks
from subjective.statistics.protocol import squared_distance
from subjective.statistics.regions import Regions
from subjective.statistics.terms import Analysis, Comparison, Statistics, Term, places_of

Scalar = Float[Array, ""]
Loss = Callable[..., tuple[Scalar, Any]]

TINY = 1e-20
"""Added to what a distance is divided by: a black source has targets of no size."""


ContentForm = Literal["content", "content_sum"]

Parts = tuple[dict[str, dict[str, Scalar]], ...]
"""What a loss is the sum of: ``{layer: {name: scalar}}`` for each octave."""


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
        targets: of the same structure and shapes.
        terms: the statistics and their weights.
        octave_weights: one for each octave; 1 if None.
        relative: divide each distance by the target's own size (`Statistic.size`).
        regions: of the picture. Each region has a target of its own; the distance is the mean of the regions'
            distances, each weighted by its trust.
        blocks: of the picture. All blocks have one target; the distance is the mean of the blocks' distances.

    Returns:
        Distances in the structure of the targets.

    Raises:
        ValueError: structures or shapes differ. Nothing is broadcast.
    """
    wanted, came = str(jax.tree.structure(targets)), str(jax.tree.structure(found))
    if wanted != came:
        raise ValueError(f"statistics and targets differ in structure: {came} against {wanted}")
    octave_weights = octave_weights or (1.0,) * len(targets)
    places = places_of(terms)

    def part(octave: int, layer: str, name: str) -> Scalar:
        statistic, weight = places[layer, name]

        def distance(found: Array, target: Array) -> Scalar:
            apart = statistic.distance(found, target)
            return _divide_by_size(apart, statistic.size(target)) if relative else apart

        here, there = found[octave][layer][name], targets[octave][layer][name]
        several = in_blocks(statistic, blocks)
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
        {layer: {name: part(octave, layer, name) for name in measured} for layer, measured in layers.items()}
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
        differences: from `subjective.statistics.analysis.analyze_beside`.
        comparison: of the analysis; it says the weights.
        octave_weights: one for each octave; 1 if None.
        sizes: what each difference is divided by; None for nothing.

    Returns:
        ``{layer: {"content": scalar}}`` for each octave, or ``content_sum`` where the differences are sums.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016, equation 1, as a
        mean.
    """
    name: ContentForm = "content" if comparison.mean else "content_sum"
    weights = dict(zip(comparison.layers, comparison.weights, strict=True))
    octave_weights = octave_weights or (1.0,) * len(differences)

    def part(octave: int, layer: str, apart: Array) -> Scalar:
        if sizes is not None:
            apart = _divide_by_size(apart, sizes[octave][layer])
        return octave_weights[octave] * weights[layer] * apart

    return tuple(
        {layer: {name: part(octave, layer, apart)} for layer, apart in layers.items()}
        for octave, layers in enumerate(differences)
    )


def _divide_by_size(apart: Array, size: Array) -> Array:
    return apart / (jax.lax.stop_gradient(size) + TINY)


def merge_parts(one: Parts, other: Parts) -> Parts:
    """Join the parts of two losses at the same octaves."""
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
    """The texture loss summed over octaves, as a function ``loss(image, targets, params)``.

    The same arguments give the same function, so that its compiled form is found again.

    Args:
        analysis: octaves, terms with their weights, padding and pooling.
        octave_weights: one for each of ``analysis.octaves``.
        relative: divide each distance by the target's own size, so that weights mean the same at every layer
            and octave, and for every source.

    Returns:
        ``loss(image, targets, params) -> (scalar, parts)`` with parts as in `match`. A picture with regions takes
        ``loss(image, targets, params, regions)``.

    References:
        Gatys, Ecker and Bethge, 2015, equations 3 and 4, with their 1/4 left out; several octaves
        at once: Snelgrove, "High-resolution multi-scale neural texture synthesis", 2017.
    """
    how: dict[str, Any] = {"octave_weights": octave_weights, "relative": relative, "blocks": analysis.blocks}

    def loss(
        image: Float[Array, "height width 3"],
        targets: Statistics,
        params: Params,
        regions: Sequence[Regions] | None = None,
    ) -> tuple[Scalar, Parts]:
        found = analyze(params, image, analysis, regions)
        parts = match(found, targets, analysis.terms, regions=regions, **how)
        return sum_parts(parts), parts

    return loss


@lru_cache(maxsize=32)
def style_and_content_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None = None, *, relative: bool = False
) -> Loss:
    """The texture loss of a style and the content loss, from one pass of the network.

    Args:
        analysis: as in `texture_loss`; its comparison says where the content is compared.
        octave_weights: as in `texture_loss`.
        relative: as in `texture_loss`; content differences are divided by ``sizes``.

    Returns:
        ``loss(image, targets, params, regions, contents, sizes) -> (scalar, parts)``; ``contents`` from
        `subjective.statistics.analysis.content_maps`, ``sizes`` the differences of a flat picture; ``regions`` None
        for none. The parts of style and content are merged.

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016.
    """
    if analysis.comparison is None:
        raise ValueError("the analysis compares nothing with a content; give it a comparison")
    comparison, how = analysis.comparison, {"octave_weights": octave_weights}

    def loss(
        image: Float[Array, "height width 3"],
        targets: Statistics,
        params: Params,
        regions: Sequence[Regions] | None,
        contents: Sequence[ContentMaps],
        sizes: Differences,
    ) -> tuple[Scalar, Parts]:
        found, differences = analyze_beside(params, image, analysis, regions, contents)
        style = match(found, targets, analysis.terms, relative=relative, regions=regions, blocks=analysis.blocks, **how)
        content = weigh_differences(differences, comparison, sizes=sizes if relative else None, **how)
        parts = merge_parts(style, content)
        return sum_parts(parts), parts

    return loss


@lru_cache(maxsize=32)
def variation_loss(power: float, wraps: bool) -> Loss:
    """Total variation: the mean over pixels and colors of (dx² + dy²) to some power, as ``loss(image)``.

    Args:
        power: 1 for squared differences; 1.25 in the first Keras program.
        wraps: whether the last row and column have neighbors around the picture.

    Returns:
        ``loss(image) -> (scalar, {})``.

    References:
        Mahendran and Vedaldi, "Understanding deep image representations by inverting them", 2015, section 3.
    """

    def loss(image: Float[Array, "height width 3"]) -> tuple[Scalar, Any]:
        down, right = (jnp.roll(image, -1, axis) - image for axis in (0, 1))
        if not wraps:
            down, right = down[:-1, :-1], right[:-1, :-1]
        # At zero a power below 1 has no finite slope.
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
    """How far statistics are from being unlike each other, as ``loss(frames, params)``.

    The statistics of n pictures (or, if ``internal``, of the n octaves of one picture) are n vectors;
    the loss is ‖V Vᵀ − scale · I‖² of the matrix V of these n rows. It is zero when all have the
    norm √scale and stand at right angles. One such term for each octave and layer
    (or each layer and picture, if ``internal``).

    Args:
        analysis: octaves, layers, terms, padding and pooling.
        scale: the squared norm wanted of each vector.
        internal: compare the octaves of a picture with each other, not the pictures.
        octave_weights: one for each of ``analysis.octaves``; without meaning where octaves are compared.

    Returns:
        ``loss(frames, params) -> (scalar, parts)``; frames ``(count, height, width, 3)``, parts
        ``({layer: {statistic: scalar}}, …)`` by octave, or of a single dict where octaves are compared.

    References:
        `novelty.py` of the 2017 program, which could not run its internal form: it stacked
        matrices of different layers.
    """

    places = places_of(analysis.terms)
    by_octave = octave_weights or (1.0,) * len(analysis.octaves)

    def unlikeness(vectors: Float[Array, "count numbers"]) -> Scalar:
        likeness = jnp.matmul(vectors, vectors.T, precision="highest")
        return squared_distance(likeness, scale * jnp.eye(likeness.shape[0], dtype=likeness.dtype))

    def loss(frames: Float[Array, "count height width 3"], params: Params) -> tuple[Scalar, Any]:
        found = jax.vmap(lambda image: analyze(params, image, analysis))(frames)
        flat = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0], -1), found)
        if internal:
            # An octave more between count and numbers, and every picture a comparison of its own.
            flat = (jax.tree.map(lambda *octaves: jnp.stack(octaves, axis=1), *flat),)
        unlike = jax.vmap(unlikeness) if internal else unlikeness
        parts = tuple(
            {
                layer: {name: weight * places[layer, name][1] * jnp.sum(unlike(v)) for name, v in measured.items()}
                for layer, measured in octave.items()
            }
            for weight, octave in zip((1.0,) if internal else by_octave, flat, strict=True)
        )
        return sum_parts(parts), parts

    return loss


def weighted_sum(terms: Mapping[str, tuple[float, Loss]]) -> Loss:
    """One loss out of several, each ``loss(value, *its arguments)``.

    Args:
        terms: name to (weight, loss).

    Returns:
        ``loss(value, arguments) -> (scalar, {name: parts})`` where ``arguments[name]`` is the tuple of what
        that term takes after the value. Parts are those of the terms, times their weights.
    """

    def loss(value: Array, arguments: Mapping[str, tuple[Any, ...]]) -> tuple[Scalar, dict[str, Any]]:
        if set(arguments) != set(terms):
            raise ValueError(f"arguments are for terms {sorted(arguments)}; wanted {sorted(terms)}")
        total, parts = jnp.zeros((), value.dtype), {}
        for name, (weight, term) in terms.items():
            scalar, detail = term(value, *arguments[name])
            total = total + weight * scalar
            parts[name] = jax.tree.map(lambda part, weight=weight: weight * part, detail)
        return total, parts

    return loss
