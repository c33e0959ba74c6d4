"""Regions of a picture, each with its own target.

This module computes how much each pixel of each feature map counts for each region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError, count_of, setting
from subjective.choices import Padding
from subjective.network.cpu_convolution import average_pool
from subjective.network.vgg import Layer, Params, layers_of, walk
from subjective.pyramid import CONTRAST_MARGIN, gaussian_pyramid

Masks = Float[Array, "height width regions"]


class RegionMap(NamedTuple):
    """The regions of one map.

    Attributes:
        weights: ``(height, width, regions)``: how much each pixel of the map counts for each region.
        trust: ``(regions,)``: how much the distance of each region at this map counts. 1 if the map separates the
            region from its surroundings as clearly as the picture's own masks do; less if the map is blurrier.
    """

    weights: Masks
    trust: Float[Array, " regions"]


Regions = dict[str, RegionMap]
"""A dict from layer to the regions of the layer's map."""

WEIGHT_POWER = 2.0
"""Exponent that turns a pixel's share of a region into the pixel's weight for the region.

The share is the part of the pixel's receptive field that belongs to the region. Because of the exponent, pixels near a
border count little for both sides.
"""

TRUST_POWER = 32.0
"""Exponent that turns the clearness of a region at a map (`_measure_clearness`) into `RegionMap.trust`.

Each pixel of a coarse map may see more than a narrow region, such as a path. Without the exponent, the target of the
path would color the pixels beside the path (`experiments/LOG.md`, 2026-11-22).
"""

TINY = 1e-20
"""Smallest sum of weights by which a sum is divided. The weights sum to 0 if a region has no pixels in a map."""

SMALLEST_SHARE = 1e-6
"""Smallest share of a map by which a region's measure is divided. At a coarse octave a region may have no pixels."""


def complete_masks(
    given: Sequence[np.ndarray], sources: int, name: str = "masks"
) -> Float[np.ndarray, "height width regions"]:
    """Scale the given masks so that they add up to one at each pixel, and make the last mask if it is not given.

    Args:
        given: gray pictures ``(height, width)`` in [0, 1], one for each source. If the last source has no mask, it
            gets what the other masks leave. If all sources have masks, a pixel that is black in all masks belongs to
            all sources equally.
        sources: number of sources, two or more.
        name: name of the setting that the masks come from, for the messages.

    Returns:
        Masks in the order of the sources.

    Raises:
        InputError: there is only one source, the number of masks is wrong, or a source has no part of the picture.
    """
    if sources < 2:
        raise InputError(f"{setting(name)} divides the picture between sources, and there is one; give two or more")
    if len(given) not in (sources, sources - 1) or not given:
        raise InputError(
            f"{setting(name)} got {count_of(len(given), 'picture')} for {count_of(sources, 'source')}; give one for "
            "each source, or for each but the last, which has the rest"
        )
    masks = np.stack(given, axis=2).astype(np.float64)
    if len(given) == sources - 1:
        masks = np.concatenate([masks, np.maximum(1 - masks.sum(axis=2, keepdims=True), 0)], axis=2)
    total = masks.sum(axis=2, keepdims=True)
    masks = np.where(total > 0, masks / np.where(total > 0, total, 1), 1 / sources)
    for number, share in enumerate(masks.mean(axis=(0, 1)), 1):
        if share < 1e-3:
            raise InputError(f"{setting(name)}: source {number} holds no part of the picture; leave it out")
    return masks.astype(np.float32)


def carry_masks(masks: Masks, octaves: Sequence[int], padding: Padding, params: Params) -> tuple[Regions, ...]:
    """Pass masks through the pyramid and the network, to find the share of each region in what a map's pixel sees.

    Args:
        masks: the masks of the picture, which add up to one at each pixel.
        octaves: octaves at which the picture is measured.
        padding: padding of the pyramid and the network.
        params: the network.

    Returns:
        One dict for each octave, from layer to `RegionMap`. At the layers of the picture itself, the weights are the
        octave's masks themselves, cut to the size of the map.

    References:
        Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling perceptual factors in neural style transfer", 2017,
        section 4: guided Gram matrices. They erode the masks by the receptive field of a layer. A narrow region then
        has no pixels in coarse layers, and the border belongs to no region. Here, weights fade towards the border, and
        the trust of narrow regions fades in coarse layers.
    """
    pyramid = gaussian_pyramid(masks, max(octaves) + 1, padding)
    clearest = _measure_clearness(masks, masks)
    return tuple(_carry_through_network(pyramid[octave], clearest, padding, params) for octave in octaves)


def _carry_through_network(masks: Masks, clearest: Array, padding: Padding, params: Params) -> Regions:
    """Pass one octave's masks through the network. ``clearest`` is the clearness of the regions in the full picture."""

    def make_region_map(seen: Masks, weights: Masks) -> RegionMap:
        return RegionMap(weights, jnp.minimum(_measure_clearness(seen, weights) / clearest, 1) ** TRUST_POWER)

    def convolve(layer: Layer, masks: Masks, pooling: Layer | None) -> Float[Array, "rows columns regions"]:
        return _blur_as_seen(masks, padding) if masks.size else masks

    path = layers_of(params)
    names = [layer.name for layer in path]
    carried = walk(path, masks, convolve, lambda _, masks: average_pool(masks), wanted=names)
    pixels = make_region_map(masks, masks)
    margins = {"rgb": 0, "opponent": 0, "band": 2, "contrast": CONTRAST_MARGIN}

    def cut(margin: int) -> RegionMap:
        ends = [slice(margin, size - margin) for size in pixels.weights.shape[:2]]
        return RegionMap(pixels.weights[ends[0], ends[1]], pixels.trust)

    of_picture = {layer: cut(margin if padding == "valid" else 0) for layer, margin in margins.items()}
    return of_picture | {name: make_region_map(seen, seen**WEIGHT_POWER) for name, seen in carried.items() if seen.size}


def _blur_as_seen(masks: Masks, padding: Padding) -> Float[Array, "rows columns regions"]:
    """Average each 3x3 window.

    Repeated averages give the middle of a receptive field the largest weight, as repeated convolutions do.
    """
    if padding != "valid":
        masks = jnp.pad(masks, ((1, 1), (1, 1), (0, 0)), mode="wrap" if padding == "circular" else "edge")
    masks = (masks[:-2] + masks[1:-1] + masks[2:]) / 3
    return (masks[:, :-2] + masks[:, 1:-1] + masks[:, 2:]) / 3


def _measure_clearness(masks: Masks, weights: Masks) -> Float[Array, " regions"]:
    """Return the clearness of each region: the mean share of the region in what the region's pixels see.

    Args:
        masks: share of each region in what each pixel sees.
        weights: weight of each pixel in the mean.
    """
    return jnp.sum(masks * weights, axis=(0, 1)) / jnp.maximum(jnp.sum(weights, axis=(0, 1)), TINY)


def divide_by_share(measured: Float[Array, "regions *rest"], weights: Masks) -> Float[Array, "regions *rest"]:
    """Divide each region's measure by the region's share of the map.

    The result is the measure of a whole map that looks like the region.
    """
    shares = jnp.maximum(jnp.mean(weights, axis=(0, 1)), SMALLEST_SHARE).astype(measured.dtype)
    return jax.vmap(jnp.divide)(measured, shares)
