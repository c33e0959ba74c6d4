"""Compare small windows of a picture with those of its sources: is there anything that the sources do not have?

A window is a square of the network's map, described by the mean and the standard deviation of each feature. Statistics
of a whole picture can be right where half of it is broken and the other half makes up for it; a window has nothing that
could make up for it.

References:
    Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", NeurIPS 2019. Naeem et
    al., "Reliable fidelity and diversity metrics for generative models", ICML 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subjective.evaluation.scores import Measure, Score

LAYER = "conv3_3"
"""Layer whose map is divided into windows."""

CELLS = 8
"""Side of a window in pixels of the map. Even, because pixels are added up in squares of two."""

STRIDE = 2
"""Pixels of the map from a window to the next."""

LEAST_WINDOWS = 16
"""A scale at which a crop has fewer windows is left out: chance would decide."""

USUAL = 0.95
"""Share of the windows of a crop that are as near to the rest of the source as counts as usual."""

WORST = 0.25
"""Share of the windows, those farthest from the source, whose distances are averaged."""

LEAST_SPREAD = 0.3
"""Smallest squared distance by which squared distances are divided, as a share of the variance of the source's windows.
Sources that repeat themselves exactly have distances of almost 0."""

MOST_PAIRS = 2**24
"""Largest number of pairs of windows that are compared at once, in 130 MB."""

Array = NDArray[np.floating]
ByScale = Mapping[float, "Windows"]

FIDELITY = Measure(
    key="fidelity",
    name="places unlike the source",
    unit="share of the picture",
    figures="{value:.0%} of the picture",
    verdicts=("no more than in a crop", "more", "many more", "far more"),
    aspect="structure",
    remarks=("", *("{value:.0%} of it is unlike any place in its source",) * 3),
)

COVERAGE = replace(
    FIDELITY,
    key="coverage",
    name="places that it lacks",
    unit="share of the source",
    figures="{value:.0%} of the source",
    remarks=("", "", *("{value:.0%} of its source is unlike any place in it",) * 2),
)


@dataclass(frozen=True)
class Windows:
    """Windows of a picture at one scale, or of several pictures together.

    Attributes:
        features: mean and standard deviation of each feature in each window, ``(windows, 2 * features)``.
        between: the same of windows that lie in the middle between four of ``features``. Crops of a source that repeats
            itself are compared by these with other crops: windows at the same places would be equal.
        places: row and column of the middle of each of ``features``, in pixels of the full picture, ``(windows, 2)``.
    """

    features: Array
    between: Array
    places: Array


def cut_windows(maps: Array, corner: tuple[int, int], scale: float, size: int) -> Windows:
    """Divide a feature map into overlapping windows.

    Args:
        maps: ``(side, side, features)``, the map of a square part of a reduced picture.
        corner: row and column of the part in the reduced picture, in pixels.
        scale: size of the reduced picture over that of the full picture.
        size: side of the part in pixels.

    Returns:
        The windows; none if the map is smaller than a window.
    """
    shift = STRIDE // 2
    features, between = _describe(maps), _describe(maps[shift:, shift:])
    # The map lies in the middle of the part, because the network's padding is valid.
    middles = (np.arange(_count(len(maps))) * STRIDE + CELLS / 2 - len(maps) / 2) * _pixels(size, len(maps)) + size / 2
    places = np.stack(np.meshgrid(middles + corner[0], middles + corner[1], indexing="ij"), axis=2) / scale
    return Windows(features, between, places.reshape(-1, 2))


def _count(side: int) -> int:
    """Return how many windows fit along a side of a map."""
    return max((side - CELLS) // STRIDE + 1, 0)


def _pixels(size: int, side: int) -> int:
    """Return how many pixels of the picture a pixel of the map stands for: a power of two."""
    return 2 ** int(np.floor(np.log2(size / side)))


def _describe(maps: Array) -> Array:
    """Return mean and standard deviation of each feature in each window, ``(windows, 2 * features)``."""
    rows, columns, features = (_count(maps.shape[0]), _count(maps.shape[1]), maps.shape[2])
    if not rows or not columns:
        return np.zeros((0, 2 * features), np.float32)
    means = []
    for values in (maps, np.square(maps)):
        used = values[: (rows - 1) * STRIDE + CELLS, : (columns - 1) * STRIDE + CELLS]
        blocks = used.reshape(len(used) // STRIDE, STRIDE, -1, STRIDE, features).mean(axis=(1, 3))
        steps = CELLS // STRIDE
        lines = np.mean([blocks[start : start + rows] for start in range(steps)], axis=0)
        means.append(np.mean([lines[:, start : start + columns] for start in range(steps)], axis=0))
    deviations = np.sqrt(np.maximum(means[1] - means[0] ** 2, 0))
    return np.concatenate([means[0], deviations], axis=2).reshape(-1, 2 * features).astype(np.float32)


def pool_windows(several: Sequence[Windows]) -> Windows:
    """Collect the windows of several pictures."""
    fields = ("features", "between", "places")
    return Windows(*(np.concatenate([getattr(one, name) for one in several]) for name in fields))


def find_distances(ours: Array, theirs: Array) -> Array:
    """Return the squared distance of each of our windows to the nearest of theirs."""
    lengths = np.sum(theirs**2, axis=1)
    rows = max(MOST_PAIRS // max(len(theirs), 1), 1)
    nearest = [np.min(lengths - 2 * (ours[at : at + rows] @ theirs.T), axis=1) for at in range(0, len(ours), rows)]
    return np.maximum(np.sum(ours**2, axis=1) + np.concatenate([ours[:0, 0], *nearest]), 0)


def _average_worst(distances: Array) -> float:
    """Return the mean of the `WORST` largest of the squared distances."""
    count = max(round(WORST * len(distances)), 1)
    return float(np.mean(np.partition(distances, len(distances) - count)[-count:]))


@dataclass(frozen=True)
class _Reference:
    """What is usual at one scale.

    Attributes:
        whole: windows of all crops.
        limits: squared distances that `USUAL` of a crop's windows have from the rest, and of the rest's from a crop.
        worst: mean of the largest squared distances of the same windows.
    """

    whole: Windows
    limits: tuple[float, float]
    worst: tuple[float, float]


class WindowDistances:
    """Distances of a picture's windows from its sources (fidelity), and of the sources' from the picture (coverage)."""

    def __init__(self, crops: Sequence[Sequence[ByScale]], scales: Sequence[float]):
        """Measure how far each crop is from the other crops of its source.

        Args:
            crops: windows of each crop of each source.
            scales: scales at which there are windows.
        """
        self._references: dict[float, _Reference] = {}
        for scale in scales:
            groups = [[crop[scale] for crop in group] for group in crops]
            if len(groups[0][0].features) >= LEAST_WINDOWS:
                self._references[scale] = _measure(groups)

    def score(self, parts: Sequence[ByScale]) -> list[Score]:
        """Judge a picture by the windows of its parts. No score if the crops are too small for windows."""
        if not self._references:
            return []
        rows: list[list[float]] = []
        for scale, known in self._references.items():
            ours = [part[scale].features for part in parts]
            far = find_distances(np.concatenate(ours), known.whole.features)
            missing = [find_distances(known.whole.features, one) for one in ours]
            shares = float(np.mean(far > known.limits[0])), float(np.mean(np.concatenate(missing) > known.limits[1]))
            worst = _average_worst(far), float(np.mean([_average_worst(one) for one in missing]))
            rows.append([*shares, worst[0] / known.worst[0], worst[1] / known.worst[1]])
        found = np.array(rows, np.float64)
        return [
            Score(
                measure,
                float(found[:, number].mean()),
                1 - USUAL,
                float(found[:, number + 2].mean()),
                {f"{scale:.3g}": float(row[number + 2]) for scale, row in zip(self._references, found, strict=True)},
            )
            for number, measure in enumerate((FIDELITY, COVERAGE))
        ]

    def locate(self, parts: Sequence[ByScale], shape: tuple[int, int]) -> Array:
        """Return where a picture is unlike its sources.

        Args:
            parts: windows of the picture, as one part.
            shape: (height, width) of the picture.

        Returns:
            Map ``(height, width)``: squared distance of the place from its sources, over the distance that is the limit
            of what is usual; 1 and less is usual. The mean over the scales.
        """
        total = np.zeros(shape)
        for scale, known in self._references.items():
            found = pool_windows([part[scale] for part in parts])
            far = find_distances(found.features, known.whole.features) / max(known.limits[0], 1e-12)
            total += _spread(far, found.places, shape)
        return total / max(len(self._references), 1)


def _spread(values: Array, places: Array, shape: tuple[int, int]) -> Array:
    """Return a map in which each pixel has the value of the nearest place."""
    rows, columns = (np.unique(places[:, axis]) for axis in (0, 1))
    grid = np.full((len(rows), len(columns)), np.nan)
    grid[np.searchsorted(rows, places[:, 0]), np.searchsorted(columns, places[:, 1])] = values
    nearest = [
        np.abs(np.arange(side)[:, None] - known).argmin(axis=1)
        for side, known in zip(shape, (rows, columns), strict=True)
    ]
    filled = np.where(np.isnan(grid), np.nanmean(grid), grid)
    return np.asarray(filled[np.ix_(*nearest)])


def _measure(groups: Sequence[Sequence[Windows]]) -> _Reference:
    """Compare each crop with the other crops of its source."""
    far, missing = [], []
    for group in groups:
        for number, crop in enumerate(group):
            rest = [*group[:number], *group[number + 1 :]]
            far.append(find_distances(crop.between, np.concatenate([one.features for one in rest])))
            missing.append(find_distances(np.concatenate([one.between for one in rest]), crop.features))
    whole = pool_windows([crop for group in groups for crop in group])
    least = LEAST_SPREAD * float(np.sum(np.var(whole.features, axis=0)))
    return _Reference(
        whole,
        (_limit(far, least), _limit(missing, least)),
        (max(_worst(far), least), max(_worst(missing), least)),
    )


def _limit(several: Sequence[Array], least: float) -> float:
    """Return the squared distance that `USUAL` of several crops' windows have, at least ``least``."""
    return max(float(np.quantile(np.concatenate(several), USUAL)), least)


def _worst(several: Sequence[Array]) -> float:
    """Return the mean of `_average_worst` over several crops."""
    return float(np.mean([_average_worst(one) for one in several]))
