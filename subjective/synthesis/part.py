"""Choose the part of a large source from which a picture takes its patches.

A picture of 512 pixels has room for a small share of a photograph of 3000. To look for each of its patches in the whole
photograph would take much time and memory, and gain nothing: the statistics still come from all of it.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

TIMES = 2.0
"""Sides of the part in multiples of the picture's: room for four pictures."""

LEAST = 1024
"""Smallest side of a part, in pixels; smaller sources are taken as they are."""

SEEN = 256
"""Number of rows, and of columns, of a part that are looked at."""

Image = NDArray[np.float32]


def choose_part(source: Image, size: tuple[int, int]) -> Image:
    """Return the part of a source that is most like the whole; the source itself if it is no larger than a part.

    Parts that overlap by half are compared by the means of their colors, by how much these vary, and by how much they
    change from pixel to pixel.

    Args:
        source: ``(height, width, channels)``.
        size: (height, width) of the picture.
    """
    rows, columns = (
        min(side, max(round(TIMES * wanted), LEAST)) for side, wanted in zip(source.shape[:2], size, strict=True)
    )
    if (rows, columns) == source.shape[:2]:
        return source
    wanted = _describe(source)
    places = itertools.product(_places(source.shape[0], rows), _places(source.shape[1], columns))
    parts = [source[top : top + rows, left : left + columns] for top, left in places]
    return min(parts, key=lambda part: float(np.sum((_describe(part) - wanted) ** 2 * _unit(wanted))))


def _places(whole: int, part: int) -> list[int]:
    """Return where parts begin that overlap by half and cover a side."""
    count = -(-2 * (whole - part) // part) + 1
    return [round(place) for place in np.linspace(0, whole - part, count)]


def _describe(image: Image) -> NDArray[np.float64]:
    """Return three numbers for each channel, ``(3, channels)``: mean, logarithm of the deviation and of the changes."""
    step = max(min(image.shape[:2]) // SEEN, 1)
    seen = image[::step, ::step]
    below, beside = image[1::step, ::step], image[::step, 1::step]
    changes = np.abs(below - seen[: len(below)]).mean(axis=(0, 1), dtype=np.float64)
    changes += np.abs(beside - seen[:, : beside.shape[1]]).mean(axis=(0, 1), dtype=np.float64)
    deviation = seen.std(axis=(0, 1), dtype=np.float64)
    return np.stack([seen.mean(axis=(0, 1), dtype=np.float64), np.log(deviation + 1e-3), np.log(changes + 1e-3)])


def _unit(described: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by which squared differences are multiplied: means count in multiples of the deviation."""
    return np.stack([np.exp(-2 * described[1]), np.ones_like(described[1]), np.ones_like(described[2])])
