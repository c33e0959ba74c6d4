"""Compute a 3x3 convolution on CPUs strip by strip, by Winograd's minimal filtering.

A strip is a band of rows, small enough for its transforms to stay in the CPU's cache. A strip is copied from the map by
the indices of its rows and columns; an index outside the map gives zero or, if the padding is circular, a pixel from
the other side of the map. Padding therefore needs no copy of its own. All arithmetic is in float32, even if the maps
are stored in bfloat16.
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

from subjective.choices import Padding
from subjective.network.winograd import convolve_cells, convolve_from_few, convolve_to_few, transform_kernel

STRIP_CELLS = 256
"""Largest number of Winograd's cells (4x4 outputs each) in a strip, except that a strip has at least one row of cells.

This number is large enough for a fast matrix product, and small enough for the cache.
"""

STRIP_PIXELS = 4096
"""Approximate number of pixels in a strip of a convolution from or to few channels, which does not use cells."""

FEW_CHANNELS = 4
"""A convolution with at most this many input channels, or at most this many output channels, does not use cells.

For so few channels, a plain matrix product is faster than Winograd's filtering.
"""

Paddings = tuple[Padding, Padding]
"""The padding of rows and the padding of columns."""

PAD: dict[Padding, int] = {"valid": 0, "same": 1, "circular": 1}
"""Number of pixels that a padding adds on each side of a map."""

Size = tuple[int, int]
"""(height, width)."""


def average_pool(x: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    """Take the mean of each square of 2x2 pixels. An odd last row or column is dropped.

    On CPUs this is faster than `lax.reduce_window`.
    """
    dtype = x.dtype
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2].astype(jnp.promote_types(dtype, jnp.float32))
    x = x[0::2] + x[1::2]
    return ((x[:, 0::2] + x[:, 1::2]) * np.asarray(0.25, x.dtype)).astype(dtype)


def convolved_size(shape: tuple[int, ...], padding: Paddings) -> Size:
    """Return (height, width) of the result of a convolution before pooling, for a map of the given shape."""
    return (shape[0] - 2 + 2 * PAD[padding[0]], shape[1] - 2 + 2 * PAD[padding[1]])


Indices = Callable[[Any], tuple[Array, Array]]
"""A function from the first row of a strip to the indices of the strip's rows and columns."""


def forward_strips(
    x: Array, kernel: Array, bias: Array, *, padding: Paddings, pool: bool, dtype: Any
) -> tuple[Array, Array]:
    """Compute max(0, x ∗ kernel + bias), and average 2x2 pixels of the result if ``pool`` is true.

    Args:
        x: feature map ``(height, width, inputs)``.
        kernel: ``(3, 3, inputs, outputs)``.
        bias: one number for each output channel.
        padding: padding of rows and padding of columns.
        pool: whether to average 2x2 pixels. An odd last row or column is dropped.
        dtype: number type of the result.

    Returns:
        The result, and the mask of the positive activations before pooling.
    """
    # With pooling, compute even numbers of rows and columns.
    height, width = (size // (1 + pool) * (1 + pool) for size in convolved_size(x.shape, padding))
    convolve, rows, columns = _choose_convolution(kernel, height, width)
    indices = _make_indices((x.shape[0], x.shape[1]), padding, rows + 2, columns + 2)

    def compute(start: Any) -> tuple[Array, Array]:
        strip = _gather(x, *indices(start)).astype(kernel.dtype)
        y = jax.nn.relu(convolve(strip) + bias[None, None, :])[:, :width]
        # Without this barrier, XLA computes y on one thread, and twice: to store the map and to store the mask.
        y = lax.optimization_barrier(y)
        return (average_pool(y) if pool else y).astype(dtype), y > 0

    return _assemble_strips(compute, height, rows)


def backward_strips(
    dy: Array, mask: Array, kernel: Array, *, like: jax.ShapeDtypeStruct, padding: Paddings, pool: bool
) -> Array:
    """Compute the derivative with respect to the input of `forward_strips`.

    Args:
        dy: derivative with respect to the result.
        mask: mask of the positive activations, from `forward_strips`.
        kernel: ``(3, 3, inputs, outputs)``.
        like: shape and number type of the input.
        padding: as in `forward_strips`.
        pool: as in `forward_strips`.
    """
    # The derivative is the correlation of `dy` (zero where the mask is false) with the rotated kernel. Along an axis
    # where the padding of the input was circular, the padding of `dy` is circular too; otherwise it is zeros.
    height, width = like.shape[:2]
    convolve, rows, columns = _choose_convolution(kernel[::-1, ::-1].swapaxes(2, 3), height, width)
    indices = _make_indices(convolved_size(like.shape, padding), padding, rows + 2, columns + 2, full=True)

    def compute(start: Any) -> Array:
        strip = backward_relu(dy, mask, *indices(start), pool).astype(kernel.dtype)
        return convolve(strip)[:, :width].astype(like.dtype)

    return _assemble_strips(compute, height, rows)


def _choose_convolution(kernel: Array, height: int, width: int) -> tuple[Callable[[Array], Array], int, int]:
    """Choose the fastest convolution of a strip for a kernel, and the size of strips.

    Args:
        kernel: ``(3, 3, inputs, outputs)``.
        height: number of rows of the whole result.
        width: number of columns of the whole result.

    Returns:
        A function from ``(rows + 2, columns + 2, inputs)`` to ``(rows, columns, outputs)``, the number of rows, and
        the number of columns.
    """
    channels = kernel.shape[2:]
    if min(channels) <= FEW_CHANNELS:
        rows = min(max(STRIP_PIXELS // width // 2 * 2, 2), height)
        convolve = convolve_from_few if channels[0] <= FEW_CHANNELS else convolve_to_few
        return partial(convolve, kernel=kernel), rows, width
    cell_columns = -(-width // 4)
    cell_rows = min(max(STRIP_CELLS // cell_columns, 1), -(-height // 4))
    return partial(convolve_cells, kernels=transform_kernel(kernel)), 4 * cell_rows, 4 * cell_columns


def _assemble_strips(compute: Callable[[Any], Any], height: int, rows: int) -> Any:
    """Compute strip after strip, and write the strips into whole arrays.

    The last strip ends at the last row. It may overlap the strip before; the rows in both are computed twice.

    Args:
        compute: ``compute(start)`` returns a pytree of strips that begin at row ``start``. A strip that was pooled has
            one row for every two rows of the map; ``rows`` and ``height`` must then be even.
        height: number of rows of the map, before pooling.
        rows: number of rows of a strip, before pooling.
    """
    if rows >= height:
        return jax.tree.map(lambda y: y[: height * y.shape[0] // rows], compute(0))

    def write(out: Array, strip: Array, start: Any) -> Array:
        return lax.dynamic_update_slice_in_dim(out, strip, start * strip.shape[0] // rows, 0)

    def step(i: Any, out: Any) -> Any:
        start = jnp.minimum(i * rows, height - rows)
        return jax.tree.map(partial(write, start=start), out, jax.tree.map(_to_bits, compute(start)))

    shapes = jax.eval_shape(compute, 0)
    out = jax.tree.map(lambda s: _to_bits(jnp.zeros((height * s.shape[0] // rows, *s.shape[1:]), s.dtype)), shapes)
    found = lax.fori_loop(0, -(-height // rows), step, out)
    return jax.tree.map(lambda bits, s: _from_bits(bits, s.dtype), found, shapes)


def _make_indices(size: Size, padding: Paddings, rows: int, columns: int, *, full: bool = False) -> Indices:
    """Make the function that returns the indices of a strip's rows and columns in the map before padding.

    Args:
        size: (height, width) of the map.
        padding: padding of rows and padding of columns.
        rows: number of rows of a strip, with its border.
        columns: number of columns of a strip, with its border.
        full: whether the map is a derivative that is passed back through the convolution (`backward_strips`). If so,
            each side is padded by 2 - p pixels; the convolution padded each side of its input by p pixels.
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
    """Return x[row, column], and zero outside x. This is as fast as a slice and makes no padded copy of x."""
    places = (row[:, None], column[None, :])
    return _from_bits(_to_bits(x).at[places].get(mode="fill", fill_value=0, wrap_negative_indices=False), x.dtype)


def _to_bits(x: Array) -> Array:
    """View bfloat16 as integers. To copy a part of a bfloat16 map, XLA on a CPU converts the whole map to float32."""
    return lax.bitcast_convert_type(x, jnp.uint16) if x.dtype == jnp.bfloat16 else x


def _from_bits(bits: Array, dtype: Any) -> Array:
    """Undo `_to_bits`."""
    return lax.bitcast_convert_type(bits, dtype) if dtype == jnp.bfloat16 else bits


def backward_relu(dy: Array, mask: Array, row: Array, column: Array, pool: bool) -> Array:
    """Pass a derivative back through ReLU, and through pooling if ``pool`` is true.

    Args:
        dy: derivative with respect to the result.
        mask: mask of the positive activations before pooling.
        row: indices of the rows to return, before pooling.
        column: indices of the columns to return, before pooling.
        pool: whether the result was pooled.

    Returns:
        The derivative with respect to the input of ReLU (convolution plus bias), at these rows and columns.
    """
    share, places = (0.25, (row // 2, column // 2)) if pool else (1.0, (row, column))
    spread = _gather(dy, *places) * np.asarray(share, dy.dtype)
    return jnp.where(_gather(mask, row, column), spread, jnp.zeros_like(spread))
