"""Find out how a source repeats itself, so that pictures can repeat in the same way.

A wall repeats along two shifts, for example by a brick to the side and by half a brick and a course down. Planks repeat
along one: across them. A `Lattice` holds these shifts, and `Waves` says where in its period each pixel is.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from subjective.evaluation.arrangement import autocorrelation

REGULAR = 0.2
"""Smallest correlation of a source with itself after a shift at which the shift counts as a period."""

MOST_MISSED = 0.08
"""Largest distance, as a share of the shorter period, between the shifts after which a source is like itself and those
that the two periods predict. Where it is larger, the source is not regular in two directions."""

ROWS_SHARE = 0.15
"""Smallest share of the variance of a source's detail that lies in the means of its rows, or of its columns, at which
the source can be regular in one direction. Of 40 photographs, planks, plates, siding and walls have 0.2 to 0.5; stones,
soil, bark, rock, grass and ripples in sand at most 0.12."""

ROWS_REGULAR = 0.45
"""Smallest correlation of these means with themselves after a shift at which the shift counts as a period. Walls and
planks have 0.5 and more, drifting bark and ice at most 0.4."""

NEAREST = 6
"""Shortest period in pixels that is looked for."""

FARTHEST = 1 / 3
"""Longest period, as a share of the source's shorter side: a longer one occurs too seldom to be a rule."""

FARTHEST_ROWS = 0.45
"""The same for rows and columns, whose means tell more."""

ALIKE = 0.8
"""Of all shifts with this share of the highest correlation, the shortest is the period: its multiples are alike too."""

SECOND = 0.5
"""Smallest correlation of the second period, as a share of the first one's."""

COUNTED = 0.3
"""Smallest correlation, as a share of the first period's, of the shifts from which periods are refined."""

LEAST_SINE = 0.3
"""Smallest sine of the angle between two periods."""

REACHES = (2, 3, 5, 8)
"""Periods are refined from shifts by up to so many periods, near ones first: far ones are found by near ones."""

SEARCHED = 0.2
"""Distance from a predicted shift within which the source's own one is looked for, as a share of the shorter period."""

NEIGHBORHOOD = 9
"""Side, in pixels, of the square in which a shift must have the highest correlation to count as a peak."""

MOST_STRETCH = 0.25
"""Largest change of a source's lengths, as a share, with which it is made to repeat as the picture does."""

MOST_TURN = 0.1
"""The same for a shear or turn, which moves parts of the mirrored surroundings into the source."""

MOST_SIDE = 512
"""Largest side in pixels of the picture in which periods are looked for; larger sources are reduced."""

LARGE = 1 / 8
"""Standard deviation of the blur that removes drifting light before periods are looked for, as a share of the source's
shorter side."""

Numbers = NDArray[np.float64]


class Lattice(NamedTuple):
    """How a source repeats itself.

    Attributes:
        vectors: one or two shifts in pixels down and right, ``(shifts, 2)``, after which the source is like itself. One
            shift is the distance of rows or columns, which need not be alike along themselves.
        strength: correlation of the source's detail with itself after the first shift; at most 1.
    """

    vectors: Numbers
    strength: float

    @property
    def description(self) -> str:
        """The periods in words."""
        if len(self.vectors) == 1:
            return f"{'rows' if self.vectors[0, 0] else 'columns'} of {np.abs(self.vectors).max():.0f} pixels"
        first, second = sorted(np.linalg.norm(self.vectors, axis=1))
        return f"periods of {first:.0f} and {second:.0f} pixels"


class Waves(NamedTuple):
    """Waves whose crests lie on the lattice of a source, and of a picture that repeats in the same way.

    Attributes:
        source: cycles down and right over the whole source, ``(waves, 2)``.
        picture: cycles over the whole picture, ``(waves, 2)``; whole numbers, so that the waves wrap.
    """

    source: Numbers
    picture: Numbers

    def cut(self, whole: tuple[int, ...], part: tuple[int, ...]) -> Waves:
        """Return the waves over a part of the source, given (height, width, ...) of the source and of the part."""
        return self._replace(source=self.source / whole[:2] * part[:2])


def find_lattice(source: NDArray[np.floating]) -> Lattice | None:
    """Find the shifts after which a source is like itself, apart from very short and very long ones.

    Args:
        source: ``(height, width, 3)``.

    Returns:
        The lattice. None if the source does not repeat itself, or is too small to tell.
    """
    times = -(-max(source.shape[:2]) // MOST_SIDE)
    shade = _reduce(np.asarray(source, np.float64).mean(axis=2), times)
    detail = shade - scipy.ndimage.gaussian_filter(shade, LARGE * min(shade.shape), mode="reflect")
    if min(shade.shape) * FARTHEST_ROWS <= NEAREST or detail.std() < 1e-6:
        return None
    found = _find_two(detail) or _find_rows(detail)
    return found and Lattice(times * found.vectors, found.strength)


def fit_waves(lattice: Lattice, source: tuple[int, ...], picture: tuple[int, int]) -> Waves:
    """Fit a lattice into a picture that wraps.

    A whole number of waves must go around the picture. Of the numbers that are possible, those that stretch and turn
    the lattice least are chosen.

    Args:
        lattice: of the source.
        source: (height, width, ...) of the source.
        picture: (height, width) of the picture, in pixels of the same size.
    """
    cycles = np.asarray(np.linalg.pinv(lattice.vectors).T, np.float64)  # of each pixel
    wanted = cycles * picture
    if len(wanted) == 1:  # the rows or columns of a picture: the wave has one direction
        return Waves(cycles * source[:2], np.where(wanted, np.maximum(np.round(wanted), 1), 0))
    near = [itertools.product(*(np.floor(side) + np.arange(-1, 3) for side in wave)) for wave in wanted]
    fits = [np.array(waves) for waves in itertools.product(*near)]
    spread = [np.linalg.norm(fit / picture @ lattice.vectors.T - np.eye(2)) for fit in fits]
    return Waves(cycles * source[:2], fits[int(np.argmin(spread))])


def stretch_to_fit(source: NDArray[np.floating], waves: Waves, picture: tuple[int, int]) -> tuple[NDArray[Any], Waves]:
    """Stretch a source a little, so that it repeats after the same number of pixels as the picture does.

    Otherwise a piece of the source is in its place in the picture for a few periods at most, and lines get steps.

    Args:
        source: ``(height, width, channels)``, at the scale of the picture.
        waves: of the source and the picture, from `fit_waves`.
        picture: (height, width) of the picture.

    Returns:
        The source, and its waves. Both are as they were if more than `MOST_STRETCH` or `MOST_TURN` would be needed.
    """
    theirs, ours = waves.source / source.shape[:2], waves.picture / picture  # cycles of each pixel
    if len(theirs) == 2:
        stretch = np.linalg.solve(ours, theirs)
    else:
        along = int(np.argmax(np.abs(theirs[0])))
        stretch = np.eye(2)
        stretch[along, along] = theirs[0, along] / ours[0, along]
    off = np.abs(stretch - np.eye(2))
    if off.max() > MOST_STRETCH or max(off[0, 1], off[1, 0]) > MOST_TURN:
        return source, waves
    size = tuple(int(side) for side in np.round(np.diag(stretch) * source.shape[:2]))
    back = np.linalg.inv(stretch)
    channels = [
        scipy.ndimage.affine_transform(channel, back, output_shape=size, order=5, mode="reflect")
        for channel in np.moveaxis(np.asarray(source, np.float32), 2, 0)
    ]
    return np.stack(channels, axis=2), Waves(ours * size, waves.picture)


def _find_two(detail: Numbers) -> Lattice | None:
    """Find two periods in the correlations of a map with itself."""
    half = autocorrelation(detail)  # of the shifts down
    below, beside = half.shape[0] - 1, half.shape[1] // 2
    found = scipy.ndimage.gaussian_filter(np.concatenate([half[:0:-1, ::-1], half]), 1.0)
    center = np.array([below, beside])
    down, right = np.mgrid[-below : below + 1, -beside : beside + 1]
    far = np.hypot(down, right)
    once = (down > 0) | ((down == 0) & (right > 0))  # a shift back is the same as the shift
    inside = once & (far > NEAREST) & (far <= FARTHEST * min(detail.shape))
    places = np.argwhere(inside & (found == scipy.ndimage.maximum_filter(found, size=NEIGHBORHOOD)))
    if not len(places):
        return None
    strengths = found[tuple(places.T)]
    strength = float(strengths.max())
    if strength < REGULAR:
        return None
    shifts = np.array([_refine(found, place) for place in places]) - center
    lengths = np.linalg.norm(shifts, axis=1)
    first = shifts[_nearest_alike(lengths, strengths)]
    areas = np.abs(first[0] * shifts[:, 1] - first[1] * shifts[:, 0])
    is_apart = areas > LEAST_SINE * np.linalg.norm(first) * lengths
    if not is_apart.any() or strengths[is_apart].max() < SECOND * strength:
        return None
    second = shifts[is_apart][_nearest_alike(lengths[is_apart], strengths[is_apart])]
    vectors, missed = _fit(found, center, np.array([first, second]), COUNTED * strength)
    return Lattice(vectors, strength) if missed <= MOST_MISSED * np.linalg.norm(vectors, axis=1).min() else None


def _nearest_alike(lengths: Numbers, strengths: Numbers) -> int:
    """Return the number of the shortest shift with `ALIKE` of the highest correlation."""
    return int(np.argmin(np.where(strengths >= ALIKE * strengths.max(), lengths, np.inf)))


def _fit(found: Numbers, center: NDArray[np.intp], vectors: Numbers, least: float) -> tuple[Numbers, float]:
    """Fit two periods to the peaks near all sums of their multiples.

    Args:
        found: correlation for each shift.
        center: where the shift by nothing is.
        vectors: the periods, nearly; ``(2, 2)``.
        least: smallest correlation of the peaks that count.

    Returns:
        The periods, and how far in pixels the peaks are from the sums, as a root mean square.
    """
    missed = np.inf
    for reach in REACHES:
        radius = max(2.0, SEARCHED * np.linalg.norm(vectors, axis=1).min())
        times, shifts, weights = [], [], []
        for multiple in itertools.product(range(-reach, reach + 1), repeat=2):
            place = multiple @ vectors + center
            low, high = np.floor(place - radius).astype(int), np.ceil(place + radius).astype(int) + 1
            if multiple <= (0, 0) or low.min() < 0 or (high > found.shape).any():
                continue
            window = found[low[0] : high[0], low[1] : high[1]]
            peak = np.array(np.unravel_index(window.argmax(), window.shape)) + low
            if found[tuple(peak)] >= least:
                times.append(multiple)
                shifts.append(_refine(found, peak) - center)
                weights.append(np.sqrt(found[tuple(peak)]))
        if len(times) < 2 or np.linalg.matrix_rank(np.array(times)) < 2:
            break
        share = np.array(weights)[:, None]
        vectors = np.linalg.lstsq(np.array(times) * share, np.array(shifts) * share, rcond=None)[0]
        errors = np.sum((np.array(times) @ vectors - shifts) ** 2, axis=1)
        missed = float(np.sqrt(np.average(errors, weights=share[:, 0] ** 2)))
    return vectors, missed


def _refine(found: Numbers, place: NDArray[np.intp]) -> Numbers:
    """Return where the top of a peak is, by a parabola through the highest value and its neighbors on each axis."""
    refined = place.astype(np.float64)
    for axis, last in enumerate(found.shape):
        if not 0 < place[axis] < last - 1:
            continue
        step = np.eye(2, dtype=np.intp)[axis]
        before, top, after = found[tuple(place - step)], found[tuple(place)], found[tuple(place + step)]
        bend = before - 2 * top + after
        if bend < 0:
            refined[axis] += np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return refined


def _find_rows(detail: Numbers) -> Lattice | None:
    """Find the distance of rows or columns, whichever stand out more."""
    best, best_share = None, ROWS_SHARE
    for axis in (0, 1):
        means = detail.mean(axis=1 - axis)
        share = float(means.var() / detail.var())
        found = autocorrelation(means[:, None])[:, 0]
        peaks = np.flatnonzero(found == scipy.ndimage.maximum_filter(found, size=NEIGHBORHOOD))
        peaks = peaks[(peaks >= NEAREST) & (peaks <= FARTHEST_ROWS * len(means))]
        if share < best_share or not len(peaks) or found[peaks].max() < ROWS_REGULAR:
            continue
        strength = float(found[peaks].max())
        period = float(peaks[found[peaks] >= ALIKE * strength].min())
        for multiple in range(2, int(len(found) / period)):  # far multiples tell the period more exactly
            around = max(2, round(SEARCHED * period))
            low = round(multiple * period) - around
            window = found[low : low + 2 * around + 1]
            if window.max() < COUNTED * strength:
                break
            period = (low + int(window.argmax())) / multiple
        best, best_share = Lattice(np.eye(2)[axis][None] * period, strength), share
    return best


def _reduce(shade: Numbers, times: int) -> Numbers:
    """Average a map over squares of so many pixels; what is left at the end of a side is cut off."""
    rows, columns = (side // times for side in shade.shape)
    return np.asarray(shade[: rows * times, : columns * times].reshape(rows, times, columns, times).mean(axis=(1, 3)))
