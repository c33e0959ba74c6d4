"""Criteria, by which pictures are judged. Each measures the sources' crops once, and then any number of pictures.

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
"""Smallest reference of relative distances; and number that is added to shares before they are divided.

One percent more or less does not matter. A source that repeats itself exactly has references of almost 0; without a
smallest reference, a shifted crop of such a source would score as far off.
"""

LEAST_DECIBELS = 0.1
"""Smallest reference of spectra, in dB."""

LEAST_LEVELS = 0.5
"""Smallest reference of colors, in levels of 255."""


@dataclass(frozen=True)
class Score:
    """One measure of one picture.

    Attributes:
        value: of the picture, in the measure's own unit.
        reference: what crops of the source score against the rest of the source; for a seam, the spread that chance
            gives.
        score: 1 if value and reference are alike. A larger score is worse; for a seam, a smaller score is worse too.
        details: scores at each layer and scale, such as ``conv3_3@0.5`` (half size), or of each channel or axis.
    """

    value: float
    reference: float
    score: float
    details: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Criterion(Protocol):
    """A way to judge pictures, made from the sources' crops."""

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture.

        Args:
            image: the picture.
            parts: parts of the crops' size that cover the picture.

        Returns:
            Name of each measure to its score.
        """


class FeatureDistances:
    """Distances of Gram matrices and distributions of the network's features, and of the radial spectrum."""

    def __init__(self, crops: Crops, params: Params, matched: Collection[str]):
        """Observe the crops at all layers and scales, without the layers of ``matched`` at whole octaves."""
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
"""Name to (distance of two observations, at each place or as one number; the smallest reference)."""


class PortillaSimoncelli:
    """Relative distance of the statistics of Portilla and Simoncelli, computed by plenoptic: the mean over their kinds.

    References:
        Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
        coefficients", 2000. Duong and others, "Plenoptic: a platform for synthesizing model-optimized visual stimuli",
        2023.
    """

    def __init__(self, crops: Crops):
        """Measure the crops of each source, in square windows with the crops' smaller side.

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
        """Average each kind of statistic over windows: means, variances, correlations of several sorts."""
        import torch

        squares = pixels.place_windows(picture.shape, self._side)
        gray = np.stack([pixels.luminance(picture[square]) for square in squares])[:, None]
        found = self._model(torch.as_tensor(gray, dtype=torch.float32)).mean(dim=(0, 1), keepdim=True)
        kinds = self._model.convert_to_dict(found).items()
        # Kinds that compare several scales are empty if there is only one scale.
        return {kind: values[~values.isnan()].double().numpy() for kind, values in kinds if values.numel()}

    @staticmethod
    def _distances(found: dict[str, Array], others: Sequence[dict[str, Array]], weights: Array | None = None) -> Array:
        """Return the relative distance of each kind of statistic to the mean of others."""
        wanted = {kind: np.average([other[kind] for other in others], axis=0, weights=weights) for kind in found}
        return np.array(
            [np.linalg.norm(found[k] - wanted[k]) / max(float(np.linalg.norm(wanted[k])), _LEAST_NORM) for k in found]
        )


_LEAST_NORM = 1e-12
"""Smallest norm by which a distance is divided; the statistics of a flat picture are 0."""


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
    """Distances of color histograms, by channel and in opponent axes."""

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
"""Name of the measure to the names of its histograms."""


def _compare_histograms(image: Image, other: Image) -> Array:
    """Return `pixels.color_distance` with the mean of each row before the row: ``(2, 4)``."""
    found = pixels.color_distance(image, other)
    return np.concatenate([found.mean(axis=1, keepdims=True), found], axis=1)


class Seams:
    """Steps across the border where the picture is repeated."""

    def __init__(self, crops: Crops):
        """Measure nothing: a seam is compared with the inside of the same picture."""

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        found = [pixels.seam(image, axis) for axis in (0, 1)]
        names = ("seam_rows", "seam_columns")
        return {name: Score(ratio, chance, ratio) for name, (ratio, chance) in zip(names, found, strict=True)}


class Repetition:
    """Whether the picture repeats itself."""

    def __init__(self, crops: Crops):
        """Measure how far the crops repeat themselves."""
        self._coarse = min(*crops.size, pixels.MAX_PEAK_SIDE) / 16
        self._reference = crops.average(lambda crop: pixels.repetition(crop, self._coarse))

    def score(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture, as `Criterion.score`."""
        return {"repetition": _score_share(pixels.repetition(image, self._coarse), self._reference)}


class Copies:
    """Whether the picture is put together from patches of the sources."""

    def __init__(self, crops: Crops, sources: Sequence[Image]):
        """Measure how much of two crops of each source is copied from the source's other crops."""
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
    """Make all criteria, in the order of the table of scores.

    Args:
        crops: of the sources.
        sources: the whole sources.
        params: the network.
        matched: layers that the pictures were made to match.
        portilla_simoncelli: whether to measure these statistics as well; if None, where plenoptic is installed.

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
