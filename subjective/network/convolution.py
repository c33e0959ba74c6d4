"""3x3 convolution with bias, ReLU and, where wanted, 2x2 average pooling: the whole of VGG's arithmetic.

On GPUs and TPUs this is `lax.conv_general_dilated`, for which the vendors' libraries choose the best form. On CPUs,
where XLA's own convolution is the slowest part of the program, it is Winograd's minimal filtering
(`subjective.network.winograd`), strip by strip (`subjective.network.cpu_convolution`): the transforms are bound by
memory, and the transformed tiles of a strip stay in the cache, so that no array larger than the result is made. The
derivative with respect to the input is the same algorithm with the kernel turned by 180 degrees; what it keeps of the
forward pass is one bit an activation (where ReLU let through), not the activation.

Maps may be kept in bfloat16. Products are then those of bfloat16 numbers where hardware is made for them, and of the
same numbers in float32 on CPUs, where XLA's bfloat16 products take 1.4 to 7.0 times as long, by form
(`experiments/LOG.md`, 2026-11-21); sums are in float32 everywhere.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from subjective.network.cpu_convolution import (
    PAD,
    Paddings,
    average_pool,
    backward_strips,
    before_relu,
    forward_strips,
    map_size,
)
from subjective.pyramid import Padding

SMALL_PIXELS = 1024
"""Maps of at most so many pixels take the direct form everywhere: as fast there, and compiled in a third less time.

Not in a loop, in which XLA's own convolution of such a map takes 3.5 times as long on CPUs.
"""

FEW_CHANNELS = 16
"""So do results of fewer channels, whose products are too thin to win back what transforming costs."""

DType = np.dtype | type | str
"""Of numbers, as `jax.numpy` takes it."""

Map = Float[Array, "height width inputs"]
Kernel = Float[Array, "3 3 inputs outputs"]
Bias = Float[Array, "outputs"]
Result = Float[Array, "rows columns outputs"]


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5, 6))
def conv3x3_relu(
    x: Map,
    kernel: Kernel,
    bias: Bias,
    padding: Padding | Paddings = "circular",
    pool: bool = False,
    kept: DType | None = None,
    in_loop: bool = False,
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
        in_loop: whether this is part of a loop's body, see `SMALL_PIXELS`.

    Returns:
        ``(rows, columns, outputs)``.

    Raises:
        ValueError: the map is too small to leave a pixel.
    """
    return _forward(x, kernel, bias, _both(padding), pool, kept, in_loop)[0]


def _conv3x3_relu_fwd(
    x: Array, kernel: Array, bias: Array, padding: Padding | Paddings, pool: bool, kept: DType | None, in_loop: bool
) -> tuple[Array, Any]:
    y, mask = _forward(x, kernel, bias, _both(padding), pool, kept, in_loop)
    return y, (x, kernel, mask)  # XLA drops x again where the kernel's derivative is not asked for


def _conv3x3_relu_bwd(
    padding: Padding | Paddings, pool: bool, kept: DType | None, in_loop: bool, residuals: Any, dy: Array
) -> tuple[Array, Array, Array]:
    x, kernel, mask = residuals
    padding = _both(padding)
    dx = _backward(dy, mask, kernel, x, padding, pool, in_loop)
    dz = before_relu(dy.astype(kernel.dtype), mask, *_everywhere(x.shape, padding), pool)
    (dkernel,) = jax.linear_transpose(lambda k: _direct(x.astype(k.dtype), k, padding), kernel)(dz)
    return dx, dkernel, dz.sum((0, 1))


conv3x3_relu.defvjp(_conv3x3_relu_fwd, _conv3x3_relu_bwd)


def _both(padding: Padding | Paddings) -> Paddings:
    return (padding, padding) if isinstance(padding, str) else padding


# The two forms of the function and of its derivative


def _forward(
    x: Array, kernel: Array, bias: Array, padding: Paddings, pool: bool, kept: DType | None, in_loop: bool
) -> tuple[Array, Bool[Array, "..."]]:
    """The result, and the mask of the activations (before pooling) that are positive."""
    least = tuple(3 - 2 * PAD[along] + pool for along in padding)
    if x.shape[0] < least[0] or x.shape[1] < least[1]:
        raise ValueError(
            f"a map of {x.shape[1]}x{x.shape[0]} is too small; padding {' and '.join(dict.fromkeys(padding))!r} wants "
            f"{max(least)} a side"
        )

    kept = x.dtype if kept is None else kept
    forms = (_forward_direct, forward_strips)
    direct, strips = (partial(form, padding=padding, pool=pool, kept=kept) for form in forms)
    if _is_direct(x, kernel, in_loop):
        return direct(x.astype(kernel.dtype), kernel, bias)
    return lax.platform_dependent(x, kernel, bias, cpu=strips, default=direct)


def _backward(dy: Array, mask: Array, kernel: Array, x: Array, padding: Paddings, pool: bool, in_loop: bool) -> Array:
    """Derivative with respect to x, of its shape and type."""

    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    forms = (_backward_direct, backward_strips)
    direct, strips = (partial(form, like=like, padding=padding, pool=pool) for form in forms)
    if _is_direct(x, kernel, in_loop):
        return direct(dy.astype(kernel.dtype), mask, kernel)
    return lax.platform_dependent(dy, mask, kernel, cpu=strips, default=direct)


def _is_direct(x: Array, kernel: Array, in_loop: bool) -> bool:
    small = x.shape[0] * x.shape[1] <= SMALL_PIXELS and not in_loop
    return small or kernel.shape[3] < FEW_CHANNELS


def _everywhere(shape: tuple[int, ...], padding: Paddings) -> tuple[Array, Array]:
    height, width = map_size(shape, padding)
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
    dz = before_relu(dy, mask, *_everywhere(like.shape, padding), pool)
    x = jax.ShapeDtypeStruct(like.shape, dy.dtype)
    return jax.linear_transpose(lambda x: _direct(x, kernel, padding), x)(dz)[0].astype(like.dtype)
