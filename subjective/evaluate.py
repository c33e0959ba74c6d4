"""How good a picture is, by measures that no loss here optimizes.

Each measure comes with a reference: what a crop of the source scores against the rest of the source. Scores are the two
set side by side, so that 1 means "as close as the source is to itself", whatever the source and the measure.
Pictures may come from any tool; how they were made is not asked.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from subjective import measures
from subjective.looks import LEAST, Array, gram_distances, look, places_seen, sliced_distances, together
from subjective.measures import Image
from subjective.plan import check_image
from subjective.vgg import Params

MOST_PARTS = 16
"""Parts of a picture that are held to the source."""

SHARE = 0.01
"""One percent more or less is nothing: added to shares before they are compared, and the least reference."""


@dataclass(frozen=True)
class Score:
    """One measure of one picture.

    Attributes:
        value: of the picture, in the measure's own unit.
        reference: what crops of the source score against the rest of it; of a seam, the spread that chance gives.
        score: 1 where the two are alike; larger is worse, and of a seam smaller as well.
        by_place: scores at each layer and scale, such as ``conv3_3@0.5`` (half size), if it is their mean.
    """

    value: float
    reference: float
    score: float
    by_place: Mapping[str, float] = field(default_factory=dict)


def evaluate(
    image: Image,
    sources: Sequence[Image],
    params: Params,
    *,
    matched: Collection[str] = (),
    portilla_simoncelli: bool | None = None,
) -> dict[str, Score]:
    """Measure a picture against its source; for several of one `crop_size` make a `Yardstick` once.

    Args:
        image: ``(height, width, 3)``, RGB; what lies outside [0, 1] is clipped, as in a file.
        sources: images that it is to look like, at the scale at which it was made; several are taken together in equal
            shares, so that a picture with a region of each is far from them.
        params: the network; it is best normalized.
        matched: layers that the picture was made by, left out at whole octaves.
        portilla_simoncelli: take these statistics as well, by plenoptic; if None, where it is installed.

    Returns:
        By name: ``gram`` and ``sliced_wasserstein`` (features at `looks.LAYERS` and `looks.scales_of`: relative
        distance of Gram matrices, and of distributions in standard deviations), ``portilla_simoncelli`` (where
        plenoptic is installed: relative distance of those statistics), ``spectrum`` (dB), ``peak`` (log10 of the
        strongest isolated peak over its ring's median), ``color`` and ``opponent`` (levels of 255),
        ``seam_rows`` and ``seam_columns`` (step over those inside, which is the score, too; its reference is the spread
        that chance gives it), ``repetition`` (highest autocorrelation off center, up to half of the picture) and
        ``copied`` (share of patches).

    Raises:
        TypeError: no floats.
        ValueError: a picture below 32 pixels a side, or a source below 64; no picture, or not finite.
        ImportError: plenoptic is wanted and not installed.
    """
    for name, picture in [("the picture", image), *(("a source", source) for source in sources)]:
        check_image(name, picture)
    check_sizes(image, sources)
    yardstick = Yardstick(sources, image.shape, params, matched=matched, portilla_simoncelli=portilla_simoncelli)
    return yardstick.scores(image)


class Yardstick:
    """What crops of each source score against the rest of it, for pictures to be held against."""

    def __init__(
        self,
        sources: Sequence[Image],
        shape: tuple[int, ...],
        params: Params,
        *,
        matched: Collection[str] = (),
        portilla_simoncelli: bool | None = None,
    ):
        """Measure the sources.

        Args:
            sources: as in `evaluate`.
            shape: of a picture, height and width first; any others must have its `crop_size`.
            params: the network.
            matched: as in `evaluate`.
            portilla_simoncelli: as in `evaluate`.
        """
        self._sources, self._params, self._part = sources, params, crop_size(sources, shape)
        by_source = [corners(np.asarray(source, np.float32), self._part) for source in sources]
        pairs = [pair for group in by_source for pair in each_and_rest(group)]
        crops = [crop for crop, _ in pairs]
        self._side = min(self._part)
        self._square = min(self._side, measures.LARGEST)
        self._coarse = self._square / 16
        self._places = places_seen(params, matched, self._side)

        looks = [[look(crop, params, self._places, self._side) for crop in group] for group in by_source]
        self._whole = together([one for group in looks for one in group])
        apart = [(one, together(rest)) for group in looks for one, rest in each_and_rest(group)]
        self._distances = {
            name: (measure, least, _root_mean_square([measure(*pair) for pair in apart]))
            for name, (measure, least) in DISTANCES.items()
        }
        self._portilla_simoncelli = None
        if portilla_simoncelli or (portilla_simoncelli is None and importlib.util.find_spec("plenoptic")):
            self._portilla_simoncelli = PortillaSimoncelli(by_source, self._side)
        self._pooled = _pooled(crops)
        self._color = _root_mean_square(
            [np.array(measures.color_distance(crop, _pooled(rest))) for crop, rest in pairs]
        )
        self._peak = _mean([measures.spectral_peak(crop, self._square) for crop in crops])
        self._repetition = _mean([measures.repetition(crop, self._coarse) for crop in crops])
        self._copied = _mean([measures.copied_share(crop, rest) for crop, rest in pairs[::2]])

    def scores(self, image: Image) -> dict[str, Score]:
        """Hold a picture against it; see `evaluate`.

        Raises:
            ValueError: a picture whose `crop_size` is another.
        """
        if crop_size(self._sources, image.shape) != self._part:
            raise ValueError(f"the picture has shape {image.shape}; its crops are not of {self._part}, as was said")
        image = np.clip(np.asarray(image, np.float32), 0, 1)
        parts = parts_of(image, self._part)
        looks = [look(part, self._params, self._places, self._side) for part in parts]
        scores = {}
        for name, (measure, least, reference) in self._distances.items():
            found = _root_mean_square([measure(one, self._whole) for one in looks])
            relative = found / np.maximum(reference, least)
            scores[name] = Score(_mean(found), _mean(reference), _mean(relative), self._by_place(name, relative))
        if self._portilla_simoncelli:
            scores["portilla_simoncelli"] = self._portilla_simoncelli.score(parts)
        peak = measures.spectral_peak(image, self._square)
        scores["peak"] = Score(peak, self._peak, float(10 ** (peak - self._peak)))
        colors = _root_mean_square([np.array(measures.color_distance(part, self._pooled)) for part in parts])
        for name, value, reference in zip(("color", "opponent"), colors, self._color, strict=True):
            scores[name] = Score(float(value), float(reference), float(value / max(reference, 0.5)))
        for axis, name in enumerate(("seam_rows", "seam_columns")):
            ratio, chance = measures.seam(image, axis)
            scores[name] = Score(ratio, chance, ratio)
        scores["repetition"] = _shares(measures.repetition(image, self._coarse), self._repetition)
        scores["copied"] = _shares(measures.copied_share(image, self._sources), self._copied)
        return scores

    def _by_place(self, name: str, scores: Array) -> dict[str, float]:
        if name == "spectrum":  # of all layers' source, the pixels
            return {}
        names = [f"{layer}@{scale:.3g}" for layer, scale in self._places]
        return dict(zip(names, map(float, scores), strict=True))


DISTANCES: dict[str, tuple[Callable[[Any, Any], Array], float]] = {
    "gram": (gram_distances, SHARE),
    "sliced_wasserstein": (sliced_distances, SHARE),
    "spectrum": (lambda one, other: np.array([measures.spectrum_error(one.spectrum, other.spectrum)]), 0.1),
}
"""From two looks to their distance at each place; and what no source is closer to itself than, so that of one that
repeats itself exactly a shifted crop is no further off than it looks."""


def check_sizes(image: Image, sources: Sequence[Image]) -> None:
    """Refuse pictures too small to be measured.

    Raises:
        ValueError: see `evaluate`.
    """
    if not sources:
        raise ValueError("no source to compare with; give at least one")
    for name, picture, least in [("the picture", image, LEAST), *(("a source", s, 2 * LEAST) for s in sources)]:
        if min(picture.shape[:2]) < least:
            raise ValueError(
                f"{name} of {picture.shape[1]}x{picture.shape[0]} pixels cannot be measured; wanted {least} a side"
            )


def crop_size(sources: Sequence[Image], shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) at which pictures of a shape are compared: their own, but at most half of the smallest source."""
    height, width = (min(shape[axis], *(source.shape[axis] // 2 for source in sources)) for axis in (0, 1))
    return height, width


def corners(source: Image, size: tuple[int, int]) -> list[Image]:
    """The four crops of a source that are held against each other."""
    rows, columns = ((slice(length), slice(-length, None)) for length in size)
    return [source[row, column] for row in rows for column in columns]


def parts_of(image: Image, size: tuple[int, int]) -> list[Image]:
    """Parts of a picture as large as the crops, evenly spread, at most `MOST_PARTS`.

    Held to the source one by one: a whole that is larger than a crop is closer by chance alone.
    """
    counts = [-(-length // part) for length, part in zip(image.shape[:2], size, strict=True)]
    return [image[part] for part in measures.spread(image.shape, size, counts, MOST_PARTS)]


def each_and_rest(items: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
    """Each of several, and the others."""
    return [(item, [*items[:i], *items[i + 1 :]]) for i, item in enumerate(items)]


class PortillaSimoncelli:
    """Relative distance of the statistics of Portilla and Simoncelli, as plenoptic has them.

    References:
        Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
        coefficients", 2000. Duong and others, "Plenoptic: a platform for synthesizing model-optimized visual stimuli",
        2023.
    """

    def __init__(self, crops: Sequence[Sequence[Image]], side: int):
        """Measure crops of each source, through windows of ``side`` pixels.

        Raises:
            ImportError: plenoptic is not installed.
        """
        try:
            import plenoptic
        except ImportError:
            raise ImportError(
                "this measure needs plenoptic; install it with pip install 'subjective[evaluate]'"
            ) from None
        scales = min(4, int(math.log2(side / 16)))
        self._side = side // 2**scales * 2**scales
        self._model = plenoptic.models.PortillaSimoncelli((self._side, self._side), n_scales=scales)
        plenoptic.remove_grad(self._model)
        self._model.eval()
        by_source = [[self._statistics(crop) for crop in group] for group in crops]
        self._crops = [one for group in by_source for one in group]
        apart = [self._distance(one, rest) for group in by_source for one, rest in each_and_rest(group)]
        self._reference = float(_root_mean_square(apart))

    def score(self, parts: Sequence[Image]) -> Score:
        """How far a picture is, by its parts."""
        value = float(_root_mean_square([self._distance(self._statistics(part), self._crops) for part in parts]))
        return Score(value, self._reference, value / max(self._reference, SHARE))

    def _statistics(self, picture: Image) -> Array:
        import torch

        squares = measures.windows(picture.shape, self._side)
        gray = np.stack([measures.luminance(picture[square]) for square in squares])[:, None]
        found = self._model(torch.as_tensor(gray, dtype=torch.float32))
        return np.asarray(np.asarray(found, np.float64).mean(axis=(0, 1)))

    @staticmethod
    def _distance(found: Array, others: Sequence[Array]) -> float:
        wanted = np.mean(others, axis=0)
        return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def _root_mean_square(values: Sequence[Any]) -> Array:
    """Over the first axis."""
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=0)))


def _mean(values: Any) -> float:
    return float(np.mean(values))


def _pooled(crops: Sequence[Image]) -> Image:
    return np.concatenate([crop.reshape(-1, 1, 3) for crop in crops])


def _shares(value: float, reference: float) -> Score:
    return Score(value, reference, (value + SHARE) / (reference + SHARE))
