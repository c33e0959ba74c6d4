"""Autocorrelation and power spectrum: how each feature is arranged in the plane, for example in a regular pattern.

The power spectrum is the Fourier transform of the autocorrelation. Both use a fixed number of lags, so that pictures of
different sizes can be compared. The coarse octaves cover long distances.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, Sums, divide_by_count, widen

LAGS = 16
"""Largest lag along each axis, in pixels of the feature map."""

FAR_LAGS = 32
"""Largest lag of `AUTOCORRELATION_32`. Its maps must have sides twice as long as the maps of `AUTOCORRELATION`.

If lags up to `LAGS` cover one period of a lattice, lags up to `FAR_LAGS` cover two periods. Two periods are needed to
see whether some rows of the lattice are shifted.
"""

TILE_ROWS = 256
"""Number of rows in a tile. Only maps with more than twice this number of rows are Fourier transformed in tiles."""

ADDED_POWER_SHARE = 1e-3
"""Power that is added to each frequency of picture and target, as a share of the target's mean power in the channel.

Without the added power, the faintest frequencies, which nobody sees, make the problem ill-conditioned: even with a
share of 1e-5, the texture `metal` did not converge (`experiments/LOG.md`, 2026-11-21).
"""

ADDED_POWER = 1e-8
"""Power that is also added to each frequency, because a flat channel has no power. It is far below the power of the
errors from rounding to 8 bits."""

MIN_PAIRS_SHARE = 1e-3
"""The sum of the products at a lag is divided by the number of pixel pairs, but at least by this share of the number of
the region's pixels. There may be no pair at all, because a region can be narrower than the lag."""

ADDED_SIZE = 1e-12
"""Number that is added to the size of an autocorrelation, because the size of a flat source is 0. A picture that only
consists of errors from rounding to 8 bits has about this size."""


def autocorrelation(
    features: Float[Array, "height width channels"], wraps: bool = True, lags: int = LAGS
) -> Float[Array, "lags half channels"]:
    """Return the mean product of each channel and the shifted channel, after subtracting the channel's mean.

    The shifts (lags) go up to ``lags`` pixels up, down and to the right. In a map that does not wrap, the mean is over
    pixels whose shifted partner lies in the map (an unbiased estimate).

    Returns:
        ``(2 · lags + 1, lags + 1, channels)``, divided by the number of channels; lag (0, 0) is at ``[lags, 0]``. Lags
        to the left are left out, because lag (-a, -b) has the same value as lag (a, b).

    References:
        Sendik and Cohen-Or, "Deep correlations for texture synthesis", 2017. They do not subtract the mean. The square
        of the mean then makes up nearly all of the autocorrelation, and faint structures hardly count.
    """
    return _correlate(_center(features), wraps, lags)


def _center(features: Float[Array, "height width channels"]) -> Float[Array, "height width channels"]:
    features = widen(features)
    return features - jnp.mean(features, axis=(0, 1), keepdims=True)


def _correlate(
    features: Float[Array, "height width channels"], wraps: bool, lags: int = LAGS
) -> Float[Array, "lags half channels"]:
    """Compute `autocorrelation` by FFT, without subtracting the mean. A tall map is transformed tile by tile."""
    if features.shape[0] > 2 * TILE_ROWS:
        sums = Sums(partial(_sum_products, lags=lags), partial(_divide_by_pairs, lags=lags), reach=lags)
        return sums.measure_map(features, wraps, TILE_ROWS)
    height, width = features.shape[:2]
    size = (height, width) if wraps else (height + lags, width + lags)
    spectrum = jnp.fft.rfft2(features, s=size, axes=(0, 1))
    products = jnp.fft.irfft2(jnp.real(spectrum * jnp.conj(spectrum)), s=size, axes=(0, 1))
    half = _around_zero(products[:, : lags + 1], lags, 0)
    return _divide_by_pairs(half, features.shape, wraps, lags=lags)


def _sum_products(around: Array, weights: Array, wraps: bool, *, lags: int) -> Array:
    """Return Σ x x′ for each lag of `autocorrelation`. x is each pixel of a tile; x′ is the pixel at the lag from x."""
    around = widen(around)
    here = around[lags : lags + weights.shape[0]] * weights
    return _cross_correlate(here, around, wraps, lags)[:, lags:]


def _sum_products_and_pixels(around: Array, weights: Array, wraps: bool, *, lags: int) -> Array:
    """Return Σ x x′ and Σ (x + x′) for each lag and channel, which `_subtract_mean` needs.

    x is each pixel of the tile, and x′ the pixel at the lag from x. Along the last axis, the sums of x x′ for all
    channels come first, then the sums of x + x′.
    """
    around = widen(around)
    ones = jnp.broadcast_to(weights, (weights.shape[0], around.shape[1], 1))
    # Added up over all tiles, `sums` at a lag is the sum of the second pixels x′ of all pairs with this lag. At the
    # opposite lag, `sums` is the sum of the first pixels x of the same pairs.
    sums = _cross_correlate(ones, around, wraps, lags)
    both = sums[:, lags:] + sums[::-1, lags::-1]
    return jnp.concatenate([_sum_products(around, weights, wraps, lags=lags), both], axis=2)


def _cross_correlate(here: Array, around: Array, wraps: bool, lags: int) -> Array:
    """Sum the products of a tile's pixels and the pixels at each lag from them, by FFT. Lags have both signs."""
    rows, width = here.shape[0], around.shape[1]
    size = (rows + 2 * lags, width if wraps else width + lags)
    here = jnp.pad(here, ((lags, lags), (0, 0), (0, 0)))
    here, there = (jnp.fft.rfft2(part, s=size, axes=(0, 1)) for part in (here, around))
    products = jnp.fft.irfft2(jnp.conj(here) * there, s=size, axes=(0, 1))
    return _around_zero(_around_zero(products, lags, 0), lags, 1)


def _around_zero(products: Array, lags: int, axis: int) -> Array:
    """Return the lags from ``-lags`` to ``lags`` along an axis on which negative lags lie at the end."""
    # Slices, because the derivative of an index array is a scatter, which is slow on GPUs.
    size = products.shape[axis]
    parts = [lax.slice_in_dim(products, first, last, axis=axis) for first, last in ((size - lags, size), (0, lags + 1))]
    return jnp.concatenate(parts, axis=axis)


def _divide_by_pairs(total: Array, shape: tuple[int, ...], wraps: bool, *, lags: int) -> Array:
    """Divide the sums at each lag by the number of pixel pairs at this lag, and by the number of channels."""
    height, width, channels = shape
    if wraps:
        return divide_by_count(total, shape)
    rows, columns = np.arange(-lags, lags + 1), np.arange(lags + 1)
    pairs = (height - np.abs(rows))[:, None] * (width - columns)[None, :]
    return total / (pairs[:, :, None] * channels).astype(np.float32)


def _subtract_mean(total: Array, shape: tuple[int, ...], wraps: bool, *, lags: int) -> Array:
    """Return the mean of (x − m)(x′ − m) from the sums of x x′ and of x + x′, where m is the channel's mean."""
    products, sums = jnp.split(_divide_by_pairs(total, shape, wraps, lags=lags), 2, axis=2)
    mean = shape[2] * sums[lags : lags + 1, :1] / 2  # at lag (0, 0) each pixel is a pair with itself
    return products - mean * sums + mean**2 / shape[2]


def power_spectrum(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "rows columns channels"]:
    """Return the power spectrum of each channel: multiply `autocorrelation` by a window, and Fourier transform it.

    The window blurs the spectrum. The spectrum has ``(2 · LAGS + 1) · (LAGS + 1)`` frequencies for a map of any size.
    """
    return _transform(autocorrelation(features, wraps) * features.shape[2])


def regional_spectrum(
    features: Float[Array, "height width channels"], weights: Float[Array, "height width"], wraps: bool
) -> Float[Array, "rows columns channels"]:
    """Return the power spectrum of a region of a map, after subtracting the region's mean.

    A pair of pixels counts only if both pixels belong to the region.

    Args:
        features: the map.
        weights: how much each pixel belongs to the region.
        wraps: see `subjective.statistics.protocol.Statistic`.
    """
    share = weights[:, :, None]
    mean = jnp.sum(share * features, axis=(0, 1), keepdims=True) / jnp.maximum(jnp.sum(share), ADDED_POWER)
    products = _correlate((widen(features) - mean) * share, wraps) * features.shape[2]
    pairs = _correlate(share, wraps)
    return _transform(products / jnp.maximum(pairs, MIN_PAIRS_SHARE * pairs[LAGS, 0, 0] + ADDED_POWER))


def _transform(found: Float[Array, "lags half channels"]) -> Float[Array, "rows columns channels"]:
    """Multiply an autocorrelation by a window, and return the Fourier transform of the product."""
    half = _WINDOW[:, LAGS:]
    full = jnp.concatenate([found[::-1, :0:-1], found], axis=1)  # add the lags to the left
    centered = full * jnp.concatenate([half[:, :0:-1], half], axis=1)[:, :, None]
    return jnp.fft.rfft2(jnp.fft.ifftshift(centered, axes=(0, 1)), axes=(0, 1)).real


_TAPER = 0.5 + 0.5 * np.cos(np.pi * np.arange(-LAGS, LAGS + 1) / (LAGS + 1))
_WINDOW = np.outer(_TAPER, _TAPER).astype(np.float32)


def amplitude_distance(found: Array, target: Array) -> Scalar:
    """Return the mean of (√((power + q) / (power′ + q)) − 1)², the squared relative error of the amplitudes.

    power′ is the power of the target. q is `ADDED_POWER_SHARE` times the target's mean power in the channel, plus
    `ADDED_POWER`. All frequencies have the same weight.

    References:
        Liu, Gousseau and Xia, "Texture synthesis through convolutional neural networks and spectrum constraints",
        2016, equation 5. They do not divide by the target's power. Without the division, only the few lowest
        frequencies of a photograph count. Here the highest frequencies matter, because other statistics miss them.
    """
    added = ADDED_POWER_SHARE * jnp.mean(target, axis=(0, 1), keepdims=True) + ADDED_POWER
    wanted = jnp.maximum(target, 0) + added
    off = jnp.sqrt((jnp.maximum(found, 0) + added) / wanted) - 1
    return jnp.mean(off**2)


SMALLEST_SIDES = (2 * LAGS, 3 * LAGS // 2)
"""Smallest sides for lags up to `LAGS`: of a map that wraps, and of a map that does not wrap.

In a map that wraps, a lag longer than half of the side equals a shorter lag in the other direction. In a map that does
not wrap, there must be pairs of pixels at every lag.
"""

FAR_SMALLEST_SIDES = (2 * FAR_LAGS, 3 * FAR_LAGS // 2)
"""The same as `SMALLEST_SIDES`, for lags up to `FAR_LAGS`."""


def _make_sums(lags: int) -> Sums:
    return Sums(partial(_sum_products_and_pixels, lags=lags), partial(_subtract_mean, lags=lags), reach=lags)


AUTOCORRELATION = Statistic(
    "autocorrelation", autocorrelation, smallest_sides=SMALLEST_SIDES, added_size=ADDED_SIZE, sums=_make_sums(LAGS)
)
AUTOCORRELATION_32 = Statistic(
    "autocorrelation32",
    partial(autocorrelation, lags=FAR_LAGS),
    smallest_sides=FAR_SMALLEST_SIDES,
    added_size=ADDED_SIZE,
    sums=_make_sums(FAR_LAGS),
)
SPECTRUM = Statistic(
    "spectrum",
    power_spectrum,
    amplitude_distance,
    smallest_sides=SMALLEST_SIDES,
    fixed_size=1.0,
    measure_region=regional_spectrum,
)
