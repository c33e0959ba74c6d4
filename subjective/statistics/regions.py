"""Regions of a picture, each with a target of its own: how much each pixel of each map counts for each region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError, setting
from subjective.network.cpu_convolution import average_pool
from subjective.network.vgg import Layer, Params, layers_of, walk
from subjective.pyramid import Padding, gaussian_pyramid

Masks = Float[Array, "height width regions"]


class RegionMap(NamedTuple):
    """The regions of one map.

    Attributes:
        weights: ``(height, width, regions)``: how much each pixel of the map counts for each region.
        trust: ``(regions,)``: how much the region's distance at this map counts; 1 where the region's pixels see
            nothing but the region.
    """

    weights: Masks
    trust: Float[Array, " regions"]


Regions = dict[str, RegionMap]
"""Layer to the regions of the layer's map."""

WEIGHT_POWER = 2.0
"""Power of a pixel's share that gives the pixel's weight.

A part of what a pixel of a layer's map sees belongs to a region; this share to this power is the pixel's weight for the
region. Pixels that look across a border thus count little for either side.
"""

TRUST_POWER = 32.0
"""Power of a region's average share that gives the region's trust.

A path may be too narrow for a coarse map to see by itself; without this power the path would color what lies beside it
(`experiments/LOG.md`, 2026-11-22).
"""

TINY = 1e-20
"""Smallest sum of weights by which a sum is divided; a region may have no pixels in a map."""

SMALLEST_SHARE = 1e-6
"""Smallest share of a map by which a region's measure is divided; at a coarse octave a region may have no pixels."""


def complete_masks(
    given: Sequence[np.ndarray], sources: int, name: str = "masks"
) -> Float[np.ndarray, "height width regions"]:
    """Make masks that add up to one everywhere from the masks given.

    Args:
        given: gray pictures ``(height, width)`` in [0, 1], one for each source, or one for each source but the last,
            which then has the rest. Where all masks are black, the sources share the pixel equally.
        sources: number of sources, two or more.
        name: of the setting that named the masks, for the message.

    Raises:
        InputError: a single source, another number of masks, or a source that has no part of the picture.
    """
    if sources < 2:
        raise InputError(f"{setting(name)} divides the picture between sources, and there is one; give two or more")
    if len(given) not in (sources, sources - 1) or not given:
        raise InputError(
            f"{setting(name)} got {len(given)} pictures for {sources} sources; give one for each source, or for each "
            "but the last, which has the rest"
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
    """Pass masks through the pyramid and the network: how much of each region each pixel of each map sees.

    Args:
        masks: of the picture.
        octaves: octaves at which the picture is measured.
        padding: of pyramid and network.
        params: the network.

    Returns:
        For each octave, layer to `RegionMap`. The weights of the layers ``rgb`` and ``opponent`` are the masks
        themselves.

    References:
        Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling perceptual factors in neural style transfer", 2017,
        section 4: guided Gram matrices. They erode masks by what a layer sees. A narrow region then has no coarse
        layers at all, and the border belongs to no region; here both fade.
    """
    pyramid = gaussian_pyramid(masks, max(octaves) + 1, padding)
    clearest = _measure_clearness(masks, masks)
    return tuple(_carry_through_network(pyramid[octave], clearest, padding, params) for octave in octaves)


def _carry_through_network(masks: Masks, clearest: Array, padding: Padding, params: Params) -> Regions:
    """Pass the masks of one octave through the network; ``clearest`` is the clearness of the picture's own masks."""

    def make_region_map(seen: Masks, weights: Masks) -> RegionMap:
        return RegionMap(weights, jnp.minimum(_measure_clearness(seen, weights) / clearest, 1) ** TRUST_POWER)

    def convolve(layer: Layer, masks: Masks, pooling: Layer | None) -> Float[Array, "rows columns regions"]:
        return _blur_as_seen(masks, padding) if masks.size else masks

    path = layers_of(params)
    names = [layer.name for layer in path]
    carried = walk(path, masks, convolve, lambda _, masks: average_pool(masks), wanted=names)
    pixels = make_region_map(masks, masks)
    band = pixels.weights[2:-2, 2:-2] if padding == "valid" else pixels.weights
    of_picture = {"rgb": pixels, "opponent": pixels, "band": RegionMap(band, pixels.trust)}
    return of_picture | {name: make_region_map(seen, seen**WEIGHT_POWER) for name, seen in carried.items() if seen.size}


def _blur_as_seen(masks: Masks, padding: Padding) -> Float[Array, "rows columns regions"]:
    """Average each 3x3 window. Repeated windows weigh the middle most, as a series of convolutions does."""
    if padding != "valid":
        masks = jnp.pad(masks, ((1, 1), (1, 1), (0, 0)), mode="wrap" if padding == "circular" else "edge")
    masks = (masks[:-2] + masks[1:-1] + masks[2:]) / 3
    return (masks[:, :-2] + masks[:, 1:-1] + masks[:, 2:]) / 3


def _measure_clearness(masks: Masks, weights: Masks) -> Float[Array, " regions"]:
    """Return, for each region, the share of what its pixels see that belongs to the region."""
    return jnp.sum(masks * weights, axis=(0, 1)) / jnp.maximum(jnp.sum(weights, axis=(0, 1)), TINY)


def divide_by_share(measured: Float[Array, "regions *rest"], weights: Masks) -> Float[Array, "regions *rest"]:
    """Divide each region's measure by the region's share of the map, as if the whole map were like the region."""
    shares = jnp.maximum(jnp.mean(weights, axis=(0, 1)), SMALLEST_SHARE).astype(measured.dtype)
    return jax.vmap(jnp.divide)(measured, shares)
