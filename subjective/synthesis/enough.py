"""When a picture is near enough to its source: when it is nearer than the source's own parts are.

Two photographs of one wall have different statistics, because each shows other stones. A picture that is driven far
below this difference gains nothing: its loss falls because even places get a weave that no source has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from subjective.compilation import jit
from subjective.losses import texture_loss
from subjective.means import MIXTURES
from subjective.network.vgg import Params
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis, Statistics
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage
from subjective.synthesis.targets import as_source

MIXED = 2
"""Number of octaves that count for a picture with parts of several sources. At coarser ones, the borders between the
parts are shapes that no source has, and a picture that is driven to the sources' statistics gets outlines there."""


LEAST_PART = 512
"""Smallest side, in pixels, of the part of a quarter that is compared with the source; smaller quarters count whole."""


def ends_when_near(config: SynthesisConfig, sources: int) -> bool:
    """Return whether a texture of so many sources ends where it is near to its sources."""
    shows_sources = sources == 1 or config.join_mode in MIXTURES
    # Quarters have nothing to tell of features made stronger.
    return config.enough > 0 and shows_sources and config.mul == 1 and config.init == "patches"


def end_when_near(
    job: Job,
    config: SynthesisConfig,
    sources: Sequence[np.ndarray],
    targets: Sequence[Statistics],
    params: Params,
    size: tuple[int, int] | None = None,
) -> Job:
    """End each stage of a job at the share ``config.enough`` of the loss that quarters of the sources have.

    Args:
        job: from `prepare` of a verb that makes pictures with parts of each source.
        config: the settings.
        sources: images ``(height, width, 3)``.
        targets: the statistics of each source by itself, at all octaves of the job.
        params: the network.
        size: (height, width) of the part of a picture that is made, and of the parts of the quarters that count; None
            for a whole picture.
    """
    measured = [
        losses_of_quarters(config, job.analysis, source, target, params, size)
        for source, target in zip(sources, targets, strict=True)
    ]
    fewest = min(map(len, measured))
    if not fewest:
        return job
    of_octaves = np.average([one[:fewest] for one in measured], axis=0, weights=config.source_weights)
    return end_at(job, config.enough, of_octaves.tolist(), None if len(sources) == 1 else MIXED)


def end_at(job: Job, share: float, of_octaves: Sequence[float], counted: int | None = None) -> Job:
    """End each stage of a job at a share of known losses.

    Args:
        job: the job.
        share: the share.
        of_octaves: the losses at each octave, finest first; maybe not at all. If empty, no stage ends so.
        counted: number of a stage's octaves, the finest, whose losses its total has; None for all.
    """
    if not of_octaves:
        return job

    def enough(stage: Stage) -> float | None:
        known = of_octaves[stage.first_octave :][:counted]
        octaves = len(stage.analysis.octaves[:counted])
        return share * float(np.mean(known)) * octaves if len(known) else None

    return dataclasses.replace(job, enough=enough)


def mixed_weights(stage: Stage) -> tuple[float, ...]:
    """Return the weights of a stage's octaves for a picture with parts of several sources: the finest `MIXED` count."""
    return tuple(float(octave < MIXED) for octave in range(len(stage.analysis.octaves)))


def losses_of_quarters(
    config: SynthesisConfig,
    analysis: Analysis,
    source: np.ndarray,
    targets: Statistics,
    params: Params,
    size: tuple[int, int] | None = None,
) -> list[float]:
    """Return the mean texture loss of the source's quarters at each octave that has room in a quarter, finest first.

    Args:
        config: the settings.
        analysis: how the picture is measured.
        source: image ``(height, width, 3)``. Of a large one, the middles of the quarters count: as much as the picture
            shows, but at least `LEAST_PART`.
        targets: the statistics of the source, at all octaves of the analysis.
        params: the network.
        size: (height, width) that counts of each quarter instead, if only a part of a picture is made.
    """
    shown = size or [max(wanted, LEAST_PART) for wanted in config.size]
    height, width = (min(side // 2, wanted) for side, wanted in zip(source.shape, shown, strict=False))
    measured = dataclasses.replace(as_source(analysis, width), precision="float32")
    octaves = analysis.octaves
    while octaves:
        measured = dataclasses.replace(measured, octaves=octaves)
        if min(height, width) >= smallest_picture(measured, params):
            break
        octaves = octaves[:-1]
    if not octaves:
        return []
    weights = config.octave_weights and config.octave_weights[: len(octaves)]
    loss = jit(texture_loss(measured, weights, relative=config.relative))
    rows, columns = (
        [round((place * side - part) / 2) for place in (0.5, 1.5)]
        for side, part in zip(source.shape, (height, width), strict=False)
    )
    found = []
    for row in rows:
        for column in columns:
            quarter = np.asarray(source[row : row + height, column : column + width], np.float32)
            _, parts = loss(quarter, targets[: len(octaves)], params)
            found.append([sum(map(float, jax.tree.leaves(part))) for part in parts])
    return np.mean(found, axis=0).tolist()
