"""What both networks are made of: a convolution with its border, and instance normalization that knows its sources.

A block is taken apart so that a picture can pass it in strips, exactly: `Block.convolved` needs the pixels around it
alone, `Block.finished` the mean and the variance of the whole map and no neighbor (`subjective.feedforward.repaint`).
All is of one picture; `jax.vmap` adds batches.

References:
    Ulyanov, Vedaldi and Lempitsky, "Improved texture networks", CVPR 2017 (instance normalization). Dumoulin, Shlens
    and Kudlur, "A learned representation for artistic style", ICLR 2017 (one gain and shift for each style, which mix).
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

Border = Literal["reflect", "circular", "same"]
"""What lies outside a map: its mirror image, its other side, or zeros."""

Activation = Literal["relu", "leaky", "none"]

EPSILON = 1e-5
"""Added to a variance before its root is taken, as everywhere else."""

LEAK = 0.2
"""Slope of ``leaky`` below zero."""

Map = Float[Array, "_ _ _"]
"""(height, width, channels)."""

Channels = Float[Array, "_"]
Blend = Float[Array, "sources"]


def padded(x: Map, rows: int, columns: int, border: Border) -> Map:
    """A map with so many rows and columns more on each side; not more than it has."""
    if not rows and not columns:
        return x
    if border == "circular":  # written out, for maps whose size is a symbol (`subjective.feedforward.export`)
        x = jnp.concatenate([x[x.shape[0] - rows :], x, x[:rows]], axis=0)
        return jnp.concatenate([x[:, x.shape[1] - columns :], x, x[:, :columns]], axis=1)
    mode = "reflect" if border == "reflect" else "constant"
    return jnp.pad(x, ((rows, rows), (columns, columns), (0, 0)), mode=mode)


def doubled(x: Map) -> Map:
    """Each pixel as 2x2 of its own."""
    return jnp.repeat(jnp.repeat(x, 2, axis=0), 2, axis=1)


def moments(x: Map) -> tuple[Channels, Channels]:
    """Mean and variance of each channel."""
    mean = x.mean((0, 1))
    return mean, ((x - mean[None, None, :]) ** 2).mean((0, 1))


class Convolution(nnx.Module):
    """A cross-correlation without bias, in the middle of ``side`` x ``side`` pixels.

    Attributes:
        kernel: HWIO.
        stride: pixels from one output to the next.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int, *, stride: int = 1, gain: float = 2.0, random: np.random.Generator
    ):
        """Random, so that outputs have ``gain`` times half the power of inputs (He et al. 2015)."""
        deviation = (gain / (inputs * side * side)) ** 0.5
        # By NumPy: JAX would compile a program for each shape.
        kernel = deviation * random.standard_normal((side, side, inputs, outputs), np.float32)
        self.kernel = nnx.Param(jnp.asarray(kernel, jnp.float32))
        self.stride = stride

    @property
    def reach(self) -> int:
        """Pixels that it looks at on each side."""
        return self.kernel.shape[0] // 2

    def __call__(self, x: Map) -> Map:
        """Of a map that has its border already (`padded` by `reach`)."""
        return convolve(x, self.kernel[...], self.stride)


def convolve(x: Map, kernel: Float[Array, "_ _ _ _"], stride: int = 1) -> Map:
    """Cross-correlation, without padding, in the form that is fastest on the machine at hand."""
    side, _, _, outputs = kernel.shape
    if side == 1 and stride == 1:
        return jnp.dot(x, kernel[0, 0], precision="highest")
    if stride == 1 and side > 3 and outputs <= 4:
        return lax.platform_dependent(x, kernel, cpu=_to_few, default=_direct)
    return _direct(x, kernel, stride)


def _direct(x: Array, kernel: Array, stride: int = 1) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x[None], kernel, (stride, stride), "VALID", dimension_numbers=numbers, precision="highest"
    )[0]


def _to_few(x: Array, kernel: Array) -> Array:
    """Down the columns first, to ``side`` maps of each output, which are then added side by side.

    A product with three outputs leaves most of a vector unit idle; this one has 27.
    """
    side, _, inputs, outputs = kernel.shape
    down = kernel.transpose(0, 2, 1, 3).reshape(side, 1, inputs, side * outputs)
    columns = x.shape[1] - side + 1
    maps = _direct(x, down)
    parts = [maps[:, j : j + columns, j * outputs : (j + 1) * outputs] for j in range(side)]
    return sum(parts[1:], parts[0])


class Norm(nnx.Module):
    """Instance normalization with a gain and a shift for each source, mixed as the sources are.

    Attributes:
        gain, shift: ``(sources, channels)``.
    """

    def __init__(self, channels: int, sources: int):
        """A gain of one and no shift, for each source."""
        self.gain = nnx.Param(jnp.ones((sources, channels)))
        self.shift = nnx.Param(jnp.zeros((sources, channels)))

    def __call__(self, x: Map, mean: Channels, variance: Channels, blend: Blend) -> Map:
        """A map, or rows of one, whose moments are given."""
        scale = jnp.dot(blend, self.gain[...], precision="highest") * lax.rsqrt(variance + EPSILON)
        shift = jnp.dot(blend, self.shift[...], precision="highest") - mean * scale
        return x * scale[None, None, :] + shift[None, None, :]


class Block(nnx.Module):
    """Perhaps doubled in size; convolved; normalized; activated.

    Attributes:
        convolution: what is learned of space.
        norm: what is learned of each source.
        enlarges: whether a map is doubled first.
        activation: what comes last.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int = 3,
        *,
        sources: int,
        stride: int = 1,
        enlarges: bool = False,
        activation: Activation = "relu",
        random: np.random.Generator,
    ):
        """A block from so many channels to so many."""
        self.convolution = Convolution(inputs, outputs, side, stride=stride, random=random)
        self.norm = Norm(outputs, sources)
        self.enlarges = enlarges
        self.activation = activation

    def __call__(self, x: Map, blend: Blend, border: Border) -> Map:
        """Of a whole map."""
        x = doubled(x) if self.enlarges else x
        y = self.convolution(padded(x, self.convolution.reach, self.convolution.reach, border))
        return self.finished(y, *moments(y), blend)

    def finished(self, y: Map, mean: Channels, variance: Channels, blend: Blend) -> Map:
        """What comes after the convolution, of any rows of it, given the moments of all."""
        return activated(self.norm(y, mean, variance, blend), self.activation)


def activated(x: Map, activation: Activation) -> Map:
    """ReLU, or with a slope of `LEAK` below zero, or nothing."""
    if activation == "none":
        return x
    return jax.nn.relu(x) if activation == "relu" else jnp.maximum(x, np.asarray(LEAK, x.dtype) * x)


def to_pixels(x: Map) -> Map:
    """tanh, moved to the pixels' range of 0 to 1."""
    return (jnp.tanh(x) + 1) / 2
