"""Autocorrelation and power spectrum: what is where, relative to each other, however regular.

The two are each other's Fourier transform, and both are measured at a fixed number of lags, so that pictures of any
two sizes compare: the coarser octaves carry the long distances.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, Sums, per_number, widened

LAGS = 16
"""Largest lag in pixels of the feature map, each way."""

FAR_LAGS = 32
"""The same of `AUTOCORRELATION_32`, which needs maps of twice the size.

Two periods of a lattice, where `LAGS` hold one, tell a row that is shifted from one that is not.
"""

TILE_ROWS = 256
"""Rows whose Fourier transforms are held at once where a map has more than twice as many."""

QUIET = 1e-3
"""Share of a channel's mean power that is added to every power, found and wanted.

Without it the faintest frequencies, which nobody sees, decide how well the problem is conditioned: at 1e-5 metal did
not converge (`experiments/LOG.md`, 2026-11-21).
"""

RAREST = 1e-3
"""Share of a region's pixels that are counted as pairs at every lag: it may be narrower than that."""

LEAST_SIZE = 1e-12
"""Of an autocorrelation: that of a picture's rounding to 8 bits, for a flat source, which has none of its own."""

FAINTEST = 1e-8
"""Power added besides, far below that of a picture's rounding to 8 bits: a flat channel has none of its own."""


def autocorrelation(
    features: Float[Array, "height width channels"], wraps: bool = True, lags: int = LAGS
) -> Float[Array, "lags half channels"]:
    """Mean product of each channel, around its mean, with itself moved by up to ``lags`` pixels down or up and right.

    Without wrapping, only pixels with a partner count (an unbiased estimate).

    Returns:
        ``(2 · lags + 1, lags + 1, channels)`` over the number of channels; lag (0, 0) at ``[lags, 0]``. Lags to the
        left are those to the right, mirrored.

    References:
        Sendik and Cohen-Or, "Deep correlations for texture synthesis", 2017. They do not take off the mean, whose
        square is then nearly all of it: structure would count the less the fainter it is.
    """
    return _correlated(_centered(features), wraps, lags)


def _centered(features: Float[Array, "height width channels"]) -> Float[Array, "height width channels"]:
    features = widened(features)
    return features - jnp.mean(features, axis=(0, 1), keepdims=True)


def _correlated(
    features: Float[Array, "height width channels"], wraps: bool, lags: int = LAGS
) -> Float[Array, "lags half channels"]:
    """`autocorrelation` of features as they are; by FFT, in tiles where a map is tall."""
    if features.shape[0] > 2 * TILE_ROWS:
        sums = Sums(partial(_products, lags=lags), partial(_per_pair, lags=lags), reach=lags)
        return sums.of_map(features, wraps, TILE_ROWS)
    height, width = features.shape[:2]
    size = (height, width) if wraps else (height + lags, width + lags)
    spectrum = jnp.fft.rfft2(features, s=size, axes=(0, 1))
    products = jnp.fft.irfft2(jnp.real(spectrum * jnp.conj(spectrum)), s=size, axes=(0, 1))
    return _per_pair(products[np.arange(-lags, lags + 1) % size[0]][:, : lags + 1], features.shape, wraps, lags=lags)


def _products(around: Array, own: Array, wraps: bool, *, lags: int) -> Array:
    """Sums of products of a tile's own pixels with those around it."""
    around = widened(around)
    here = around[lags : lags + own.shape[0]] * own
    return _between(here, around, wraps, lags)[:, lags:]


def _products_and_sums(around: Array, own: Array, wraps: bool, *, lags: int) -> Array:
    """The same, and after all channels the sums of both pixels of each pair, for the mean to be taken off."""
    around = widened(around)
    ones = jnp.broadcast_to(own, (own.shape[0], around.shape[1], 1))
    sums = _between(ones, around, wraps, lags)  # of the partner a lag on, and the other way of that a lag back
    both = sums[:, lags:] + sums[::-1, lags::-1]
    return jnp.concatenate([_products(around, own, wraps, lags=lags), both], axis=2)


def _between(here: Array, around: Array, wraps: bool, lags: int) -> Array:
    """Sums of products of a tile with what is around it, by their Fourier transforms: lags both ways."""
    rows, width = here.shape[0], around.shape[1]
    size = (rows + 2 * lags, width if wraps else width + lags)
    here = jnp.pad(here, ((lags, lags), (0, 0), (0, 0)))
    here, there = (jnp.fft.rfft2(part, s=size, axes=(0, 1)) for part in (here, around))
    products = jnp.fft.irfft2(jnp.conj(here) * there, s=size, axes=(0, 1))
    both_ways = np.arange(-lags, lags + 1)
    return products[np.ix_(both_ways % size[0], both_ways % size[1])]


def _per_pair(total: Array, shape: tuple[int, ...], wraps: bool, *, lags: int) -> Array:
    height, width, channels = shape
    if wraps:
        return per_number(total, shape)
    rows, columns = np.arange(-lags, lags + 1), np.arange(lags + 1)
    pairs = (height - np.abs(rows))[:, None] * (width - columns)[None, :]
    return total / (pairs[:, :, None] * channels).astype(np.float32)


def _around_the_mean(total: Array, shape: tuple[int, ...], wraps: bool, *, lags: int) -> Array:
    """Mean of (x − m)(x′ − m) out of the sums of x x′ and of x + x′."""
    products, sums = jnp.split(_per_pair(total, shape, wraps, lags=lags), 2, axis=2)
    mean = shape[2] * sums[lags : lags + 1, :1] / 2  # at lag (0, 0) each pixel is a pair with itself
    return products - mean * sums + mean**2 / shape[2]


def power_spectrum(
    features: Float[Array, "height width channels"], wraps: bool = True
) -> Float[Array, "rows columns channels"]:
    """Power spectrum of each channel around its mean, out of its `autocorrelation` under a window.

    The window blurs the spectrum so that it holds ``(2 · LAGS + 1) · (LAGS + 1)`` frequencies, whatever the picture's
    size.
    """
    return _transformed(autocorrelation(features, wraps) * features.shape[2])


def regional_spectrum(
    features: Float[Array, "height width channels"], weights: Float[Array, "height width"], wraps: bool
) -> Float[Array, "rows columns channels"]:
    """The power spectrum of a part of a map, around the part's mean, from its pairs of pixels alone."""
    share = weights[:, :, None]
    mean = jnp.sum(share * features, axis=(0, 1), keepdims=True) / jnp.maximum(jnp.sum(share), FAINTEST)
    products = _correlated((widened(features) - mean) * share, wraps) * features.shape[2]
    pairs = _correlated(share, wraps)
    return _transformed(products / jnp.maximum(pairs, RAREST * pairs[LAGS, 0, 0] + FAINTEST))


def _transformed(found: Float[Array, "lags half channels"]) -> Float[Array, "rows columns channels"]:
    """The spectrum that an autocorrelation under a window is of."""
    half = _WINDOW[:, LAGS:]
    full = jnp.concatenate([found[::-1, :0:-1], found], axis=1)  # lags to the left again
    centered = full * jnp.concatenate([half[:, :0:-1], half], axis=1)[:, :, None]
    return jnp.fft.rfft2(jnp.fft.ifftshift(centered, axes=(0, 1)), axes=(0, 1)).real


_TAPER = 0.5 + 0.5 * np.cos(np.pi * np.arange(-LAGS, LAGS + 1) / (LAGS + 1))
_WINDOW = np.outer(_TAPER, _TAPER).astype(np.float32)


def amplitude_distance(found: Array, target: Array) -> Scalar:
    """Mean of (√((power + q) / (power′ + q)) − 1)²: by how much amplitudes are off, each frequency counting the same.

    References:
        Liu, Gousseau and Xia, "Texture synthesis through convolutional neural networks and spectrum constraints",
        2016, equation 5, there without the division: the few lowest frequencies of a photograph then
        are all that counts, and what the other statistics fail to see are the highest.
    """
    quiet = QUIET * jnp.mean(target, axis=(0, 1), keepdims=True) + FAINTEST
    wanted = jnp.maximum(target, 0) + quiet
    off = jnp.sqrt((jnp.maximum(found, 0) + quiet) / wanted) - 1
    return jnp.mean(off**2)


# Around a map that wraps, a lag beyond half of it is a shorter one the other way; elsewhere, pairs must remain.
LEAST = (2 * LAGS, 3 * LAGS // 2)
FAR_LEAST = (2 * FAR_LAGS, 3 * FAR_LAGS // 2)


def _sums(lags: int) -> Sums:
    return Sums(partial(_products_and_sums, lags=lags), partial(_around_the_mean, lags=lags), reach=lags)


AUTOCORRELATION = Statistic("autocorrelation", autocorrelation, least=LEAST, least_size=LEAST_SIZE, sums=_sums(LAGS))
AUTOCORRELATION_32 = Statistic(
    "autocorrelation32",
    partial(autocorrelation, lags=FAR_LAGS),
    least=FAR_LEAST,
    least_size=LEAST_SIZE,
    sums=_sums(FAR_LAGS),
)
SPECTRUM = Statistic(
    "spectrum", power_spectrum, amplitude_distance, least=LEAST, relative_to=1.0, regional=regional_spectrum
)
