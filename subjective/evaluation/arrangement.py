"""Judge what lies how far from what: order over long distances, and grain where the source is smooth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from subjective.evaluation.crops import Crops, flatten, pair_with_rest, root_mean_square
from subjective.evaluation.pixels import Image, luminance
from subjective.evaluation.scores import Measure, Score

LEAST_CORRELATION = 0.02
"""Smallest reference by which a difference of autocorrelations is divided. Nobody sees a correlation of 0.02."""

LEAST_DECIBELS = 0.5
"""Smallest reference by which an excess of grain is divided, in dB."""

STRETCHES = 1 + np.array([-0.03, -0.02, -0.015, -0.01, -0.005, 0.005, 0.01, 0.015, 0.02, 0.03])
"""By how much the autocorrelation of a picture is stretched before it is compared."""

FINE = 2.5
"""Standard deviation in pixels of the blur that removes grain: what it removes has wavelengths below some 8 pixels."""

AROUND = 8.0
"""Standard deviation in pixels of the neighborhood over which grain is averaged."""

SMOOTH = np.linspace(0.02, 0.5, 25)
"""Quantiles of the places of a picture, ordered by their grain: the smoother half."""

LEAST_POWER = (0.5 / 255) ** 2
"""Power of grain that is added everywhere: less than the rounding of 8 bits cannot be seen."""

Array = NDArray[np.floating]

LONG_RANGE = Measure(
    key="long_range",
    name="order over long distances",
    unit="correlation",
    figures="correlations {value:.2f} apart",
    aspect="structure",
)

GRAIN = Measure(
    key="grain",
    name="grain where it should be smooth",
    unit="dB",
    figures="{value:.1f} dB too much",
    verdicts=("no more than in a crop", "hardly more", "more", "much more"),
    remarks=("", "", "grain or a weave in smooth places", "strong grain or a weave in smooth places"),
)


def autocorrelation(gray: Array) -> Array:
    """Return the correlation of a map ``(height, width)`` with itself for all shifts of at most half of each side.

    The sides of the result are the numbers of shifts: half of the height down, and half of the width to either side.
    """
    gray = np.asarray(gray, np.float64) - np.mean(gray)
    height, width = gray.shape
    most = height // 2, width // 2
    size = tuple(scipy.fft.next_fast_len(side + far, real=True) for side, far in zip(gray.shape, most, strict=True))
    sums = scipy.fft.irfft2(np.abs(scipy.fft.rfft2(gray, size)) ** 2, size)
    down, right = np.arange(most[0] + 1), np.arange(-most[1], most[1] + 1)
    pairs = np.outer(height - down, width - np.abs(right))
    return np.asarray(sums[np.ix_(down, right)] / pairs / max(float(np.mean(gray**2)), 1e-9))


def _correlate(image: Image) -> Array:
    return autocorrelation(luminance(image))


def _distance(ours: Array, theirs: Array) -> float:
    return float(np.sqrt(np.mean((ours - theirs) ** 2)))


def _stretched_distance(ours: Array, theirs: Array) -> float:
    """Return the distance of two autocorrelations after the stretch of the first, along each side, that lowers it most.

    The result is never larger than `_distance`.
    """
    best = _distance(ours, theirs)
    for axis in (0, 1):
        middle = 0 if axis == 0 else ours.shape[1] // 2
        places = np.indices(ours.shape, np.float64)
        kept = ours
        for stretch in STRETCHES:
            moved = places.copy()
            moved[axis] = middle + (places[axis] - middle) * stretch
            tried = scipy.ndimage.map_coordinates(kept, moved, order=1, mode="nearest")
            if (found := _distance(tried, theirs)) < best:
                best, ours = found, tried
    return best


class LongRange:
    """The difference of the autocorrelations of the luminance, over all shifts up to half of a crop.

    A regular picture may be stretched by a few percent, so that its periods fit around it: nobody sees that, but after
    some periods its lines lie between those of the source. So the stretch that fits best is taken out first.
    """

    def __init__(self, crops: Crops):
        """Measure the crops."""
        found = crops.measure_each(_correlate)
        self._whole = np.average(flatten(found), axis=0, weights=crops.weights)
        pairs = [_distance(one, np.mean(rest, axis=0)) for one, rest in pair_with_rest(found)]
        self._reference = float(root_mean_square(pairs, crops.weights))

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        found = float(root_mean_square([_stretched_distance(_correlate(part), self._whole) for part in parts]))
        return [Score(LONG_RANGE, found, self._reference, found / max(self._reference, LEAST_CORRELATION))]


def measure_smoothness(image: Image) -> Array:
    """Return the grain of the smoother half of a picture's places in dB, at the quantiles `SMOOTH`."""
    gray = luminance(image)
    grain = gray - scipy.ndimage.gaussian_filter(gray, FINE, mode="mirror")
    power = scipy.ndimage.gaussian_filter(grain**2, AROUND, mode="mirror") + LEAST_POWER
    return np.asarray(10 * np.log10(np.quantile(power, SMOOTH)))


class Grain:
    """How much more grain the smooth places of a picture have than those of its sources."""

    def __init__(self, crops: Crops):
        """Measure the crops. Of several sources, the one with the most grain counts."""
        found = crops.measure_each(measure_smoothness)
        self._usual = np.max([np.mean(group, axis=0) for group in found], axis=0)
        pairs = [np.mean(one - np.mean(rest, axis=0)) for one, rest in pair_with_rest(found)]
        self._reference = float(root_mean_square(pairs, crops.weights))

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`. Too little grain is no fault here; the spectrum sees it."""
        excess = np.mean([np.mean(measure_smoothness(part) - self._usual) for part in parts])
        found = max(float(excess), 0.0)
        return [Score(GRAIN, found, self._reference, found / max(self._reference, LEAST_DECIBELS))]
