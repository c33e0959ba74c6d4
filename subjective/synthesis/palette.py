"""Give a picture the colors of its sources: joined patches are averages, which have fewer strong colors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.ndimage
from numpy.typing import NDArray

from subjective.colors import OPPONENT
from subjective.images import resize_planes

MOST_GAIN = 2.0
"""Largest factor by which detail is made stronger, where overlapping patches have made it weak."""

QUANTILES = 65
"""Number of quantiles of the colors that are matched, from the smallest to the largest value."""

TURNS = 4
"""How many times three axes are chosen along which the colors are matched."""

NEAR, FAR = 0.5, 1.0
"""In `nudge_colors`, a color that moves by up to the first number of standard deviations of the sources' colors moves
all the way, and one that moves by the second number or more stays as it is."""

COLORS = (3,)
"""The channels of a picture that has only colors, see `Form`."""

Numbers = NDArray[np.float32]


def match_large(
    picture: Numbers,
    here: Numbers,
    at: tuple[int, int],
    colors: Numbers,
    random: np.random.Generator,
    channels: Sequence[int],
) -> Numbers:
    """Match the colors of a picture that is larger than `SETTLED`.

    The picture, reduced to the size ``at``, gets the ``colors`` of the sources at that scale. What is finer gets the
    variance that it has in the sources, whose pixels are ``here``, along each opponent axis and in each channel that is
    no color.
    """
    axes = axes_of(channels)
    small = resize_planes(picture, at)
    matched = match_colors(small, colors, random, channels)
    detail = (picture - enlarge_wrapped(small, picture.shape[:2])) @ axes.T
    missing = np.var(here @ axes.T, axis=0) - np.var(matched @ axes.T, axis=(0, 1))
    gain = np.sqrt(np.clip(missing / (np.var(detail, axis=(0, 1)) + 1e-12), 1, MOST_GAIN**2))
    return np.asarray(enlarge_wrapped(matched, picture.shape[:2]) + detail * gain @ axes, np.float32)


def axes_of(channels: Sequence[int]) -> NDArray[np.float64]:
    """Return the axes along which maps vary independently: those of `OPPONENT` for colors, each channel for the others.

    Args:
        channels: as in `Form`.

    Returns:
        Orthonormal rows, ``(all channels, all channels)``.
    """
    return scipy.linalg.block_diag(*(OPPONENT if count == 3 else np.eye(count) for count in channels))


def enlarge_wrapped(picture: Numbers, size: tuple[int, ...]) -> Numbers:
    """Enlarge a picture that wraps to (height, width) pixels."""
    factors = (size[0] / picture.shape[0], size[1] / picture.shape[1], 1)
    return np.asarray(scipy.ndimage.zoom(picture, factors, order=1, mode="grid-wrap", grid_mode=True), np.float32)


def match_colors(
    picture: Numbers, colors: Numbers, random: np.random.Generator, channels: Sequence[int] = COLORS
) -> Numbers:
    """Give a picture's pixels, as a whole, the colors of the sources' pixels; the same for each map by itself.

    Averages of patches have fewer strong colors than the patches. Along as many axes as a map has channels, each
    quantile of the pixels moves to the same quantile of the source's pixels; axes in several directions match the
    colors jointly.

    References:
        Pitié, Kokaram and Dahyot, "Automated colour grading using colour distribution transfer", 2007.
    """
    pixels = picture.reshape(-1, colors.shape[1])
    for _ in range(TURNS):
        turns = [np.linalg.qr(random.standard_normal((count, count)))[0].astype(np.float32) for count in channels]
        axes = scipy.linalg.block_diag(*turns)
        ours, theirs = pixels @ axes, colors @ axes
        apart = np.linspace(-1e-6, 1e-6, QUANTILES)[:, None]  # one color becomes the middle one of the sources
        quantiles = zip(ours.T, (_quantiles(ours) + apart).T, _quantiles(theirs).T, strict=True)
        moved = [np.interp(values, own, other) for values, own, other in quantiles]
        pixels = np.stack(moved, axis=1).astype(np.float32) @ axes.T
    return pixels.reshape(picture.shape)


def nudge_colors(picture: Numbers, colors: Numbers, random: np.random.Generator, channels: Sequence[int]) -> Numbers:
    """Match colors as `match_colors`, but leave those that would become quite other ones.

    Pieces of sources have the sources' colors, if not each as often. If a picture has more blue stones than its source,
    their tint may change a little, but no pixel of a blue stone should become brown.
    """
    moved, ends = match_colors(picture, colors, random, channels) - picture, np.cumsum(channels)
    for end, count in zip(ends, channels, strict=True):
        one = np.s_[..., end - count : end]
        spread = np.sqrt(np.mean(np.var(colors[one], axis=0))) + 1e-12
        steps = np.sqrt(np.mean(moved[one] ** 2, axis=2, keepdims=True)) / spread
        moved[one] *= np.clip((FAR - steps) / (FAR - NEAR), 0, 1)
    return np.asarray(picture + moved, np.float32)


def _quantiles(values: Numbers) -> Numbers:
    """Return `QUANTILES` quantiles of each column, ``(QUANTILES, columns)``."""
    ordered = np.sort(values, axis=0)
    return ordered[np.linspace(0, len(ordered) - 1, QUANTILES).round().astype(np.intp)]
