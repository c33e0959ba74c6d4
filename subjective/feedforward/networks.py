"""The two networks: `TransformNet` repaints a picture, `TextureNet` makes a texture from noise.

Both networks are fully convolutional, so that a picture may have any size. A network knows one source or several; a
``blend``, the share of each source, mixes them.

References:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016.
    Ulyanov, Lebedev, Vedaldi and Lempitsky, "Texture networks: feed-forward synthesis of textures and stylized images",
    ICML 2016.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from subjective.feedforward.layers import (
    Blend,
    Block,
    Border,
    Convolution,
    Map,
    Norm,
    double,
    moments,
    pad,
    to_pixels,
)

Kind = Literal["style", "texture"]
Picture = Float[Array, "height width 3"]
"""RGB in [0, 1]."""

SMALLEST = 16
"""Smallest side in pixels of a picture that can be repainted, because the map of a quarter of the size is mirrored at
its border."""

NOISE_CHANNELS = 3
"""Number of channels of the noise at each scale of a texture."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Everything that a network's file must say so that the network can be built again.

    Attributes:
        kind: ``style`` for a `TransformNet`, ``texture`` for a `TextureNet`.
        sources: number of sources.
        width: of ``style``, channels at full size, doubled at half size and again at a quarter; of ``texture``,
            channels that each scale adds.
        depth: of ``style``, number of residual blocks; of ``texture``, number of scales, each half the size of the one
            before.
        border: what lies outside a map.
    """

    kind: Kind
    sources: int = 1
    width: int = 32
    depth: int = 5
    border: Border = "reflect"

    def build(self, seed: int = 0) -> TransformNet | TextureNet:
        """Build the network with random parameters."""
        kinds: dict[str, Any] = {"style": TransformNet, "texture": TextureNet}
        return kinds[self.kind](self, random=np.random.default_rng(seed))


class TransformNet(nnx.Module):
    """Johnson's network: three convolutions down to a quarter of the size, residual blocks, three up again.

    Departures from Johnson et al.: A map is enlarged by pixel doubling and a convolution, not by a transposed
    convolution, whose kernels overlap unevenly and leave a checkerboard (Odena, Dumoulin and Olah, "Deconvolution and
    checkerboard artifacts", 2016). The residual blocks pad, so that sizes stay; Johnson's lose a pixel a side.
    Normalization is by instance, not by batch.

    Attributes:
        architecture: its kind and sizes.
        blocks: all blocks in order. Residual blocks come in pairs; the input of a pair is added to its output.
        last: the convolution to red, green and blue at full size.
    """

    def __init__(self, architecture: Architecture, *, random: np.random.Generator):
        """Build the network with random parameters."""
        self.architecture = architecture
        w, sources = architecture.width, architecture.sources
        down = [
            Block(3, w, 9, sources=sources, random=random),
            Block(w, 2 * w, stride=2, sources=sources, random=random),
            Block(2 * w, 4 * w, stride=2, sources=sources, random=random),
        ]
        residual = [
            Block(4 * w, 4 * w, sources=sources, activation="none" if second else "relu", random=random)
            for _ in range(architecture.depth)
            for second in (False, True)
        ]
        up = [
            Block(4 * w, 2 * w, enlarges=True, sources=sources, random=random),
            Block(2 * w, w, enlarges=True, sources=sources, random=random),
        ]
        self.blocks = nnx.List([*down, *residual, *up])
        self.last = Convolution(w, 3, 9, gain=0.1, random=random)

    def opens(self, place: int) -> bool:
        """Whether the block at a place in `blocks` is the first of a residual pair."""
        return 3 <= place < len(self.blocks) - 2 and place % 2 == 1

    def closes(self, place: int) -> bool:
        """Whether the block at a place in `blocks` is the second of a residual pair."""
        return 3 <= place < len(self.blocks) - 2 and place % 2 == 0

    def __call__(self, image: Picture, blend: Blend) -> Picture:
        """Repaint a picture; the size stays.

        Args:
            image: RGB in [0, 1], `SMALLEST` pixels a side or more.
            blend: share of each style; they sum to one.
        """
        border = self.architecture.border
        x = kept = image * 2 - 1
        for place, block in enumerate(self.blocks):
            kept = x if self.opens(place) else kept
            x = block(x, blend, border)
            x = x + kept if self.closes(place) else x
        y = self.last(pad(x, self.last.reach, self.last.reach, border))
        # Sizes are rounded up when they are halved, so that the last map has up to three pixels too many.
        return to_pixels(y[: image.shape[0], : image.shape[1]])


class TextureNet(nnx.Module):
    """Ulyanov's generator: noise at several scales; each scale's maps are joined with the maps of the coarser scales.

    Every convolution wraps, so that the texture tiles. Normalization is by instance, not by batch. A texture may have
    any size: a scale's sides are half of the next one's, rounded up, and surplus pixels are cut off after doubling.

    Attributes:
        architecture: its kind and sizes.
        scales: coarsest first.
        last: the convolution to red, green and blue.
    """

    def __init__(self, architecture: Architecture, *, random: np.random.Generator):
        """Build the network with random parameters."""
        self.architecture = architecture
        w, sources = architecture.width, architecture.sources
        self.scales = nnx.List(
            [Scale(w, number, sources=sources, random=random) for number in range(architecture.depth)]
        )
        self.last = Convolution(w * architecture.depth, 3, 1, gain=0.5, random=random)

    def __call__(self, noise: Sequence[Map], blend: Blend) -> Picture:
        """Make a texture of the size of the finest noise.

        Args:
            noise: from `noise_for`.
            blend: share of each source; they sum to one.
        """
        border = self.architecture.border
        x = self.scales[0](None, noise[0], blend, border)
        for scale, z in zip(self.scales[1:], noise[1:], strict=True):
            x = scale(x, z, blend, border)
        return to_pixels(self.last(x))


class Scale(nnx.Module):
    """One scale of a `TextureNet`: a `Chain` for its noise, and a second one for its noise and the coarser maps joined.

    Attributes:
        fresh: the chain for the noise.
        joined: the chain for the joined maps; None at the coarsest scale.
        norms: normalizations of the noise's maps and of the coarser maps before they are joined, so that neither drowns
            the other; none at the coarsest scale.
    """

    def __init__(self, width: int, number: int, *, sources: int, random: np.random.Generator):
        """Make a scale; ``number`` is its place, counted from 0 at the coarsest."""
        self.fresh = Chain(NOISE_CHANNELS, width, sources=sources, random=random)
        self.norms = nnx.List([Norm(width, sources), Norm(width * number, sources)] if number else [])
        self.joined = (
            Chain(width * (number + 1), width * (number + 1), sources=sources, random=random) if number else None
        )

    def __call__(self, coarser: Map | None, noise: Map, blend: Blend, border: Border) -> Map:
        """Return maps of the noise's size; ``coarser`` holds the maps of the scale before, None at the coarsest."""
        x = self.fresh(noise, blend, border)
        if self.joined is None or coarser is None:
            return x
        y = double(coarser)[: x.shape[0], : x.shape[1]]
        # The moments of a doubled map are those of the map.
        parts = [norm(map_, *moments(map_), blend) for norm, map_ in zip(self.norms, (x, y), strict=True)]
        return self.joined(jnp.concatenate(parts, axis=2), blend, border)


class Chain(nnx.Module):
    """Three blocks with kernels of 3x3, 3x3 and 1x1 pixels and leaky ReLUs.

    Attributes:
        blocks: the three blocks.
    """

    def __init__(self, inputs: int, outputs: int, *, sources: int, random: np.random.Generator):
        """Make the blocks, from ``inputs`` channels to ``outputs`` channels."""
        self.blocks = nnx.List(
            [
                Block(first, outputs, side, sources=sources, activation="leaky", random=random)
                for first, side in ((inputs, 3), (outputs, 3), (outputs, 1))
            ]
        )

    def __call__(self, x: Map, blend: Blend, border: Border) -> Map:
        """Apply the blocks; the size stays."""
        for block in self.blocks:
            x = block(x, blend, border)
        return x


def noise_sizes(size: tuple[int, int], scales: int) -> list[tuple[int, int]]:
    """Return (height, width) of each scale's noise, coarsest first; halves are rounded up."""
    return [(-(-size[0] // 2**k), -(-size[1] // 2**k)) for k in reversed(range(scales))]


def noise_for(key: jax.Array, size: tuple[int, int], scales: int) -> list[Map]:
    """Draw uniform noise between -1 and 1 for each scale of a `TextureNet`.

    Args:
        key: JAX's random key.
        size: (height, width) of the texture.
        scales: number of scales.

    Returns:
        Maps of `NOISE_CHANNELS` channels, coarsest first.
    """
    keys = jax.random.split(key, scales)
    return [
        jax.random.uniform(one, (*shape, NOISE_CHANNELS), minval=-1.0, maxval=1.0)
        for one, shape in zip(keys, noise_sizes(size, scales), strict=True)
    ]
