"""Judge the colors of a picture at several sizes: which colors there are together, and how sharply they change.

Histograms of single channels do not see colors that no place of the source has, and histograms of pixels do not see
spots that are smaller or sharper than the source's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from subjective.colors import OPPONENT
from subjective.evaluation.crops import Crops, flatten, pair_with_rest, root_mean_square
from subjective.evaluation.pixels import Image, take_quantiles
from subjective.evaluation.scores import Measure, Score
from subjective.statistics.sliced import random_directions

OCTAVES = (1, 2, 3, 4, 5)
"""How many times pictures are halved before their colors are compared."""

LEAST_SIDE = 8
"""Smallest side in pixels of a reduced crop."""

DIRECTIONS = 16
"""Number of directions in the space of colors along which distributions are compared."""

LEAST_LEVELS = 0.5
"""Smallest reference by which a distance is divided, in levels of 255."""

Array = NDArray[np.floating]

TINTS = Measure(
    key="tints",
    name="tints (joint colors)",
    unit="levels of 255",
    figures="{value:.1f} of 255 apart",
    aspect="colors",
)

EDGES = Measure(
    key="color_edges",
    name="sharpness of tints",
    unit="levels of 255",
    figures="{value:.1f} of 255 apart",
    aspect="borders of colors",
)


def reduce_colors(image: Image, octave: int) -> Array:
    """Return the opponent colors of a picture, averaged over squares of ``2**octave`` pixels, in levels of 255."""
    side = 2**octave
    rows, columns = (length // side for length in image.shape[:2])
    blocks = np.asarray(image[: rows * side, : columns * side], np.float64).reshape(rows, side, columns, side, 3)
    return np.asarray(255 * blocks.mean(axis=(1, 3)) @ OPPONENT.T)


def joint_distance(ours: Array, theirs: Array) -> float:
    """Return the distance of two distributions of colors, ``(pixels, 3)`` each, in three dimensions at once.

    It is the mean Wasserstein-1 distance along `DIRECTIONS` directions, in the unit of the colors.
    """
    directions = random_directions(3, DIRECTIONS, seed=2)
    return float(np.abs(take_quantiles(ours @ directions) - take_quantiles(theirs @ directions)).mean())


def measure_steps(colors: Array) -> Array:
    """Return how far the hue of each pixel is from that of its neighbors below and to the right, ``(steps, 1)``."""
    hues = colors[:, :, 1:]  # without light and dark
    down, right = (np.linalg.norm(np.diff(hues, axis=axis), axis=2).ravel() for axis in (0, 1))
    return np.concatenate([down, right])[:, None]


def _flatten(colors: Array) -> Array:
    return colors.reshape(-1, 3)


def _step_distance(ours: Array, theirs: Array) -> float:
    return float(np.abs(take_quantiles(ours) - take_quantiles(theirs)).mean())


_COMPARISONS: list[tuple[Measure, Callable[[Array], Array], Callable[[Array, Array], float]]] = [
    (TINTS, _flatten, joint_distance),
    (EDGES, measure_steps, _step_distance),
]
"""Measures, with what is taken from reduced colors, and the distance of two of these."""


class TintDistances:
    """Distances of the joint colors of reduced pictures, and of the sharpness of their changes."""

    def __init__(self, crops: Crops):
        """Measure the crops at each octave."""
        self._octaves = [octave for octave in OCTAVES if min(crops.size) >> octave >= LEAST_SIDE]
        self._known: dict[tuple[str, int], tuple[Array, float]] = {}
        for octave in self._octaves:
            reduced = [[reduce_colors(crop, octave) for crop in group] for group in crops.by_source]
            for measure, take, distance in _COMPARISONS:
                taken = [[take(one) for one in group] for group in reduced]
                apart = [distance(one, np.concatenate(rest)) for one, rest in pair_with_rest(taken)]
                whole = _pool(flatten(taken), crops.weights)
                self._known[measure.key, octave] = whole, float(root_mean_square(apart, crops.weights))

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`. No score if the crops are too small to be reduced."""
        scores = []
        for measure, take, distance in _COMPARISONS if self._octaves else []:
            found, usual = [], []
            for octave in self._octaves:
                whole, reference = self._known[measure.key, octave]
                found.append(root_mean_square([distance(take(reduce_colors(part, octave)), whole) for part in parts]))
                usual.append(reference)
            each = np.array(found) / np.maximum(usual, LEAST_LEVELS)
            details = {f"{2.0**-octave:.3g}": float(one) for octave, one in zip(self._octaves, each, strict=True)}
            scores.append(Score(measure, float(np.mean(found)), float(np.mean(usual)), float(each.mean()), details))
        return scores


def _pool(several: Sequence[Array], weights: Array) -> Array:
    """Collect samples of several crops, repeated in proportion to the crops' weights."""
    times = np.rint(np.asarray(weights) / np.min(weights[np.asarray(weights) > 0])).astype(int)
    return np.concatenate([np.tile(one, (min(count, 100), 1)) for one, count in zip(several, times, strict=True)])
