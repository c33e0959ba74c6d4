"""The shifts with which a picture may be filled: those that continue what is known at the border."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import scipy.signal

from subjective.synthesis.held import Held, Integers, Mask, Numbers

WINDOW = 17
"""Side in pixels of a window at the border that is looked for in the sources."""

MOST_WINDOWS = 28
"""Largest number of windows."""

BEST_PLACES = 3
"""Number of places in each source that continue a window best, and are tried."""

MOST_PERIODS = 12
"""Number of shifts after which the whole picture is most like a source; those of a regular picture are its periods."""

LEAST_OVERLAP = 0.2
"""Smallest share of the known pixels that a picture and a shifted source must have in common."""

LEAST_COVERED = 0.01
"""Smallest share of the unknown pixels for which a shift must have known pixels to go on beyond a side."""

APART = 3
"""Smallest distance in pixels between two such places."""


def list_shifts(held: Held, sources: Sequence[Held], random: np.random.Generator) -> Integers:
    """List the shifts to try, each as (number of the source, rows, columns): ``(shifts, 3)``.

    They continue windows at the border of the unknown part. More are added at random until each unknown pixel has one.
    """
    inner = held.known & ~_shrink(held.known, held.wraps)
    rows, columns = np.nonzero(inner)
    chosen = _spread(rows, columns, random)
    found = [
        _find_window(held, number, source, int(rows[at]), int(columns[at]))
        for at in chosen
        for number, source in enumerate(sources)
    ]
    found += [_find_periods(held, number, source) for number, source in enumerate(sources)]
    shifts = np.concatenate([np.zeros((0, 3), np.intp), *found])
    least = min(WINDOW / 2, min(held.known.shape) / 4)
    shifts = shifts[np.hypot(shifts[:, 1], shifts[:, 2]) >= least]  # a shorter shift would copy what is to be made anew
    shifts = np.concatenate([shifts, *(_go_around(shift, held, sources) for shift in shifts)])
    missing = ~held.known & ~_covered(held.known.shape, shifts, sources)
    places = [np.argwhere(source.known) for source in sources]
    while missing.any():
        down, right = random.choice(np.argwhere(missing))
        number = int(random.integers(len(sources)))
        row, column = random.choice(places[number])
        one = np.array([[number, row - down, column - right]])
        if np.hypot(row - down, column - right) < least:
            continue
        shifts = np.concatenate([shifts, one])
        missing &= ~_covered(held.known.shape, one, sources)
    return np.unique(shifts, axis=0)


def _go_around(shift: Integers, held: Held, sources: Sequence[Held]) -> Integers:
    """Return the shifts with which a copy goes on beyond a side where the picture wraps."""
    turns = [(-side, 0, side) if wrap else (0,) for side, wrap in zip(held.known.shape, held.wraps, strict=True)]
    others = [shift + np.array([0, down, right]) for down, right in itertools.product(*turns) if down or right]
    covered = [(_covered(held.known.shape, one[None], sources) & ~held.known).sum() for one in others]
    enough = LEAST_COVERED * (~held.known).sum()
    kept = [one for one, count in zip(others, covered, strict=True) if count > enough]
    return np.array(kept, np.intp).reshape(-1, 3)


def _shrink(known: Mask, wraps: tuple[bool, bool]) -> Mask:
    """Return the known pixels whose four neighbors are known. What lies outside a picture counts as known."""
    padded = known
    for axis, wrap in enumerate(wraps):
        around = [(1, 1) if axis == other else (0, 0) for other in range(2)]
        padded = np.pad(padded, around, mode="wrap") if wrap else np.pad(padded, around, constant_values=True)
    return scipy.ndimage.binary_erosion(padded, border_value=1)[1:-1, 1:-1]


def _spread(rows: Integers, columns: Integers, random: np.random.Generator) -> list[int]:
    """Choose at most `MOST_WINDOWS` of some pixels, far from each other: each is the farthest from those before."""
    if not len(rows):
        return []
    chosen = [int(random.integers(len(rows)))]
    apart = np.full(len(rows), np.inf)
    while len(chosen) < MOST_WINDOWS:
        apart = np.minimum(apart, np.hypot(rows - rows[chosen[-1]], columns - columns[chosen[-1]]))
        if apart.max() < WINDOW / 4:
            break
        chosen.append(int(apart.argmax()))
    return chosen


def _find_window(held: Held, number: int, source: Held, row: int, column: int) -> Integers:
    """Find the places of a source that are most like the known pixels of a window around a pixel.

    Returns:
        Their shifts, as in `list_shifts`.
    """
    height, width = held.known.shape
    down, right = (np.arange(at - WINDOW // 2, at + WINDOW // 2 + 1) for at in (row, column))
    inside = [
        wrap | ((at >= 0) & (at < side))
        for at, side, wrap in zip((down, right), (height, width), held.wraps, strict=True)
    ]
    down, right = down[inside[0]], right[inside[1]]
    at = np.ix_(down % height, right % width)
    if len(down) > source.known.shape[0] or len(right) > source.known.shape[1]:
        return np.zeros((0, 3), np.intp)
    counts = held.known[at].astype(np.float64)
    window = held.picture[at] * counts[:, :, None]

    def correlate(one: Numbers, other: Numbers) -> Numbers:
        return scipy.signal.fftconvolve(one, other[::-1, ::-1], mode="valid")

    apart = correlate(np.sum(source.picture.astype(np.float64) ** 2, axis=2), counts)
    for channel in range(3):
        apart -= 2 * correlate(source.picture[:, :, channel].astype(np.float64), window[:, :, channel])
    apart += np.sum(window.astype(np.float64) ** 2)
    unknown = correlate((~source.known).astype(np.float64), np.ones(counts.shape))
    apart[unknown > 0.5] = np.inf
    return _take_least(apart, number, (-int(down[0]), -int(right[0])), BEST_PLACES)


def _find_periods(held: Held, number: int, source: Held) -> Integers:
    """Find the shifts after which the known pixels of a picture are most like those of a source.

    Returns:
        The shifts, as in `list_shifts`.
    """
    ours, theirs = (_keep_detail(one) for one in (held, source))

    def correlate(one: Numbers, other: Numbers) -> Numbers:
        return scipy.signal.fftconvolve(one, other[::-1, ::-1], mode="full")

    own, other = held.known.astype(np.float64), source.known.astype(np.float64)
    both = np.maximum(correlate(other, own), 1)
    apart = (correlate(theirs**2, own) + correlate(other, ours**2) - 2 * correlate(theirs, ours)) / both
    height, width = held.known.shape
    apart[both < LEAST_OVERLAP * own.sum()] = np.inf
    rows, columns = np.ogrid[1 - height : source.known.shape[0], 1 - width : source.known.shape[1]]
    apart[np.hypot(rows, columns) < WINDOW / 2] = np.inf  # a picture is like itself
    apart[apart > scipy.ndimage.minimum_filter(apart, size=2 * APART + 1)] = np.inf
    return _take_least(apart, number, (1 - height, 1 - width), MOST_PERIODS)


def _keep_detail(held: Held) -> Numbers:
    """Return the brightness of a picture without its slow changes; 0 at unknown pixels."""
    gray = held.picture.astype(np.float64).mean(axis=2)
    slow = scipy.ndimage.gaussian_filter(gray, min(gray.shape) / 8, mode="reflect")
    return np.asarray(np.where(held.known, gray - slow, 0))


def _take_least(apart: Numbers, number: int, first: tuple[int, int], count: int) -> Integers:
    """Return the places of the smallest numbers, `APART` from each other, as shifts of a source.

    Args:
        apart: numbers by place; those that are not finite do not count. They are overwritten.
        number: number of the source.
        first: the shift of the first place.
        count: how many.
    """
    found = []
    for _ in range(count):
        best = np.unravel_index(apart.argmin(), apart.shape)
        if not np.isfinite(apart[best]):
            break
        found.append((number, best[0] + first[0], best[1] + first[1]))
        apart[max(best[0] - APART, 0) : best[0] + APART + 1, max(best[1] - APART, 0) : best[1] + APART + 1] = np.inf
    return np.array(found, np.intp).reshape(-1, 3)


def _covered(shape: tuple[int, ...], shifts: Integers, sources: Sequence[Held]) -> Mask:
    """Return which pixels of a picture at least one shift takes from a known pixel of its source."""
    covered = np.zeros(shape, bool)
    for number, down, right in shifts:
        known = sources[number].known
        rows, columns = np.arange(shape[0]) + down, np.arange(shape[1]) + right
        inside = [(at >= 0) & (at < side) for at, side in zip((rows, columns), known.shape, strict=True)]
        covered[np.ix_(*inside)] |= known[np.ix_(rows[inside[0]], columns[inside[1]])]
    return covered
