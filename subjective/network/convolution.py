"""Compute a 3x3 convolution with bias, ReLU and, if wanted, 2x2 average pooling: all the arithmetic of VGG.

On GPUs and TPUs, the convolution is `lax.conv_general_dilated` (the direct form); the vendors' libraries choose the
fastest algorithm. On CPUs, XLA's own convolution would be the slowest part of the program. There the convolution is
Winograd's minimal filtering (`subjective.network.winograd`), computed strip by strip
(`subjective.network.cpu_convolution`). The speed of Winograd's transforms is limited by memory bandwidth. Therefore
strips are so small that their transforms stay in the CPU's cache; no array larger than the result is made.

The derivative with respect to the input is the same algorithm with the kernel rotated by 180 degrees. From the forward
pass, this derivative needs only one bit for each activation: whether the activation is positive.

The precision says how feature maps are stored and multiplied. With `bfloat16`, maps are stored in bfloat16, and
hardware that is made for bfloat16 multiplies bfloat16 numbers. CPUs convert the numbers to float32 first: with XLA's
bfloat16 products, a convolution on a CPU takes 1.4 to 7.0 times as long as Winograd's filtering in float32
(`experiments/LOG.md`, 2026-11-21). With `tensorfloat32`, maps are stored in float32, and GPUs round the factors of a
product to 11 significant bits; other devices compute as with `float32`. Sums are in float32 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from subjective.choices import Padding, Precision
from subjective.network.cpu_convolution import (
    PAD,
    Paddings,
    average_pool,
    backward_relu,
    backward_strips,
    convolved_size,
    forward_strips,
)

SMALL_PIXELS = 1024
"""The direct form is used on every device for maps of at most this many pixels, except in a loop.

For such maps on CPUs, the direct form is as fast as strips and compiles in a third less time. In a compiled loop,
however, the direct form takes 3.5 times as long on CPUs as outside a loop; therefore strips are used in loops.
"""

MIN_STRIP_CHANNELS = 16
"""The direct form is used on every device for results of fewer channels than this.

For so few channels, Winograd's matrix products save less time than the transforms cost.
"""


FeatureMap = Float[Array, "height width inputs"]
"""Input of a convolution."""

Kernel = Float[Array, "3 3 inputs outputs"]
"""Kernel of a convolution: (height, width, inputs, outputs), the order called HWIO."""

Bias = Float[Array, "outputs"]
"""One number for each output channel."""

Activations = Float[Array, "rows columns outputs"]
"""Result of a convolution."""


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5, 6, 7))
def conv3x3_relu(
    x: FeatureMap,
    kernel: Kernel,
    bias: Bias,
    padding: Padding | Paddings = "circular",
    pool: bool = False,
    precision: Precision = "float32",
    in_loop: bool = False,
    direct: bool = False,
) -> Activations:
    """Compute max(0, x ∗ kernel + bias), and average 2x2 pixels of the result if ``pool`` is true.

    ∗ is a cross-correlation, as in every network library. The derivative with respect to ``x`` is as fast as the
    function. The derivatives with respect to kernel and bias are exact and use the direct form. Use `jax.vmap` for
    several maps.

    Args:
        x: feature map ``(height, width, inputs)``.
        kernel: ``(3, 3, inputs, outputs)``.
        bias: one number for each output channel.
        padding: what lies outside the map: zeros for ``same``, the opposite side of the map for ``circular``. With
            ``valid`` there is no padding, and the result is one pixel smaller on each side. Give a pair (of
            rows, of columns) if the two paddings differ.
        pool: whether to average 2x2 pixels afterwards, stride 2. An odd last row or column is dropped.
        precision: how the result is stored, and how ``x`` is multiplied with the kernel. The result of ``bfloat16`` is
            bfloat16, and so is the derivative with respect to it; other results have the type of ``x``.
        in_loop: whether the function is part of the body of a compiled loop; see `SMALL_PIXELS`.
        direct: whether every device uses the direct form, for maps of any size. On CPUs it compiles in a fifth of the
            time, and without a gradient it runs about as fast.

    Returns:
        ``(rows, columns, outputs)``.

    Raises:
        ValueError: the map is too small; the result would have no pixel.
    """
    return _forward(x, kernel, bias, _pair(padding), pool, precision, _is_direct(x, kernel, in_loop, direct))[0]


def _conv3x3_relu_fwd(
    x: Array,
    kernel: Array,
    bias: Array,
    padding: Padding | Paddings,
    pool: bool,
    precision: Precision,
    in_loop: bool,
    direct: bool,
) -> tuple[Array, Any]:
    y, mask = _forward(x, kernel, bias, _pair(padding), pool, precision, _is_direct(x, kernel, in_loop, direct))
    return y, (x, kernel, mask)  # XLA does not keep x unless the derivative with respect to the kernel is used


def _conv3x3_relu_bwd(
    padding: Padding | Paddings,
    pool: bool,
    precision: Precision,
    in_loop: bool,
    direct: bool,
    residuals: Any,
    dy: Array,
) -> tuple[Array, Array, Array]:
    x, kernel, mask = residuals
    padding = _pair(padding)
    dx = _backward(dy, mask, kernel, x, padding, pool, precision, _is_direct(x, kernel, in_loop, direct))
    dz = backward_relu(dy.astype(kernel.dtype), mask, *_all_indices(x.shape, padding), pool)
    (dkernel,) = jax.linear_transpose(lambda k: _correlate(x.astype(k.dtype), k, padding, precision), kernel)(dz)
    return dx, dkernel, dz.sum((0, 1))


conv3x3_relu.defvjp(_conv3x3_relu_fwd, _conv3x3_relu_bwd)


def map_type(precision: Precision) -> str | None:
    """Return the number type of feature maps; None means the picture's own type, which may be float64 in tests."""
    return "bfloat16" if precision == "bfloat16" else None


def _pair(padding: Padding | Paddings) -> Paddings:
    """Return the padding of rows and the padding of columns."""
    return (padding, padding) if isinstance(padding, str) else padding


# The function and its derivative: both choose between the direct form and strips


def _forward(
    x: Array, kernel: Array, bias: Array, padding: Paddings, pool: bool, precision: Precision, is_direct: bool
) -> tuple[Array, Bool[Array, "..."]]:
    """Return the result, and the mask of the positive activations before pooling."""
    least = tuple(3 - 2 * PAD[along] + pool for along in padding)
    if x.shape[0] < least[0] or x.shape[1] < least[1]:
        raise ValueError(
            f"a map of {x.shape[1]}x{x.shape[0]} is too small; padding {' and '.join(dict.fromkeys(padding))!r} wants "
            f"{max(least)} a side"
        )

    settings: dict[str, Any] = {"padding": padding, "pool": pool, "dtype": map_type(precision) or x.dtype}
    direct: Callable[..., Any] = partial(_forward_direct, **settings, precision=precision)
    strips = partial(forward_strips, **settings)
    if is_direct:
        return direct(x.astype(kernel.dtype), kernel, bias)
    return lax.platform_dependent(x, kernel, bias, cpu=strips, default=direct)


def _backward(
    dy: Array,
    mask: Array,
    kernel: Array,
    x: Array,
    padding: Paddings,
    pool: bool,
    precision: Precision,
    is_direct: bool,
) -> Array:
    """Return the derivative with respect to x, with the shape and the type of x."""
    settings: dict[str, Any] = {"like": jax.ShapeDtypeStruct(x.shape, x.dtype), "padding": padding, "pool": pool}
    direct: Callable[..., Any] = partial(_backward_direct, **settings, precision=precision)
    strips = partial(backward_strips, **settings)
    if is_direct:
        return direct(dy.astype(kernel.dtype), mask, kernel)
    return lax.platform_dependent(dy, mask, kernel, cpu=strips, default=direct)


def _is_direct(x: Array, kernel: Array, in_loop: bool, direct: bool) -> bool:
    """Whether every device uses the direct form; see `conv3x3_relu`, `SMALL_PIXELS` and `MIN_STRIP_CHANNELS`."""
    small = x.shape[0] * x.shape[1] <= SMALL_PIXELS and not in_loop
    return direct or small or kernel.shape[3] < MIN_STRIP_CHANNELS


def _all_indices(shape: tuple[int, ...], padding: Paddings) -> tuple[Array, Array]:
    """Return the indices of all rows and of all columns of the convolution's result."""
    height, width = convolved_size(shape, padding)
    return jnp.arange(height), jnp.arange(width)


# The direct form: the whole map at once, for GPUs and TPUs


def _correlate(x: Array, kernel: Array, padding: Paddings, precision: Precision) -> Array:
    """Cross-correlate a map with a kernel, in the number type of x."""
    products = "high" if precision == "tensorfloat32" else "highest"
    wrapped = [(1, 1) if along == "circular" else (0, 0) for along in padding]
    if "circular" in padding:
        x = jnp.pad(x, (*wrapped, (0, 0)), mode="wrap")
    zeros = [(1, 1) if along == "same" else (0, 0) for along in padding]
    order = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x[None], kernel.astype(x.dtype), (1, 1), zeros, dimension_numbers=order, precision=products
    )[0]


def _forward_direct(
    x: Array, kernel: Array, bias: Array, *, padding: Paddings, pool: bool, precision: Precision, dtype: Any
) -> tuple[Array, Array]:
    y = jax.nn.relu(_correlate(x, kernel, padding, precision).astype(bias.dtype) + bias[None, None, :])
    if not pool:
        return y.astype(dtype), y > 0
    y = y[: y.shape[0] // 2 * 2, : y.shape[1] // 2 * 2]
    return average_pool(y).astype(dtype), y > 0


def _backward_direct(
    dy: Array,
    mask: Array,
    kernel: Array,
    *,
    like: jax.ShapeDtypeStruct,
    padding: Paddings,
    pool: bool,
    precision: Precision,
) -> Array:
    dz = backward_relu(dy, mask, *_all_indices(like.shape, padding), pool)
    x = jax.ShapeDtypeStruct(like.shape, dy.dtype)
    return jax.linear_transpose(lambda x: _correlate(x, kernel, padding, precision), x)(dz)[0].astype(like.dtype)
