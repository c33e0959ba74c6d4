"""Score the pictures of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subjective.checks import InputError
from subjective.evaluation.scores import Scores
from subjective.evaluation.yardstick import Yardstick, check_sizes, count_pixels, select_sources
from subjective.network.vgg import Params

OBSERVATION_SHARE = 0.6
"""Time in which a measure's network sees a pixel, as a share of an evaluation of the loss and gradient for a pixel."""

SECONDS_PER_PICTURE = 1.0
"""Seconds that the measures without a network take for each picture, and once for the sources."""


def score_pictures(
    pictures: Sequence[np.ndarray],
    sources: Sequence[np.ndarray],
    params: Params,
    matched: Sequence[str],
    source_weights: Sequence[float] | None = None,
    *,
    tiles: bool | None = None,
) -> list[Scores]:
    """Score the pictures of a run, which all have the same size.

    The Portilla-Simoncelli statistics are left out: plenoptic would load PyTorch, and take as long as all other
    measures together.

    Args:
        pictures: ``(height, width, 3)`` each.
        sources: the sources of the run.
        params: parameters of the network.
        matched: layers that the pictures were made to match; at whole octaves, the scores leave out these layers.
        source_weights: how much each source counts; equal if None.
        tiles: whether the pictures are meant to tile, as in `subjective.evaluate`.

    Returns:
        The scores of each picture. If pictures or sources are too small, the scores are empty and say why.
    """
    sources, weights = select_sources(sources, source_weights)
    try:
        check_sizes(pictures[0], sources)
    except InputError as error:
        return [Scores([], f"not measured: {error}")] * len(pictures)
    yardstick = Yardstick(
        sources,
        pictures[0].shape,
        params,
        source_weights=weights,
        matched=matched,
        portilla_simoncelli=False,
        tiles=tiles,
    )
    return [yardstick.score(picture) for picture in pictures]


def forecast_scores(
    sources: Sequence[np.ndarray], shape: tuple[int, ...], pictures: int, pixel_seconds: float
) -> float:
    """Forecast how many seconds `score_pictures` takes.

    Args:
        sources: the sources of the run.
        shape: shape of a picture, height and width first.
        pictures: number of pictures.
        pixel_seconds: seconds of one evaluation of the loss and gradient for each pixel.

    Returns:
        Seconds; 0 if the pictures or the sources are too small to be scored.
    """
    try:
        check_sizes(np.broadcast_to(np.float32(0), shape), sources)
    except InputError:
        return 0.0
    seen = count_pixels(sources, shape, pictures)
    return SECONDS_PER_PICTURE * (1 + pictures) + OBSERVATION_SHARE * pixel_seconds * seen
