"""Targets: the statistics of the sources, joined into one target for the picture, for each frame or for each region."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from subjective import joins
from subjective.choices import Precision
from subjective.compilation import jit
from subjective.network.vgg import Params
from subjective.statistics.analysis import analyze
from subjective.statistics.block_grid import WHOLE
from subjective.statistics.regions import carry_masks
from subjective.statistics.terms import Analysis, Statistics, index_terms, network_layers
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.plan import SOURCE_PADDING
from subjective.synthesis.stages import Stage

SOURCE_ROWS, WIDE_ROWS, WIDE = 512, 128, 1024
"""Number of rows in the tiles of a source; the same if the source is wider than the last number, in pixels. Tiles save
memory if a photograph is large."""

_analyze = jit(analyze, static_argnums=2)


@partial(jit, static_argnums=3)
def _analyze_part(params: Params, image: jax.Array, mask: jax.Array, analysis: Analysis) -> Statistics:
    return analyze(params, image, analysis, carry_masks(mask, analysis.octaves, analysis.padding, params))


def as_source(analysis: Analysis, width: int) -> Analysis:
    """Return how a source is measured, if a picture is measured like this: as a whole, and in tiles if it is large.

    Args:
        analysis: of the picture.
        width: of the source in pixels.
    """
    adds_up = all(term.statistic.sums or not network_layers(term.layers) for term in analysis.terms)
    tile = (WIDE_ROWS if width > WIDE else SOURCE_ROWS) if adds_up else None
    return dataclasses.replace(analysis, padding=SOURCE_PADDING, devices=1, tile=tile, blocks=WHOLE, comparison=None)


def measure_sources(
    sources: Sequence[np.ndarray], analysis: Analysis, params: Params, parts: Sequence[np.ndarray] | None = None
) -> list[Statistics]:
    """Measure the statistics of each source, always with the padding `SOURCE_PADDING`.

    Args:
        sources: images ``(height, width, 3)``, of any sizes.
        analysis: how the picture that is made is measured.
        params: the network.
        parts: for each source, how much each pixel counts, ``(height, width)`` in [0, 1]; 1 if None.
    """
    measured = [as_source(analysis, source.shape[1]) for source in sources]
    pictures = [jnp.asarray(source, jnp.float32) for source in sources]
    if parts is None:
        return [_analyze(params, picture, one) for picture, one in zip(pictures, measured, strict=True)]
    return [
        _drop_region_axis(_analyze_part(params, picture, jnp.asarray(part, jnp.float32)[:, :, None], one), one)
        for picture, part, one in zip(pictures, parts, measured, strict=True)
    ]


def _drop_region_axis(found: Statistics, analysis: Analysis) -> Statistics:
    """Drop the leading axis for the regions from the statistics of one region."""
    places = index_terms(analysis.terms)
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
    """Join the statistics of several sources into one target.

    Args:
        found: from `measure_sources`.
        weights: how much each source counts; a source with the weight 0 is left out. Equal if None.
        analysis: how the picture that is made is measured.
        config: the settings ``join_mode`` (average if None) and ``mul`` are used.

    Raises:
        InputError: the weights are invalid.
    """
    if weights is not None:
        counted = [(one, weight) for one, weight in zip(found, weights, strict=True) if weight > 0]
        found, weights = [one for one, _ in counted], [weight for _, weight in counted]
    target = joins.join(found, config.join_mode or "average", weights)
    return target if config.mul == 1 else _scale_target(target, config.mul, analysis)


def _scale_target(target: Statistics, factor: float, analysis: Analysis) -> Statistics:
    """Return the target in which the power of every feature is multiplied by ``factor``."""
    places = index_terms(analysis.terms)
    return tuple(
        {
            layer: {name: places[layer, name][0].scale(one, factor) for name, one in there.items()}
            for layer, there in octave.items()
        }
        for octave in target
    )


def targets_by_region(of_sources: Statistics, shares: Sequence[float], analysis: Analysis) -> Statistics:
    """Return the targets of a picture's regions, one region for each source.

    Args:
        of_sources: the targets of the single sources, stacked on a leading axis.
        shares: share of the picture's area that each region has. Some statistics are measured of the whole picture;
            their target is the average of the sources' targets, weighted by the shares.
        analysis: how the picture is measured.

    Returns:
        Targets. The target of a statistic that is measured of each region has a leading axis for the regions.
    """
    places = index_terms(analysis.terms)

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
    """Measure sources, and join them by ``config.source_weights``; arguments as in `measure_sources`."""
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
    """Make the targets in the precision of each stage, so that the errors of that precision cancel in a distance.

    Args:
        sources: as in `measure_sources`.
        stages: the stages; a target is made for each precision that occurs in the stages.
        analysis: as in `measure_sources`.
        config: as in `join_sources`.
        params: as in `measure_sources`.
        weights: how much each source counts for each of several targets, ``(targets, sources)``. None makes one
            target, by ``config.source_weights``.
        parts: as in `measure_sources`.

    Returns:
        Map from precision to target. Several targets are stacked on a leading axis.
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
