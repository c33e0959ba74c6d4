"""What pictures are judged by: each criterion measures the sources' crops once, then as many pictures as there are.

A new one is a class here, with a line in `criteria`.
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
from subjective.evaluation.crops import Array, Crops, each_and_rest, flat, pooled, root_mean_square
from subjective.evaluation.features import Look, gram_distances, look, places_seen, sliced_distances, together
from subjective.evaluation.pixels import Image
from subjective.network.vgg import Params

SHARE = 0.01
"""One percent more or less is nothing: added to shares before they are compared, and the least reference.

What no source is closer to itself than: a shifted crop of one that repeats itself exactly is no further off than it
looks.
"""

DECIBELS = 0.1
"""The same of spectra."""

LEVELS = 0.5
"""The same of colors, in levels of 255."""


@dataclass(frozen=True)
class Score:
    """One measure of one picture.

    Attributes:
        value: of the picture, in the measure's own unit.
        reference: what crops of the source score against the rest of it; of a seam, the spread that chance gives.
        score: 1 where the two are alike; larger is worse, and of a seam smaller as well.
        details: scores at each layer and scale, such as ``conv3_3@0.5`` (half size), or of each channel or axis.
    """

    value: float
    reference: float
    score: float
    details: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Criterion(Protocol):
    """A way to judge pictures, made from the sources' crops."""

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """Judge a picture; ``parts`` are of the crops' size, and cover it."""


class Features:
    """Gram matrices and distributions of what the network sees, and the radial spectrum."""

    def __init__(self, crops: Crops, params: Params, matched: Collection[str]):
        """See where no layer of ``matched`` was."""
        side = min(crops.size)
        self._places = places_seen(params, matched, side)
        self._look = partial(look, params=params, places=self._places, side=side)
        looks = crops.each(self._look)
        self._whole = together(flat(looks), crops.weights)
        pairs = [(one, together(rest)) for one, rest in each_and_rest(looks)]
        self._references = {
            name: root_mean_square([measure(*pair) for pair in pairs], crops.weights)
            for name, (measure, _) in _DISTANCES.items()
        }

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        looks, scores = [self._look(part) for part in parts], {}
        for name, (measure, least) in _DISTANCES.items():
            found, reference = root_mean_square([measure(one, self._whole) for one in looks]), self._references[name]
            each = found / np.maximum(reference, least)
            names = [f"{layer}@{scale:.3g}" for layer, scale in self._places] if each.ndim else []
            details = dict(zip(names, each.ravel().tolist(), strict=False))
            scores[name] = Score(float(np.mean(found)), float(np.mean(reference)), float(np.mean(each)), details)
        return scores


def _spectrum_error(one: Look, other: Look) -> float:
    return pixels.spectrum_error(one.spectrum, other.spectrum)


_DISTANCES = {
    "gram": (gram_distances, SHARE),
    "sliced_wasserstein": (sliced_distances, SHARE),
    "spectrum": (_spectrum_error, DECIBELS),
}
"""From two looks to their distance, at each place or as one number, and the least reference."""


class PortillaSimoncelli:
    """Relative distance of the statistics of Portilla and Simoncelli, as plenoptic has them: the mean over their kinds.

    References:
        Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
        coefficients", 2000. Duong and others, "Plenoptic: a platform for synthesizing model-optimized visual stimuli",
        2023.
    """

    def __init__(self, crops: Crops):
        """Measure crops of each source, through windows of their smaller side.

        Raises:
            ImportError: plenoptic is not installed.
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
        found = crops.each(self._statistics)
        self._crops, self._weights = flat(found), crops.weights
        self._reference = root_mean_square([self._distances(*pair) for pair in each_and_rest(found)], crops.weights)

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        found = root_mean_square(
            [self._distances(self._statistics(part), self._crops, self._weights) for part in parts]
        )
        each = found / np.maximum(self._reference, SHARE)
        details = dict(zip(self._crops[0], each.tolist(), strict=True))
        score = Score(float(np.mean(found)), float(np.mean(self._reference)), float(np.mean(each)), details)
        return {"portilla_simoncelli": score}

    def _statistics(self, picture: Image) -> dict[str, Array]:
        """The mean over windows of each kind: means, variances, correlations of several sorts."""
        import torch

        squares = pixels.windows(picture.shape, self._side)
        gray = np.stack([pixels.luminance(picture[square]) for square in squares])[:, None]
        found = self._model(torch.as_tensor(gray, dtype=torch.float32)).mean(dim=(0, 1), keepdim=True)
        kinds = self._model.convert_to_dict(found).items()
        # Those that take several scales are empty where there is room for one.
        return {kind: values[~values.isnan()].double().numpy() for kind, values in kinds if values.numel()}

    @staticmethod
    def _distances(found: dict[str, Array], others: Sequence[dict[str, Array]], weights: Array | None = None) -> Array:
        wanted = {kind: np.average([other[kind] for other in others], axis=0, weights=weights) for kind in found}
        return np.array(
            [np.linalg.norm(found[k] - wanted[k]) / max(float(np.linalg.norm(wanted[k])), _NOTHING) for k in found]
        )


_NOTHING = 1e-12
"""Of a flat picture's statistics."""


class Peaks:
    """The strongest isolated peak of the spectrum."""

    def __init__(self, crops: Crops):
        """Look for those of the crops."""
        self._side = min(*crops.size, pixels.LARGEST)
        self._reference = crops.mean(lambda crop: pixels.spectral_peak(crop, self._side))

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        peak = pixels.spectral_peak(image, self._side)
        return {"peak": Score(peak, self._reference, float(10 ** (peak - self._reference)))}


class Colors:
    """Histograms, by channel and in opponent axes."""

    def __init__(self, crops: Crops):
        """Take those of the crops."""
        self._whole = pooled(flat(crops.by_source), crops.weights)
        pairs = [(one, pooled(rest)) for one, rest in each_and_rest(crops.by_source)]
        self._reference = root_mean_square([_of_histograms(*pair) for pair in pairs], crops.weights)

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        found = root_mean_square([_of_histograms(part, self._whole) for part in parts])
        scores = {}
        for name, names, own, theirs in zip(_HISTOGRAMS, _HISTOGRAMS.values(), found, self._reference, strict=True):
            mean, *each = own / np.maximum(theirs, LEVELS)
            details = dict(zip(names, map(float, each), strict=True))
            scores[name] = Score(float(own[0]), float(theirs[0]), float(mean), details)
        return scores


_HISTOGRAMS = {"color": ("red", "green", "blue"), "opponent": ("light-dark", "red-green", "yellow-blue")}


def _of_histograms(image: Image, other: Image) -> Array:
    """``(2, 4)``: of channels and of axes the mean, and each."""
    found = pixels.color_distance(image, other)
    return np.concatenate([found.mean(axis=1, keepdims=True), found], axis=1)


class Seams:
    """Steps across the border where the picture is repeated."""

    def __init__(self, crops: Crops):
        """A seam is held against the picture itself."""

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        found = [pixels.seam(image, axis) for axis in (0, 1)]
        names = ("seam_rows", "seam_columns")
        return {name: Score(ratio, chance, ratio) for name, (ratio, chance) in zip(names, found, strict=True)}


class Repetition:
    """Whether the picture repeats itself."""

    def __init__(self, crops: Crops):
        """See whether the crops do."""
        self._coarse = min(*crops.size, pixels.LARGEST) / 16
        self._reference = crops.mean(lambda crop: pixels.repetition(crop, self._coarse))

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        return {"repetition": _of_shares(pixels.repetition(image, self._coarse), self._reference)}


class Copies:
    """Whether the picture is put together from patches of the sources."""

    def __init__(self, crops: Crops, sources: Sequence[Image]):
        """See whether the sources are, by two crops of each."""
        self._sources = sources
        pairs = [each_and_rest([group]) for group in crops.by_source]
        chosen = [(group[0], group[len(group) // 2]) for group in pairs]
        found = [[pixels.copied_share(*pair) for pair in group] for group in chosen]
        self._reference = float(np.average(np.mean(found, axis=1), weights=crops.shares))

    def scores(self, image: Image, parts: Sequence[Image]) -> dict[str, Score]:
        """As `Criterion.scores`."""
        return {"copied": _of_shares(pixels.copied_share(image, self._sources), self._reference)}


def _of_shares(value: float, reference: float) -> Score:
    return Score(value, reference, (value + SHARE) / (reference + SHARE))


def criteria(
    crops: Crops,
    sources: Sequence[Image],
    params: Params,
    matched: Collection[str],
    portilla_simoncelli: bool | None,
) -> list[Criterion]:
    """All of them, in the order of the table.

    Args:
        crops: of the sources.
        sources: whole.
        params: the network.
        matched: layers that pictures were made by.
        portilla_simoncelli: whether by these statistics as well; if None, where plenoptic is installed.

    Raises:
        ImportError: it is wanted and not installed.
    """
    if portilla_simoncelli is None:
        portilla_simoncelli = importlib.util.find_spec("plenoptic") is not None
    return [
        Features(crops, params, matched),
        *([PortillaSimoncelli(crops)] if portilla_simoncelli else []),
        Peaks(crops),
        Colors(crops),
        Seams(crops),
        Repetition(crops),
        Copies(crops, sources),
    ]
