"""Criteria judge pictures. Each criterion measures crops of the sources once, and then scores any number of pictures.

To add a criterion, write a class here and add a line to `make_criteria`.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from subjective.checks import MissingPackageError
from subjective.evaluation import pixels
from subjective.evaluation.crops import Array, Crops, flatten, pair_with_rest, pool_pixels, root_mean_square
from subjective.evaluation.features import (
    Observation,
    choose_places,
    gram_distances,
    observe,
    pool_observations,
    sliced_distances,
)
from subjective.evaluation.pixels import Image
from subjective.network.vgg import Params

LEAST_SHARE = 0.01
"""Smallest reference by which a relative distance is divided. `_score_share` adds this number to value and reference.

A difference of one percent does not matter. A source that repeats itself exactly has references of almost 0; without
this number, a shifted crop of such a source would get a very bad score.
"""

LEAST_DECIBELS = 0.1
"""Smallest reference by which a distance of spectra is divided, in dB."""

LEAST_LEVELS = 0.5
"""Smallest reference by which a distance of colors is divided, in levels of 255."""


@dataclass(frozen=True)
class Score:
    """One measure of one picture.

    Attributes:
        value: what is measured of the picture, in the unit of the measure.
        reference: value of crops of the source. If the measure compares pictures, a crop is compared with the rest of
            the source. For a seam: the spread that chance gives to the value.
        score: 1 if the picture is as good as a crop of the source. A larger score is worse; for a seam, a score below 1
            is worse too.
        details: score of each layer and scale, such as ``conv3_3@0.5`` (half size); or of each color channel or axis,
            or of each kind of statistic.
    """

    value: float
    reference: float
    score: float
    details: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Criterion(Protocol):
    """A way to judge pictures. A criterion is made from crops of the sources."""

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture.

        Args:
            image: the picture.
            parts: parts of the picture, as large as the crops, from `cut_parts`.

        Returns:
            Map from the name of each measure to its score.
        """


class FeatureDistances:
    """Distances of Gram matrices and of distributions of the network's features, and distance of radial spectra."""

    def __init__(self, crops: Crops, params: Params, matched: Collection[str]):
        """Observe the crops at all layers and scales, except the layers ``matched`` at whole octaves."""
        side = min(crops.size)
        self._places = choose_places(params, matched, side)
        self._observe = partial(observe, params=params, places=self._places, side=side)
        observations = crops.measure_each(self._observe)
        self._whole = pool_observations(flatten(observations), crops.weights)
        pairs = [(one, pool_observations(rest)) for one, rest in pair_with_rest(observations)]
        self._references = {
            name: root_mean_square([measure(*pair) for pair in pairs], crops.weights)
            for name, (measure, _) in _DISTANCES.items()
        }

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        observations, scores = [self._observe(part) for part in parts], {}
        for name, (measure, least) in _DISTANCES.items():
            found = root_mean_square([measure(one, self._whole) for one in observations])
            reference = self._references[name]
            each = found / np.maximum(reference, least)
            names = [f"{layer}@{scale:.3g}" for layer, scale in self._places] if each.ndim else []
            details = dict(zip(names, each.ravel().tolist(), strict=False))
            scores[name] = Score(float(np.mean(found)), float(np.mean(reference)), float(np.mean(each)), details)
        return scores


def _spectrum_error(one: Observation, other: Observation) -> float:
    return pixels.spectrum_error(one.spectrum, other.spectrum)


_DISTANCES = {
    "gram": (gram_distances, LEAST_SHARE),
    "sliced_wasserstein": (sliced_distances, LEAST_SHARE),
    "spectrum": (_spectrum_error, LEAST_DECIBELS),
}
"""Map from the name of a measure to a distance of two observations, and the smallest reference of this measure.

The distance is an array, with a number for each place, or one number.
"""


class PortillaSimoncelli:
    """Distance of the statistics of Portilla and Simoncelli, which plenoptic computes.

    The value is the mean of the relative distances of all kinds of statistics, such as variances and correlations.

    References:
        Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
        coefficients", 2000. Duong and others, "Plenoptic: a platform for synthesizing model-optimized visual stimuli",
        2023.
    """

    def __init__(self, crops: Crops):
        """Measure the crops of each source in square windows.

        The side of a window is the crops' smaller side, rounded down so that plenoptic's pyramid can halve it at each
        scale.

        Raises:
            MissingPackageError: plenoptic is not installed.
        """
        try:
            import plenoptic
        except ImportError:
            raise MissingPackageError(
                "this measure needs plenoptic; install it with pip install 'subjective[evaluate]'"
            ) from None
        side = min(crops.size)
        scales = min(4, int(math.log2(side / 16)))
        self._side = side // 2**scales * 2**scales
        self._model = plenoptic.models.PortillaSimoncelli((self._side, self._side), n_scales=scales)
        plenoptic.remove_grad(self._model)
        self._model.eval()
        found = crops.measure_each(self._measure)
        self._crops, self._weights = flatten(found), crops.weights
        self._reference = root_mean_square([self._distances(*pair) for pair in pair_with_rest(found)], crops.weights)

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        found = root_mean_square([self._distances(self._measure(part), self._crops, self._weights) for part in parts])
        each = found / np.maximum(self._reference, LEAST_SHARE)
        details = dict(zip(self._crops[0], each.tolist(), strict=True))
        score = Score(float(np.mean(found)), float(np.mean(self._reference)), float(np.mean(each)), details)
        return {"portilla_simoncelli": score}

    def _measure(self, picture: Image) -> dict[str, Array]:
        """Return each kind of statistic (such as means, variances, correlations), averaged over windows."""
        import torch

        squares = pixels.place_windows(picture.shape, self._side)
        gray = np.stack([pixels.luminance(picture[square]) for square in squares])[:, None]
        found = self._model(torch.as_tensor(gray, dtype=torch.float32)).mean(dim=(0, 1), keepdim=True)
        kinds = self._model.convert_to_dict(found).items()
        # A kind that compares two scales has no values if there is only one scale; such a kind is left out.
        return {kind: values[~values.isnan()].double().numpy() for kind, values in kinds if values.numel()}

    @staticmethod
    def _distances(found: dict[str, Array], others: Sequence[dict[str, Array]], weights: Array | None = None) -> Array:
        """Return the relative distance of each kind of statistic to the weighted mean of the ``others``."""
        wanted = {kind: np.average([other[kind] for other in others], axis=0, weights=weights) for kind in found}
        return np.array(
            [np.linalg.norm(found[k] - wanted[k]) / max(float(np.linalg.norm(wanted[k])), _LEAST_NORM) for k in found]
        )


_LEAST_NORM = 1e-12
"""Smallest norm by which a distance is divided, because some statistics of a flat picture are 0."""


class Peaks:
    """The strongest isolated peak of the spectrum."""

    def __init__(self, crops: Crops):
        """Measure the peaks of the crops."""
        self._side = min(*crops.size, pixels.MAX_PEAK_SIDE)
        self._reference = crops.average(lambda crop: pixels.spectral_peak(crop, self._side))

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        peak = pixels.spectral_peak(image, self._side)
        return {"peak": Score(peak, self._reference, float(10 ** (peak - self._reference)))}


class ColorDistances:
    """Distances of color histograms: of each channel, and along each opponent axis."""

    def __init__(self, crops: Crops):
        """Collect the colors of the crops."""
        self._whole = pool_pixels(flatten(crops.by_source), crops.weights)
        pairs = [(one, pool_pixels(rest)) for one, rest in pair_with_rest(crops.by_source)]
        self._reference = root_mean_square([_compare_histograms(*pair) for pair in pairs], crops.weights)

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        found = root_mean_square([_compare_histograms(part, self._whole) for part in parts])
        scores = {}
        for name, names, own, theirs in zip(_HISTOGRAMS, _HISTOGRAMS.values(), found, self._reference, strict=True):
            mean, *each = own / np.maximum(theirs, LEAST_LEVELS)
            details = dict(zip(names, map(float, each), strict=True))
            scores[name] = Score(float(own[0]), float(theirs[0]), float(mean), details)
        return scores


_HISTOGRAMS = {"color": ("red", "green", "blue"), "opponent": ("light-dark", "red-green", "yellow-blue")}
"""Map from the name of a measure to the names of its histograms."""


def _compare_histograms(image: Image, other: Image) -> Array:
    """Return `pixels.color_distance` with a new first column, which holds the mean of each row: ``(2, 4)``."""
    found = pixels.color_distance(image, other)
    return np.concatenate([found.mean(axis=1, keepdims=True), found], axis=1)


class Seams:
    """Steps between opposite edges of the picture, which meet where the picture is repeated."""

    def __init__(self, crops: Crops):
        """Take the crops, but measure nothing: a seam is compared with the inside of the same picture."""

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        found = [pixels.seam(image, axis) for axis in (0, 1)]
        names = ("seam_rows", "seam_columns")
        return {name: Score(ratio, chance, ratio) for name, (ratio, chance) in zip(names, found, strict=True)}


class Repetition:
    """The highest autocorrelation of the picture, which is high if the picture repeats itself."""

    def __init__(self, crops: Crops):
        """Measure how much the crops repeat themselves."""
        self._coarse = min(*crops.size, pixels.MAX_PEAK_SIDE) / 16
        self._reference = crops.average(lambda crop: pixels.repetition(crop, self._coarse))

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        return {"repetition": _score_share(pixels.repetition(image, self._coarse), self._reference)}


class Copies:
    """The share of the picture's patches that are copied from the sources."""

    def __init__(self, crops: Crops, sources: Sequence[Image]):
        """Choose two crops of each source, and measure which share of their patches is copied from the other crops."""
        self._sources = sources
        pairs = [pair_with_rest([group]) for group in crops.by_source]
        chosen = [(group[0], group[len(group) // 2]) for group in pairs]
        found = [[pixels.copied_share(*pair) for pair in group] for group in chosen]
        self._reference = float(np.average(np.mean(found, axis=1), weights=crops.source_weights))

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        return {"copied": _score_share(pixels.copied_share(image, self._sources), self._reference)}


def _score_share(value: float, reference: float) -> Score:
    return Score(value, reference, (value + LEAST_SHARE) / (reference + LEAST_SHARE))


def make_criteria(
    crops: Crops,
    sources: Sequence[Image],
    params: Params,
    matched: Collection[str],
    portilla_simoncelli: bool | None,
) -> list[Criterion]:
    """Make all criteria, in the order of their columns in the table of scores.

    Args:
        crops: crops of the sources.
        sources: the whole sources.
        params: the network.
        matched: layers that the pictures were made to match.
        portilla_simoncelli: whether to measure the statistics of Portilla and Simoncelli too; None measures them if
            plenoptic is installed.

    Raises:
        MissingPackageError: ``portilla_simoncelli`` is True and plenoptic is not installed.
    """
    if portilla_simoncelli is None:
        portilla_simoncelli = importlib.util.find_spec("plenoptic") is not None
    return [
        FeatureDistances(crops, params, matched),
        *([PortillaSimoncelli(crops)] if portilla_simoncelli else []),
        Peaks(crops),
        ColorDistances(crops),
        Seams(crops),
        Repetition(crops),
        Copies(crops, sources),
    ]
