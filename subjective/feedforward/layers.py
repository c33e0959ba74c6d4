"""The layers of both networks: a convolution with its border, and instance normalization with a gain for each source.

`subjective.feedforward.repaint` computes a `Block` exactly in strips of rows, in two steps: `Block.convolution` needs
only the rows of the strip and a few rows above and below; `Block.finish` needs only the rows of the strip, and the mean
and variance of the whole map. Every function takes one picture; `jax.vmap` adds batches.

References:
    Ulyanov, Vedaldi and Lempitsky, "Improved texture networks", CVPR 2017 (instance normalization). Dumoulin, Shlens
    and Kudlur, "A learned representation for artistic style", ICLR 2017 (one gain and one shift for each
    style; a blend mixes the gains and the shifts).
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
"""What lies outside a map: its mirror image (reflect), its other side (circular), or zeros (same)."""

Activation = Literal["relu", "leaky", "none"]
"""The function that ends a block; ``leaky`` has a slope of `LEAK` below zero."""

EPSILON = 1e-5
"""The usual small number, which is added to a variance before the square root is taken."""

LEAK = 0.2
"""Slope of the leaky ReLU below zero."""

Map = Float[Array, "_ _ _"]
"""A feature map, ``(height, width, channels)``."""

Channels = Float[Array, "_"]
"""One number for each channel."""

Blend = Float[Array, "sources"]
"""The share of each source."""


def pad(x: Map, rows: int, columns: int, border: Border) -> Map:
    """Add rows at the top and bottom of a map, and columns at the left and right.

    Args:
        x: the map.
        rows: number of rows to add at the top and at the bottom; at most the number of rows of the map.
        columns: number of columns to add at the left and at the right; at most the number of columns of the map.
        border: what the new rows and columns hold.
    """
    if not rows and not columns:
        return x
    if border == "circular":
        # `jnp.concatenate` also works if the size of the map is a symbol (`subjective.feedforward.export`).
        x = jnp.concatenate([x[x.shape[0] - rows :], x, x[:rows]], axis=0)
        return jnp.concatenate([x[:, x.shape[1] - columns :], x, x[:, :columns]], axis=1)
    mode = "reflect" if border == "reflect" else "constant"
    return jnp.pad(x, ((rows, rows), (columns, columns), (0, 0)), mode=mode)


def double(x: Map) -> Map:
    """Double the height and width of a map: each pixel becomes 2x2 equal pixels."""
    return jnp.repeat(jnp.repeat(x, 2, axis=0), 2, axis=1)


def moments(x: Map) -> tuple[Channels, Channels]:
    """Return the mean and the variance of each channel."""
    mean = x.mean((0, 1))
    return mean, ((x - mean[None, None, :]) ** 2).mean((0, 1))


class Convolution(nnx.Module):
    """A cross-correlation without bias. The kernel has ``side`` x ``side`` pixels, centered on the output's pixel.

    Attributes:
        kernel: ``(side, side, inputs, outputs)``.
        stride: pixels from one output to the next.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int, *, stride: int = 1, gain: float = 2.0, random: np.random.Generator
    ):
        """Draw a random kernel.

        After the convolution and a ReLU, the mean square is about ``gain`` / 2 times the input's (He et al. 2015).
        """
        deviation = (gain / (inputs * side * side)) ** 0.5
        # NumPy draws the numbers, because JAX would compile a program for each shape.
        kernel = deviation * random.standard_normal((side, side, inputs, outputs), np.float32)
        self.kernel = nnx.Param(jnp.asarray(kernel, jnp.float32))
        self.stride = stride

    @property
    def reach(self) -> int:
        """Number of pixels that an output depends on to each side of its own pixel."""
        return self.kernel.shape[0] // 2

    def __call__(self, x: Map) -> Map:
        """Convolve a map that already has its border: `reach` rows or columns on each side."""
        return convolve(x, self.kernel[...], self.stride)


def convolve(x: Map, kernel: Float[Array, "_ _ _ _"], stride: int = 1) -> Map:
    """Cross-correlate a map with a kernel, without padding, in the form that is fastest on the device at hand.

    Args:
        x: the map.
        kernel: ``(side, side, inputs, outputs)``.
        stride: pixels from one output to the next.
    """
    side, _, _, outputs = kernel.shape
    if side == 1 and stride == 1:
        return jnp.dot(x, kernel[0, 0], precision="highest")
    if stride == 1 and side > 3 and outputs <= 4:
        return lax.platform_dependent(x, kernel, cpu=_convolve_to_few, default=_convolve_directly)
    return _convolve_directly(x, kernel, stride)


def _convolve_directly(x: Array, kernel: Array, stride: int = 1) -> Array:
    """Cross-correlate by XLA's own convolution."""
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x[None], kernel, (stride, stride), "VALID", dimension_numbers=numbers, precision="highest"
    )[0]


def _convolve_to_few(x: Array, kernel: Array) -> Array:
    """Convolve to few outputs in two steps, which is faster on a CPU.

    The first step convolves down the columns only, and gives ``side`` maps for each output. The second step shifts
    these maps sideways and adds them up. A matrix product with three outputs would leave most of a vector unit idle;
    with three outputs and a kernel of 9 pixels a side, the first step has 27 outputs.
    """
    side, _, inputs, outputs = kernel.shape
    down = kernel.transpose(0, 2, 1, 3).reshape(side, 1, inputs, side * outputs)
    columns = x.shape[1] - side + 1
    maps = _convolve_directly(x, down)
    parts = [maps[:, j : j + columns, j * outputs : (j + 1) * outputs] for j in range(side)]
    return sum(parts[1:], parts[0])


class Norm(nnx.Module):
    """Instance normalization with a gain and a shift for each source, mixed by the shares of a blend.

    Attributes:
        gain: ``(sources, channels)``.
        shift: ``(sources, channels)``.
    """

    def __init__(self, channels: int, sources: int):
        """Give each source a gain of one and no shift."""
        self.gain = nnx.Param(jnp.ones((sources, channels)))
        self.shift = nnx.Param(jnp.zeros((sources, channels)))

    def __call__(self, x: Map, mean: Channels, variance: Channels, blend: Blend) -> Map:
        """Normalize a map, or some rows of a map.

        Args:
            x: the map or its rows.
            mean: mean of each channel of the whole map.
            variance: variance of each channel of the whole map.
            blend: share of each source.
        """
        scale = jnp.dot(blend, self.gain[...], precision="highest") * lax.rsqrt(variance + EPSILON)
        shift = jnp.dot(blend, self.shift[...], precision="highest") - mean * scale
        return x * scale[None, None, :] + shift[None, None, :]


class Block(nnx.Module):
    """Doubles the size of a map if `enlarges` is true, then convolves, normalizes and activates the map.

    Attributes:
        convolution: the convolution, which all sources share.
        norm: the normalization, with a gain and a shift for each source.
        enlarges: whether the size of a map is doubled first.
        activation: the function that comes last.
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
        """Make a block with random parameters.

        Args:
            inputs: number of channels of the map that comes in.
            outputs: number of channels of the map that goes out.
            side: side of the kernel in pixels.
            sources: number of sources.
            stride: pixels from one output to the next.
            enlarges: whether the size of a map is doubled first.
            activation: the function that comes last.
            random: generator of the kernel.
        """
        self.convolution = Convolution(inputs, outputs, side, stride=stride, random=random)
        self.norm = Norm(outputs, sources)
        self.enlarges = enlarges
        self.activation = activation

    def __call__(self, x: Map, blend: Blend, border: Border) -> Map:
        """Apply the block to a whole map."""
        x = double(x) if self.enlarges else x
        y = self.convolution(pad(x, self.convolution.reach, self.convolution.reach, border))
        return self.finish(y, *moments(y), blend)

    def finish(self, y: Map, mean: Channels, variance: Channels, blend: Blend) -> Map:
        """Normalize and activate rows of the convolution's output, by the mean and variance of the whole output."""
        return activate(self.norm(y, mean, variance, blend), self.activation)


def activate(x: Map, activation: Activation) -> Map:
    """Apply a ReLU (relu), a ReLU with a slope of `LEAK` below zero (leaky), or nothing (none)."""
    if activation == "none":
        return x
    return jax.nn.relu(x) if activation == "relu" else jnp.maximum(x, np.asarray(LEAK, x.dtype) * x)


def to_pixels(x: Map) -> Map:
    """Return the hyperbolic tangent, scaled and moved to the range of pixels, 0 to 1."""
    return (jnp.tanh(x) + 1) / 2
