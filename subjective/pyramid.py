"""Make Gaussian and Laplacian pyramids (Burt and Adelson).

Octave 0 is the image itself; octave k is the image reduced k times. The functions take one image
``(height, width, channels)``; use `jax.vmap` for several images.

References:
    Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
    Communications 31(4), 1983.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from subjective.arguments import check_map, check_size
from subjective.checks import InputError, at_least, check_number, check_word
from subjective.choices import PADDINGS, Padding

TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)
"""The generating kernel (1/4 - a/2, 1/4, a, 1/4, 1/4 - a/2) of Burt and Adelson, with a = 0.4."""

Planes = Float[Array, "height width channels"]
"""An image with any number of channels."""

Resized = Float[Array, "rows columns channels"]
"""An image of another size with the same channels."""

Pyramid = list[Float[Array, "_ _ channels"]]
"""Images of one pyramid, full size first."""


def reduced_size(size: int, padding: Padding) -> int:
    """Return how many pixels a side of ``size`` pixels has after one `reduce`; 0 or less if no pixel is left."""
    return (size - 5) // 2 + 1 if padding == "valid" else (size + 1) // 2


def octave_size(size: int, octave: int, padding: Padding) -> int:
    """Return how many pixels a side of ``size`` pixels has at an octave; 0 or less if no pixel is left."""
    for _ in range(octave):
        size = reduced_size(size, padding)
    return size


def reduce(image: Planes, padding: Padding = "circular") -> Resized:
    """Blur with the 5-tap kernel along both axes and keep every second pixel.

    Args:
        image: ``(height, width, channels)``.
        padding: what lies outside the image. For ``valid``, nothing: the first pixel of the result is at pixel 2 of the
            image. For ``circular``, the opposite side of the image. For ``same``, the image mirrored about its border
            pixels.

    Returns:
        ``(reduced_size(height), reduced_size(width), channels)``.

    Raises:
        InputError: the image is no array of floats of such a shape, or is too small, or the padding is unknown.

    Departure from the 2017 program: for ``same``, that program assumed zeros outside the image. Such zeros darken the
    border of the image, and more so at each further octave.

    Examples:
        >>> subjective.reduce(jnp.ones((8, 6, 3))).shape
        (4, 3, 3)
    """
    check_map("image", image)
    check_word("padding", padding, PADDINGS)
    # Channels come first here, because the last axis fills vector registers, and three channels are too few for that.
    planes = image.transpose(2, 0, 1)
    return _reduce_axis(_reduce_axis(planes, 1, padding), 2, padding).transpose(1, 2, 0)


def _reduce_axis(image: Array, axis: int, padding: Padding) -> Array:
    """Blur an axis and keep every second pixel."""
    return _blur_and_halve(image if padding == "valid" else _pad_axis(image, axis, 2, padding), axis)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _blur_and_halve(padded: Array, axis: int) -> Array:
    """Blur with the 5-tap kernel along an axis, drop two pixels at each end, and keep every second pixel."""
    length = (padded.shape[axis] - 5) // 2 + 1
    # On CPU, this sum of strided slices is several times faster than a grouped convolution.
    taps = [weight * _take_every_second(padded, axis, start, length) for start, weight in enumerate(TAPS)]
    # Without this barrier, XLA merges the blurs along both axes and repeats the first for each tap of the second.
    return lax.optimization_barrier(taps[0] + taps[1] + taps[2] + taps[3] + taps[4])


def _blur_and_halve_forward(padded: Array, axis: int) -> tuple[Array, int]:
    return _blur_and_halve(padded, axis), padded.shape[axis]


def _blur_and_halve_backward(axis: int, size: int, cotangent: Array) -> tuple[Array]:
    """Return the same derivative as JAX, but compute even and odd pixels separately, as `expand` does.

    JAX's own derivative makes an array of the picture's size for each of the five taps, with zeros between the pixels.
    These arrays took half of the memory for a picture of 8192x8192 pixels.
    """
    widths = [(0, 0)] * cotangent.ndim
    widths[axis] = (2, 2)
    around, count = jnp.pad(cotangent, widths), cotangent.shape[axis] + 2
    here, before, first = (lax.slice_in_dim(around, start, start + count, axis=axis) for start in (2, 1, 0))
    even = TAPS[0] * here + TAPS[2] * before + TAPS[4] * first
    odd = TAPS[1] * here + TAPS[3] * before
    return (lax.optimization_barrier(_interleave(even, odd, axis, size)),)


_blur_and_halve.defvjp(_blur_and_halve_forward, _blur_and_halve_backward)


CONTRAST_MARGIN = 10
"""Number of pixels that `contrast` loses on each side for ``valid``."""

LEAST_CONTRAST = 0.5 / 255
"""Contrast that is added everywhere: the root needs a slope at 0, and less than the rounding of 8 bits is not seen."""


def band(image: Planes, padding: Padding = "circular") -> Resized:
    """Return the detail that the 5-tap blur removes: the image minus its blur.

    The detail consists of the image's highest spatial frequencies.

    Args:
        image: ``(height, width, channels)``.
        padding: as in `reduce`.

    Returns:
        ``(height, width, channels)``. For ``valid``, two pixels are lost on each side.
    """
    inside = image[2:-2, 2:-2] if padding == "valid" else image
    return inside - blur(image, padding)


def blur(image: Planes, padding: Padding = "circular") -> Resized:
    """Blur an image with the 5-tap kernel along both axes.

    Args:
        image: ``(height, width, channels)``.
        padding: as in `reduce`.

    Returns:
        ``(height, width, channels)``. For ``valid``, two pixels are lost on each side.
    """
    return _blur_planes(image.transpose(2, 0, 1), padding).transpose(1, 2, 0)


def contrast(image: Planes, padding: Padding = "circular") -> Float[Array, "rows columns bands"]:
    """Measure the local contrast of an image's two finest bands: wavelengths of some 2 to 4, and 4 to 8 pixels.

    A spectrum says how much detail a picture has, not where. In a photograph, detail lies along edges, and places
    between them are smooth.

    Args:
        image: ``(height, width, channels)``.
        padding: as in `reduce`.

    Returns:
        ``(height, width, 2 channels)``: for each channel, the standard deviation of the finest band in a neighborhood
        of some 5 pixels; then the same for the next band. For ``valid``, `CONTRAST_MARGIN` pixels are lost on each
        side.
    """
    valid, planes = padding == "valid", image.transpose(2, 0, 1)
    once = _blur_planes(planes, padding)
    thrice = _blur_planes(_blur_planes(once, padding), padding)
    fine, coarse = _trim(planes, 2 if valid else 0) - once, _trim(once, 4 if valid else 0) - thrice
    power = jnp.concatenate([_trim(fine, 4 if valid else 0), coarse]) ** 2
    averaged = _blur_planes(_blur_planes(power, padding), padding)
    return jnp.sqrt(averaged + LEAST_CONTRAST**2).transpose(1, 2, 0)


def _blur_planes(planes: Array, padding: Padding) -> Array:
    """Blur ``(channels, height, width)``. Channels come first for the reason that `reduce` gives."""
    return _blur_inside(planes if padding == "valid" else _pad_axis(_pad_axis(planes, 1, 2, padding), 2, 2, padding))


@jax.custom_vjp
def _blur_inside(planes: Array) -> Array:
    """Blur, and lose two pixels on each side."""
    height, width = planes.shape[1] - 4, planes.shape[2] - 4
    rows = [weight * planes[:, start : start + height] for start, weight in enumerate(TAPS)]
    # Without this barrier, XLA repeats the first blur for each tap of the second.
    blurred = lax.optimization_barrier(rows[0] + rows[1] + rows[2] + rows[3] + rows[4])
    columns = [weight * blurred[:, :, start : start + width] for start, weight in enumerate(TAPS)]
    return columns[0] + columns[1] + columns[2] + columns[3] + columns[4]


def _blur_inside_backward(_: None, cotangent: Array) -> tuple[Array]:
    """Return the derivative: the same blur, because the kernel is symmetric. It compiles in half the time of JAX's."""
    return (_blur_inside(jnp.pad(cotangent, ((0, 0), (4, 4), (4, 4)))),)


_blur_inside.defvjp(lambda planes: (_blur_inside(planes), None), _blur_inside_backward)


def _trim(planes: Array, amount: int) -> Array:
    """Cut ``amount`` pixels off each side of ``(channels, height, width)``."""
    return planes[:, amount : planes.shape[1] - amount, amount : planes.shape[2] - amount]


def _take_every_second(image: Array, axis: int, start: int, length: int) -> Array:
    """Return every second pixel along an axis, from ``start``, ``length`` pixels in all."""
    index = [slice(None)] * image.ndim
    index[axis] = slice(start, start + 2 * length - 1, 2)
    return image[tuple(index)]


def _pad_axis(image: Array, axis: int, amount: int, padding: Padding) -> Array:
    """Add ``amount`` pixels at both ends of an axis: from the other end for ``circular``, otherwise mirrored."""
    widths = [(0, 0)] * image.ndim
    widths[axis] = (amount, amount)
    return jnp.pad(image, widths, mode="wrap" if padding == "circular" else "reflect")


def expand(image: Planes, size: tuple[int, int], padding: Padding = "circular") -> Resized:
    """Double the size of an image.

    The result is the image with zeros between its pixels, blurred along each axis with twice the 5-tap kernel.
    For ``circular`` and even sizes, `expand` is four times the adjoint of `reduce`.

    Args:
        image: ``(height, width, channels)``.
        size: (height, width) of the result. `reduced_size` of these must be the height and width of ``image``.
        padding: ``circular`` or ``same``.

    Returns:
        ``(*size, channels)``.

    Raises:
        InputError: the padding is ``valid``, for which the border of the larger image cannot be computed, ``size``
            does not reduce to the size of ``image``, or an argument is of a wrong kind.

    Examples:
        >>> subjective.expand(jnp.ones((4, 3, 3)), (8, 6)).shape
        (8, 6, 3)
    """
    check_map("image", image)
    check_word("padding", padding, PADDINGS)
    size = check_size("size", size)
    if padding == "valid":
        raise InputError("expand has no 'valid' form, because reduce lost the border; use 'circular' or 'same'")
    for axis in (0, 1):
        if reduced_size(size[axis], padding) != image.shape[axis]:
            raise InputError(f"cannot expand {image.shape[:2]} to {size}; wanted a size that reduces to it")
        image = _expand_axis(image, axis, size[axis], padding)
    return image


def _expand_axis(image: Array, axis: int, size: int, padding: Padding) -> Array:
    padded = _pad_axis(image, axis, 1, padding)
    count = image.shape[axis]

    def shift(start: int) -> Array:
        index = [slice(None)] * image.ndim
        index[axis] = slice(start, start + count)
        return padded[tuple(index)]

    before, here, after = shift(0), shift(1), shift(2)
    even = 2 * (TAPS[0] * before + TAPS[2] * here + TAPS[4] * after)
    odd = 2 * (TAPS[1] * here + TAPS[3] * after)
    return _interleave(even, odd, axis, size)


def _interleave(even: Array, odd: Array, axis: int, size: int) -> Array:
    """Alternate the pixels of two arrays along an axis, and keep the first ``size`` pixels."""
    shape = (*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])
    return lax.slice_in_dim(jnp.stack([even, odd], axis=axis + 1).reshape(shape), 0, size, axis=axis)


def gaussian_pyramid(image: Planes, octaves: int, padding: Padding = "circular") -> Pyramid:
    """Return the image and its first ``octaves - 1`` reductions, full size first.

    Raises:
        InputError: as in `reduce`, or ``octaves`` is not 1 or more.

    Examples:
        >>> [octave.shape for octave in subjective.gaussian_pyramid(jnp.ones((32, 32, 3)), 3)]
        [(32, 32, 3), (16, 16, 3), (8, 8, 3)]
    """
    check_map("image", image)
    check_word("padding", padding, PADDINGS)
    check_number("octaves", octaves, at_least(1), whole=True)
    pyramid: Pyramid = [image]
    for _ in range(octaves - 1):
        pyramid.append(reduce(pyramid[-1], padding))
    return pyramid


def laplacian_pyramid(image: Planes, octaves: int, padding: Padding = "circular") -> Pyramid:
    """Return each octave of the Gaussian pyramid minus the expanded next octave, and the last octave itself.

    To compute the image from its pyramid, start with the last octave. Then expand the sum so far and add the octave
    before, until octave 0 is added.

    Raises:
        InputError: as in `gaussian_pyramid` and `expand`.

    Examples:
        >>> flat = subjective.laplacian_pyramid(jnp.ones((32, 32, 3)), 3)  # a flat picture has no detail at any octave
        >>> [float(abs(octave).max()) < 1e-6 for octave in flat]
        [True, True, False]
    """
    gaussian = gaussian_pyramid(image, octaves, padding)
    bands = [fine - expand(coarse, (fine.shape[0], fine.shape[1]), padding) for fine, coarse in pairwise(gaussian)]
    return [*bands, gaussian[-1]]
