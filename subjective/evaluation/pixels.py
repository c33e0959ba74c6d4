"""Measures of a picture's pixels: spectrum, color, seams, repetition, copying.

Every function takes images ``(height, width, 3)``, RGB in [0, 1], and computes plain numbers with numpy. A number says
little by itself; `subjective.evaluation.yardstick` compares it with the number of a crop of the source.
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
"""Largest number of windows in which peaks are searched; with the largest side they cover 4096 pixels a side."""

QUANTILES = (np.arange(256) + 0.5) / 256
"""The quantiles that are compared, as shares."""

PATCH = 12
"""Side of the patches that are searched in the sources, in pixels of octave 1."""

COPY_CORRELATION = 0.95
"""Correlation from which a patch counts as copied; independent patches of real textures hardly exceed 0.8."""

MAX_PATCHES = 1024
"""Largest number of a picture's patches that are searched.

If the sources have more pixels than `SOURCE_PIXELS`, proportionally fewer patches are searched, but at least 64.
"""

SOURCE_PIXELS = 2**20
"""Number of pixels of all sources in which `MAX_PATCHES` patches are searched."""

Gray = NDArray[np.floating]


def luminance(image: Image) -> Gray:
    """Return the luminance (Rec. 601), ``(height, width)``."""
    return np.asarray(image, dtype=np.float64) @ LUMA


def place_windows(shape: tuple[int, ...], side: int, most: int = 16) -> list[tuple[slice, slice]]:
    """Place square windows evenly on a picture; they cover the picture if ``most`` windows are enough.

    Args:
        shape: of the picture, height and width first.
        side: of the windows; at most the picture's smaller side.
        most: largest number of windows.

    Returns:
        Slices of rows and of columns.
    """
    counts = [-(-length // side) for length in shape[:2]]
    more = [min(count + 1, length - side + 1) for count, length in zip(counts, shape, strict=False)]
    if more[0] * more[1] <= most:
        counts = more  # windows overlap, so that the next window sees what a window's border hides
    return place_evenly(shape, (side, side), counts, most)


def place_evenly(
    shape: tuple[int, ...], size: tuple[int, int], counts: Sequence[int], most: int
) -> list[tuple[slice, slice]]:
    """Place windows of one size evenly on a picture.

    Args:
        shape: of the picture, height and width first.
        size: (height, width) of the windows.
        counts: numbers of windows along the height and along the width.
        most: largest number of windows; ``counts`` are lowered to it.

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
    """Compute the power at each frequency of a square times a Hann window: ``(side, side)``, zero frequency first."""
    side = len(gray)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    taper = np.outer(hann, hann)
    centered = (gray - np.average(gray, weights=taper)) * taper
    return np.abs(scipy.fft.fft2(centered)) ** 2 / np.sum(taper**2)


def _radius(side: int) -> Numbers:
    """Return the absolute value of each frequency of a square, in cycles a window."""
    frequencies = scipy.fft.fftfreq(side) * side
    return np.hypot(frequencies[:, None], frequencies[None, :])


def radial_spectrum(image: Image, side: int = SPECTRUM_SIDE) -> Numbers:
    """Measure the power of the luminance in each ring of frequencies, averaged over windows.

    Args:
        image: at least ``side`` pixels a side.
        side: of the windows.

    Returns:
        Power at 2, 3, … ``side // 2`` cycles a window. 0 and 1 cycles are left out: they are the mean and the Hann
        window itself.

    References:
        Welch, "The use of fast Fourier transform for the estimation of power spectra", 1967.
    """
    gray = luminance(image)
    power = np.mean([_compute_power(gray[window]) for window in place_windows(gray.shape, side)], axis=0)
    rings = np.rint(_radius(side)).astype(int)
    sums, counts = np.bincount(rings.ravel(), power.ravel()), np.bincount(rings.ravel())
    return (sums / counts)[2 : side // 2 + 1]


def spectrum_error(found: Numbers, wanted: Numbers) -> float:
    """Return the root mean square difference of two results of `radial_spectrum` over rings, in dB."""
    least = 1e-12
    return float(np.sqrt(np.mean((10 * np.log10((found + least) / (wanted + least))) ** 2)))


def spectral_peak(image: Image, side: int) -> float:
    """Return log10 of the strongest isolated peak over the median of its ring, averaged over windows.

    Dot grids and checkerboards give such peaks. Noise of any color gives about 1.2, a grid 3 and more. The mean over
    windows is taken, not the maximum, so that a larger picture has no larger peak by chance.

    Args:
        image: at least ``side`` pixels a side.
        side: of the windows. Only results for one side can be compared, because the largest of more frequencies is
            larger.
    """
    gray = luminance(image)
    return float(
        np.mean([_find_peak(_compute_power(gray[window])) for window in place_windows(gray.shape, side, PEAK_WINDOWS)])
    )


@lru_cache(maxsize=4)
def _rings(side: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the ring of each frequency of a square, the frequencies sorted by ring, and where each ring begins."""
    rings = np.rint(_radius(side)).astype(np.intp).ravel()
    order = np.argsort(rings, kind="stable")
    return rings, order, np.searchsorted(rings[order], np.arange(rings.max() + 2))


def _find_peak(power: Numbers) -> float:
    """Return the `spectral_peak` of one window, given the power at each frequency."""
    side = len(power)
    rings, order, bounds = _rings(side)
    ratios = power.ravel()
    medians = np.array([np.median(ratios[order[a:b]]) if b > a else np.inf for a, b in pairwise(bounds)])
    # Rings beyond side / 2 lie only in the corners and hold fewer and fewer frequencies: the last whole ring's median
    # serves them all. The lowest rings are left out: they have few frequencies, and the spectrum is steep there.
    medians[side // 2 + 1 :] = medians[side // 2]
    inside = rings >= max(side // 16, 4)
    # A median of almost nothing is no background to compare with, so that the median has a least value.
    ratios = ratios / np.maximum(medians[rings], 1e-9 * power.max() + 1e-30)
    return float(np.log10(max(ratios[inside].max(), 1.0)))  # a ratio of 1 if there is no power at all


def take_quantiles(values: Numbers) -> Numbers:
    """Return 256 evenly spaced quantiles along the first axis."""
    ordered = np.sort(values, axis=0)
    return ordered[(QUANTILES * len(ordered)).astype(int)]


def color_distance(image: Image, source: Image) -> Numbers:
    """Measure the distance of two color histograms as the mean difference of their quantiles.

    Returns:
        Wasserstein-1 distances in levels of 255, ``(2, 3)``: of red, green and blue, and along the three axes of
        `OPPONENT`.
    """
    one, other = (np.asarray(picture, dtype=np.float64).reshape(-1, 3) for picture in (image, source))
    channels = np.abs(take_quantiles(one) - take_quantiles(other)).mean(axis=0)
    axes = np.abs(take_quantiles(one @ OPPONENT.T) - take_quantiles(other @ OPPONENT.T)).mean(axis=0)
    return 255 * np.stack([channels, axes])


def seam(image: Image, axis: int) -> tuple[float, float]:
    """Compare the step across the seam, when the picture is repeated along an axis, with the steps inside the picture.

    Args:
        image: the picture.
        axis: 0 for the seam between last and first row, 1 for the one between last and first column.

    Returns:
        The mean absolute difference between the last and the first line, divided by the mean of the differences between
        neighboring lines inside; and the standard deviation of this ratio over the lines inside, which is the spread
        that chance gives.
    """
    lines = np.moveaxis(np.asarray(image), axis, 0)

    def step(before: Image, after: Image) -> float:
        return float(np.abs(after.astype(np.float64) - before).mean())

    steps = np.array(
        [step(before, after) for before, after in pairwise(lines)]
    )  # line by line, without a copy of the picture
    inside = max(float(steps.mean()), 1e-9)
    return step(lines[-1], lines[0]) / inside, float(steps.std()) / inside


def repetition(image: Image, coarse: float) -> float:
    """Return the highest autocorrelation of the detail away from the center: 1 for a verbatim repetition.

    Args:
        image: at least twice ``coarse`` pixels a side; the whole image is measured.
        coarse: in pixels. Coarser structure is not detail, and shorter shifts are ignored.

    Returns:
        Correlation of the luminance's detail with the same detail, shifted by at most half of each side.
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
    """Return the share of the picture's patches of which the sources hold a near-exact copy.

    Patches are squares of `PATCH` pixels of the luminance, blurred to octave 1. Each is compared with the patches at
    every pixel of the sources by correlation (`COPY_CORRELATION`). Patches without contrast count as not copied.

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
            theirs, _ = _normalize(batch)
            best = np.maximum(best, (theirs @ centered.T).max(axis=0))
    faint = contrast < 0.1 * np.median(contrast)
    return float(np.mean((best >= COPY_CORRELATION) & ~faint))


def _blur(image: Image) -> Gray:
    return scipy.ndimage.gaussian_filter(luminance(image), 1.0, mode="reflect").astype(np.float32)


def _cut_patches(gray: Gray, stride: int) -> Numbers:
    """Cut out every ``stride``-th patch, of every second pixel; each patch is a row of the result."""
    views = np.lib.stride_tricks.sliding_window_view(gray, (2 * PATCH - 1, 2 * PATCH - 1))
    return views[::stride, ::stride, ::2, ::2].reshape(-1, PATCH * PATCH)


def _cut_in_batches(gray: Gray) -> Iterator[Numbers]:
    """Yield all patches, those of some rows of pixels at a time."""
    rows = max(2**15 // gray.shape[1], 1)
    last = gray.shape[0] - 2 * PATCH + 2
    for start in range(0, last, rows):
        yield _cut_patches(gray[start : min(start + rows, last) + 2 * PATCH - 2], 1)


def _normalize(patches: Numbers) -> tuple[Numbers, Numbers]:
    """Return patches with mean 0 and norm 1, and the contrast of each patch (standard deviation)."""
    centered = patches - patches.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.maximum(norms, 1e-6), norms[:, 0] / PATCH
