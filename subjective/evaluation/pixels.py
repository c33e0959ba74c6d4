"""Measures of a picture's pixels: spectrum, color, seams, repetition, copying.

Images are ``(height, width, 3)``, RGB in [0, 1]; results are numbers or NumPy arrays. A result says little by itself;
`subjective.evaluation.yardstick` compares the result of a picture with the result of a crop of the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from subjective.colors import LUMA, OPPONENT

Image = NDArray[np.float32]
Numbers = NDArray[np.floating]

SPECTRUM_SIDE = 128
"""Side in pixels of the windows whose spectra are averaged."""

MAX_PEAK_SIDE = 512
"""Largest side in pixels of the windows in which peaks are searched."""

PEAK_WINDOWS = 256
"""Largest number of windows in which peaks are searched. Windows of the largest side cover up to 8192 x 8192 pixels."""

QUANTILES = (np.arange(256) + 0.5) / 256
"""Quantiles at which two distributions are compared, as numbers between 0 and 1."""

PATCH = 12
"""Side of the patches that are searched for in the sources, in pixels of octave 1."""

COPY_CORRELATION = 0.95
"""Smallest correlation with a patch of a source at which a patch counts as copied. Independent patches of real textures
seldom have a correlation above 0.8."""

MAX_PATCHES = 256
"""Largest number of a picture's patches that are searched for in the sources.

If the sources together have n times `SOURCE_PIXELS` pixels, and n is above 1, the number of patches is divided by n,
but is at least 64.
"""

SOURCE_PIXELS = 2**20
"""Largest number of pixels of all sources together for which `MAX_PATCHES` patches are searched for."""

BAND = 512
"""Rows of a source whose patches are normalized at once."""

LEAST_STEP = 0.05
"""Smallest step, over the mean step, that `compare_steps` tells from smaller steps."""

LEAST_FACTOR = 1.1
"""Smallest factor of steps that counts as usual. Nobody sees a step that is a tenth larger than others."""

Gray = NDArray[np.floating]


def luminance(image: Image) -> Gray:
    """Return the luminance (Rec. 601), ``(height, width)``."""
    return np.asarray(image, dtype=np.float64) @ LUMA


def place_windows(shape: tuple[int, ...], side: int, most: int = 16) -> list[tuple[slice, slice]]:
    """Place square windows evenly on a picture. The windows cover the picture if ``most`` windows are enough.

    Args:
        shape: shape of the picture, height and width first.
        side: side of the windows; at most the picture's smaller side.
        most: largest number of windows.

    Returns:
        Slices of rows and of columns.
    """
    counts = [-(-length // side) for length in shape[:2]]
    more = [min(count + 1, length - side + 1) for count, length in zip(counts, shape, strict=False)]
    if more[0] * more[1] <= most:
        counts = more  # windows overlap: what lies at the edge of a window lies inside the next
    return place_evenly(shape, (side, side), counts, most)


def place_evenly(
    shape: tuple[int, ...], size: tuple[int, int], counts: Sequence[int], most: int
) -> list[tuple[slice, slice]]:
    """Place windows of one size evenly on a picture.

    Args:
        shape: shape of the picture, height and width first.
        size: (height, width) of the windows.
        counts: numbers of windows along the height and along the width.
        most: largest number of all windows; the larger of the two ``counts`` is lowered until the product fits.

    Returns:
        Slices of rows and of columns.
    """
    counts = list(counts)
    while counts[0] * counts[1] > most:
        counts[int(np.argmax(counts))] -= 1
    rows, columns = (
        [slice(start, start + own) for start in np.linspace(0, length - own, count).astype(int)]
        for length, own, count in zip(shape, size, counts, strict=False)
    )
    return [(row, column) for row in rows for column in columns]


def _compute_power(gray: Gray) -> Numbers:
    """Return the power at each frequency of a square, after subtracting its mean and applying a Hann window.

    The result is ``(side, side)``, with frequency zero first.
    """
    side = len(gray)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    taper = np.outer(hann, hann)
    centered = (gray - np.average(gray, weights=taper)) * taper
    return np.abs(scipy.fft.fft2(centered)) ** 2 / np.sum(taper**2)


def _radius(side: int) -> Numbers:
    """Return the absolute value of each two-dimensional frequency of a square, in cycles per window."""
    frequencies = scipy.fft.fftfreq(side) * side
    return np.hypot(frequencies[:, None], frequencies[None, :])


def radial_spectrum(image: Image, side: int = SPECTRUM_SIDE) -> Numbers:
    """Measure the mean power of the luminance in each ring of frequencies, averaged over windows.

    Args:
        image: at least ``side`` pixels a side.
        side: side of the windows in pixels.

    Returns:
        Power at 2, 3, … ``side // 2`` cycles per window. The rings of 0 and 1 cycles are left out, because the mean
        and the Hann window itself dominate them.

    References:
        Welch, "The use of fast Fourier transform for the estimation of power spectra", 1967.
    """
    gray = luminance(image)
    power = np.mean([_compute_power(gray[window]) for window in place_windows(gray.shape, side)], axis=0)
    rings = np.rint(_radius(side)).astype(int)
    sums, counts = np.bincount(rings.ravel(), power.ravel()), np.bincount(rings.ravel())
    return (sums / counts)[2 : side // 2 + 1]


def spectrum_error(found: Numbers, wanted: Numbers) -> float:
    """Return the root mean square difference, over rings and in dB, of two results of `radial_spectrum`."""
    least = 1e-12
    return float(np.sqrt(np.mean((10 * np.log10((found + least) / (wanted + least))) ** 2)))


def spectral_peak(image: Image, side: int) -> float:
    """Return how strong the strongest isolated peak of the spectrum is.

    The result is log10 of a ratio: the power of the peak, divided by the median power of the peak's ring. A ring is all
    frequencies with the same rounded absolute value. Dot grids and checkerboards have strong peaks. The result is about
    1.2 for noise of any color, and 3 or more for a grid. It is the mean over windows, not the maximum, so that a larger
    picture has no larger peak by chance.

    Args:
        image: at least ``side`` pixels a side.
        side: side of the windows in pixels. Compare only results for the same side: a larger window has more
            frequencies, and the largest of more powers is larger by chance.
    """
    gray = luminance(image)
    return float(
        np.mean([_find_peak(_compute_power(gray[window])) for window in place_windows(gray.shape, side, PEAK_WINDOWS)])
    )


@lru_cache(maxsize=4)
def _rings(side: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Sort the frequencies of a square by ring: the rounded absolute value of a frequency.

    Returns:
        The ring of each frequency; the frequencies' indices, sorted by ring; and where each ring begins among these
        indices.
    """
    rings = np.rint(_radius(side)).astype(np.intp).ravel()
    order = np.argsort(rings, kind="stable")
    return rings, order, np.searchsorted(rings[order], np.arange(rings.max() + 2))


def _find_peak(power: Numbers) -> float:
    """Return the `spectral_peak` of one window, given the power at each frequency."""
    side = len(power)
    rings, order, bounds = _rings(side)
    ratios = power.ravel()
    medians = np.array([np.median(ratios[order[a:b]]) if b > a else np.inf for a, b in pairwise(bounds)])
    # Rings beyond side / 2 lie only in the corners and hold ever fewer frequencies: use the median of the last whole
    # ring for them. Leave out the lowest rings: they hold few frequencies, and the spectrum is steep there.
    medians[side // 2 + 1 :] = medians[side // 2]
    inside = rings >= max(side // 16, 4)
    # Division by a median of almost zero would give a meaninglessly large ratio; so the divisor has a lower limit.
    ratios = ratios / np.maximum(medians[rings], 1e-9 * power.max() + 1e-30)
    return float(np.log10(max(ratios[inside].max(), 1.0)))  # a picture without power gives 0


def take_quantiles(values: Numbers) -> Numbers:
    """Return the quantiles along the first axis at `QUANTILES`."""
    ordered = np.sort(values, axis=0)
    return ordered[(QUANTILES * len(ordered)).astype(int)]


def color_distance(image: Image, source: Image) -> Numbers:
    """Measure how the color histograms of two images differ: the mean difference of their quantiles.

    Returns:
        Wasserstein-1 distances in levels of 255, ``(2, 3)``. The first row is for red, green and blue, the second for
        the three axes of `OPPONENT`.
    """
    one, other = (np.asarray(picture, dtype=np.float64).reshape(-1, 3) for picture in (image, source))
    channels = np.abs(take_quantiles(one) - take_quantiles(other)).mean(axis=0)
    axes = np.abs(take_quantiles(one @ OPPONENT.T) - take_quantiles(other @ OPPONENT.T)).mean(axis=0)
    return 255 * np.stack([channels, axes])


def seam(image: Image, axis: int) -> tuple[float, float, float]:
    """Repeat a picture along an axis, and compare the step across the seam with the steps inside the picture.

    Args:
        image: the picture.
        axis: 0 for the seam between the last row and the first row, 1 for the seam between the last and first column.

    Returns:
        The comparison by `compare_steps`. A step is the mean absolute difference of two neighboring lines.
    """
    lines = np.moveaxis(np.asarray(image), axis, 0)

    def step(before: Image, after: Image) -> float:
        return float(np.abs(after.astype(np.float64) - before).mean())

    inside = [step(before, after) for before, after in pairwise(lines)]  # line by line, without a copy of the picture
    return compare_steps(step(lines[-1], lines[0]), inside)


def compare_steps(around: float, inside: Sequence[float]) -> tuple[float, float, float]:
    """Compare the step from the end of a sequence to its start with the steps inside the sequence.

    Args:
        around: size of the step from the last item to the first, in any unit.
        inside: size of the step from each item to the next, in the same unit.

    Returns:
        Three numbers. The first is the ratio of the step around to the mean step inside, at least `LEAST_STEP`. The
        second is the factor that is usual inside: of 20 steps inside, 19 differ from the mean at most by this factor.
        The third is the score: the absolute logarithm of the ratio, divided by the logarithm of the usual factor, or of
        `LEAST_FACTOR` if that is larger. So half of the usual step and twice the usual step have the same score.
    """
    mean = max(float(np.mean(inside)), 1e-9)
    ratio, *ratios = np.maximum(np.array([around, *inside]) / mean, LEAST_STEP)
    usual = float(np.exp(np.quantile(np.abs(np.log(ratios)), 0.95)))
    return float(ratio), usual, float(abs(np.log(ratio)) / np.log(max(usual, LEAST_FACTOR)))


def repetition(image: Image, coarse: float) -> float:
    """Return the highest autocorrelation of a picture's detail, away from the center.

    Args:
        image: at least ``2 * coarse`` pixels a side; the whole image is measured.
        coarse: length in pixels. Coarser structures are removed, so that only detail is left; shifts of at most this
            length are ignored.

    Returns:
        Correlation of the luminance's detail with the same detail, shifted by at most half of each side: 1 for a
        picture that repeats itself exactly.
    """
    gray = luminance(image).astype(np.float32)
    detail = gray - scipy.ndimage.gaussian_filter(gray, coarse / 2, mode="reflect")
    detail -= detail.mean()
    energy = float(np.mean(detail**2))
    if energy <= 1e-12:
        return 0.0
    most = [side // 2 for side in gray.shape]
    size = tuple(scipy.fft.next_fast_len(side + far, real=True) for side, far in zip(gray.shape, most, strict=True))
    sums = scipy.fft.irfft2(np.abs(scipy.fft.rfft2(detail, size)) ** 2, size)
    lags = [np.r_[: far + 1, -far:0] for far in most]
    pairs = np.outer(*(side - np.abs(lag) for side, lag in zip(gray.shape, lags, strict=True)))
    away = np.hypot(lags[0][:, None], lags[1][None, :]) > coarse
    return float((sums[np.ix_(*lags)] / pairs)[away].max()) / energy


def copied_share(image: Image, sources: Sequence[Image]) -> float:
    """Return the share of a picture's patches that are near-exact copies of patches of the sources.

    A patch is a square of the luminance at octave 1, `PATCH` pixels a side. A patch is copied if its correlation with
    some patch of the sources, at any pixel, is `COPY_CORRELATION` or more. A patch with less than a tenth of the median
    contrast of the picture's patches counts as not copied.

    Args:
        image: at least ``2 * PATCH`` pixels a side.
        sources: images of at least ``2 * PATCH`` pixels a side.
    """
    own = _cut_patches(_blur(image), max(int(np.sqrt(image.shape[0] * image.shape[1] / MAX_PATCHES)), 2))
    pixels = sum(source.shape[0] * source.shape[1] for source in sources)
    count = min(len(own), MAX_PATCHES, max(MAX_PATCHES * SOURCE_PIXELS // pixels, 64))
    own = own[np.linspace(0, len(own) - 1, count).astype(int)]
    best = np.full(len(own), -1.0)
    centered, contrast = _normalize(own)
    for source in sources:
        for batch in _cut_in_batches(_blur(source)):
            best = np.maximum(best, (batch @ centered.T).max(axis=0))
    faint = contrast < 0.1 * np.median(contrast)
    return float(np.mean((best >= COPY_CORRELATION) & ~faint))


def _blur(image: Image) -> Gray:
    return scipy.ndimage.gaussian_filter(luminance(image), 1.0, mode="reflect").astype(np.float32)


def _cut_patches(gray: Gray, stride: int) -> Numbers:
    """Cut out patches that are ``stride`` pixels apart, and keep every second pixel; each row of the result is a patch.

    ``gray`` is blurred and has full size. Every second pixel of ``gray`` gives the picture at octave 1.
    """
    views = np.lib.stride_tricks.sliding_window_view(gray, (2 * PATCH - 1, 2 * PATCH - 1))
    return views[::stride, ::stride, ::2, ::2].reshape(-1, PATCH * PATCH)


def _cut_in_batches(gray: Gray) -> Iterator[Numbers]:
    """Yield the patches at all pixels with norm 1, in batches of some rows of pixels, so that memory is bounded.

    The mean of a patch is left in, because the product with a patch of mean 0 is the same with and without the mean.
    """
    gray, beyond = gray - gray.mean(), 2 * PATCH - 2
    rows = max(2**13 // gray.shape[1], 1)  # patches that fit into the cache of a core
    for top in range(0, len(gray) - beyond, BAND):
        band = gray[top : top + BAND + beyond]
        exact = band.astype(np.float64)
        squares = _sum_patches(exact**2) - _sum_patches(exact) ** 2 / PATCH**2
        factors = (1 / np.sqrt(np.maximum(squares, 1e-12))).astype(np.float32)
        views = np.lib.stride_tricks.sliding_window_view(band, (beyond + 1, beyond + 1))[:, :, ::2, ::2]
        for start in range(0, len(views), rows):
            some = slice(start, start + rows)
            yield np.multiply(views[some], factors[some, :, None, None], order="C").reshape(-1, PATCH * PATCH)


def _sum_patches(values: Numbers) -> Numbers:
    """Return the sum of each patch's pixels, for the patches at all pixels."""
    rows, columns = (side - 2 * PATCH + 2 for side in values.shape)
    lines = np.add.reduce([values[2 * k : 2 * k + rows] for k in range(PATCH)])
    return np.add.reduce([lines[:, 2 * k : 2 * k + columns] for k in range(PATCH)])


def _normalize(patches: Numbers) -> tuple[Numbers, Numbers]:
    """Return the patches with mean 0 and norm 1, and the standard deviation (the contrast) of each patch."""
    centered = patches - patches.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.maximum(norms, 1e-6), norms[:, 0] / PATCH
