"""Say what lies around each pixel of a source: which tint, and where the next long line is.

A joint, a gap or a crack is thin, and a tint is a small difference of color. Where two pieces of a source meet, a joint
that ends, or a tint that changes, costs less than many small differences along a longer border. But around such a place
everything is different. If pixels are alike only where their surroundings are, pieces meet where lines and tints do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, gaussian_filter, label

from subjective.images import resize_planes

MOST_SIDE = 512
"""Largest side in pixels of the picture in which tints and lines are looked for; larger sources are reduced."""

BROAD = 0.03
"""Standard deviation of the blur that leaves the tints, as a share of the shorter side."""

TINTS = 2.0
"""How much tints count, as a multiple of what the same differences of color count; less where the values would not fit
into [0, 1]. With 1 the borders of moss on bark are straight in places, and with 3 more pieces are seen twice."""

FINE, WIDE = 1 / 300, 1 / 14
"""Standard deviations of two blurs, as shares of the shorter side: a line is darker, or brighter, than around it if the
picture under the first blur is below, or above, that under the second."""

CLEAR, FAINT = 1.6, 0.8
"""A line differs from what is around it by so many standard deviations: somewhere by the first number, and all along by
the second."""

LONG = 1 / 8
"""Smallest length of a line down or right, as a share of the shorter side."""

NO_LINES, ALL_LINES = 0.5, 0.9
"""Share of the pixels that stand out which belong to long lines: up to the first number, lines do not count; from the
second on, they count fully. Joints, planks, plates and ice have 0.9 and more; grass, gravel and soil at most 0.2."""

REACH = 1.5
"""Distance at which the nearness of a line has fallen to 1/e, in multiples of the mean distance of all pixels."""

Numbers = NDArray[np.float32]


class Lines(NamedTuple):
    """The long lines of a source.

    Attributes:
        marks: where they are, ``(rows, columns)``.
        weight: from 0, if there are hardly any, to 1, if all that stands out is part of a line.
    """

    marks: NDArray[np.bool_]
    weight: float


def map_surroundings(source: Numbers) -> Numbers:
    """Say for each pixel of a source what lies around it.

    Args:
        source: ``(height, width, 3)`` in [0, 1].

    Returns:
        Maps in [0, 1], ``(height, width, maps)``: three of tints; and if the source has long lines three more, which
        tell how near the next one is, and how far down and right. All lines together vary as much as two channels of
        color, or less if the lines do not tell much.

    References:
        Lefebvre and Hoppe, "Appearance-space texture synthesis", SIGGRAPH 2006, for the distance to features that are
        marked by hand.
    """
    factor = min(MOST_SIDE / max(source.shape[:2]), 1.0)
    small = resize_planes(source, (max(round(source.shape[0] * factor), 1), max(round(source.shape[1] * factor), 1)))
    maps = [_find_tints(small)]
    lines = find_lines(small)
    spread = lines.weight * float(small.std(axis=(0, 1)).mean())
    if spread > 0 and lines.marks.any() and not lines.marks.all():
        maps.append(np.clip(spread * _find_ways(lines.marks), 0, 1))
    return resize_planes(np.concatenate(maps, axis=2), (source.shape[0], source.shape[1]))


def find_lines(source: Numbers) -> Lines:
    """Find the long lines of a source: dark ones, or bright ones if more of what is bright belongs to lines.

    Args:
        source: ``(height, width, 3)``.
    """
    shade, side = source.mean(axis=2, dtype=np.float64), min(source.shape[:2])
    detail = gaussian_filter(shade, FINE * side) - gaussian_filter(shade, WIDE * side)
    detail /= detail.std() + 1e-6
    found = [_keep_long(sign * detail, LONG * side) for sign in (-1, 1)]
    marks, share = max(found, key=lambda one: one[1])
    return Lines(marks, float(np.clip((share - NO_LINES) / (ALL_LINES - NO_LINES), 0, 1)))


def _find_tints(source: Numbers) -> Numbers:
    """Return the blurred colors of a source, from 0 on, as strong as `TINTS` says or as fits."""
    blur = BROAD * min(source.shape[:2])
    tints = np.asarray(gaussian_filter(source, (blur, blur, 0)), np.float32)
    tints -= tints.min(axis=(0, 1))
    return np.asarray(tints * min(TINTS, 1 / max(float(tints.max()), 1e-6)), np.float32)


def _find_ways(marks: NDArray[np.bool_]) -> Numbers:
    """Return how near the next mark is, and how far down and right, as multiples of the spread of a color.

    Args:
        marks: ``(rows, columns)``.

    Returns:
        ``(rows, columns, 3)``, from 0 on; standard deviations are 1 for nearness and 0.7 for each direction.
    """
    far, nearest = distance_transform_edt(~marks, return_indices=True)
    reach = REACH * far[far > 0].mean()
    near = np.exp(-far / reach)
    # Nothing on the line, most at the reach, and less and less beyond, where it does not matter where a line is.
    away = (np.indices(marks.shape) - nearest) * near
    ways = np.stack([near / near.std(), *away / (away.std() * np.sqrt(2))], axis=2)
    return np.asarray(ways - ways.min(axis=(0, 1)), np.float32)


def _keep_long(detail: NDArray[np.float64], least: float) -> tuple[NDArray[np.bool_], float]:
    """Return where a map is high along lines of at least this length, and which share of all that is high this is."""
    parts, count = label(detail > FAINT, np.ones((3, 3)))
    is_clear, is_long = np.zeros(count + 1, np.bool_), np.zeros(count + 1, np.bool_)
    is_clear[np.unique(parts[detail > CLEAR])] = True
    for number, where in enumerate(find_objects(parts), 1):
        is_long[number] = max(part.stop - part.start for part in where) >= least
    marks = (is_clear & is_long)[parts]
    return marks, float(marks.sum() / max(is_clear[parts].sum(), 1))
