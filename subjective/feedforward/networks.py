"""The two networks: `TransformNet` repaints a picture, `TextureNet` makes a texture from noise.

Both networks are fully convolutional, so that a picture may have any size. A network is trained on one source or
several; the argument ``blend`` holds the share of each source in the picture.

References:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016.
    Ulyanov, Lebedev, Vedaldi and Lempitsky, "Texture networks: feed-forward synthesis of textures and stylized images",
    ICML 2016.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from subjective.checks import InputError, check_settings
from subjective.feedforward.config import DEPTHS, MOST_SCALES, SOURCES, WIDTHS
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
from subjective.planes.corners import mix_bits

Kind = Literal["style", "texture"]
Picture = Float[Array, "height width 3"]
"""RGB in [0, 1]."""

SMALLEST = 16
"""Smallest side in pixels of a picture that can be repainted. The network's smallest maps have a quarter of this side,
and a map must be large enough to be mirrored at its border."""

NOISE_CHANNELS = 3
"""Number of channels of the noise at each scale of a texture."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a network's file must say, besides the parameters, so that the network can be built again.

    Attributes:
        kind: ``style`` for a `TransformNet`, ``texture`` for a `TextureNet`.
        sources: number of sources.
        width: for ``style``, number of channels at full size; half size has twice as many channels, and a quarter of
            the size has four times as many. For ``texture``, number of channels that each scale adds.
        depth: for ``style``, number of residual blocks. For ``texture``, number of scales; each scale has half the
            height and width of the next finer scale.
        border: what lies outside a map.

    Raises:
        InputError: a value is of a wrong kind or out of its range. A file may say anything.
    """

    kind: Kind
    sources: Annotated[int, SOURCES] = 1
    width: Annotated[int, WIDTHS] = 32
    depth: Annotated[int, DEPTHS] = 5
    border: Border = "reflect"

    def __post_init__(self) -> None:
        """Check all values."""
        check_settings(self)
        if self.kind == "texture" and self.depth > MOST_SCALES:
            raise InputError(f"depth is {self.depth}; a texture network has at most {MOST_SCALES} scales")

    def build(self, seed: int = 0) -> TransformNet | TextureNet:
        """Build the network with random parameters."""
        kinds: dict[str, Any] = {"style": TransformNet, "texture": TextureNet}
        return kinds[self.kind](self, random=np.random.default_rng(seed))

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter by its dotted name, without building the network."""
        w = self.width
        shapes: dict[str, tuple[int, ...]] = {}

        def add_norm(name: str, channels: int) -> None:
            shapes.update({f"{name}.{part}": (self.sources, channels) for part in ("gain", "shift")})

        def add_block(name: str, inputs: int, outputs: int, side: int = 3) -> None:
            shapes[f"{name}.convolution.kernel"] = (side, side, inputs, outputs)
            add_norm(f"{name}.norm", outputs)

        def add_chain(name: str, inputs: int, outputs: int) -> None:
            for number, (channels, side) in enumerate(((inputs, 3), (outputs, 3), (outputs, 1))):
                add_block(f"{name}.blocks.{number}", channels, outputs, side)

        if self.kind == "style":
            add_block("blocks.0", 3, w, 9)
            channels = [w, 2 * w, *[4 * w] * (2 * self.depth + 1), 2 * w, w]
            for number, (inputs, outputs) in enumerate(pairwise(channels), 1):
                add_block(f"blocks.{number}", inputs, outputs)
            return {**shapes, "last.kernel": (9, 9, w, 3)}
        for number in range(self.depth):
            add_chain(f"scales.{number}.fresh", NOISE_CHANNELS, w)
            if number:
                add_norm(f"scales.{number}.norms.0", w)
                add_norm(f"scales.{number}.norms.1", w * number)
                add_chain(f"scales.{number}.joined", w * (number + 1), w * (number + 1))
        return {**shapes, "last.kernel": (1, 1, w * self.depth, 3)}


class TransformNet(nnx.Module):
    """Johnson's network: convolutions reduce to a quarter of the size, residual blocks follow, convolutions enlarge.

    Departures from Johnson et al.: A map is enlarged by pixel doubling and a convolution. Johnson's transposed
    convolutions have kernels that overlap unevenly, which leaves a checkerboard (Odena, Dumoulin and Olah,
    "Deconvolution and checkerboard artifacts", 2016). The convolutions of the residual blocks pad, so that maps keep
    their size; Johnson's do not pad, and each takes a pixel off every side. Normalization is by instance, not by batch.

    Attributes:
        architecture: kind and sizes of the network.
        blocks: all blocks in order. Two blocks form one residual block: the input of the first is added to the output
            of the second.
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
        """Return whether the block at a place in `blocks` is the first half of a residual block."""
        return 3 <= place < len(self.blocks) - 2 and place % 2 == 1

    def closes(self, place: int) -> bool:
        """Return whether the block at a place in `blocks` is the second half of a residual block."""
        return 3 <= place < len(self.blocks) - 2 and place % 2 == 0

    def __call__(self, image: Picture, blend: Blend) -> Picture:
        """Repaint a picture. The result has the size of the picture.

        Args:
            image: RGB in [0, 1], `SMALLEST` pixels a side or more.
            blend: share of each style; the shares sum to one.
        """
        border = self.architecture.border
        x = kept = image * 2 - 1
        for place, block in enumerate(self.blocks):
            kept = x if self.opens(place) else kept
            x = block(x, blend, border)
            x = x + kept if self.closes(place) else x
        y = self.last(pad(x, self.last.reach, self.last.reach, border))
        # Halves of odd sizes are rounded up, so that the last map may be up to three pixels too high and too wide.
        return to_pixels(y[: image.shape[0], : image.shape[1]])


class TextureNet(nnx.Module):
    """Ulyanov's generator: noise at several scales; each scale's maps are joined with the maps of the coarser scales.

    Every convolution wraps, so that the texture tiles. Normalization is by instance, not by batch. A texture may have
    any size: each scale has half the height and width of the next finer scale, rounded up. A map
    that is doubled may therefore be a pixel too high or too wide for the finer scale; this pixel is cut off.

    Attributes:
        architecture: kind and sizes of the network.
        scales: the scales, coarsest first.
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
            blend: share of each source; the shares sum to one.
        """
        border = self.architecture.border
        x = self.scales[0](None, noise[0], blend, border)
        for scale, z in zip(self.scales[1:], noise[1:], strict=True):
            x = scale(x, z, blend, border)
        return to_pixels(self.last(x))


class Scale(nnx.Module):
    """One scale of a `TextureNet`: it makes maps from its noise, and joins them with the maps of the coarser scale.

    Attributes:
        fresh: the chain that makes maps from the noise.
        joined: the chain that is applied after the maps from the noise and the coarser maps are joined along the
            channels; None at the coarsest scale.
        norms: two normalizations, one for the maps from the noise and one for the coarser maps. They are applied before
            the maps are joined, so that neither outweighs the other. Empty at the coarsest scale.
    """

    def __init__(self, width: int, number: int, *, sources: int, random: np.random.Generator):
        """Make the scale with this ``number``; the coarsest scale has number 0."""
        self.fresh = Chain(NOISE_CHANNELS, width, sources=sources, random=random)
        self.norms = nnx.List([Norm(width, sources), Norm(width * number, sources)] if number else [])
        self.joined = (
            Chain(width * (number + 1), width * (number + 1), sources=sources, random=random) if number else None
        )

    def __call__(self, coarser: Map | None, noise: Map, blend: Blend, border: Border) -> Map:
        """Return maps of the noise's size.

        Args:
            coarser: maps of the next coarser scale; None at the coarsest scale.
            noise: noise of this scale.
            blend: share of each source.
            border: what lies outside a map.
        """
        x = self.fresh(noise, blend, border)
        if self.joined is None or coarser is None:
            return x
        y = double(coarser)[: x.shape[0], : x.shape[1]]
        # Each map is normalized by its own mean and variance, after the doubled map has been cut.
        parts = [norm(map_, *moments(map_), blend) for norm, map_ in zip(self.norms, (x, y), strict=True)]
        return self.joined(jnp.concatenate(parts, axis=2), blend, border)


class Chain(nnx.Module):
    """Three blocks with kernels of 3x3, 3x3 and 1x1 pixels and leaky ReLUs.

    Attributes:
        blocks: the three blocks.
    """

    def __init__(self, inputs: int, outputs: int, *, sources: int, random: np.random.Generator):
        """Make the blocks, which turn a map of ``inputs`` channels into one of ``outputs`` channels."""
        self.blocks = nnx.List(
            [
                Block(first, outputs, side, sources=sources, activation="leaky", random=random)
                for first, side in ((inputs, 3), (outputs, 3), (outputs, 1))
            ]
        )

    def __call__(self, x: Map, blend: Blend, border: Border) -> Map:
        """Apply the blocks one after the other. The size of the map stays the same."""
        for block in self.blocks:
            x = block(x, blend, border)
        return x


def noise_sizes(size: tuple[int, int], scales: int) -> list[tuple[int, int]]:
    """Return (height, width) of each scale's noise, coarsest first.

    Args:
        size: (height, width) of the texture. The sides are halved for each coarser scale, and rounded up.
        scales: number of scales.
    """
    return [(-(-size[0] // 2**k), -(-size[1] // 2**k)) for k in reversed(range(scales))]


def noise_for(key: jax.Array, size: tuple[int, int], scales: int) -> list[Map]:
    """Make the noise of each scale of a `TextureNet`: uniform numbers between -1 and 1.

    A number depends only on the key, the scale, the place and the channel, and not on the size. A larger texture
    therefore continues a smaller one of the same key to the right and below. The numbers are hashed by
    `subjective.planes.corners.mix_bits`, which exported networks compute too (`subjective.feedforward.onnx_networks`).

    Args:
        key: JAX's random key.
        size: (height, width) of the texture.
        scales: number of scales.

    Returns:
        Maps of `NOISE_CHANNELS` channels, coarsest first.
    """
    seed = jnp.uint32(0)
    for word in jax.random.key_data(key):
        seed = mix_bits(seed ^ word)
    fields = []
    for octave, (height, width) in zip(reversed(range(scales)), noise_sizes(size, scales), strict=True):
        rows = mix_bits(mix_bits(seed ^ jnp.uint32(octave)) ^ jnp.arange(height, dtype=jnp.uint32))
        columns = jnp.arange(width * NOISE_CHANNELS, dtype=jnp.uint32).reshape(1, width, NOISE_CHANNELS)
        bits = mix_bits(rows[:, None, None] ^ columns)
        fields.append((bits >> np.uint32(8)).astype(jnp.float32) * np.float32(2**-23) - np.float32(1))
    return fields
