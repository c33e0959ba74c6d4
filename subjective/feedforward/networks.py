"""The two networks: `TransformNet` repaints a picture, `TextureNet` makes one out of noise.

Both are fully convolutional, of a picture of any size, and know one source or several, which `blend` mixes.

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
    doubled,
    moments,
    padded,
    to_pixels,
)

Kind = Literal["style", "texture"]
Picture = Float[Array, "height width 3"]

SMALLEST = 16
"""Pixels a side that a picture must have to be repainted: its quarter is mirrored at its border."""

NOISE_CHANNELS = 3
"""Of the noise that each scale of a texture is made from."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Which network: all that its file must say for it to be built again.

    Attributes:
        kind: ``style`` or ``texture``.
        sources: how many.
        width: of ``style``, channels at full size, doubled at a half and again at a quarter; of ``texture``, channels
            that each scale adds.
        depth: of ``style``, residual blocks; of ``texture``, scales, each half the size of the one before.
        border: what lies outside a map.
    """

    kind: Kind
    sources: int = 1
    width: int = 32
    depth: int = 5
    border: Border = "reflect"

    def build(self, seed: int = 0) -> TransformNet | TextureNet:
        """The network, with random parameters."""
        kinds: dict[str, Any] = {"style": TransformNet, "texture": TextureNet}
        return kinds[self.kind](self, random=np.random.default_rng(seed))


class TransformNet(nnx.Module):
    """Johnson's network: three convolutions down to a quarter of the size, residual blocks, three up again.

    Upsampling is by pixel doubling and a convolution, not by a transposed convolution, whose kernels overlap unevenly
    and leave a checkerboard (Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", 2016). The residual
    blocks pad, where Johnson's lose a pixel a side, so that sizes stay; normalization is by instance, not by batch.

    Attributes:
        architecture: its sizes.
        blocks: in order; the residual ones come in pairs, of which the second adds what went into the first.
        last: from full size to red, green and blue.
    """

    def __init__(self, architecture: Architecture, *, random: np.random.Generator):
        """Random parameters."""
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
        """Whether a block is the first of a residual pair."""
        return 3 <= place < len(self.blocks) - 2 and place % 2 == 1

    def closes(self, place: int) -> bool:
        """Whether it is the second."""
        return 3 <= place < len(self.blocks) - 2 and place % 2 == 0

    def __call__(self, image: Picture, blend: Blend) -> Picture:
        """A picture repainted, in its own size.

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
        y = self.last(padded(x, self.last.reach, self.last.reach, border))
        # Halves are rounded up on the way down: up again there are up to three pixels too many.
        return to_pixels(y[: image.shape[0], : image.shape[1]])


class TextureNet(nnx.Module):
    """Ulyanov's generator: noise at several scales, each joined with what came of the coarser ones.

    Every convolution wraps, so that the texture tiles. Normalization is by instance, not by batch. Sizes are any:
    a scale has half the pixels of the next, rounded up, and what is too much after doubling is cut off.

    Attributes:
        architecture: its sizes.
        scales: coarsest first.
        last: to red, green and blue.
    """

    def __init__(self, architecture: Architecture, *, random: np.random.Generator):
        """Random parameters."""
        self.architecture = architecture
        w, sources = architecture.width, architecture.sources
        self.scales = nnx.List(
            [Scale(w, number, sources=sources, random=random) for number in range(architecture.depth)]
        )
        self.last = Convolution(w * architecture.depth, 3, 1, gain=0.5, random=random)

    def __call__(self, noise: Sequence[Map], blend: Blend) -> Picture:
        """A texture, as large as the last of the noise.

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
    """One scale of a `TextureNet`: its noise goes through a `Chain`, is joined with the coarser maps, and again.

    Attributes:
        fresh: of the noise.
        joined: of noise and coarser maps; absent from the coarsest scale.
        norms: of the two before they are joined, so that neither drowns the other.
    """

    def __init__(self, width: int, number: int, *, sources: int, random: np.random.Generator):
        """The ``number``-th from the coarsest."""
        self.fresh = Chain(NOISE_CHANNELS, width, sources=sources, random=random)
        self.norms = nnx.List([Norm(width, sources), Norm(width * number, sources)] if number else [])
        self.joined = (
            Chain(width * (number + 1), width * (number + 1), sources=sources, random=random) if number else None
        )

    def __call__(self, coarser: Map | None, noise: Map, blend: Blend, border: Border) -> Map:
        """Maps of the noise's size."""
        x = self.fresh(noise, blend, border)
        if self.joined is None or coarser is None:
            return x
        y = doubled(coarser)[: x.shape[0], : x.shape[1]]
        # Doubling leaves the moments of a map as they were.
        parts = [norm(map_, *moments(map_), blend) for norm, map_ in zip(self.norms, (x, y), strict=True)]
        return self.joined(jnp.concatenate(parts, axis=2), blend, border)


class Chain(nnx.Module):
    """Three blocks: 3x3, 3x3 and 1x1 pixels, with leaky ReLU.

    Attributes:
        blocks: these.
    """

    def __init__(self, inputs: int, outputs: int, *, sources: int, random: np.random.Generator):
        """From so many channels to so many."""
        self.blocks = nnx.List(
            [
                Block(first, outputs, side, sources=sources, activation="leaky", random=random)
                for first, side in ((inputs, 3), (outputs, 3), (outputs, 1))
            ]
        )

    def __call__(self, x: Map, blend: Blend, border: Border) -> Map:
        """Maps of the same size."""
        for block in self.blocks:
            x = block(x, blend, border)
        return x


def noise_sizes(size: tuple[int, int], scales: int) -> list[tuple[int, int]]:
    """(height, width) of each scale's noise, coarsest first; halves are rounded up."""
    return [(-(-size[0] // 2**k), -(-size[1] // 2**k)) for k in reversed(range(scales))]


def noise_for(key: jax.Array, size: tuple[int, int], scales: int) -> list[Map]:
    """Uniform noise between -1 and 1 for each scale of a `TextureNet`, coarsest first.

    Args:
        key: of JAX's random numbers.
        size: (height, width) of the texture.
        scales: how many.
    """
    keys = jax.random.split(key, scales)
    return [
        jax.random.uniform(one, (*shape, NOISE_CHANNELS), minval=-1.0, maxval=1.0)
        for one, shape in zip(keys, noise_sizes(size, scales), strict=True)
    ]
