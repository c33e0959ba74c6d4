"""A picture of any size repainted in bounded memory, exactly: layer by layer, each in strips of rows with a halo.

The moments that instance normalization needs are of a whole map. So a block's convolution is made strip by strip while
its moments are added up, and a second pass normalizes what the first left, in place. Maps lie in the host's memory, or
in a file where they are larger than asked for; the device holds a strip. Each layer is computed once, but for the halo:
two rows a strip in most.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from subjective.checks import InputError
from subjective.compilation import jit
from subjective.feedforward.layers import Block, Border, Convolution, to_pixels
from subjective.feedforward.network_file import Network
from subjective.feedforward.networks import SMALLEST, Architecture, TransformNet
from subjective.feedforward.step import with_parameters
from subjective.feedforward.train import paint

HOST_BYTES = 4 * 2**30
"""Of a map that is kept in memory; a larger one lies in a file."""

WHOLE_PIXELS = 2**21
"""Most pixels of a picture that is repainted in one piece."""

STRIP_ROWS = 128
"""Rows of a strip of a larger picture."""

Map = Float[np.ndarray, "_ _ _"]
"""(height, width, channels)."""


def repaint(network: Network, image: np.ndarray, blend: Sequence[float], rows: int | None = None) -> np.ndarray:
    """Repaint a picture: in one piece, or in strips where the picture is large.

    Args:
        network: a style network.
        image: RGB in [0, 1].
        blend: share of each style.
        rows: rows of a strip; None for what the picture's size asks for.

    Raises:
        InputError: the picture is too small.
    """
    if min(image.shape[:2]) < SMALLEST:
        raise InputError(
            f"a picture of {image.shape[1]}x{image.shape[0]} is too small; wanted {SMALLEST} pixels a side"
        )
    if rows is None and image.shape[0] * image.shape[1] <= WHOLE_PIXELS:
        return paint(network.architecture, network.params, image, blend)
    shares = np.asarray(blend, np.float32)
    return repaint_in_strips(network.architecture, network.params, image, shares, rows=rows or STRIP_ROWS)


def repaint_in_strips(
    architecture: Architecture,
    params: Any,
    image: Map,
    blend: Float[np.ndarray, "sources"],
    *,
    rows: int = 128,
    host_bytes: int = HOST_BYTES,
    on_layer: Callable[[int, int], None] = lambda done, of: None,
) -> Map:
    """What a style network makes of a picture; as `TransformNet.__call__`, to the last digits of float32.

    Args:
        architecture: of the network.
        params: its parameters.
        image: RGB in [0, 1].
        blend: share of each style.
        rows: of a strip.
        host_bytes: of a map, above which it lies in a file.
        on_layer: told how many layers of how many are done.
    """
    network: TransformNet = with_parameters(architecture, params)
    layers = len(network.blocks) + 1
    x: Any = _scaled(image)
    kept = x
    for place, block in enumerate(network.blocks):
        kept = x if network.opens(place) else kept
        y, mean, variance = _convolved(architecture, params, place, block, x, rows, host_bytes)
        for cut in _strips(y.shape[0], rows):
            added = kept[cut] if network.closes(place) else None
            y[cut] = np.asarray(_finish(architecture, place)(params, y[cut], mean, variance, blend))
            if added is not None:
                y[cut] += added
        x = y
        on_layer(place + 1, layers)
    out: Any = np.empty(image.shape, np.float32)
    last = _convolve(architecture, None)
    for cut in _strips(x.shape[0], rows):
        window = _window(x, cut, network.last, False, architecture.border)
        strip = np.asarray(last(params, window))[: max(out.shape[0] - cut.start, 0), : out.shape[1]]
        out[cut.start : cut.start + strip.shape[0]] = strip
    on_layer(layers, layers)
    return out


def _scaled(image: Map) -> Map:
    return np.asarray(image, np.float32) * np.float32(2) - np.float32(1)


def _strips(height: int, rows: int) -> Iterator[slice]:
    """Strips of so many rows, the last of what is left."""
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def _convolved(
    architecture: Architecture, params: Any, place: int, block: Block, x: Map, rows: int, host_bytes: int
) -> tuple[Map, Any, Any]:
    """A block's convolution before normalization, and its moments, summed in float64."""
    height, width = (_outputs(length, block) for length in x.shape[:2])
    y = _room((height, width, block.norm.shift.shape[1]), host_bytes)
    program = _convolve(architecture, place)
    total = np.zeros(y.shape[2])
    for cut in _strips(height, rows):
        window = _window(x, cut, block.convolution, block.enlarges, architecture.border)
        y[cut] = np.asarray(program(params, window))
        total += y[cut].sum((0, 1), dtype=np.float64)
    mean = total / (height * width)
    # The squares of what is left of the mean, as for the map at once: a difference of large sums would be none.
    squares = np.zeros_like(total)
    for cut in _strips(height, rows):
        squares += ((y[cut] - mean.astype(np.float32)) ** 2).sum((0, 1), dtype=np.float64)
    return y, jnp.asarray(mean, jnp.float32), jnp.asarray(squares / (height * width), jnp.float32)


def _outputs(length: int, block: Block) -> int:
    return -(-(length * (1 + block.enlarges)) // block.convolution.stride)


def _room(shape: tuple[int, ...], host_bytes: int) -> Any:
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= host_bytes:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:  # without a name; its room is free again when nobody looks at it
        return np.memmap(file, np.float32, "w+", shape=shape)


def _window(x: Map, cut: slice, convolution: Convolution, enlarges: bool, border: Border) -> Map:
    """The rows and columns that a strip of outputs needs, with what lies outside the map."""
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
def _convolve(architecture: Architecture, place: int | None) -> Callable[..., Any]:
    """The convolution of a block, or the last one with what follows it, of a window."""

    def of_window(params: Any, window: Any) -> Any:
        network = with_parameters(architecture, params)
        return to_pixels(network.last(window)) if place is None else network.blocks[place].convolution(window)

    return jit(of_window)


@lru_cache(maxsize=64)
def _finish(architecture: Architecture, place: int) -> Callable[..., Any]:
    """What follows a block's convolution, of some rows."""

    def of_rows(params: Any, y: Any, mean: Any, variance: Any, blend: Any) -> Any:
        return with_parameters(architecture, params).blocks[place].finished(y, mean, variance, blend)

    return jit(of_rows)
