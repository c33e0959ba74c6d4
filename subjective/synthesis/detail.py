"""Detail for an enlarged picture: at each pixel, that of the place of the sources which looks the same, reduced."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from subjective.devices import one_blas_thread
from subjective.synthesis.patch_search import CHUNK, principal_axes

SIDE = 5
"""Side of a neighborhood by which places are compared, in pixels of the picture."""

BELL = 1.2
"""Standard deviation, in pixels of the picture, of the bell by which the pixels of a neighborhood count."""

COLOR = 0.3
"""How much the mean color of a neighborhood counts beside its shape. Detail hardly depends on how light a place is."""

MOST_PLACES = 8192
"""Number of places of the sources, chosen at random, with which each pixel of the picture is compared."""

OVERLAP = 0.8
"""Standard deviation, in pixels of the picture, of the bell by which the details of neighbors overlap."""

MOST_GAIN = 2.0
"""Largest factor by which detail is made stronger, where overlapping has made it weak."""

Image = NDArray[np.float32]
Numbers = NDArray[np.float32]
Key = np.random.SeedSequence


def average_squares(picture: Any, side: int) -> Any:
    """Average ``(height, width, channels)``, of NumPy or JAX, over squares. What fills no square is left out."""
    height, width = picture.shape[0] // side, picture.shape[1] // side
    whole = picture[: height * side, : width * side]
    return whole.reshape(height, side, width, side, -1).mean(axis=(1, 3))


def repeat_pixels(picture: Image, side: int) -> Image:
    """Make a square of each pixel."""
    return np.repeat(np.repeat(picture, side, axis=0), side, axis=1)


def double(picture: Image, wraps: tuple[bool, bool] = (False, False)) -> Image:
    """Make a smooth picture of twice the size. The means of its squares of four pixels are the picture's pixels."""
    around = 10  # pixels: so far away, a spline does not see its end
    padded = _pad(picture, around, wraps)
    smooth = scipy.ndimage.zoom(padded, (2, 2, 1), order=3, mode="mirror", grid_mode=True)
    grown = np.asarray(smooth[2 * around : -2 * around, 2 * around : -2 * around], np.float32)
    return grown + repeat_pixels(picture - average_squares(grown, 2), 2)


def add_detail(
    picture: Image,
    sources: Sequence[Image],
    weights: Sequence[float],
    key: Key,
    wraps: tuple[bool, bool],
    most_gain: float = MOST_GAIN,
) -> Image:
    """Make a picture of twice the size, with detail of sources.

    Args:
        picture: ``(height, width, 3)``.
        sources: pictures of the scale of the result.
        weights: how much each source counts.
        key: from `subjective.synthesis.starts.key_of`; all choices come from the key.
        wraps: whether the picture continues with its other side: from the last row, and from the last column.
        most_gain: see `MOST_GAIN`.

    Returns:
        ``(2 height, 2 width, 3)``. The means of its squares of four pixels are the picture's pixels.
    """
    reduced = [average_squares(source, 2) for source in sources]
    fine = [
        source[: 2 * len(one), : 2 * one.shape[1]] - double(one) for source, one in zip(sources, reduced, strict=True)
    ]
    places, blocks = _collect_places(reduced, fine, weights, np.random.default_rng(key))
    nearest: NDArray[np.intp] = _find_nearest(_neighborhoods(picture, wraps), places).reshape(picture.shape[:2])
    near = np.exp(-(np.array([-1, 0, 1]) ** 2) / (2 * OVERLAP**2))
    total = np.zeros((*picture.shape[:2], 2, 2, 3), np.float32)
    for down, right in np.ndindex(3, 3):
        # The neighbor at (down - 1, right - 1) shows its own view of this pixel.
        rows, columns = np.s_[down : down + len(nearest)], np.s_[right : right + nearest.shape[1]]
        around: NDArray[np.intp] = _pad(nearest, 1, wraps)[rows, columns]
        total += np.float32(near[down] * near[right]) * blocks[around, 2 - down, 2 - right]
    made = (total / np.float32(near.sum() ** 2)).transpose(0, 2, 1, 3, 4).reshape(2 * len(nearest), -1, 3)
    made = made - repeat_pixels(average_squares(made, 2), 2)
    lost = float(np.std(blocks[nearest, 1, 1]) / max(float(np.std(made)), 1e-12))
    return np.asarray(double(picture, wraps) + made * np.clip(lost, 1, most_gain), np.float32)


def _pad(picture: NDArray[Any], pixels: int, wraps: tuple[bool, bool]) -> NDArray[Any]:
    """Add pixels around a picture: of its other side where it wraps, and otherwise of its mirror image."""
    for axis, wrap in enumerate(wraps):
        around = [(pixels, pixels) if axis == other else (0, 0) for other in range(picture.ndim)]
        picture = np.pad(picture, around, mode="wrap" if wrap else "symmetric")
    return picture


def _neighborhoods(picture: Image, wraps: tuple[bool, bool] = (False, False)) -> Numbers:
    """Return what each pixel sees around it, ``(pixels, numbers)``, so that alike neighborhoods have alike numbers."""
    windows = np.lib.stride_tricks.sliding_window_view(_pad(picture, SIDE // 2, wraps), (SIDE, SIDE), axis=(0, 1))
    flat = windows.reshape(picture.shape[0] * picture.shape[1], 3, SIDE * SIDE)
    bell = np.exp(-(np.arange(-(SIDE // 2), SIDE // 2 + 1) ** 2) / (2 * BELL**2))
    share = np.outer(bell, bell).reshape(-1).astype(np.float32)
    mean = flat @ (share / share.sum())
    shape = (flat - mean[:, :, None]) * np.sqrt(share)
    return np.concatenate([shape.reshape(len(flat), -1), COLOR * SIDE * mean], axis=1, dtype=np.float32)


def _collect_places(
    reduced: Sequence[Image], fine: Sequence[Image], weights: Sequence[float], random: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Choose places of the sources.

    Returns:
        Their neighborhoods, and the detail around them by pixel of the reduced source, ``(places, 3, 3, 2, 2, 3)``.
    """
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    places, blocks = [], []
    for one, detail, share in zip(reduced, fine, shares, strict=True):
        height, width = one.shape[:2]
        rows, columns = np.mgrid[1 : height - 1, 1 : width - 1].reshape(2, -1)
        chosen = random.permutation(len(rows))[: max(round(share * MOST_PLACES), 1) if share else 0]
        rows, columns = rows[chosen], columns[chosen]
        places.append(_neighborhoods(one)[rows * width + columns])
        squares = detail.reshape(height, 2, width, 2, 3).transpose(0, 2, 1, 3, 4)
        around = np.arange(-1, 2)
        blocks.append(squares[rows[:, None, None] + around[:, None], columns[:, None, None] + around])
    return np.concatenate(places), np.concatenate(blocks)


def _find_nearest(ours: Numbers, theirs: Numbers) -> NDArray[np.intp]:
    """Return, for each row of ``ours``, the number of the most similar row of ``theirs``, by their main components."""
    mean = theirs.mean(axis=0)
    axes = principal_axes(theirs - mean)
    ours, theirs = (ours - mean) @ axes, (theirs - mean) @ axes
    keys = np.concatenate([-2 * theirs, np.sum(theirs**2, axis=1)[:, None]], axis=1).T.copy()
    ours = np.concatenate([ours, np.ones((len(ours), 1), np.float32)], axis=1)

    def compare(first: int) -> NDArray[np.intp]:
        return (ours[first : first + CHUNK] @ keys).argmin(axis=1)

    with one_blas_thread(), ThreadPoolExecutor() as threads:
        return np.concatenate(list(threads.map(compare, range(0, len(ours), CHUNK))))
