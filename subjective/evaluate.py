"""How good a picture is, by measures that no loss here optimizes.

Each measure comes with a reference: what a crop of the source scores against the rest of the source. Scores are the two
set side by side, so that 1 means "as close as the source is to itself", whatever the source and the measure.
Pictures may come from any tool; how they were made is not asked.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective import measures
from subjective.images import resize
from subjective.measures import Image
from subjective.statistics import gram
from subjective.statistics.sliced import random_directions
from subjective.vgg import Params, extract_features, feature_size, layer_names

LAYERS = ("conv1_2", "conv2_1", "conv3_3", "conv4_2")
"""Layers looked at: none that a synthesis matches unless it is told to."""

SCALES = (1.0, 2**-0.5, 0.5, 2**-1.5, 0.25)
"""Sizes at which a picture is looked at: octaves, and half octaves, which no synthesis matches."""

WINDOWS = (128, 64, 32)
"""Sides of the windows that the network sees; the first that fits. So memory is bounded, and little is compiled."""

MOST_WINDOWS = 64
"""Windows of a picture at a scale; a picture that has more is looked at here and there."""

SAMPLES = 2048
"""Pixels of a picture's feature maps that the sliced Wasserstein distance is taken of."""

DIRECTIONS = 32
"""Directions along which it is taken; not those that a synthesis may have matched."""

LEAST = 32
"""Smallest side of a picture or crop."""

SHARE = 0.01
"""Added to shares before they are compared: one percent more or less is nothing."""

Place = tuple[str, float]
Array = NDArray[np.floating]


@dataclass(frozen=True)
class Score:
    """One measure of one picture.

    Attributes:
        value: of the picture, in the measure's own unit.
        reference: what crops of the source score against the rest of it.
        score: 1 where the two are alike; larger is worse.
    """

    value: float
    reference: float
    score: float


@dataclass(frozen=True)
class _Look:
    """What is seen of a picture, or of several taken together."""

    grams: dict[Place, Array]
    samples: dict[Place, Array]
    spectrum: Array


def evaluate(
    image: Image,
    sources: Sequence[Image],
    params: Params,
    *,
    matched: Collection[str] = (),
    portilla_simoncelli: bool | None = None,
) -> dict[str, Score]:
    """Measure a picture against its source.

    Args:
        image: ``(height, width, 3)``, RGB; what lies outside [0, 1] is clipped, as in a file.
        sources: images that it is to look like, at the scale at which it was made; several are taken together.
        params: the network; it is best normalized.
        matched: layers that the picture was made by, left out at whole octaves.
        portilla_simoncelli: take these statistics as well, by plenoptic; if None, where it is installed.

    Returns:
        By name: ``gram`` and ``sliced_wasserstein`` (features at `LAYERS` and `SCALES`: relative distance of Gram
        matrices, and of distributions in standard deviations), ``portilla_simoncelli`` (where plenoptic is installed:
        relative distance of those statistics), ``spectrum`` (dB), ``peak`` (log10 of the strongest isolated peak over
        its ring's median), ``color`` and ``opponent`` (levels of 255), ``seam_rows`` and ``seam_columns`` (step over
        those inside, which is the score, too; its reference is the spread that chance gives it), ``repetition``
        (highest autocorrelation off center) and ``copied`` (share of patches).

    Raises:
        ValueError: a picture below 32 pixels a side, or a source below 64.
        ImportError: plenoptic is wanted and not installed.
    """
    check_sizes(image, sources)
    image = np.clip(np.asarray(image, np.float32), 0, 1)
    crops = [crop for source in sources for crop in crops_of(np.asarray(source, np.float32), image.shape)]
    side = min(min(picture.shape[:2]) for picture in (image, *crops))
    places = _places(params, matched, min(min(crop.shape[:2]) for crop in crops))
    looks = [_look(crop, params, places, side) for crop in crops]
    own, whole = _look(image, params, places, side), _together(looks)
    others = [_together(looks[:i] + looks[i + 1 :]) for i in range(len(looks))]

    def against_rest(measure: Callable[[Any, Any], Array]) -> Array:
        """A distance of the picture to the source, over that of a crop to the other crops: root mean square."""
        rest = [measure(look, other) for look, other in zip(looks, others, strict=True)]
        return np.sqrt(np.mean(np.square(rest), axis=0))

    def distance(measure: Callable[[Any, Any], Array]) -> Score:
        found, reference = measure(own, whole), against_rest(measure)
        score = np.mean(found / np.maximum(reference, 1e-9))
        return Score(float(np.mean(found)), float(np.mean(reference)), float(score))

    rest = [crops[:i] + crops[i + 1 :] for i in range(len(crops))]
    colors = np.array(measures.color_distance(image, *_pooled(crops)))
    color_references = np.sqrt(
        np.mean([np.square(measures.color_distance(c, *_pooled(r))) for c, r in zip(crops, rest, strict=True)], axis=0)
    )
    scores = {
        "gram": distance(_gram_distances),
        "sliced_wasserstein": distance(_sliced_distances),
        "spectrum": distance(lambda a, b: np.array([measures.spectrum_error(a.spectrum, b.spectrum)])),
    }
    if portilla_simoncelli or (portilla_simoncelli is None and importlib.util.find_spec("plenoptic")):
        scores["portilla_simoncelli"] = _portilla_simoncelli_score(image, crops, side)
    square = min(side, measures.LARGEST)
    peaks = [measures.spectral_peak(picture, square) for picture in (image, *crops)]
    scores["peak"] = Score(peaks[0], float(np.mean(peaks[1:])), float(10 ** (peaks[0] - np.mean(peaks[1:]))))
    for name, value, reference in zip(("color", "opponent"), colors, color_references, strict=True):
        scores[name] = Score(float(value), float(reference), float(value / max(reference, 0.5)))
    for axis, name in enumerate(("seam_rows", "seam_columns")):
        ratio, chance = measures.seam(image, axis)
        scores[name] = Score(ratio, chance, ratio)
    repeated = [measures.repetition(picture, square) for picture in (image, *crops)]
    scores["repetition"] = _shares(repeated[0], float(np.mean(repeated[1:])))
    copied = float(np.mean([measures.copied_share(c, r) for c, r in zip(crops[:2], rest[:2], strict=True)]))
    scores["copied"] = _shares(measures.copied_share(image, sources), copied)
    return scores


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


def crops_of(source: Image, shape: tuple[int, ...]) -> list[Image]:
    """The four corners of a source, of the picture's size but at most half of its own."""
    height, width = (min(wanted, own // 2) for wanted, own in zip(shape[:2], source.shape[:2], strict=True))
    rows, columns = (slice(height), slice(-height, None)), (slice(width), slice(-width, None))
    return [source[row, column] for row in rows for column in columns]


def _pooled(crops: Sequence[Image]) -> list[Image]:
    return [np.concatenate([crop.reshape(-1, 1, 3) for crop in crops])]


def _shares(value: float, reference: float) -> Score:
    return Score(value, reference, (value + SHARE) / (reference + SHARE))


def _window(side: int) -> int:
    return next(window for window in WINDOWS if window <= max(side, LEAST))


def _scaled(side: int, scale: float) -> int:
    return max(round(side * scale), 1)


def _places(params: Params, matched: Collection[str], side: int) -> tuple[Place, ...]:
    """Layers and scales at which the smallest picture still has a pixel, and which were not matched."""
    names = layer_names(params)
    layers = [layer for layer in LAYERS if layer in names] or [names[0]]
    places = [
        (layer, scale)
        for scale in SCALES
        for layer in layers
        if _scaled(side, scale) >= LEAST
        and feature_size(_window(_scaled(side, scale)), layer, "valid", params) >= 1
        and not (layer in matched and math.log2(scale).is_integer())
    ]
    return tuple(places) or ((layers[0], 1.0),)


@lru_cache(maxsize=8)
def _looker(layers: tuple[str, ...]) -> Callable[..., Any]:
    @jax.jit
    def look(params: Params, window: jax.Array) -> Any:
        features = extract_features(params, window, layers, padding="valid", pooling="average")
        return {layer: (gram(maps), maps.reshape(-1, maps.shape[2])) for layer, maps in features.items()}

    return look


def _look(image: Image, params: Params, places: tuple[Place, ...], side: int) -> _Look:
    grams: dict[Place, Array] = {}
    samples: dict[Place, Array] = {}
    for scale in dict.fromkeys(scale for _, scale in places):
        layers = tuple(layer for layer, at in places if at == scale)
        size = (_scaled(image.shape[0], scale), _scaled(image.shape[1], scale))
        small = image if scale == 1 else resize(image, size)
        squares = measures.windows(small.shape, _window(_scaled(side, scale)), MOST_WINDOWS)
        seen = [_looker(layers)(params, jnp.asarray(small[square])) for square in squares]
        for layer in layers:
            grams[layer, scale] = np.mean([np.asarray(one[layer][0], np.float64) for one in seen], axis=0)
            pixels = np.concatenate([np.asarray(one[layer][1]) for one in seen])
            chosen = np.random.default_rng(0).permutation(len(pixels))[:SAMPLES]
            samples[layer, scale] = pixels[chosen] @ random_directions(pixels.shape[1], DIRECTIONS, seed=1)
    spectrum = measures.radial_spectrum(image, min(measures.WELCH, side))
    return _Look(grams, samples, spectrum)


def _together(looks: Sequence[_Look]) -> _Look:
    """Several pictures of one size as if they were one."""
    return _Look(
        {place: np.mean([look.grams[place] for look in looks], axis=0) for place in looks[0].grams},
        {place: np.concatenate([look.samples[place] for look in looks]) for place in looks[0].samples},
        np.mean([look.spectrum for look in looks], axis=0),
    )


def _gram_distances(one: _Look, other: _Look) -> Array:
    return np.array(
        [np.linalg.norm(one.grams[p] - other.grams[p]) / np.linalg.norm(other.grams[p]) for p in other.grams]
    )


def _sliced_distances(one: _Look, other: _Look) -> Array:
    """Wasserstein-1 distance along random directions, in standard deviations of the other."""

    def distance(found: Array, wanted: Array) -> float:
        apart = np.abs(measures.quantiles(found) - measures.quantiles(wanted)).mean(axis=0)
        return float(np.mean(apart / np.maximum(wanted.std(axis=0), 1e-9)))

    return np.array([distance(one.samples[place], other.samples[place]) for place in other.samples])


def _portilla_simoncelli_score(image: Image, crops: Sequence[Image], side: int) -> Score:
    """Relative distance of the statistics of Portilla and Simoncelli, as plenoptic has them.

    References:
        Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
        coefficients", 2000. Duong and others, "Plenoptic: a platform for synthesizing model-optimized visual stimuli",
        2023.
    """
    try:
        import plenoptic
        import torch
    except ImportError:
        raise ImportError("this measure needs plenoptic; install it with pip install 'subjective[evaluate]'") from None
    scales = min(4, int(math.log2(side / 16)))
    side = side // 2**scales * 2**scales
    model = plenoptic.models.PortillaSimoncelli((side, side), n_scales=scales)
    plenoptic.remove_grad(model)
    model.eval()

    def statistics(picture: Image) -> Array:
        squares = measures.windows(picture.shape, side)
        gray = np.stack([measures.luminance(picture[square]) for square in squares])[:, None]
        return np.asarray(model(torch.as_tensor(gray, dtype=torch.float32)), np.float64).mean(axis=(0, 1))

    own, theirs = statistics(image), [statistics(crop) for crop in crops]

    def distance(found: Array, others: Sequence[Array]) -> float:
        wanted = np.mean(others, axis=0)
        return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))

    value = distance(own, theirs)
    rest = [distance(one, theirs[:i] + theirs[i + 1 :]) for i, one in enumerate(theirs)]
    reference = float(np.sqrt(np.mean(np.square(rest))))
    return Score(value, reference, value / max(reference, 1e-9))
