"""Targets: what the sources measure, joined, and laid out by frame or by region."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from subjective import joins
from subjective.checks import check_weights
from subjective.compilation import jit
from subjective.network.vgg import Params, Precision
from subjective.statistics.analysis import analyze
from subjective.statistics.blocks import WHOLE
from subjective.statistics.regions import carry_masks
from subjective.statistics.terms import Analysis, Statistics, network_layers, places_of
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.plan import SOURCE_PADDING
from subjective.synthesis.stages import Stage

SOURCE_ROWS = 512
"""Rows of a source that are analyzed at a time; photographs are large, and what is learned of them is small."""

_analyze = jit(analyze, static_argnums=2)


@partial(jit, static_argnums=3)
def _analyze_part(params: Params, image: jax.Array, mask: jax.Array, analysis: Analysis) -> Statistics:
    return analyze(params, image, analysis, carry_masks(mask, analysis.octaves, analysis.padding, params))


def measure_sources(
    sources: Sequence[np.ndarray], analysis: Analysis, params: Params, parts: Sequence[np.ndarray] | None = None
) -> list[Statistics]:
    """The statistics of each source, always with ``valid`` padding: a photograph has no outside.

    Args:
        sources: images ``(height, width, 3)``, of any sizes.
        analysis: of the picture to be made.
        params: the network.
        parts: how much of each pixel of each source counts, ``(height, width)``; all of them if not given.

    Raises:
        ValueError: a source too small.
    """
    adds_up = all(term.statistic.sums or not network_layers(term.layers) for term in analysis.terms)
    tile = SOURCE_ROWS if adds_up else None
    analysis = dataclasses.replace(
        analysis, padding=SOURCE_PADDING, devices=1, tile=tile, blocks=WHOLE, comparison=None
    )
    pictures = [jnp.asarray(source, jnp.float32) for source in sources]
    if parts is None:
        return [_analyze(params, picture, analysis) for picture in pictures]
    return [
        _drop_region_axis(
            _analyze_part(params, picture, jnp.asarray(part, jnp.float32)[:, :, None], analysis), analysis
        )
        for picture, part in zip(pictures, parts, strict=True)
    ]


def _drop_region_axis(found: Statistics, analysis: Analysis) -> Statistics:
    """Without the leading axis of the one region."""
    places = places_of(analysis.terms)
    return tuple(
        {
            layer: {name: array[0] if places[layer, name][0].by_region else array for name, array in there.items()}
            for layer, there in octave.items()
        }
        for octave in found
    )


def join_sources(
    found: Sequence[Statistics], weights: Sequence[float] | None, analysis: Analysis, config: SynthesisConfig
) -> Statistics:
    """One target out of what was measured of several sources.

    Args:
        found: from `measure_sources`.
        weights: share of each source; those of none do not take part.
        analysis: of the picture to be made.
        config: join mode, average if it has none, and ``mul``.

    Raises:
        ValueError: weights that do not fit.
    """
    if weights is not None and len(weights) == len(found) and any(weight > 0 for weight in weights):
        found = [each for each, weight in zip(found, weights, strict=True) if weight > 0]
        weights = [weight for weight in weights if weight > 0]
    target = joins.join(found, config.join_mode or "average", weights)
    if config.mul == 1:
        return target
    places = places_of(analysis.terms)
    return tuple(
        {
            layer: {name: places[layer, name][0].scaled(target, config.mul) for name, target in there.items()}
            for layer, there in octave.items()
        }
        for octave in target
    )


def targets_by_region(of_sources: Statistics, shares: Sequence[float], analysis: Analysis) -> Statistics:
    """The targets of a picture's regions, one a source.

    Args:
        of_sources: the target of each source by itself, on a leading axis.
        shares: of the picture that each region has; what is measured of the whole picture is to be their average.
        analysis: of the picture.

    Returns:
        Statistics, those that are measured by region with a leading axis.
    """
    places = places_of(analysis.terms)

    def one(layer: str, name: str, target: jax.Array) -> jax.Array:
        whole = not places[layer, name][0].by_region
        return jnp.tensordot(jnp.asarray(shares, target.dtype), target, 1) if whole else target

    return tuple(
        {layer: {name: one(layer, name, target) for name, target in there.items()} for layer, there in octave.items()}
        for octave in of_sources
    )


def targets_of(
    sources: Sequence[np.ndarray],
    analysis: Analysis,
    config: SynthesisConfig,
    params: Params,
    parts: Sequence[np.ndarray] | None = None,
) -> Statistics:
    """The joined target of several sources; arguments and errors as of `measure_sources` and `join_sources`."""
    check_weights("source_weights", config.source_weights, len(sources), "source")
    return join_sources(measure_sources(sources, analysis, params, parts), config.source_weights, analysis, config)


def targets_by_precision(
    sources: Sequence[np.ndarray],
    stages: Sequence[Stage],
    analysis: Analysis,
    config: SynthesisConfig,
    params: Params,
    weights: np.ndarray | None,
    parts: Sequence[np.ndarray] | None = None,
) -> dict[Precision, Statistics]:
    """In the precision of each stage: what it errs by is then the same on both sides of a distance.

    With ``weights``, ``(targets, sources)``, several targets on a leading axis, each with its own share of the sources.
    """
    targets: dict[Precision, Statistics] = {}
    for precision in dict.fromkeys(stage.analysis.precision for stage in stages):
        exact = dataclasses.replace(analysis, precision=precision)
        if weights is None:
            targets[precision] = targets_of(sources, exact, config, params, parts)
            continue
        found = measure_sources(sources, exact, params, parts)
        several = [join_sources(found, row.tolist(), exact, config) for row in weights]
        targets[precision] = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    return targets
