"""Autocorrelation and power spectrum: how features are arranged relative to each other, in regular patterns too.

The two are each other's Fourier transform. Both are measured at a fixed number of lags, so that pictures of any two
sizes can be compared; the coarser octaves carry the long distances.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, Sums, divide_by_count, widen

LAGS = 16
"""Largest lag in each direction, in pixels of the feature map."""

FAR_LAGS = 32
"""Largest lag of `AUTOCORRELATION_32`, which needs maps of twice the size.

These lags hold two periods of a lattice where `LAGS` hold one; two periods tell a row that is shifted from one that is
not.
"""

TILE_ROWS = 256
"""Number of rows that are Fourier transformed at one time if a map has more than twice as many rows."""

ADDED_POWER_SHARE = 1e-3
"""Share of a channel's mean power that is added to every power, of the picture and of the target.

Without the addition the faintest frequencies, which nobody sees, decide how well the problem is conditioned: at 1e-5
metal did not converge (`experiments/LOG.md`, 2026-11-21).
"""

ADDED_POWER = 1e-8
"""Power that is added as well. It is far below the power of rounding to 8 bits; a flat channel has no power of its
own."""

MIN_PAIRS_SHARE = 1e-3
"""Smallest number of pixel pairs by which products at a lag are divided, as a share of the region's pixels. A region
may be narrower than the lag."""

ADDED_SIZE = 1e-12
"""Number that is added to the size of an autocorrelation: the size that rounding to 8 bits gives. A flat source has no
size of its own."""


def autocorrelation(
    features: Float[Array, "height width channels"], wraps: bool = True, lags: int = LAGS
) -> Float[Array, "lags half channels"]:
    """Return the mean product of each channel with itself, shifted by up to ``lags`` pixels down or up, and right.

    The channel's mean is subtracted first. In a map that does not wrap, only pixels with a partner count (an unbiased
    estimate).

    Returns:
        ``(2 · lags + 1, lags + 1, channels)``, divided by the number of channels; lag (0, 0) is at ``[lags, 0]``. Lags
        to the left equal those to the right, mirrored.

    References:
        Sendik and Cohen-Or, "Deep correlations for texture synthesis", 2017. They do not subtract the mean. The square
        of the mean is then nearly all of the autocorrelation, and the fainter a structure is, the less it counts.
    """
    return _correlate(_center(features), wraps, lags)


def _center(features: Float[Array, "height width channels"]) -> Float[Array, "height width channels"]:
    features = widen(features)
    return features - jnp.mean(features, axis=(0, 1), keepdims=True)


def _correlate(
    features: Float[Array, "height width channels"], wraps: bool, lags: int = LAGS
) -> Float[Array, "lags half channels"]:
    """Return the `autocorrelation` of features without subtracting the mean, by FFT; of a tall map, tile by tile."""
    if features.shape[0] > 2 * TILE_ROWS:
        sums = Sums(partial(_sum_products, lags=lags), partial(_divide_by_pairs, lags=lags), reach=lags)
        return sums.measure_map(features, wraps, TILE_ROWS)
    height, width = features.shape[:2]
    size = (height, width) if wraps else (height + lags, width + lags)
    spectrum = jnp.fft.rfft2(features, s=size, axes=(0, 1))
    products = jnp.fft.irfft2(jnp.real(spectrum * jnp.conj(spectrum)), s=size, axes=(0, 1))
    half = products[np.arange(-lags, lags + 1) % size[0]][:, : lags + 1]
    return _divide_by_pairs(half, features.shape, wraps, lags=lags)


def _sum_products(around: Array, weights: Array, wraps: bool, *, lags: int) -> Array:
    """Sum the products of a tile's pixels x with the pixels x′ around them, at each lag to the right."""
    around = widen(around)
    here = around[lags : lags + weights.shape[0]] * weights
    return _cross_correlate(here, around, wraps, lags)[:, lags:]


def _sum_products_and_pixels(around: Array, weights: Array, wraps: bool, *, lags: int) -> Array:
    """Return the sums of products x x′, and after all channels the sums of x + x′, from which the mean is computed."""
    around = widen(around)
    ones = jnp.broadcast_to(weights, (weights.shape[0], around.shape[1], 1))
    # At each lag the sum of the pixels that lie this lag after the tile's pixels; at the opposite lag, before them.
    sums = _cross_correlate(ones, around, wraps, lags)
    both = sums[:, lags:] + sums[::-1, lags::-1]
    return jnp.concatenate([_sum_products(around, weights, wraps, lags=lags), both], axis=2)


def _cross_correlate(here: Array, around: Array, wraps: bool, lags: int) -> Array:
    """Sum the products of a tile with the map around it by Fourier transforms, at lags in both directions."""
    rows, width = here.shape[0], around.shape[1]
    size = (rows + 2 * lags, width if wraps else width + lags)
    here = jnp.pad(here, ((lags, lags), (0, 0), (0, 0)))
    here, there = (jnp.fft.rfft2(part, s=size, axes=(0, 1)) for part in (here, around))
    products = jnp.fft.irfft2(jnp.conj(here) * there, s=size, axes=(0, 1))
    both_ways = np.arange(-lags, lags + 1)
    return products[np.ix_(both_ways % size[0], both_ways % size[1])]


def _divide_by_pairs(total: Array, shape: tuple[int, ...], wraps: bool, *, lags: int) -> Array:
    """Divide the sums at each lag by the number of pairs of pixels, and by the number of channels."""
    height, width, channels = shape
    if wraps:
        return divide_by_count(total, shape)
    rows, columns = np.arange(-lags, lags + 1), np.arange(lags + 1)
    pairs = (height - np.abs(rows))[:, None] * (width - columns)[None, :]
    return total / (pairs[:, :, None] * channels).astype(np.float32)


def _subtract_mean(total: Array, shape: tuple[int, ...], wraps: bool, *, lags: int) -> Array:
    """Return the mean of (x − m)(x′ − m), given the sums of x x′ and of x + x′."""
    products, sums = jnp.split(_divide_by_pairs(total, shape, wraps, lags=lags), 2, axis=2)
    mean = shape[2] * sums[lags : lags + 1, :1] / 2  # at lag (0, 0) each pixel is a pair with itself
    return products - mean * sums + mean**2 / shape[2]


def power_spectrum(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "rows columns channels"]:
    """Return the power spectrum of each channel around its mean: the transform of its `autocorrelation` times a window.

    The window blurs the spectrum so that it holds ``(2 · LAGS + 1) · (LAGS + 1)`` frequencies, whatever the picture's
    size.
    """
    return _transform(autocorrelation(features, wraps) * features.shape[2])


def regional_spectrum(
    features: Float[Array, "height width channels"], weights: Float[Array, "height width"], wraps: bool
) -> Float[Array, "rows columns channels"]:
    """Return the power spectrum of a part of a map around the part's mean.

    Only pairs of pixels that both belong to the part count.

    Args:
        features: the map.
        weights: how much each pixel belongs to the part.
        wraps: see `subjective.statistics.protocol.Statistic`.
    """
    share = weights[:, :, None]
    mean = jnp.sum(share * features, axis=(0, 1), keepdims=True) / jnp.maximum(jnp.sum(share), ADDED_POWER)
    products = _correlate((widen(features) - mean) * share, wraps) * features.shape[2]
    pairs = _correlate(share, wraps)
    return _transform(products / jnp.maximum(pairs, MIN_PAIRS_SHARE * pairs[LAGS, 0, 0] + ADDED_POWER))


def _transform(found: Float[Array, "lags half channels"]) -> Float[Array, "rows columns channels"]:
    """Return the Fourier transform of an autocorrelation times a window."""
    half = _WINDOW[:, LAGS:]
    full = jnp.concatenate([found[::-1, :0:-1], found], axis=1)  # with the lags to the left
    centered = full * jnp.concatenate([half[:, :0:-1], half], axis=1)[:, :, None]
    return jnp.fft.rfft2(jnp.fft.ifftshift(centered, axes=(0, 1)), axes=(0, 1)).real


_TAPER = 0.5 + 0.5 * np.cos(np.pi * np.arange(-LAGS, LAGS + 1) / (LAGS + 1))
_WINDOW = np.outer(_TAPER, _TAPER).astype(np.float32)


def amplitude_distance(found: Array, target: Array) -> Scalar:
    """Return the mean of (√((power + q) / (power′ + q)) − 1)², the relative error of the amplitudes.

    power′ is the target's. q is `ADDED_POWER_SHARE` of the target's mean power in the channel, plus `ADDED_POWER`. Each
    frequency counts the same.

    References:
        Liu, Gousseau and Xia, "Texture synthesis through convolutional neural networks and spectrum constraints",
        2016, equation 5, which does not divide. Without the division only the few lowest frequencies of a photograph
        count; but the other statistics fail to see the highest frequencies.
    """
    added = ADDED_POWER_SHARE * jnp.mean(target, axis=(0, 1), keepdims=True) + ADDED_POWER
    wanted = jnp.maximum(target, 0) + added
    off = jnp.sqrt((jnp.maximum(found, 0) + added) / wanted) - 1
    return jnp.mean(off**2)


SMALLEST_SIDES = (2 * LAGS, 3 * LAGS // 2)
"""Smallest side of a map that wraps, and of one that does not, for lags up to `LAGS`.

In a map that wraps, a lag beyond half of the side equals a shorter lag in the other direction. In a map that does not
wrap, pairs of pixels must remain at every lag.
"""

FAR_SMALLEST_SIDES = (2 * FAR_LAGS, 3 * FAR_LAGS // 2)
"""Smallest sides of a map for lags up to `FAR_LAGS`, as `SMALLEST_SIDES`."""


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
