"""Measure how good a picture is, by other statistics than the picture was made to match.

`subjective.evaluation.scores.MEANING` says what a score means. Pictures may come from any tool.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from subjective.arguments import check_numbers, check_texts, list_pictures
from subjective.checks import FINITE, InputError, check_image, normalize_weights
from subjective.devices import one_blas_thread
from subjective.evaluation import features
from subjective.evaluation.criteria import FeatureDistances, compute_beside, make_criteria
from subjective.evaluation.crops import Array, Crops, crop_size, cut_crops, cut_parts, place_parts
from subjective.evaluation.features import MIN_SIDE
from subjective.evaluation.pixels import Image
from subjective.evaluation.scores import Scores
from subjective.images import PictureLike, as_image
from subjective.network.vgg import Params, check_network, resolve_layers


def evaluate(
    image: PictureLike,
    sources: PictureLike | Sequence[PictureLike],
    params: Params,
    *,
    source_weights: Sequence[float] | None = None,
    matched: Collection[str] = (),
    portilla_simoncelli: bool | None = None,
    tiles: bool | None = None,
) -> Scores:
    """Compare a picture with its sources. To evaluate several pictures of one `crop_size`, make a `Yardstick` once.

    Args:
        image: a picture in any form that `as_image` takes, or a result. In an array of floats, values outside [0, 1]
            are clipped, as in a file.
        sources: pictures, or one picture, that it should look like, at the scale at which it was made. Each part of the
            picture is compared with all sources together. A picture with a region for each source therefore gets bad
            scores.
        params: parameters of the network; normalized parameters are best.
        source_weights: how much each source counts; equal if None.
        matched: layers that the picture was made to match; the program does not measure these layers at scales of
            whole octaves.
        portilla_simoncelli: whether to measure the statistics of Portilla and Simoncelli too, with plenoptic; None
            measures them if plenoptic is installed.
        tiles: whether the picture is meant to tile. If True, a seam is a fault. If None, the scores say whether the
            picture tiles, and the sentence and the worst score leave this out. If False, seams are not measured.

    Returns:
        The scores, by the key of the measure; ``print(scores)`` shows them as a sentence and a table. The values are:

        - ``gram`` and ``sliced_wasserstein``: distances of features at `features.LAYERS` and `features.list_scales`:
          relative distance of Gram matrices, and distance of distributions in standard deviations.
        - ``portilla_simoncelli`` (if measured): relative distance of the statistics of Portilla and Simoncelli.
        - ``spectrum``: distance of the radial power spectra, in dB.
        - ``peak``: log10 of the strength of the strongest isolated peak of the spectrum (`pixels.spectral_peak`).
        - ``color`` and ``opponent``: distance of the histograms, in levels of 255.
        - ``seam_rows`` and ``seam_columns`` (unless ``tiles`` is False): ratio of the step across the seam to the mean
          step inside the picture. The reference is the factor that is usual inside (`pixels.seam`), and the score is
          the quotient of the two logarithms.
        - ``repetition``: highest autocorrelation of detail, for shifts of at most half of the picture's sides.
        - ``copied``: share of the picture's patches that are copied from a source.

    Raises:
        InputError: a picture cannot be read or is below 32 pixels a side; a source cannot be read or is below 64; there
            is no source; or the weights do not fit the sources.
        MissingPackageError: ``portilla_simoncelli`` is True and plenoptic is not installed.

    Examples:
        >>> scores = subjective.evaluate(rock[:64, :64], rock, params, portilla_simoncelli=False)
        >>> scores["copied"].value  # a piece of the source is all copied
        1.0
    """
    given = list_pictures("source", sources)
    check_network(params)
    if source_weights is not None:
        source_weights = check_numbers("source_weights", source_weights, FINITE, "a number for each source")
    matched = check_texts("matched", matched, "names of layers, such as ('pool1',)")
    matched = resolve_layers(matched, params) if matched else ()
    picture, images = _read(image, "the picture"), [_read(source, "a source") for source in given]
    images, source_weights = select_sources(images, source_weights)
    check_sizes(picture, images)
    yardstick = Yardstick(
        images,
        picture.shape,
        params,
        source_weights=source_weights,
        matched=matched,
        portilla_simoncelli=portilla_simoncelli,
        tiles=tiles,
    )
    return yardstick.score(picture)


def _read(picture: Any, name: str) -> Image:
    """Return a picture as an image. An array of floats is checked and returned as it is."""
    if not isinstance(picture, (np.ndarray, jax.Array)) or not np.issubdtype(picture.dtype, np.floating):
        return as_image(picture, name)
    image = np.asarray(picture)
    check_image(name, image)
    return image


class Yardstick:
    """Measures the sources once, so that any number of pictures can be compared with the sources."""

    def __init__(
        self,
        sources: Sequence[Image],
        shape: tuple[int, ...],
        params: Params,
        *,
        source_weights: Sequence[float] | None = None,
        matched: Collection[str] = (),
        portilla_simoncelli: bool | None = None,
        tiles: bool | None = None,
    ):
        """Measure the sources.

        Args:
            sources: as in `evaluate`.
            shape: shape of a picture, height and width first. All pictures to be scored must have the same `crop_size`.
            params: the network.
            source_weights: as in `evaluate`.
            matched: as in `evaluate`.
            portilla_simoncelli: as in `evaluate`.
            tiles: as in `evaluate`.

        Raises:
            InputError: weights that do not fit the sources.
            MissingPackageError: as in `evaluate`.
        """
        sources, source_weights = select_sources(sources, source_weights)
        self._sources = [np.asarray(source, np.float32) for source in sources]
        self._crop_size = crop_size(self._sources, shape)
        crops = Crops([cut_crops(source, self._crop_size) for source in self._sources], source_weights)
        with one_blas_thread():
            self._criteria = make_criteria(crops, self._sources, params, matched, portilla_simoncelli, tiles)

    def score(self, image: Image) -> Scores:
        """Compare a picture with the sources; see `evaluate`.

        Raises:
            InputError: a picture with another `crop_size`.
        """
        if crop_size(self._sources, image.shape) != self._crop_size:
            raise InputError(
                f"the picture has shape {image.shape}; its crops would not have the size {self._crop_size} of the "
                "sources' crops; make another Yardstick"
            )
        image = np.clip(np.asarray(image, np.float32), 0, 1)
        parts = cut_parts(image, self._crop_size)
        with one_blas_thread():
            scores = compute_beside([partial(one.score, image, parts) for one in self._criteria], self._sources)
            return Scores(score for each in scores for score in each)

    def locate(self, image: Image) -> Array:
        """Return where a picture is unlike its sources.

        Args:
            image: as in `score`, of any size from the size of the crops on.

        Returns:
            Map ``(height, width)``: how far each place is from the most similar place of the sources, in units of what
            is usual for a crop. Only one place in twenty of a crop is above 1. 0 if the crops are too small.
        """
        image = np.clip(np.asarray(image, np.float32), 0, 1)
        [features] = [one for one in self._criteria if isinstance(one, FeatureDistances)]
        return features.locate(image)


def count_pixels(sources: Sequence[Image], shape: tuple[int, ...], pictures: int) -> int:
    """Return how many pixels the network sees when a `Yardstick` is made and scores pictures.

    Args:
        sources: as in `evaluate`.
        shape: shape of a picture, height and width first.
        pictures: number of pictures.
    """
    size = crop_size(sources, shape)
    seen = sum(len(cut_crops(source, size)) for source in sources) + pictures * len(place_parts(shape, size))
    return seen * features.count_pixels(size, min(size))


def select_sources(sources: Sequence[Image], source_weights: Sequence[float] | None) -> tuple[list[Image], list[float]]:
    """Drop the sources of weight 0, and normalize the weights of the others.

    Args:
        sources: as in `evaluate`.
        source_weights: as in `evaluate`.

    Returns:
        The sources with a weight above 0, and their weights, which add up to 1.

    Raises:
        InputError: weights that do not fit the sources.
    """
    if not sources:
        return [], []
    weights = normalize_weights("source_weights", source_weights, len(sources), "source")
    kept = [(source, weight) for source, weight in zip(sources, weights, strict=True) if weight > 0]
    return [source for source, _ in kept], [weight for _, weight in kept]


def check_sizes(image: Image, sources: Sequence[Image], name: str = "the picture") -> None:
    """Refuse pictures and sources that are too small to be measured.

    Args:
        image: the picture.
        sources: as in `evaluate`.
        name: of the picture, for the message.

    Raises:
        InputError: a picture below 32 pixels a side, a source below 64, or no source.
    """
    if not sources:
        raise InputError("no source to compare with; give at least one")
    for which, picture, least in [(name, image, MIN_SIDE), *(("a source", s, 2 * MIN_SIDE) for s in sources)]:
        if min(picture.shape[:2]) < least:
            raise InputError(
                f"{which} of {picture.shape[1]}x{picture.shape[0]} pixels cannot be measured; wanted {least} a side"
            )
