"""What is minimized: ``loss(image, *arguments) -> (scalar, parts)``.

Targets are arguments, never captured, so that one trace serves all targets. The parts are
what the scalar is the sum of, in any pytree, kept for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.network.vgg import Params
from subjective.statistics.analysis import Content, analyze
from subjective.statistics.blocks import WHOLE, Grid, in_blocks
from subjective.statistics.protocol import squared_distance
from subjective.statistics.regions import Guides
from subjective.statistics.terms import Analysis, Statistics, Term, places_of

Scalar = Float[Array, ""]
Loss = Callable[..., tuple[Scalar, Any]]

TINY = 1e-20
"""Added to what a distance is divided by: a black source has targets of no size."""


def match(
    found: Statistics,
    targets: Statistics,
    terms: Sequence[Term],
    *,
    octave_weights: Sequence[float] | None = None,
    relative: bool = False,
    guides: Sequence[Guides] | None = None,
    blocks: Grid = WHOLE,
) -> tuple[Scalar, tuple[dict[str, dict[str, Scalar]], ...]]:
    """Weighted sum of the distances to the targets, over octaves, layers and statistics.

    Args:
        found: statistics of the picture.
        targets: of the same structure and shapes.
        terms: the distances and their weights.
        octave_weights: one for each octave; 1 where absent.
        relative: divide each distance by the target's own size (`Statistic.size`).
        guides: of the picture's regions, each of which has a target of its own; the distance is the mean of theirs,
            each as far as it is to be trusted.
        blocks: of the picture, each of which has the one target; the distance is the mean of theirs.

    Returns:
        The sum, and its weighted parts in the structure of the targets.

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
            return apart / (jax.lax.stop_gradient(statistic.size(target)) + TINY) if relative else apart

        here, there = found[octave][layer][name], targets[octave][layer][name]
        several = in_blocks(statistic, blocks)
        if here.shape[several:] != there.shape:
            raise ValueError(f"cannot compare {name} at {layer} of shape {here.shape} with a target of {there.shape}")
        if guides and statistic.by_region:
            apart = jnp.mean(guides[octave][layer].trust * jax.vmap(distance)(here, there))
        elif several:
            apart = jnp.mean(jax.vmap(distance, (0, None))(here, there))
        else:
            apart = distance(here, there)
        return octave_weights[octave] * weight * apart

    parts = tuple(
        {layer: {name: part(octave, layer, name) for name in measured} for layer, measured in layers.items()}
        for octave, layers in enumerate(targets)
    )
    return jnp.sum(jnp.stack(jax.tree.leaves(parts))), parts


@lru_cache(maxsize=32)
def texture_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None = None, *, relative: bool = False
) -> Loss:
    """The texture loss summed over octaves, as a function ``loss(image, targets, params)``.

    The same arguments give the same function, so that a compiled form of it is found again.

    Args:
        analysis: octaves, terms with their weights, padding and pooling.
        octave_weights: one for each of ``analysis.octaves``.
        relative: divide each distance by the target's own size, so that weights mean the same at every layer
            and octave, and for every source.

    Returns:
        ``loss(image, targets, params) -> (scalar, parts)`` with parts as in `match`; for an analysis of several
        regions or content, ``loss(image, targets, params, guides, contents)``, either None if there are none.

    References:
        Gatys, Ecker and Bethge, 2015, equations 3 and 4, with their 1/4 left out; several octaves
        at once: Snelgrove, "High-resolution multi-scale neural texture synthesis", 2017.
    """

    def loss(
        image: Float[Array, "height width 3"],
        targets: Statistics,
        params: Params,
        guides: Sequence[Guides] | None = None,
        contents: Sequence[Content] | None = None,
    ) -> tuple[Scalar, Any]:
        found = analyze(params, image, analysis, guides, contents)
        return match(
            found,
            targets,
            analysis.terms,
            octave_weights=octave_weights,
            relative=relative,
            guides=guides,
            blocks=analysis.blocks,
        )

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
        return jnp.sum(jnp.stack(jax.tree.leaves(parts))), parts

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
