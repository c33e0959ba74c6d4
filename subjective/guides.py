"""Regions of a picture, each with a target of its own: how much of every pixel of every map belongs to which."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.pyramid import Padding, gaussian_pyramid
from subjective.strips import average_pool
from subjective.vgg import Params, layer_names

Masks = Float[Array, "height width regions"]
Guides = dict[str, Array]
"""Layer to the masks of its map, ``(height, width, regions)``."""


SMALLEST_SHARE = 1e-6
"""Of a map, that a region is taken to have: at a coarse octave it may have none."""


def whole_masks(
    given: Sequence[np.ndarray], sources: int, flag: str = "--blend-map"
) -> Float[np.ndarray, "height width regions"]:
    """Masks that add up to one everywhere, out of those given.

    Args:
        given: grey pictures ``(height, width)`` in [0, 1], one for each source, or for each but the last, which then
            has the rest. Where none holds, all share alike.
        sources: how many, two or more.
        flag: that they came by, for the message.

    Raises:
        ValueError: another number of masks, or one that is empty.
    """
    if sources < 2:
        raise ValueError(f"{flag} divides the picture between sources, and there is one; give two or more")
    if len(given) not in (sources, sources - 1) or not given:
        raise ValueError(
            f"{flag} got {len(given)} pictures for {sources} sources; give one for each source, or for each but "
            "the last, which has the rest"
        )
    masks = np.stack(given, axis=2).astype(np.float64)
    if len(given) == sources - 1:
        masks = np.concatenate([masks, np.maximum(1 - masks.sum(axis=2, keepdims=True), 0)], axis=2)
    total = masks.sum(axis=2, keepdims=True)
    masks = np.where(total > 0, masks / np.where(total > 0, total, 1), 1 / sources)
    for number, share in enumerate(masks.mean(axis=(0, 1)), 1):
        if share < 1e-3:
            raise ValueError(f"{flag}: source {number} holds no part of the picture; leave it out")
    return masks.astype(np.float32)


def guides_of(masks: Masks, octaves: Sequence[int], padding: Padding, params: Params) -> tuple[Guides, ...]:
    """The masks of every map: through the pyramid as the picture, and with the network's borders and pooling.

    Args:
        masks: of the picture.
        octaves: at which it is looked at.
        padding: of pyramid and network.
        params: the network.

    Returns:
        For each octave, layer to masks; ``rgb`` and its like, which are as large as the picture, share ``rgb``.

    References:
        Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling perceptual factors in neural style transfer", 2017,
        section 4: guided Gram matrices.
    """
    pyramid = gaussian_pyramid(masks, max(octaves) + 1, padding)
    return tuple(_through_the_network(pyramid[octave], padding, params) for octave in octaves)


def _through_the_network(masks: Masks, padding: Padding, params: Params) -> Guides:
    guides = {"rgb": masks, "opponent": masks, "band": masks[2:-2, 2:-2] if padding == "valid" else masks}
    for name in layer_names(params):
        if name.startswith("pool"):
            masks = average_pool(masks)
        elif padding == "valid":
            masks = masks[1:-1, 1:-1]
        if 0 in masks.shape:
            break
        guides[name] = masks
    return guides


def per_share(measured: Float[Array, "regions *rest"], masks: Masks) -> Float[Array, "regions *rest"]:
    """Measures of each region as if the whole map were like it."""
    shares = jnp.maximum(jnp.mean(masks, axis=(0, 1)), SMALLEST_SHARE).astype(measured.dtype)
    return jax.vmap(jnp.divide)(measured, shares)
