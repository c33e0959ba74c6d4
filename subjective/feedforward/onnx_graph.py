"""The layers of both networks as nodes of an ONNX graph.

Maps are ``(batch, channels, height, width)``, in the order that ONNX's convolutions have. Heights and widths are found
while the graph runs, so that pictures may have any size. All operators belong to the opset `OPSET` of ONNX itself and
have kernels in onnxruntime and in onnxruntime-web.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from subjective.checks import MissingPackageError
from subjective.feedforward.layers import EPSILON, LEAK, Activation, Block, Border, Convolution, Norm

OPSET = 19
"""Version of ONNX's operators: the first that can wrap at the borders of a map."""

IR_VERSION = 9
"""Version of the file format that belongs to `OPSET`; a later one would shut out older runtimes for nothing."""

ROWS, COLUMNS = 2, 3
"""Axes of a map."""

WORD = 2**32 - 1
"""All bits of a 32-bit word."""


def load_onnx() -> Any:
    """Import the package onnx.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingPackageError(
            "exporting to ONNX needs the package onnx; install it with `pip install 'subjective[export]'`"
        ) from None
    return onnx


class Graph:
    """A graph under construction. Each method adds nodes and returns the name of their result.

    Attributes:
        nodes: the nodes in the order in which they run.
        initializers: the constants.
    """

    def __init__(self) -> None:
        """Begin an empty graph."""
        self._onnx = load_onnx()
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one result.

        Args:
            operator: name of ONNX's operator.
            inputs: names of what goes in.
            output: name of the result; None for a new name.
            attributes: attributes of the operator.
        """
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """Add a constant and return its name. Equal constants are stored once."""
        array = np.ascontiguousarray(value, kind)
        key = (array.dtype.str, np.shape(value), array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            tensor = self._onnx.numpy_helper.from_array(array.reshape(np.shape(value)), self._constants[key])
            self.initializers.append(tensor)
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """Add a vector of whole numbers."""
        return self.constant(values, np.int64)

    def sides(self, x: str) -> str:
        """Return (height, width) of a map, as a vector of two whole numbers."""
        return self.add("Shape", x, start=ROWS, end=COLUMNS + 1)

    def cut(self, x: str, size: str) -> str:
        """Keep the upper left part of a map; ``size`` is its (height, width)."""
        return self.add("Slice", x, self.integers(0, 0), size, self.integers(ROWS, COLUMNS))

    def double(self, x: str) -> str:
        """Double the height and width: each pixel becomes 2x2 equal pixels."""
        scales = self.constant([1, 1, 2, 2])
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", x, "", scales, **attributes)

    def convolve(self, x: str, convolution: Convolution, border: Border) -> str:
        """Add the border of a map and convolve; see `subjective.feedforward.layers.pad` and `Convolution`."""
        reach = convolution.reach
        given: dict[str, Any] = {}
        if reach and border == "same":
            given = {"pads": [reach] * 4}
        elif reach:
            x = self._pad(x, reach, reach, border)
        kernel = np.asarray(convolution.kernel[...]).transpose(3, 2, 0, 1)
        return self.add("Conv", x, self.constant(kernel), strides=[convolution.stride] * 2, **given)

    def _pad(self, x: str, rows: int, columns: int, border: Border) -> str:
        """Add rows and columns on all sides: of the map's mirror image (reflect), or of its other side (circular)."""
        mode, sides = "wrap" if border == "circular" else "reflect", self.integers(rows, columns, rows, columns)
        return self.add("Pad", x, sides, "", self.integers(ROWS, COLUMNS), mode=mode)

    def blur(self, x: str, taps: np.ndarray, border: Border) -> str:
        """Average a map of three channels; see `subjective.feedforward.strength.blur`."""
        x = self._pad(x, len(taps) // 2, len(taps) // 2, border)
        for shape in ((-1, 1), (1, -1)):
            x = self.add("Conv", x, self.constant(np.stack([taps.reshape(1, *shape)] * 3)), group=3)
        return x

    def normalize(self, x: str, norm: Norm, blend: str | None) -> str:
        """Normalize each channel of a map by its own mean and variance.

        Args:
            x: the map.
            norm: holds the gain and the shift of each source.
            blend: share of each source; None if the network has one source.
        """
        of_sources = [np.asarray(table[...]) for table in (norm.gain, norm.shift)]
        if blend is None:
            gain, shift = (self.constant(table[0]) for table in of_sources)
        else:
            gain, shift = (self.add("MatMul", blend, self.constant(table)) for table in of_sources)
        return self.add("InstanceNormalization", x, gain, shift, epsilon=EPSILON)

    def activate(self, x: str, activation: Activation) -> str:
        """Apply a ReLU, a leaky ReLU, or nothing; see `subjective.feedforward.layers.activate`."""
        if activation == "none":
            return x
        return self.add("Relu", x) if activation == "relu" else self.add("LeakyRelu", x, alpha=LEAK)

    def block(self, x: str, block: Block, blend: str | None, border: Border) -> str:
        """Double if the block does, then convolve, normalize and activate."""
        x = self.double(x) if block.enlarges else x
        y = self.convolve(x, block.convolution, border)
        return self.activate(self.normalize(y, block.norm, blend), block.activation)

    def to_pixels(self, x: str) -> str:
        """Return the hyperbolic tangent, scaled and moved to the range of pixels, 0 to 1."""
        return self.add("Mul", self.add("Add", self.add("Tanh", x), self.constant(1)), self.constant(0.5))

    def mix_bits(self, bits: str) -> str:
        """Mix the bits of numbers; see `subjective.planes.corners.mix_bits`.

        The numbers have 32 bits and are stored in 64, because runtimes have no product of 32-bit words. The second
        factor is written as a negative number, which has the same lowest 32 bits, so that no product needs 65 bits.
        """
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32)):
            product = self.add("Mul", self._xor_shifted(bits, shift), self.constant(factor, np.int64))
            bits = self.add("BitwiseAnd", product, self.constant(WORD, np.int64))
        return self._xor_shifted(bits, 16)

    def _xor_shifted(self, bits: str, shift: int) -> str:
        return self.add("BitwiseXor", bits, self.add("Div", bits, self.constant(2**shift, np.int64)))

    def noise(self, seed: str, octave: int, size: str, channels: int) -> str:
        """Make the noise of one scale of a texture; see `subjective.feedforward.networks.noise_for`.

        Args:
            seed: the seed, mixed; a vector of one whole number.
            octave: number of the scale; 0 is the finest.
            size: (height, width) of the scale, a vector of two whole numbers.
            channels: number of channels.
        """
        zero, one = self.constant(0, np.int64), self.constant(1, np.int64)
        height, width = (self.add("Gather", size, self.constant(axis, np.int64)) for axis in (0, 1))
        of_scale = self.mix_bits(self.add("BitwiseXor", seed, self.integers(octave)))
        rows = self.mix_bits(self.add("BitwiseXor", of_scale, self.add("Range", zero, height, one)))
        rows = self.add("Reshape", rows, self.integers(1, 1, -1, 1))
        columns = self.add("Reshape", self.add("Range", zero, width, one), self.integers(1, 1, 1, -1))
        columns = self.add("Mul", columns, self.constant(channels, np.int64))
        columns = self.add("Add", columns, self.constant(np.arange(channels).reshape(1, -1, 1, 1), np.int64))
        bits = self.add("Div", self.mix_bits(self.add("BitwiseXor", rows, columns)), self.constant(2**8, np.int64))
        numbers = self.add("Cast", bits, to=self._onnx.TensorProto.FLOAT)
        return self.add("Sub", self.add("Mul", numbers, self.constant(2**-23)), self.constant(1))
