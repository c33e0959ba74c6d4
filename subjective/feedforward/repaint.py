"""Repaint a picture of any size, one layer of the network after the other, each layer in strips of rows.

The output equals the network's output for the whole picture at once, up to rounding in float32.

Instance normalization needs the mean and variance of a whole map. A first pass therefore convolves the map strip by
strip, and the mean and variance of the result are computed; a second pass normalizes the result in place. Maps lie in
the host's memory, or in a file if they are larger than a limit; the device holds one strip at a time. A convolution
also reads a few rows of its input above and below the strip (one on each side for a kernel of 3x3 pixels), but no
number is computed twice.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from subjective.arguments import check_kind, check_map
from subjective.checks import InputError, at_least, check_number, file_errors
from subjective.compilation import jit
from subjective.conversion import image_of
from subjective.feedforward.config import STRENGTHS
from subjective.feedforward.layers import Block, Border, Convolution, to_pixels
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.networks import SMALLEST, Architecture, TransformNet
from subjective.feedforward.step import build_network, check_trained
from subjective.feedforward.strength import mix_compiled
from subjective.feedforward.train import paint

HOST_BYTES = 4 * 2**30
"""Size in bytes of the largest map that is kept in the host's memory; a larger map lies in a file."""

WHOLE_PIXELS = 2**21
"""Largest number of pixels of a picture that is repainted in one piece."""

STRIP_ROWS = 128
"""Default number of rows of a strip."""

HostMap = Float[np.ndarray, "_ _ _"]
"""A feature map in the host's memory or in a file, ``(height, width, channels)``."""


def repaint(
    network: TrainedNetwork,
    image: np.ndarray,
    blend: Sequence[float],
    rows: int | None = None,
    *,
    strength: float = 1.0,
) -> np.ndarray:
    """Repaint a picture in one piece, or a large picture in strips.

    Args:
        network: a style network.
        image: RGB in [0, 1], ``(height, width, 3)``.
        blend: share of each style; the shares sum to one.
        rows: number of rows of a strip. None repaints pictures of at most `WHOLE_PIXELS` in one piece, and larger
            pictures in strips of `STRIP_ROWS`.
        strength: 0 for the picture as it is, 1 for the picture as the network paints it, up to 4 for stronger strokes;
            see `subjective.feedforward.strength`.

    Returns:
        Image in [0, 1], of the same shape.

    Raises:
        InputError: a side is shorter than `SMALLEST`, or an argument is of a wrong kind.
    """
    check_kind("network", network, TrainedNetwork, "a network from network_file.read")
    check_trained(network.architecture, network.params, "style", blend)
    check_map("image", image, 3)
    image = image_of(image, "image")
    if rows is not None:
        check_number("rows", rows, at_least(1), whole=True)
    check_number("strength", strength, STRENGTHS)
    if min(image.shape[:2]) < SMALLEST:
        raise InputError(
            f"a picture of {image.shape[1]}x{image.shape[0]} is too small; wanted {SMALLEST} pixels a side"
        )
    if rows is None and image.shape[0] * image.shape[1] <= WHOLE_PIXELS:
        painted = paint(network.architecture, network.params, image, blend)
    else:
        shares = np.asarray(blend, np.float32)
        painted = repaint_in_strips(network.architecture, network.params, image, shares, rows=rows or STRIP_ROWS)
    if strength == 1:
        return painted
    return np.asarray(mix_compiled(image, painted, jnp.float32(strength), network.architecture.border))


def repaint_in_strips(
    architecture: Architecture,
    params: Any,
    image: HostMap,
    blend: Float[np.ndarray, "sources"],
    *,
    rows: int = STRIP_ROWS,
    host_bytes: int = HOST_BYTES,
    on_layer: Callable[[int, int], None] = lambda done, of: None,
) -> HostMap:
    """Repaint a picture in strips. The result equals that of `TransformNet.__call__` up to rounding in float32.

    Args:
        architecture: of a style network.
        params: parameters of the network.
        image: RGB in [0, 1], ``(height, width, 3)``.
        blend: share of each style; the shares sum to one.
        rows: number of rows of a strip.
        host_bytes: size in bytes of the largest map that is kept in memory; a larger map lies in a file.
        on_layer: called after each layer with two numbers: how many layers are done, and how many there are.

    Returns:
        Image in [0, 1], of the same shape.
    """
    network: TransformNet = build_network(architecture, params)
    layers = len(network.blocks) + 1
    x: Any = _scale(image)
    kept = x
    for place, block in enumerate(network.blocks):
        kept = x if network.opens(place) else kept
        y, mean, variance = _convolve_map(architecture, params, place, block, x, rows, host_bytes)
        for cut in _split_rows(y.shape[0], rows):
            added = kept[cut] if network.closes(place) else None
            y[cut] = np.asarray(_compile_finish(architecture, place)(params, y[cut], mean, variance, blend))
            if added is not None:
                y[cut] += added
        x = y
        on_layer(place + 1, layers)
    out: Any = np.empty(image.shape, np.float32)
    last = _compile_convolution(architecture, None)
    for cut in _split_rows(x.shape[0], rows):
        window = _cut_window(x, cut, network.last, False, architecture.border)
        strip = np.asarray(last(params, window))[: max(out.shape[0] - cut.start, 0), : out.shape[1]]
        out[cut.start : cut.start + strip.shape[0]] = strip
    on_layer(layers, layers)
    return out


def _scale(image: HostMap) -> HostMap:
    """Scale a picture from the range of pixels, 0 to 1, to the network's range, -1 to 1."""
    return np.asarray(image, np.float32) * np.float32(2) - np.float32(1)


def _split_rows(height: int, rows: int) -> Iterator[slice]:
    """Split a map's rows into strips; the last strip may have fewer rows."""
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def _convolve_map(
    architecture: Architecture, params: Any, place: int, block: Block, x: HostMap, rows: int, host_bytes: int
) -> tuple[HostMap, Any, Any]:
    """Convolve a map strip by strip.

    Args:
        architecture: of the network.
        params: parameters of the network.
        place: the block's index in `TransformNet.blocks`.
        block: the block whose convolution is computed.
        x: the map that comes into the block.
        rows: number of rows of a strip.
        host_bytes: as in `repaint_in_strips`.

    Returns:
        The convolution's output, not yet normalized; and the mean and variance of each channel, which are summed in
        float64.
    """
    height, width = (_output_length(length, block) for length in x.shape[:2])
    y = _allocate((height, width, block.norm.shift.shape[1]), host_bytes)
    program = _compile_convolution(architecture, place)
    total = np.zeros(y.shape[2])
    for cut in _split_rows(height, rows):
        window = _cut_window(x, cut, block.convolution, block.enlarges, architecture.border)
        y[cut] = np.asarray(program(params, window))
        total += y[cut].sum((0, 1), dtype=np.float64)
    mean = total / (height * width)
    # The variance is the mean squared difference from the mean. E[y^2] - E[y]^2 would lose digits if both are large.
    squares = np.zeros_like(total)
    for cut in _split_rows(height, rows):
        squares += ((y[cut] - mean.astype(np.float32)) ** 2).sum((0, 1), dtype=np.float64)
    return y, jnp.asarray(mean, jnp.float32), jnp.asarray(squares / (height * width), jnp.float32)


def _output_length(length: int, block: Block) -> int:
    """Return the height or width of a block's output, given that of its input."""
    return -(-(length * (1 + block.enlarges)) // block.convolution.stride)


def _allocate(shape: tuple[int, ...], host_bytes: int) -> Any:
    """Return an uninitialized float32 map: in memory, or in a file if the map is larger than ``host_bytes``.

    Raises:
        FileError: the folder of temporary files has no room for the file.
    """
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= host_bytes:
        return np.empty(shape, np.float32)
    with file_errors("write maps in", tempfile.gettempdir()), tempfile.TemporaryFile() as file:  # removed after its use
        if hasattr(os, "posix_fallocate"):  # otherwise the process would end by SIGBUS when the disk is full
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, np.float32, "w+", shape=shape)


def _cut_window(x: HostMap, cut: slice, convolution: Convolution, enlarges: bool, border: Border) -> HostMap:
    """Return the part of a map that a convolution needs to compute a strip of its output.

    Args:
        x: the map that comes into the block.
        cut: rows of the strip, in the convolution's output.
        convolution: the convolution.
        enlarges: whether the size of the map is doubled before the convolution.
        border: what lies outside the map; the returned part includes this border.
    """
    stride, reach = convolution.stride, convolution.reach
    height, width = (length * (1 + enlarges) for length in x.shape[:2])
    rows = np.arange(cut.start * stride - reach, (cut.stop - 1) * stride + reach + 1)
    columns = np.arange(-reach, (-(-width // stride) - 1) * stride + reach + 1)
    found = []
    for index, length in ((rows, height), (columns, width)):
        outside = (index < 0) | (index >= length)
        if border == "reflect":
            index = np.abs(index)
            index = length - 1 - np.abs(length - 1 - index)
        elif border == "circular":
            index = index % length
        found.append((np.where(outside & (border == "same"), 0, index) // (1 + enlarges), outside))
    (row, above), (column, beside) = found
    window = (x[row[0] : row[-1] + 1] if (np.diff(row) == 1).all() else x[row])[:, column]
    if border == "same":
        window[above] = 0
        window[:, beside] = 0
    return window


@lru_cache(maxsize=64)
def _compile_convolution(architecture: Architecture, place: int | None) -> Callable[..., Any]:
    """Return a compiled function that convolves a window of a map.

    Args:
        architecture: of the network.
        place: index of the block whose convolution is used. None for the last layer, whose output becomes pixels.
    """

    def of_window(params: Any, window: Any) -> Any:
        network = build_network(architecture, params)
        return to_pixels(network.last(window)) if place is None else network.blocks[place].convolution(window)

    return jit(of_window)


@lru_cache(maxsize=64)
def _compile_finish(architecture: Architecture, place: int) -> Callable[..., Any]:
    """Return a compiled function that normalizes and activates some rows of the output of a block's convolution."""

    def of_rows(params: Any, y: Any, mean: Any, variance: Any, blend: Any) -> Any:
        return build_network(architecture, params).blocks[place].finish(y, mean, variance, blend)

    return jit(of_rows)
