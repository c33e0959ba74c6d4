"""3x3 convolution strip by strip, for CPUs: Winograd's minimal filtering with all transforms in the cache.

Padding costs nothing, being done by the indices with which a strip is gathered. What is computed is float32, whatever
the maps are kept as.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from subjective.network.winograd import convolve_from_few, convolve_tiles, convolve_to_few, transform_kernel
from subjective.pyramid import Padding

STRIP_TILES = 256
"""Tiles of 4x4 outputs in a strip: enough rows for a fast matrix product, few enough for the cache."""

STRIP_PIXELS = 4096
"""The same for convolutions from or to few channels, which work pixel by pixel."""

FEW_CHANNELS = 4
"""At most so many are few: nine shifted copies and one product do, and tiles would not pay."""

Paddings = tuple[Padding, Padding]
"""Of rows, and of columns."""

PAD: dict[Padding, int] = {"valid": 0, "same": 1, "circular": 1}
"""Pixels around a map, of whatever lies there."""

Size = tuple[int, int]


def average_pool(x: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    """Mean of each 2x2 block; an odd last row or column is dropped. On CPU faster than `lax.reduce_window`."""
    kept = x.dtype
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2].astype(jnp.promote_types(kept, jnp.float32))
    x = x[0::2] + x[1::2]
    return ((x[:, 0::2] + x[:, 1::2]) * np.asarray(0.25, x.dtype)).astype(kept)


def map_size(shape: tuple[int, ...], padding: Paddings) -> Size:
    """(height, width) of the convolution, before pooling, of a map of that shape."""
    return (shape[0] - 2 + 2 * PAD[padding[0]], shape[1] - 2 + 2 * PAD[padding[1]])


Indices = Callable[[Any], tuple[Array, Array]]


def forward_strips(
    x: Array, kernel: Array, bias: Array, *, padding: Paddings, pool: bool, kept: Any
) -> tuple[Array, Array]:
    """max(0, x ∗ kernel + bias), its 2x2 mean if ``pool``, kept in that type; and where it is above 0, unpooled."""
    height, width = (size // (1 + pool) * (1 + pool) for size in map_size(x.shape, padding))  # whole pooling windows
    convolve, rows, columns = _convolution_of_strips(kernel, height, width)
    indices = _indices((x.shape[0], x.shape[1]), padding, rows + 2, columns + 2)

    def compute(start: Any) -> tuple[Array, Array]:
        strip = _gather(x, *indices(start)).astype(kernel.dtype)
        y = jax.nn.relu(convolve(strip) + bias[None, None, :])[:, :width]
        y = lax.optimization_barrier(y)  # else one thread computes what it stores, twice: for the map and for the mask
        return (average_pool(y) if pool else y).astype(kept), y > 0

    return _by_strips(compute, height, rows)


def backward_strips(
    dy: Array, mask: Array, kernel: Array, *, like: jax.ShapeDtypeStruct, padding: Paddings, pool: bool
) -> Array:
    """The derivative with respect to x, which is ``like`` that, out of that of the result."""
    # A full correlation with the turned kernel, which wraps if the forward one did.
    height, width = like.shape[:2]
    convolve, rows, columns = _convolution_of_strips(kernel[::-1, ::-1].swapaxes(2, 3), height, width)
    indices = _indices(map_size(like.shape, padding), padding, rows + 2, columns + 2, full=True)

    def compute(start: Any) -> Array:
        strip = before_relu(dy, mask, *indices(start), pool).astype(kernel.dtype)
        return convolve(strip)[:, :width].astype(like.dtype)

    return _by_strips(compute, height, rows)


def _convolution_of_strips(kernel: Array, height: int, width: int) -> tuple[Callable[[Array], Array], int, int]:
    """A function from (rows + 2, columns + 2, inputs) to (rows, columns, outputs), and suitable rows and columns."""
    channels = kernel.shape[2:]
    if min(channels) <= FEW_CHANNELS:
        rows = min(max(STRIP_PIXELS // width // 2 * 2, 2), height)
        convolve = convolve_from_few if channels[0] <= FEW_CHANNELS else convolve_to_few
        return partial(convolve, kernel=kernel), rows, width
    tile_columns = -(-width // 4)
    tile_rows = min(max(STRIP_TILES // tile_columns, 1), -(-height // 4))
    return partial(convolve_tiles, kernels=transform_kernel(kernel)), 4 * tile_rows, 4 * tile_columns


def _by_strips(compute: Callable[[Any], Any], height: int, rows: int) -> Any:
    """Gather ``compute(start)``, a pytree of strips that begin at row ``start`` of ``height``, into whole arrays.

    The last strip is moved up to end at the last row, and computes some rows again. A strip may have a row for two
    of the picture (pooling): rows and height are even then.
    """
    if rows >= height:
        return jax.tree.map(lambda y: y[: height * y.shape[0] // rows], compute(0))

    def write(out: Array, strip: Array, start: Any) -> Array:
        return lax.dynamic_update_slice_in_dim(out, strip, start * strip.shape[0] // rows, 0)

    def step(i: Any, out: Any) -> Any:
        start = jnp.minimum(i * rows, height - rows)
        return jax.tree.map(partial(write, start=start), out, jax.tree.map(_bits, compute(start)))

    shapes = jax.eval_shape(compute, 0)
    out = jax.tree.map(lambda s: _bits(jnp.zeros((height * s.shape[0] // rows, *s.shape[1:]), s.dtype)), shapes)
    found = lax.fori_loop(0, -(-height // rows), step, out)
    return jax.tree.map(lambda bits, s: _numbers(bits, s.dtype), found, shapes)


def _indices(size: Size, padding: Paddings, rows: int, columns: int, *, full: bool = False) -> Indices:
    """A function from the first row of a strip to the indices of its rows and columns in the map before padding.

    The map is padded as for the convolution, or (``full``) as for its transpose, by two pixels less that.
    """
    pads = [2 - PAD[along] if full else PAD[along] for along in padding]

    def indices(start: Any) -> tuple[Array, Array]:
        row, column = (
            index % length if along == "circular" else index
            for index, length, along in zip(
                (start + jnp.arange(rows) - pads[0], jnp.arange(columns) - pads[1]), size, padding, strict=True
            )
        )
        return row, column

    return indices


def _gather(x: Array, row: Array, column: Array) -> Array:
    """x[row, column], and zero outside. As fast as a slice, and no padded copy."""
    places = (row[:, None], column[None, :])
    return _numbers(_bits(x).at[places].get(mode="fill", fill_value=0, wrap_negative_indices=False), x.dtype)


def _bits(x: Array) -> Array:
    """bfloat16 as integers: XLA would widen a whole map on a CPU, even to move it."""
    return lax.bitcast_convert_type(x, jnp.uint16) if x.dtype == jnp.bfloat16 else x


def _numbers(bits: Array, kept: Any) -> Array:
    return lax.bitcast_convert_type(bits, kept) if kept == jnp.bfloat16 else bits


def before_relu(dy: Array, mask: Array, row: Array, column: Array, pool: bool) -> Array:
    """The derivative before ReLU (and pooling) out of the one after, at some rows and columns."""
    share, places = (0.25, (row // 2, column // 2)) if pool else (1.0, (row, column))
    spread = _gather(dy, *places) * np.asarray(share, dy.dtype)
    return jnp.where(_gather(mask, row, column), spread, jnp.zeros_like(spread))
