"""Gaussian and Laplacian pyramids of Burt and Adelson.

Octave 0 is the image itself; octave k is k reductions further. Every function takes one
image ``(height, width, channels)``; use `jax.vmap` for several.

References:
    Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
    Communications 31(4), 1983.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Padding = Literal["valid", "same", "circular"]
PADDINGS: tuple[Padding, ...] = ("valid", "same", "circular")

TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)
"""The generating kernel with a = 0.4: (1/4 - a/2, 1/4, a, 1/4, 1/4 - a/2)."""

Planes = Float[Array, "height width channels"]
Reduced = Float[Array, "rows columns channels"]
Pyramid = list[Float[Array, "_ _ channels"]]


def reduced_size(size: int, padding: Padding) -> int:
    """Length in pixels of a side after one `reduce`; 0 or less where nothing is left."""
    return (size - 5) // 2 + 1 if padding == "valid" else (size + 1) // 2


def octave_size(size: int, octave: int, padding: Padding) -> int:
    """Length in pixels of a side at an octave; 0 or less where nothing is left."""
    for _ in range(octave):
        size = reduced_size(size, padding)
    return size


def reduce(image: Planes, padding: Padding = "circular") -> Reduced:
    """Blur with the 5-tap kernel along both axes and keep every second pixel.

    Args:
        image: ``(height, width, channels)``.
        padding: what lies outside. ``valid``: nothing, and the result starts at pixel 2;
            ``circular``: the other side; ``same``: the mirror image about the border pixel (zeros,
            as the 2017 program would have had, darken the rim of each octave more).

    Returns:
        ``(reduced_size(height), reduced_size(width), channels)``.
    """
    # By channel planes: with three channels last, no vector register would ever be full.
    planes = image.transpose(2, 0, 1)
    return _reduce_axis(_reduce_axis(planes, 1, padding), 2, padding).transpose(1, 2, 0)


def _reduce_axis(image: Array, axis: int, padding: Padding) -> Array:
    return _thinned(image if padding == "valid" else _pad_axis(image, axis, 2, padding), axis)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _thinned(padded: Array, axis: int) -> Array:
    """Every second pixel of the 5-tap blur along an axis, two pixels less at each end."""
    length = (padded.shape[axis] - 5) // 2 + 1
    # A sum of strided slices: on CPU several times faster than a grouped convolution.
    taps = [weight * _every_second(padded, axis, start, length) for start, weight in enumerate(TAPS)]
    # Without the barrier XLA would merge the two axes, and blur along the first again for each tap of the second.
    return lax.optimization_barrier(taps[0] + taps[1] + taps[2] + taps[3] + taps[4])


def _thinned_forward(padded: Array, axis: int) -> tuple[Array, int]:
    return _thinned(padded, axis), padded.shape[axis]


def _thinned_backward(axis: int, size: int, cotangent: Array) -> tuple[Array]:
    """The same derivative that JAX would find, woven as in `expand`: JAX's five taps, each put between zeros, are five
    arrays of the picture's size, and were half of what a picture of 8192 px needed."""
    widths = [(0, 0)] * cotangent.ndim
    widths[axis] = (2, 2)
    around, count = jnp.pad(cotangent, widths), cotangent.shape[axis] + 2
    here, before, first = (lax.slice_in_dim(around, start, start + count, axis=axis) for start in (2, 1, 0))
    even = TAPS[0] * here + TAPS[2] * before + TAPS[4] * first
    odd = TAPS[1] * here + TAPS[3] * before
    return (lax.optimization_barrier(_woven(even, odd, axis, size)),)


_thinned.defvjp(_thinned_forward, _thinned_backward)


def band(image: Planes, padding: Padding = "circular") -> Reduced:
    """What the 5-tap blur takes from an image: its finest detail, the octave above the next.

    Args:
        image: ``(height, width, channels)``.
        padding: as in `reduce`; ``valid`` loses two pixels a side.

    Returns:
        ``(height, width, channels)``, or 4 pixels less each way.
    """
    padded = image if padding == "valid" else _pad_axis(_pad_axis(image, 0, 2, padding), 1, 2, padding)
    height, width = padded.shape[0] - 4, padded.shape[1] - 4
    rows = jnp.zeros((height, *padded.shape[1:]), image.dtype)
    for start, weight in enumerate(TAPS):
        rows += weight * padded[start : start + height]
    blurred = jnp.zeros((height, width, image.shape[2]), image.dtype)
    for start, weight in enumerate(TAPS):
        blurred += weight * rows[:, start : start + width]
    return padded[2 : 2 + height, 2 : 2 + width] - blurred


def _every_second(image: Array, axis: int, start: int, length: int) -> Array:
    index = [slice(None)] * image.ndim
    index[axis] = slice(start, start + 2 * length - 1, 2)
    return image[tuple(index)]


def _pad_axis(image: Array, axis: int, amount: int, padding: Padding) -> Array:
    widths = [(0, 0)] * image.ndim
    widths[axis] = (amount, amount)
    return jnp.pad(image, widths, mode="wrap" if padding == "circular" else "reflect")


def expand(image: Planes, size: tuple[int, int], padding: Padding = "circular") -> Reduced:
    """Enlarge by two: zeros between the pixels, then twice the 5-tap kernel along each axis.

    For ``circular`` and even sizes this is four times the adjoint of `reduce`.

    Args:
        image: ``(height, width, channels)``.
        size: the result's (height, width), each of which `reduced_size` takes to the image's own.
        padding: ``circular`` or ``same``.

    Returns:
        ``(*size, channels)``.

    Raises:
        ValueError: ``valid`` padding, which has no inverse of full size, or a size that
            does not reduce to the image's.
    """
    if padding == "valid":
        raise ValueError("expand has no 'valid' form: the border was lost in reducing; use 'circular' or 'same'")
    for axis in (0, 1):
        if reduced_size(size[axis], padding) != image.shape[axis]:
            raise ValueError(f"cannot expand {image.shape[:2]} to {size}; wanted a size that reduces to it")
        image = _expand_axis(image, axis, size[axis], padding)
    return image


def _expand_axis(image: Array, axis: int, size: int, padding: Padding) -> Array:
    padded = _pad_axis(image, axis, 1, padding)
    count = image.shape[axis]

    def shifted(start: int) -> Array:
        index = [slice(None)] * image.ndim
        index[axis] = slice(start, start + count)
        return padded[tuple(index)]

    before, here, after = shifted(0), shifted(1), shifted(2)
    even = 2 * (TAPS[0] * before + TAPS[2] * here + TAPS[4] * after)
    odd = 2 * (TAPS[1] * here + TAPS[3] * after)
    return _woven(even, odd, axis, size)


def _woven(even: Array, odd: Array, axis: int, size: int) -> Array:
    """One array's pixels between the other's, along an axis; the first ``size`` of them."""
    shape = (*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])
    return lax.slice_in_dim(jnp.stack([even, odd], axis=axis + 1).reshape(shape), 0, size, axis=axis)


def gaussian_pyramid(image: Planes, octaves: int, padding: Padding = "circular") -> Pyramid:
    """The image and its first ``octaves - 1`` reductions, full size first."""
    pyramid: Pyramid = [image]
    for _ in range(octaves - 1):
        pyramid.append(reduce(pyramid[-1], padding))
    return pyramid


def laplacian_pyramid(image: Planes, octaves: int, padding: Padding = "circular") -> Pyramid:
    """What each octave of the Gaussian pyramid has beyond the next, and the last one itself.

    Adding each level to the expanded sum of those after it gives the image back.
    """
    gaussian = gaussian_pyramid(image, octaves, padding)
    bands = [fine - expand(coarse, (fine.shape[0], fine.shape[1]), padding) for fine, coarse in pairwise(gaussian)]
    return [*bands, gaussian[-1]]
