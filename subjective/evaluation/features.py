"""What the network, and a spectrum, see of a picture: the part of `evaluate` that looks.

A picture is looked at through small windows, at octaves and half octaves, so that memory is bounded whatever its size
and little is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective.evaluation import pixels
from subjective.evaluation.crops import allot
from subjective.evaluation.pixels import Image
from subjective.images import resize
from subjective.network.vgg import Params, extract_features, feature_size, layer_names
from subjective.statistics.gram import gram
from subjective.statistics.sliced import random_directions

LAYERS = ("conv1_2", "conv2_1", "conv3_3", "conv4_2")
"""Layers looked at: none that a synthesis matches unless it is told to."""

SCALES = (1.0, 2**-0.5, 0.5, 2**-1.5, 0.25)
"""Sizes at which pictures are looked at, as far as they have the pixels: octaves, and half octaves, which no synthesis
matches."""

SMALL = 64
"""Side down to which larger pictures, and crops of their sources, are looked at as well, for their largest shapes."""

WINDOWS = (128, 64, 32)
"""Sides of the windows that the network sees; the first that fits. So memory is bounded, and little is compiled."""

MOST_WINDOWS = 64
"""Windows of a picture at a scale; a picture that has more is looked at here and there."""

SAMPLES = 2048
"""Pixels of a picture's feature maps that the sliced Wasserstein distance is taken of."""

MOST_SAMPLES = 4 * SAMPLES
"""The same of several pictures together."""

DIRECTIONS = 32
"""Directions along which it is taken; not those that a synthesis may have matched."""

LEAST = 32
"""Smallest side of a picture or crop."""

Place = tuple[str, float]
Array = NDArray[np.floating]


@dataclass(frozen=True)
class Look:
    """What is seen of a picture, or of several taken together."""

    grams: dict[Place, Array]
    samples: dict[Place, Array]
    spectrum: Array


def _window(side: int) -> int:
    return next(window for window in WINDOWS if window <= max(side, LEAST))


def _scaled(side: int, scale: float) -> int:
    return max(round(side * scale), 1)


def scales_of(side: int) -> tuple[float, ...]:
    """`SCALES`, and half octaves from there down to `SMALL` pixels of a side."""
    further = max(math.floor(2 * math.log2(max(side, 1) / SMALL)) + 1, len(SCALES))
    return (*SCALES, *(2 ** (-half / 2) for half in range(len(SCALES), further)))


def places_seen(params: Params, matched: Collection[str], side: int) -> tuple[Place, ...]:
    """Layers and scales at which the smallest picture still has a pixel, and which were not matched."""
    names = layer_names(params)
    layers = [layer for layer in LAYERS if layer in names] or [names[0]]
    places = [
        (layer, scale)
        for scale in scales_of(side)
        for layer in layers
        if _scaled(side, scale) >= LEAST
        and feature_size(_window(_scaled(side, scale)), layer, "valid", params) >= 1
        and not (layer in matched and math.log2(scale).is_integer())
    ]
    return tuple(places) or ((layers[0], 1.0),)


@lru_cache(maxsize=8)
def _looker(layers: tuple[str, ...]) -> Callable[..., Any]:
    @jax.jit
    def seen(params: Params, window: jax.Array) -> Any:
        features = extract_features(params, window, layers, padding="valid", pooling="average")
        return {layer: (gram(maps), maps.reshape(-1, maps.shape[2])) for layer, maps in features.items()}

    return seen


def look(image: Image, params: Params, places: Sequence[Place], side: int) -> Look:
    """Look at a picture.

    Args:
        image: ``(height, width, 3)``, RGB in [0, 1].
        params: the network.
        places: layers and scales.
        side: smaller side of the smallest picture that is to be compared.
    """
    grams: dict[Place, Array] = {}
    samples: dict[Place, Array] = {}
    for scale in dict.fromkeys(scale for _, scale in places):
        layers = tuple(layer for layer, at in places if at == scale)
        size = (_scaled(image.shape[0], scale), _scaled(image.shape[1], scale))
        small = image if scale == 1 else resize(image, size)
        squares = pixels.windows(small.shape, _window(_scaled(side, scale)), MOST_WINDOWS)
        seen = [_looker(layers)(params, jnp.asarray(small[square])) for square in squares]
        for layer in layers:
            grams[layer, scale] = np.mean([np.asarray(one[layer][0], np.float64) for one in seen], axis=0)
            rows = np.concatenate([np.asarray(one[layer][1]) for one in seen])
            chosen = np.random.default_rng(0).permutation(len(rows))[:SAMPLES]
            samples[layer, scale] = rows[chosen] @ random_directions(rows.shape[1], DIRECTIONS, seed=1)
    spectrum = pixels.radial_spectrum(image, min(pixels.WELCH, side))
    return Look(grams, samples, spectrum)


def together(looks: Sequence[Look], weights: Array | None = None) -> Look:
    """Several pictures of one size as if they were one.

    Args:
        looks: at each.
        weights: how much each counts; equal if not given.
    """

    def samples(place: Place) -> Array:
        own = [look.samples[place] for look in looks]
        counts = allot(weights, [len(one) for one in own], MOST_SAMPLES)
        return np.concatenate([one[:count] for one, count in zip(own, counts, strict=True)])  # at random as they are

    return Look(
        {place: np.average([look.grams[place] for look in looks], axis=0, weights=weights) for place in looks[0].grams},
        {place: samples(place) for place in looks[0].samples},
        np.average([look.spectrum for look in looks], axis=0, weights=weights),
    )


def gram_distances(one: Look, other: Look) -> Array:
    """Relative distance of the Gram matrices at each place."""
    return np.array(
        [np.linalg.norm(one.grams[p] - other.grams[p]) / np.linalg.norm(other.grams[p]) for p in other.grams]
    )


def sliced_distances(one: Look, other: Look) -> Array:
    """Wasserstein-1 distance along random directions, in standard deviations of the other.

    Where that hardly deviates, as a lattice may at one place, a hundredth of its root mean square counts instead.
    """

    def distance(found: Array, wanted: Array) -> float:
        apart = np.abs(pixels.quantiles(found) - pixels.quantiles(wanted)).mean(axis=0)
        least = 0.01 * np.sqrt(np.mean(np.square(wanted))) + 1e-9
        return float(np.mean(apart / np.maximum(wanted.std(axis=0), least)))

    return np.array([distance(one.samples[place], other.samples[place]) for place in other.samples])
