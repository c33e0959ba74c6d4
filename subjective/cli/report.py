"""Score the pictures of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from subjective.checks import InputError
from subjective.evaluation.scores import Scores
from subjective.evaluation.yardstick import Yardstick, check_sizes, count_pixels, select_sources
from subjective.network.vgg import Params
from subjective.synthesis.plan import SOURCE_PADDING
from subjective.synthesis.stages import reduce_by

OBSERVATION_SHARE = 0.6
"""Time in which a measure's network sees a pixel, as a share of an evaluation of the loss and gradient for a pixel."""

SECONDS_PER_PICTURE = 1.0
"""Seconds that the measures without a network take for each picture, and once for the sources."""


class Judge:
    """Scores the pictures of a run against its sources: those that are finished, and the picture as it stands.

    The sources are measured once for each size of picture, when the first picture of this size is scored. The
    Portilla-Simoncelli statistics are left out: plenoptic would load PyTorch, and take as long as all other measures
    together.
    """

    def __init__(
        self,
        sources: Sequence[np.ndarray],
        params: Params,
        matched: Sequence[str],
        source_weights: Sequence[float] | None = None,
        *,
        tiles: bool | None = None,
        part: Callable[[np.ndarray, int], np.ndarray] | None = None,
    ):
        """Prepare to score; nothing is measured yet.

        Args:
            sources: the sources of the run.
            params: parameters of the network.
            matched: layers that the pictures were made to match; at whole octaves, the scores leave out these layers.
            source_weights: how much each source counts; equal if None.
            tiles: whether the pictures are meant to tile, as in `subjective.evaluate`.
            part: takes a picture and how many times it is reduced; returns the part that is scored. None for all of it.
        """
        assert sources, "scores need sources to compare with"
        self._sources, self._weights = select_sources(sources, source_weights)
        self._params, self._matched, self._tiles, self._part = params, matched, tiles, part
        self._yardsticks: dict[tuple[int, ...], Yardstick] = {}

    def score(self, picture: np.ndarray, octave: int = 0) -> Scores:
        """Score a picture.

        Args:
            picture: ``(height, width, channels)``, of which the first three channels are scored, or several of them, of
                which the first is.
            octave: how many times the picture is reduced; it is compared with the sources reduced as often.

        Returns:
            The scores. If the picture or the sources are too small, they are empty and say why.
        """
        picture = np.asarray(picture if picture.ndim == 3 else picture[0])[..., :3]
        if self._part is not None:
            picture = self._part(picture, octave)
        sources = [np.asarray(reduce_by(one, octave, SOURCE_PADDING)) if octave else one for one in self._sources]
        try:
            check_sizes(picture, sources)
        except InputError as error:
            return Scores([], f"not measured: {error}")
        key = (octave, *picture.shape)
        if key not in self._yardsticks:
            self._yardsticks[key] = Yardstick(
                sources,
                picture.shape,
                self._params,
                source_weights=self._weights,
                matched=self._matched,
                portilla_simoncelli=False,
                tiles=self._tiles,
            )
        return self._yardsticks[key].score(picture)


def forecast_scores(
    sources: Sequence[np.ndarray], shape: tuple[int, ...], pictures: int, pixel_seconds: float
) -> float:
    """Forecast how many seconds `Judge` takes for finished pictures.

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
