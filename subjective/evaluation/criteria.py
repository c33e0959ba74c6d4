"""Criteria judge pictures. Each criterion measures crops of the sources once, and then scores any number of pictures.

To add a criterion, write a class here, a `Measure` with its words for each of its scores, and a line in
`make_criteria`. The report of the scores needs no change.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from subjective.evaluation import pixels
from subjective.evaluation.arrangement import Grain, LongRange
from subjective.evaluation.crops import (
    Array,
    Crops,
    flatten,
    pair_with_rest,
    place_parts,
    pool_pixels,
    root_mean_square,
)
from subjective.evaluation.features import (
    Observation,
    choose_places,
    gram_distances,
    observe,
    pool_observations,
    sliced_distances,
)
from subjective.evaluation.pixels import Image
from subjective.evaluation.portilla_simoncelli import PortillaSimoncelli
from subjective.evaluation.scores import LEAST_SHARE, Measure, Score
from subjective.evaluation.tints import TintDistances
from subjective.evaluation.windows import FIDELITY, LAYER, ByScale, WindowDistances
from subjective.network.vgg import Params

LEAST_DECIBELS = 0.5
"""Smallest reference by which a distance of spectra is divided, in dB. Nobody sees half a decibel, which changes the
contrast by six percent; in pictures of 256 pixels, crops of some photographs are only 0.3 dB apart."""

LEAST_LEVELS = 0.5
"""Smallest reference by which a distance of colors is divided, in levels of 255."""

LEAST_LIKENESS = 0.05
"""Smallest reference by which a correlation or a share of copied patches is divided. Nobody sees a correlation of 0.05,
nor that one patch in twenty is copied."""

MOST_BESIDE = 2**22
"""Largest number of pixels of all sources together for which criteria are computed beside each other."""

WHOLE = 0.9
"""Smallest share of copied patches at which a picture is called a copy. Patches without contrast never count."""


@runtime_checkable
class Criterion(Protocol):
    """A way to judge pictures. A criterion is made from crops of the sources."""

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture.

        Args:
            image: the picture.
            parts: parts of the picture, as large as the crops, from `cut_parts`.

        Returns:
            The score of each measure.
        """


GRAM = Measure(
    key="gram",
    name="texture statistics (Gram)",
    unit="relative distance",
    figures="{value:.0%} apart",
    aspect="structure",
)

SLICED = Measure(
    key="sliced_wasserstein",
    name="distributions (sliced)",
    unit="standard deviations",
    figures="{value:.2f} deviations apart",
    aspect="structure",
)

SPECTRUM = Measure(
    key="spectrum",
    name="fine grain (spectrum)",
    unit="dB",
    figures="{value:.1f} dB apart",
    aspect="fine grain",
)


class FeatureDistances:
    """Distances of windows, of Gram matrices and of distributions of the network's features; of radial spectra."""

    def __init__(self, crops: Crops, params: Params, matched: Collection[str]):
        """Observe the crops at all layers and scales, except the layers ``matched`` at whole octaves."""
        # On the device: otherwise the parameters would be copied for each window.
        self._params, self._size = jax.tree.map(jnp.asarray, params), crops.size
        self._side = side = min(crops.size)
        self._places = choose_places(params, matched, side)
        self._observe = partial(observe, params=self._params, places=self._places, side=side)
        observations = crops.measure_each(self._observe)
        windows = [[one.windows for one in group] for group in observations]
        self._scales = list(windows[0][0])
        self._windows = WindowDistances(windows, self._scales)
        self._whole = pool_observations(flatten(observations), crops.weights)
        pairs = [(one, pool_observations(rest)) for one, rest in pair_with_rest(observations)]
        self._references = [
            root_mean_square([distance(*pair) for pair in pairs], crops.weights) for _, distance, _ in _DISTANCES
        ]

    def locate(self, image: Image) -> Array:
        """Return where a picture is unlike its sources, as `WindowDistances.locate`."""
        places = [(LAYER, scale) for scale in self._scales]
        found = observe(image, self._params, places, self._side)
        return self._windows.locate([found.windows], image.shape[:2])

    def _map(self, image: Image, windows: Sequence[ByScale]) -> Array | None:
        """Put the maps of a picture's parts together; the mean where parts overlap. None if a place is in no part."""
        total, count = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
        for place, found in zip(place_parts(image.shape, self._size), windows, strict=True):
            total[place] += self._windows.locate([found], total[place].shape)
            count[place] += 1
        return total / count if count.all() else None

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        observations = [self._observe(part) for part in parts]
        windows = [one.windows for one in observations]
        scores = [
            replace(score, map=self._map(image, windows)) if score.measure is FIDELITY else score
            for score in self._windows.score(windows)
        ]
        for (measure, distance, least), reference in zip(_DISTANCES, self._references, strict=True):
            found = root_mean_square([distance(one, self._whole) for one in observations])
            each = found / np.maximum(reference, least)
            names = [f"{layer}@{scale:.3g}" for layer, scale in self._places] if each.ndim else []
            details = dict(zip(names, each.ravel().tolist(), strict=False))
            scores.append(
                Score(measure, float(np.mean(found)), float(np.mean(reference)), float(np.mean(each)), details)
            )
        return scores


def _spectrum_error(one: Observation, other: Observation) -> float:
    return pixels.spectrum_error(one.spectrum, other.spectrum)


_DISTANCES: list[tuple[Measure, Callable[[Observation, Observation], Any], float]] = [
    (GRAM, gram_distances, LEAST_SHARE),
    (SLICED, sliced_distances, LEAST_SHARE),
    (SPECTRUM, _spectrum_error, LEAST_DECIBELS),
]
"""Measures with their distance of two observations, and the smallest reference of the measure.

The distance is an array, with a number for each place, or one number.
"""


_STRENGTHS = ("no stronger than in a crop", "hardly stronger", "stronger", "much stronger")
"""Verdicts of measures that compare how strong something is in the picture and in a crop."""

PEAK = Measure(
    key="peak",
    name="pattern of pixels (peak)",
    unit="log10 of a ratio",
    figures="10^{value:.1f}",
    verdicts=_STRENGTHS,
    remarks=("", "", "a regular pattern of pixels", "a strong regular pattern of pixels"),
)


class Peaks:
    """The strongest isolated peak of the spectrum."""

    def __init__(self, crops: Crops):
        """Measure the peaks of the crops."""
        self._side = min(*crops.size, pixels.MAX_PEAK_SIDE)
        self._reference = crops.average(lambda crop: pixels.spectral_peak(crop, self._side))

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        peak = pixels.spectral_peak(image, self._side)
        return [Score(PEAK, peak, self._reference, float(10 ** (peak - self._reference)))]


COLOR = Measure(
    key="color",
    name="colors (red, green, blue)",
    unit="levels of 255",
    figures="{value:.1f} of 255 apart",
    aspect="colors",
)

OPPONENT = replace(COLOR, key="opponent", name="colors (opponent)")


class ColorDistances:
    """Distances of color histograms: of each channel, and along each opponent axis."""

    def __init__(self, crops: Crops):
        """Collect the colors of the crops."""
        self._whole = pool_pixels(flatten(crops.by_source), crops.weights)
        pairs = [(one, pool_pixels(rest)) for one, rest in pair_with_rest(crops.by_source)]
        self._reference = root_mean_square([_compare_histograms(*pair) for pair in pairs], crops.weights)

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        found = root_mean_square([_compare_histograms(part, self._whole) for part in parts])
        scores = []
        for (measure, names), own, theirs in zip(_HISTOGRAMS, found, self._reference, strict=True):
            mean, *each = own / np.maximum(theirs, LEAST_LEVELS)
            details = dict(zip(names, map(float, each), strict=True))
            scores.append(Score(measure, float(own[0]), float(theirs[0]), float(mean), details))
        return scores


_HISTOGRAMS = [(COLOR, ("red", "green", "blue")), (OPPONENT, ("light-dark", "red-green", "yellow-blue"))]
"""Measures with the names of their histograms."""


def _compare_histograms(image: Image, other: Image) -> Array:
    """Return `pixels.color_distance` with a new first column, which holds the mean of each row: ``(2, 4)``."""
    found = pixels.color_distance(image, other)
    return np.concatenate([found.mean(axis=1, keepdims=True), found], axis=1)


SEAM_ROWS = Measure(
    key="seam_rows",
    name="seam between top and bottom",
    unit="ratio of steps",
    figures="{value:.2f} times a step inside",
    verdicts=("none", "perhaps", "visible", "clear"),
    remarks=("", "", "a seam between top and bottom", "a clear seam between top and bottom"),
)

SEAM_COLUMNS = replace(
    SEAM_ROWS,
    key="seam_columns",
    name="seam between left and right",
    remarks=("", "", "a seam between left and right", "a clear seam between left and right"),
)

TILES_ROWS = replace(
    SEAM_ROWS,
    name="tiles from top to bottom",
    verdicts=("yes", "perhaps", "no", "no"),
    remarks=("",) * 4,
    is_fault=False,
)
"""The measure of a seam for pictures that need not tile."""

TILES_COLUMNS = replace(TILES_ROWS, key="seam_columns", name="tiles from left to right")


class Seams:
    """Steps between opposite edges of the picture, which meet where the picture is repeated."""

    def __init__(self, crops: Crops, *, are_faults: bool):
        """Take the crops, but measure nothing: a seam is compared with the inside of the same picture.

        Args:
            crops: crops of the sources.
            are_faults: whether a seam is a fault, because the pictures are meant to tile.
        """
        self._measures = (SEAM_ROWS, SEAM_COLUMNS) if are_faults else (TILES_ROWS, TILES_COLUMNS)

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        return [Score(measure, *pixels.seam(image, axis)) for axis, measure in enumerate(self._measures)]


REPETITION = Measure(
    key="repetition",
    name="repetition",
    unit="correlation",
    figures="correlation {value:.2f}",
    verdicts=_STRENGTHS,
    remarks=("", "", "repeats itself", "repeats itself clearly"),
)


class Repetition:
    """The highest autocorrelation of the picture, which is high if the picture repeats itself."""

    def __init__(self, crops: Crops):
        """Measure how much the crops repeat themselves."""
        self._coarse = min(*crops.size, pixels.MAX_PEAK_SIDE) / 16
        self._reference = crops.average(lambda crop: pixels.repetition(crop, self._coarse))

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        found = pixels.repetition(image, self._coarse)
        return [Score(REPETITION, found, self._reference, _compare_shares(found, self._reference))]


COPIED = Measure(
    key="copied",
    name="copied from the source",
    unit="share of patches",
    figures="{value:.0%} of the picture",
    verdicts=("no more than in a crop", "hardly more", "more than in a crop", "much more than in a crop"),
    remarks=("", "", "{value:.0%} is copied from its source", "{value:.0%} is copied from its source"),
    is_fault=False,  # pictures may hold pieces of their sources
)

COPY = replace(COPIED, verdicts=("all",) * 4, remarks=("a copy of its source or of parts of it",) * 4, is_fault=True)
"""The measure of pictures of which `WHOLE` or more is copied."""


class Copies:
    """The share of the picture's patches that are copied from the sources."""

    def __init__(self, crops: Crops, sources: Sequence[Image]):
        """Choose two crops of each source, and measure which share of their patches is copied from the other crops."""
        self._sources = sources
        pairs = [pair_with_rest([group]) for group in crops.by_source]
        chosen = [(group[0], group[len(group) // 2]) for group in pairs]
        found = [[pixels.copied_share(*pair) for pair in group] for group in chosen]
        self._reference = float(np.average(np.mean(found, axis=1), weights=crops.source_weights))

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        share = pixels.copied_share(image, self._sources)
        measure = COPY if share >= WHOLE > self._reference else COPIED
        return [Score(measure, share, self._reference, _compare_shares(share, self._reference))]


def _compare_shares(value: float, reference: float) -> float:
    return max(value, 0.0) / max(reference, LEAST_LIKENESS)


def make_criteria(
    crops: Crops,
    sources: Sequence[Image],
    params: Params,
    matched: Collection[str],
    portilla_simoncelli: bool | None,
    tiles: bool | None,
) -> list[Criterion]:
    """Make all criteria, in the order of their rows in the table of scores.

    Args:
        crops: crops of the sources.
        sources: the whole sources.
        params: the network.
        matched: layers that the pictures were made to match.
        portilla_simoncelli: whether to measure the statistics of Portilla and Simoncelli too; None measures them if
            plenoptic is installed.
        tiles: whether the pictures are meant to tile; None if that is unknown. Seams are faults if True, facts if None,
            and not measured if False.

    Raises:
        MissingPackageError: ``portilla_simoncelli`` is True and plenoptic is not installed.
    """
    if portilla_simoncelli is None:
        portilla_simoncelli = importlib.util.find_spec("plenoptic") is not None
    return compute_beside(
        [
            partial(FeatureDistances, crops, params, matched),
            *([partial(PortillaSimoncelli, crops)] if portilla_simoncelli else []),
            partial(Peaks, crops),
            partial(LongRange, crops),
            partial(Grain, crops),
            partial(ColorDistances, crops),
            partial(TintDistances, crops),
            *([] if tiles is False else [partial(Seams, crops, are_faults=tiles is True)]),
            partial(Repetition, crops),
            partial(Copies, crops, sources),
        ],
        sources,
    )


def compute_beside(tasks: Sequence[Callable[[], Any]], sources: Sequence[Image]) -> list[Any]:
    """Call functions and return their results.

    The first, for JAX, runs beside all others, which NumPy computes; but if the sources have more than `MOST_BESIDE`
    pixels, one runs after the other, in less memory.
    """
    if sum(source.shape[0] * source.shape[1] for source in sources) > MOST_BESIDE:
        return [task() for task in tasks]
    first, *others = tasks
    with ThreadPoolExecutor(1) as thread:
        results = thread.submit(lambda: [task() for task in others])
        return [first(), *results.result()]
