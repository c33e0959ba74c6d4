"""Observe a picture for evaluation: measure the network's features and the spectrum.

The network sees a picture in windows, at octaves and half octaves, so that memory is bounded for pictures of any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective.compilation import jit
from subjective.evaluation import pixels
from subjective.evaluation.crops import allot
from subjective.evaluation.pixels import Image
from subjective.evaluation.windows import LAYER, Windows, cut_windows, pool_windows
from subjective.images import resize
from subjective.network.vgg import Params, extract_features, feature_size, layer_names
from subjective.statistics.gram import gram
from subjective.statistics.sliced import random_directions

LAYERS = ("conv1_2", "conv2_1", "conv3_3", "conv4_2")
"""Layers that are observed. By default, a synthesis matches none of these layers."""

SCALES = (1.0, 2**-0.5, 0.5, 2**-1.5, 0.25)
"""Scales at which pictures are observed, if the reduced pictures have enough pixels: octaves, and half octaves. No
synthesis matches half octaves."""

COARSEST_SIDE = 64
"""To judge the largest shapes, pictures are also observed at scales below those of `SCALES`, as long as the reduced
crops have at least this many pixels a side."""

LARGEST_WHOLE = 384
"""Largest side in pixels of a reduced crop that the network sees as a whole, in one window."""

WINDOW_SIDE = 256
"""Side in pixels of the windows of larger crops, which overlap."""

MOST_WINDOWS = 64
"""Largest number of windows of a picture at one scale. Windows do not cover a picture that needs more."""

SAMPLES = 2048
"""Number of pixels of a picture's feature map that are kept for the sliced Wasserstein distance."""

MOST_SAMPLES = 4 * SAMPLES
"""Largest number of pixels of feature maps that are kept if several pictures are pooled."""

DIRECTIONS = 32
"""Number of directions of the sliced Wasserstein distance. The directions differ from those that a synthesis may have
matched."""

MIN_SIDE = 32
"""Smallest side in pixels of a picture or a crop."""

Place = tuple[str, float]
"""(layer, scale)."""

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Observation:
    """The features and the spectrum that were measured of a picture, or of several pictures together.

    Attributes:
        grams: Gram matrix at each place.
        samples: random pixels of the feature map at each place, projected on directions: ``(pixels, directions)``.
        spectrum: radial spectrum, from `pixels.radial_spectrum`.
        windows: windows of the map of `windows.LAYER` at each scale, if that layer is observed.
    """

    grams: dict[Place, Array]
    samples: dict[Place, Array]
    spectrum: Array
    windows: dict[float, Windows] = field(default_factory=dict)


def _window_side(side: int) -> int:
    return max(side, MIN_SIDE) if side <= LARGEST_WHOLE else WINDOW_SIDE


def _scale_side(side: int, scale: float) -> int:
    return max(round(side * scale), 1)


def list_scales(side: int) -> tuple[float, ...]:
    """List `SCALES`, then smaller scales in half octaves, where ``side`` pixels become `COARSEST_SIDE` or more."""
    further = max(math.floor(2 * math.log2(max(side, 1) / COARSEST_SIDE)) + 1, len(SCALES))
    return (*SCALES, *(2 ** (-half / 2) for half in range(len(SCALES), further)))


def choose_places(params: Params, matched: Collection[str], side: int) -> tuple[Place, ...]:
    """Choose the layers and scales at which pictures are observed.

    A place is left out if a reduced crop has fewer than `MIN_SIDE` pixels a side, if a window's map at the layer has no
    pixel, or if the layer was matched and the scale is a whole octave. If no place is left, the first layer at full
    size is returned.

    Args:
        params: the network.
        matched: layers that the pictures were made to match.
        side: smaller side of the crops in pixels.
    """
    names = layer_names(params)
    layers = [layer for layer in LAYERS if layer in names] or [names[0]]
    places = [
        (layer, scale)
        for scale in list_scales(side)
        for layer in layers
        if _scale_side(side, scale) >= MIN_SIDE
        and feature_size(_window_side(_scale_side(side, scale)), layer, "valid", params) >= 1
        and not (layer in matched and math.log2(scale).is_integer())
    ]
    return tuple(places) or ((layers[0], 1.0),)


@lru_cache(maxsize=8)
def _compile_window(layers: tuple[str, ...]) -> Callable[..., Any]:
    """Make the compiled function that measures one window.

    The function takes the parameters and a window. It returns, for each layer, the Gram matrix and the pixels of the
    feature map, ``(pixels, channels)``.
    """

    @partial(jit, few_passes=True)
    def measure(params: Params, window: jax.Array) -> Any:
        features = extract_features(params, window, layers, padding="valid", pooling="average", direct=True)
        return {layer: (gram(maps), maps.reshape(-1, maps.shape[2])) for layer, maps in features.items()}

    return measure


def observe(image: Image, params: Params, places: Sequence[Place], side: int) -> Observation:
    """Observe a picture.

    Args:
        image: ``(height, width, 3)``, RGB in [0, 1].
        params: the network.
        places: layers and scales at which the network observes the picture.
        side: smaller side of the crops in pixels, which determines the size of the windows.
    """
    grams: dict[Place, Array] = {}
    samples: dict[Place, Array] = {}
    windows: dict[float, Windows] = {}
    for scale in dict.fromkeys(scale for _, scale in places):
        layers = tuple(layer for layer, at in places if at == scale)
        size = (_scale_side(image.shape[0], scale), _scale_side(image.shape[1], scale))
        small = image if scale == 1 else resize(image, size)
        squares = pixels.place_windows(small.shape, _window_side(_scale_side(side, scale)), MOST_WINDOWS)
        measured = [_compile_window(layers)(params, jnp.asarray(small[square])) for square in squares]
        for layer in layers:
            grams[layer, scale] = np.mean([np.asarray(one[layer][0], np.float64) for one in measured], axis=0)
            rows = np.concatenate([np.asarray(one[layer][1]) for one in measured])
            chosen = np.random.default_rng(0).permutation(len(rows))[:SAMPLES]
            samples[layer, scale] = rows[chosen] @ random_directions(rows.shape[1], DIRECTIONS, seed=1)
        if LAYER in layers:
            cut = [_cut(one[LAYER][1], square, scale) for one, square in zip(measured, squares, strict=True)]
            windows[scale] = pool_windows(cut)
    spectrum = pixels.radial_spectrum(image, min(pixels.SPECTRUM_SIDE, side))
    return Observation(grams, samples, spectrum, windows)


def _cut(rows: Any, square: tuple[slice, slice], scale: float) -> Windows:
    """Divide the map of one square of a reduced picture, given as ``(pixels, features)``, into windows."""
    side = math.isqrt(len(rows))
    top, bottom, left = int(square[0].start), int(square[0].stop), int(square[1].start)
    return cut_windows(np.asarray(rows).reshape(side, side, -1), (top, left), scale, bottom - top)


def count_pixels(size: tuple[int, int], side: int) -> int:
    """Return how many pixels the network sees when `observe` measures a picture at all scales.

    Args:
        size: (height, width) of the picture.
        side: as in `observe`.
    """
    pixels_seen = 0
    for scale in list_scales(side):
        small = (_scale_side(size[0], scale), _scale_side(size[1], scale))
        if _scale_side(side, scale) >= MIN_SIDE:
            window = _window_side(_scale_side(side, scale))
            pixels_seen += len(pixels.place_windows(small, window, MOST_WINDOWS)) * window**2
    return pixels_seen


def pool_observations(observations: Sequence[Observation], weights: Array | None = None) -> Observation:
    """Pool the observations of several pictures of one size, as if the pictures were one picture.

    Args:
        observations: observations of the pictures.
        weights: how much each picture counts; equal if None.
    """

    def pool_samples(place: Place) -> Array:
        samples = [one.samples[place] for one in observations]
        counts = allot(weights, [len(one) for one in samples], MOST_SAMPLES)
        # `observe` has put the samples in random order, so that the first samples are a random choice.
        return np.concatenate([one[:count] for one, count in zip(samples, counts, strict=True)])

    return Observation(
        {
            place: np.average([one.grams[place] for one in observations], axis=0, weights=weights)
            for place in observations[0].grams
        },
        {place: pool_samples(place) for place in observations[0].samples},
        np.average([one.spectrum for one in observations], axis=0, weights=weights),
    )


def gram_distances(one: Observation, other: Observation) -> Array:
    """Return the relative distance ‖G − G′‖ / ‖G′‖ of the Gram matrices at each place."""
    return np.array(
        [np.linalg.norm(one.grams[p] - other.grams[p]) / np.linalg.norm(other.grams[p]) for p in other.grams]
    )


def sliced_distances(one: Observation, other: Observation) -> Array:
    """Return the mean Wasserstein-1 distance along the directions at each place, in standard deviations of ``other``.

    If a standard deviation is below a hundredth of the samples' root mean square, as for some regular grids, the
    distance is divided by this hundredth instead.
    """

    def distance(found: Array, wanted: Array) -> float:
        apart = np.abs(pixels.take_quantiles(found) - pixels.take_quantiles(wanted)).mean(axis=0)
        least = 0.01 * np.sqrt(np.mean(np.square(wanted))) + 1e-9
        return float(np.mean(apart / np.maximum(wanted.std(axis=0), least)))

    return np.array([distance(one.samples[place], other.samples[place]) for place in other.samples])
