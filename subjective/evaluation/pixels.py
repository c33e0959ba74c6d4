"""Measures of pixels, for pictures to be judged by: spectrum, color, seams, repetition, copying.

Every function takes images ``(height, width, 3)``, RGB in [0, 1], and gives plain numbers by numpy. What is good
is said by what a crop of the source scores; `subjective.evaluation.yardstick` sets the two side by side.
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

WELCH = 128
"""Side in pixels of the windows whose spectra are averaged."""

LARGEST = 512
"""Largest side of the windows in which peaks are looked for."""

PEAK_WINDOWS = 256
"""Such windows of a picture, which cover 4096 pixels a side."""

QUANTILES = (np.arange(256) + 0.5) / 256

PATCH = 12
"""Side of the patches that are looked up in the source, in pixels of octave 1."""

COPY = 0.95
"""Correlation from which a patch counts as copied; independent patches of real textures hardly pass 0.8."""

PATCHES = 1024
"""Patches of a picture that are looked up, at most; fewer in sources above `SOURCE_PIXELS`, in proportion, but 64."""

SOURCE_PIXELS = 2**20

Gray = NDArray[np.floating]


def luminance(image: Image) -> Gray:
    """``(height, width)``."""
    return np.asarray(image, dtype=np.float64) @ LUMA


def windows(shape: tuple[int, ...], side: int, most: int = 16) -> list[tuple[slice, slice]]:
    """Squares of ``side`` pixels, evenly spread over a picture, which they cover if ``most`` are enough.

    Args:
        shape: of the picture, height and width first.
        side: of the windows; at most the picture's own.
        most: windows at most.
    """
    counts = [-(-length // side) for length in shape[:2]]
    more = [min(count + 1, length - side + 1) for count, length in zip(counts, shape, strict=False)]
    if more[0] * more[1] <= most:
        counts = more  # overlapping, so that what a window's border hides is seen in the next
    return spread(shape, (side, side), counts, most)


def spread(
    shape: tuple[int, ...], size: tuple[int, int], counts: Sequence[int], most: int
) -> list[tuple[slice, slice]]:
    """Windows of one size, evenly spread over a picture: so many below and beside each other, at most ``most``."""
    counts = list(counts)
    while counts[0] * counts[1] > most:
        counts[int(np.argmax(counts))] -= 1
    rows, columns = (
        [slice(start, start + own) for start in np.linspace(0, length - own, count).astype(int)]
        for length, own, count in zip(shape, size, counts, strict=False)
    )
    return [(row, column) for row in rows for column in columns]


def _power(gray: Gray) -> Numbers:
    """Power at each frequency of a square under a Hann window; ``(side, side)``, zero frequency first."""
    side = len(gray)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    taper = np.outer(hann, hann)
    centered = (gray - np.average(gray, weights=taper)) * taper
    return np.abs(scipy.fft.fft2(centered)) ** 2 / np.sum(taper**2)


def _radius(side: int) -> Numbers:
    frequencies = scipy.fft.fftfreq(side) * side
    return np.hypot(frequencies[:, None], frequencies[None, :])


def radial_spectrum(image: Image, side: int = WELCH) -> Numbers:
    """Power of the luminance by ring of frequency, averaged over windows.

    Args:
        image: at least ``side`` pixels a side.
        side: of the windows.

    Returns:
        Power at 2, 3, … ``side // 2`` cycles a window. (Zero and one are the mean and the window's own.)

    References:
        Welch, "The use of fast Fourier transform for the estimation of power spectra", 1967.
    """
    gray = luminance(image)
    power = np.mean([_power(gray[window]) for window in windows(gray.shape, side)], axis=0)
    rings = np.rint(_radius(side)).astype(int)
    sums, counts = np.bincount(rings.ravel(), power.ravel()), np.bincount(rings.ravel())
    return (sums / counts)[2 : side // 2 + 1]


def spectrum_error(found: Numbers, wanted: Numbers) -> float:
    """Root mean square over rings of the difference of two `radial_spectrum`, in dB."""
    least = 1e-12
    return float(np.sqrt(np.mean((10 * np.log10((found + least) / (wanted + least))) ** 2)))


def spectral_peak(image: Image, side: int) -> float:
    """log10 of the strongest isolated peak over the median of its ring, averaged over windows.

    Finds dot grids and checkerboards. Noise of any color gives 1.2 or so, a grid 3 and more. The mean of windows, not
    their maximum, so that a larger picture has none by chance.

    Args:
        image: at least ``side`` pixels a side.
        side: of the windows. Only figures of one size compare: of more frequencies a larger one is the largest.
    """
    gray = luminance(image)
    return float(np.mean([_peak(_power(gray[window])) for window in windows(gray.shape, side, PEAK_WINDOWS)]))


@lru_cache(maxsize=4)
def _rings(side: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The ring of each frequency of a square, the frequencies in order of their rings, and where each ring begins."""
    rings = np.rint(_radius(side)).astype(np.intp).ravel()
    order = np.argsort(rings, kind="stable")
    return rings, order, np.searchsorted(rings[order], np.arange(rings.max() + 2))


def _peak(power: Numbers) -> float:
    """The same of the power at each frequency of a square."""
    side = len(power)
    rings, order, bounds = _rings(side)
    ratios = power.ravel()
    medians = np.array([np.median(ratios[order[a:b]]) if b > a else np.inf for a, b in pairwise(bounds)])
    # Beyond the corner's start rings hold less and less: they share the last whole one. Below: too few frequencies, too
    # steep a spectrum. And a median of (almost) nothing is no background.
    medians[side // 2 + 1 :] = medians[side // 2]
    inside = rings >= max(side // 16, 4)
    ratios = ratios / np.maximum(medians[rings], 1e-9 * power.max() + 1e-30)
    return float(np.log10(max(ratios[inside].max(), 1.0)))  # 1 where there is nothing at all


def quantiles(values: Numbers) -> Numbers:
    """256 evenly spread quantiles along the first axis."""
    ordered = np.sort(values, axis=0)
    return ordered[(QUANTILES * len(ordered)).astype(int)]


def color_distance(image: Image, source: Image) -> Numbers:
    """Distance of the color histograms, per channel and in opponent axes: the mean difference of their quantiles.

    Returns:
        Wasserstein-1 distances in levels of 255, ``(2, 3)``: of red, green and blue, and of the three axes of
        `OPPONENT`.
    """
    one, other = (np.asarray(picture, dtype=np.float64).reshape(-1, 3) for picture in (image, source))
    channels = np.abs(quantiles(one) - quantiles(other)).mean(axis=0)
    axes = np.abs(quantiles(one @ OPPONENT.T) - quantiles(other @ OPPONENT.T)).mean(axis=0)
    return 255 * np.stack([channels, axes])


def seam(image: Image, axis: int) -> tuple[float, float]:
    """Step across the seam when the picture is repeated along an axis, over the steps inside.

    Returns:
        The mean absolute difference between last and first row (or column) over the mean of those between
        neighbors inside, and the standard deviation of that ratio from one line inside to the next: what chance does.
    """
    lines = np.moveaxis(np.asarray(image), axis, 0)

    def step(before: Image, after: Image) -> float:
        return float(np.abs(after.astype(np.float64) - before).mean())

    steps = np.array([step(before, after) for before, after in pairwise(lines)])  # one by one: no copy of the picture
    inside = max(float(steps.mean()), 1e-9)
    return step(lines[-1], lines[0]) / inside, float(steps.std()) / inside


def repetition(image: Image, coarse: float) -> float:
    """The highest autocorrelation of detail away from the center: 1 for a verbatim repetition.

    Args:
        image: at least twice ``coarse`` pixels a side; all of it is looked at.
        coarse: in pixels; what is coarser is no detail, and shorter shifts are not looked at.

    Returns:
        Correlation of the luminance's detail with itself moved by at most half of each side.
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
    """Share of the picture's patches of which the sources hold a near-exact copy.

    Patches are `PATCH` pixels a side of the luminance blurred to octave 1, compared at every pixel by
    correlation (`COPY`). Those without contrast count as not copied.

    Args:
        image: at least ``2 * PATCH`` pixels a side.
        sources: likewise.
    """
    own = _patches(_blurred(image), max(int(np.sqrt(image.shape[0] * image.shape[1] / PATCHES)), 2))
    pixels = sum(source.shape[0] * source.shape[1] for source in sources)
    count = min(len(own), PATCHES, max(PATCHES * SOURCE_PIXELS // pixels, 64))
    own = own[np.linspace(0, len(own) - 1, count).astype(int)]
    best = np.full(len(own), -1.0)
    centered, contrast = _normalized(own)
    for source in sources:
        for block in _blocks(_blurred(source)):
            theirs, _ = _normalized(block)
            best = np.maximum(best, (theirs @ centered.T).max(axis=0))
    faint = contrast < 0.1 * np.median(contrast)
    return float(np.mean((best >= COPY) & ~faint))


def _blurred(image: Image) -> Gray:
    return scipy.ndimage.gaussian_filter(luminance(image), 1.0, mode="reflect").astype(np.float32)


def _patches(gray: Gray, stride: int) -> Numbers:
    """Every ``stride``-th patch, each of every second pixel, as rows."""
    views = np.lib.stride_tricks.sliding_window_view(gray, (2 * PATCH - 1, 2 * PATCH - 1))
    return views[::stride, ::stride, ::2, ::2].reshape(-1, PATCH * PATCH)


def _blocks(gray: Gray) -> Iterator[Numbers]:
    """All patches, some rows of them at a time."""
    rows = max(2**15 // gray.shape[1], 1)
    last = gray.shape[0] - 2 * PATCH + 2
    for start in range(0, last, rows):
        yield _patches(gray[start : min(start + rows, last) + 2 * PATCH - 2], 1)


def _normalized(patches: Numbers) -> tuple[Numbers, Numbers]:
    """Patches around their mean and of length one, and their contrast (standard deviation)."""
    centered = patches - patches.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.maximum(norms, 1e-6), norms[:, 0] / PATCH
