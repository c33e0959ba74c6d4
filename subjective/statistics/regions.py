"""Regions of a picture, each with a target of its own: how much every pixel of every map counts for each."""

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
        trust: ``(regions,)``: how much the region's distance at this map counts; 1 where its pixels see nothing else.
    """

    weights: Masks
    trust: Float[Array, " regions"]


Regions = dict[str, RegionMap]
"""By layer."""

SHARPNESS = 2.0
"""Of what a pixel of a map sees, a share belongs to a region; to this power it counts for it, so that those that
look across the border count little for either side."""

DOUBT = 32.0
"""The power of that share, averaged over a region, that its distance counts by: a path too narrow for a coarse map to
see by itself would color what lies beside it (`experiments/LOG.md`, 2026-11-22)."""

TINY = 1e-20

SMALLEST_SHARE = 1e-6
"""Of a map, that a region is taken to have: at a coarse octave it may have none."""


def complete_masks(
    given: Sequence[np.ndarray], sources: int, name: str = "masks"
) -> Float[np.ndarray, "height width regions"]:
    """Masks that add up to one everywhere, out of those given.

    Args:
        given: grey pictures ``(height, width)`` in [0, 1], one for each source, or for each but the last, which then
            has the rest. Where none holds, all share alike.
        sources: how many, two or more.
        name: of the setting that named them, for the message.

    Raises:
        InputError: another number of masks, or one that is empty.
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
    """Carry masks through the pyramid and the network: how much of each region every pixel of every map sees.

    Args:
        masks: of the picture.
        octaves: octaves at which the picture is measured.
        padding: of pyramid and network.
        params: the network.

    Returns:
        For each octave, layer to `RegionMap`. The layers ``rgb`` and ``opponent`` have the masks themselves.

    References:
        Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling perceptual factors in neural style transfer", 2017,
        section 4: guided Gram matrices. They erode masks by what a layer sees. A narrow region then has no coarse
        layers at all, and no region has the border; here both fade.
    """
    pyramid = gaussian_pyramid(masks, max(octaves) + 1, padding)
    clearest = _clearness(masks, masks)
    return tuple(_carry_through_network(pyramid[octave], clearest, padding, params) for octave in octaves)


def _carry_through_network(masks: Masks, clearest: Array, padding: Padding, params: Params) -> Regions:
    def region_map(seen: Masks, weights: Masks) -> RegionMap:
        return RegionMap(weights, jnp.minimum(_clearness(seen, weights) / clearest, 1) ** DOUBT)

    def convolve(layer: Layer, masks: Masks, pooling: Layer | None) -> Float[Array, "rows columns regions"]:
        return _blur_as_seen(masks, padding) if masks.size else masks

    path = layers_of(params)
    names = [layer.name for layer in path]
    carried = walk(path, masks, convolve, lambda _, masks: average_pool(masks), wanted=names)
    pixels = region_map(masks, masks)
    band = pixels.weights[2:-2, 2:-2] if padding == "valid" else pixels.weights
    of_picture = {"rgb": pixels, "opponent": pixels, "band": RegionMap(band, pixels.trust)}
    return of_picture | {name: region_map(seen, seen**SHARPNESS) for name, seen in carried.items() if seen.size}


def _blur_as_seen(masks: Masks, padding: Padding) -> Float[Array, "rows columns regions"]:
    """Average 3x3 windows: of repeated windows the middle counts most, as in what a convolution responds to."""
    if padding != "valid":
        masks = jnp.pad(masks, ((1, 1), (1, 1), (0, 0)), mode="wrap" if padding == "circular" else "edge")
    masks = (masks[:-2] + masks[1:-1] + masks[2:]) / 3
    return (masks[:, :-2] + masks[:, 1:-1] + masks[:, 2:]) / 3


def _clearness(masks: Masks, weights: Masks) -> Float[Array, " regions"]:
    """The share that belongs to a region, of what the pixels that count for it see."""
    return jnp.sum(masks * weights, axis=(0, 1)) / jnp.maximum(jnp.sum(weights, axis=(0, 1)), TINY)


def divide_by_share(measured: Float[Array, "regions *rest"], weights: Masks) -> Float[Array, "regions *rest"]:
    """Measures of each region as if the whole map were like it."""
    shares = jnp.maximum(jnp.mean(weights, axis=(0, 1)), SMALLEST_SHARE).astype(measured.dtype)
    return jax.vmap(jnp.divide)(measured, shares)
