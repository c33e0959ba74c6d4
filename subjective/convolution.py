"""3x3 convolution with bias, ReLU and, where wanted, 2x2 average pooling: the whole of VGG's arithmetic.

On GPUs and TPUs this is `lax.conv_general_dilated`, for which the vendors' libraries choose the best form. On CPUs,
where XLA's own convolution is the slowest part of the program, it is Winograd's minimal filtering
(`subjective.winograd`), strip by strip: the transforms are bound by memory, and the transformed tiles of a strip stay
in the cache, so that no array larger than the result is made. Padding costs nothing, being done by the indices with
which a strip is gathered. The derivative with respect to the input is the same algorithm with the kernel turned by
180 degrees; what it keeps of the forward pass is one bit an activation (where ReLU let through), not the activation.

Maps may be kept in bfloat16. Products are then those of bfloat16 numbers where hardware is made for them, and of the
same numbers in float32 on CPUs, where XLA's bfloat16 products take two to five times as long (`experiments/LOG.md`);
sums are in float32 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from subjective.pyramid import Padding
from subjective.winograd import convolve_from_few, convolve_tiles, convolve_to_few, transform_kernel

STRIP_TILES = 256
"""Tiles of 4x4 outputs in a strip: enough rows for a fast matrix product, few enough for the cache."""

STRIP_PIXELS = 4096
"""The same for convolutions from or to few channels, which work pixel by pixel."""

SMALL_PIXELS = 1024
"""Maps of at most so many pixels take the direct form everywhere: as fast there, and compiled in a third less time."""

FEW_CHANNELS = 4
"""At most so many are few: nine shifted copies and one product do, and tiles would not pay."""

Paddings = tuple[Padding, Padding]
"""Of rows, and of columns."""

DType = np.dtype | type | str
"""Of numbers, as `jax.numpy` takes it."""

_PAD: dict[Padding, int] = {"valid": 0, "same": 1, "circular": 1}

Map = Float[Array, "height width inputs"]
Kernel = Float[Array, "3 3 inputs outputs"]
Bias = Float[Array, "outputs"]
Result = Float[Array, "rows columns outputs"]
Size = tuple[int, int]


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def conv3x3_relu(
    x: Map,
    kernel: Kernel,
    bias: Bias,
    padding: Padding | Paddings = "circular",
    pool: bool = False,
    kept: DType | None = None,
) -> Result:
    """max(0, x ∗ kernel + bias), a cross-correlation as in every network library, and its 2x2 mean if ``pool``.

    The derivative with respect to ``x`` is as fast as the function; those with respect to kernel and bias are
    exact and take the direct convolution. Several maps go through `jax.vmap`.

    Args:
        x: feature map ``(height, width, inputs)``.
        kernel: HWIO.
        bias: one for each output channel.
        padding: ``valid`` (none: a pixel a side is lost), ``same`` (zeros) or ``circular`` (the other side);
            two of them if rows and columns differ.
        pool: average 2x2 pixels afterwards, stride 2; an odd last row or column is dropped.
        kept: type of the result, and so of the derivative with respect to it; that of ``x`` if not given.

    Returns:
        ``(rows, columns, outputs)``.

    Raises:
        ValueError: the map is too small to leave a pixel.
    """
    return _forward(x, kernel, bias, _both(padding), pool, kept)[0]


def _conv3x3_relu_fwd(
    x: Array, kernel: Array, bias: Array, padding: Padding | Paddings, pool: bool, kept: DType | None
) -> tuple[Array, Any]:
    y, mask = _forward(x, kernel, bias, _both(padding), pool, kept)
    return y, (x, kernel, mask)  # XLA drops x again where the kernel's derivative is not asked for


def _conv3x3_relu_bwd(
    padding: Padding | Paddings, pool: bool, kept: DType | None, residuals: Any, dy: Array
) -> tuple[Array, Array, Array]:
    x, kernel, mask = residuals
    padding = _both(padding)
    dx = _backward(dy, mask, kernel, x, padding, pool)
    dz = _before_relu(dy.astype(kernel.dtype), mask, *_everywhere(x.shape, padding), pool)
    (dkernel,) = jax.linear_transpose(lambda k: _direct(x.astype(k.dtype), k, padding), kernel)(dz)
    return dx, dkernel, dz.sum((0, 1))


conv3x3_relu.defvjp(_conv3x3_relu_fwd, _conv3x3_relu_bwd)


def _both(padding: Padding | Paddings) -> Paddings:
    return (padding, padding) if isinstance(padding, str) else padding


def average_pool(x: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    """Mean of each 2x2 block; an odd last row or column is dropped. On CPU faster than `lax.reduce_window`."""
    kept = x.dtype
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2].astype(jnp.promote_types(kept, jnp.float32))
    x = x[0::2] + x[1::2]
    return ((x[:, 0::2] + x[:, 1::2]) * np.asarray(0.25, x.dtype)).astype(kept)


# The two forms of the function and of its derivative


def _forward(
    x: Array, kernel: Array, bias: Array, padding: Paddings, pool: bool, kept: DType | None
) -> tuple[Array, Bool[Array, "..."]]:
    """The result, and the mask of the activations (before pooling) that are positive."""
    least = tuple(3 - 2 * _PAD[along] + pool for along in padding)
    if x.shape[0] < least[0] or x.shape[1] < least[1]:
        raise ValueError(
            f"a map of {x.shape[1]}x{x.shape[0]} is too small; padding {' and '.join(dict.fromkeys(padding))!r} wants "
            f"{max(least)} a side"
        )

    kept = x.dtype if kept is None else kept
    forms = (_forward_direct, _forward_strips)
    direct, strips = (partial(form, padding=padding, pool=pool, kept=kept) for form in forms)
    if _is_small(x.shape):
        return direct(x.astype(kernel.dtype), kernel, bias)
    return lax.platform_dependent(x, kernel, bias, cpu=strips, default=direct)


def _backward(dy: Array, mask: Array, kernel: Array, x: Array, padding: Paddings, pool: bool) -> Array:
    """Derivative with respect to x, of its shape and type."""

    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    forms = (_backward_direct, _backward_strips)
    direct, strips = (partial(form, like=like, padding=padding, pool=pool) for form in forms)
    if _is_small(x.shape):
        return direct(dy.astype(kernel.dtype), mask, kernel)
    return lax.platform_dependent(dy, mask, kernel, cpu=strips, default=direct)


def _is_small(shape: tuple[int, ...]) -> bool:
    return shape[0] * shape[1] <= SMALL_PIXELS


def _map_size(shape: tuple[int, ...], padding: Paddings) -> Size:
    """(height, width) of the convolution, before pooling, of a map of that shape."""
    return (shape[0] - 2 + 2 * _PAD[padding[0]], shape[1] - 2 + 2 * _PAD[padding[1]])


def _everywhere(shape: tuple[int, ...], padding: Paddings) -> tuple[Array, Array]:
    height, width = _map_size(shape, padding)
    return jnp.arange(height), jnp.arange(width)


# In one piece, for GPUs and TPUs


def _direct(x: Array, kernel: Array, padding: Paddings) -> Array:
    """The convolution, in the type of x."""
    wrapped = [(1, 1) if along == "circular" else (0, 0) for along in padding]
    if "circular" in padding:
        x = jnp.pad(x, (*wrapped, (0, 0)), mode="wrap")
    zeros = [(1, 1) if along == "same" else (0, 0) for along in padding]
    return lax.conv_general_dilated(
        x[None], kernel.astype(x.dtype), (1, 1), zeros, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )[0]


def _forward_direct(
    x: Array, kernel: Array, bias: Array, *, padding: Paddings, pool: bool, kept: DType
) -> tuple[Array, Array]:
    y = jax.nn.relu(_direct(x, kernel, padding).astype(bias.dtype) + bias[None, None, :])
    if not pool:
        return y.astype(kept), y > 0
    y = y[: y.shape[0] // 2 * 2, : y.shape[1] // 2 * 2]
    return average_pool(y).astype(kept), y > 0


def _backward_direct(
    dy: Array, mask: Array, kernel: Array, *, like: jax.ShapeDtypeStruct, padding: Paddings, pool: bool
) -> Array:
    dz = _before_relu(dy, mask, *_everywhere(like.shape, padding), pool)
    x = jax.ShapeDtypeStruct(like.shape, dy.dtype)
    return jax.linear_transpose(lambda x: _direct(x, kernel, padding), x)(dz)[0].astype(like.dtype)


# Strip by strip, for CPUs

Indices = Callable[[Any], tuple[Array, Array]]


def _forward_strips(
    x: Array, kernel: Array, bias: Array, *, padding: Paddings, pool: bool, kept: DType
) -> tuple[Array, Array]:
    height, width = (size // (1 + pool) * (1 + pool) for size in _map_size(x.shape, padding))  # whole pooling windows
    convolve, rows, columns = _convolution_of_strips(kernel, height, width)
    indices = _indices((x.shape[0], x.shape[1]), padding, rows + 2, columns + 2)

    def compute(start: Any) -> tuple[Array, Array]:
        strip = _gather(x, *indices(start)).astype(kernel.dtype)
        y = jax.nn.relu(convolve(strip) + bias[None, None, :])[:, :width]
        y = lax.optimization_barrier(y)  # else one thread computes what it stores, twice: for the map and for the mask
        return (average_pool(y) if pool else y).astype(kept), y > 0

    return _by_strips(compute, height, rows)


def _backward_strips(
    dy: Array, mask: Array, kernel: Array, *, like: jax.ShapeDtypeStruct, padding: Paddings, pool: bool
) -> Array:
    # A full correlation with the turned kernel, which wraps if the forward one did.
    height, width = like.shape[:2]
    convolve, rows, columns = _convolution_of_strips(kernel[::-1, ::-1].swapaxes(2, 3), height, width)
    indices = _indices(_map_size(like.shape, padding), padding, rows + 2, columns + 2, full=True)

    def compute(start: Any) -> Array:
        strip = _before_relu(dy, mask, *indices(start), pool).astype(kernel.dtype)
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
        return jax.tree.map(partial(write, start=start), out, compute(start))

    shapes = jax.eval_shape(compute, 0)
    out = jax.tree.map(lambda s: jnp.zeros((height * s.shape[0] // rows, *s.shape[1:]), s.dtype), shapes)
    return lax.fori_loop(0, -(-height // rows), step, out)


def _indices(size: Size, padding: Paddings, rows: int, columns: int, *, full: bool = False) -> Indices:
    """A function from the first row of a strip to the indices of its rows and columns in the map before padding.

    The map is padded as for the convolution, or (``full``) as for its transpose, by two pixels less that.
    """
    pads = [2 - _PAD[along] if full else _PAD[along] for along in padding]

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
    return x.at[row[:, None], column[None, :]].get(mode="fill", fill_value=0, wrap_negative_indices=False)


def _before_relu(dy: Array, mask: Array, row: Array, column: Array, pool: bool) -> Array:
    """The derivative before ReLU (and pooling) out of the one after, at some rows and columns."""
    share, places = (0.25, (row // 2, column // 2)) if pool else (1.0, (row, column))
    spread = _gather(dy, *places) * np.asarray(share, dy.dtype)
    return jnp.where(_gather(mask, row, column), spread, jnp.zeros_like(spread))
