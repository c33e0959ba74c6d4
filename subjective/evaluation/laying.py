"""Measures of a plane of tiles: seams where tiles meet, and how visibly tiles repeat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from subjective.evaluation.pixels import compare_steps, luminance

ACROSS = 12
"""Number of tiles along either side of the plane that is measured, if it has at most `MOST_PIXELS`."""

MOST_PIXELS = 2**22
"""Largest number of pixels of the plane that is measured."""

Pixels = NDArray[np.number]


class PlaneScores(NamedTuple):
    """What is measured of a plane of tiles.

    Attributes:
        seam_rows: step from the last row of a tile to the first row of the next, over the mean step from one row of
            pixels to the next inside tiles; mean over all borders. 1 for no seam.
        seam_columns: the same for columns.
        worst_seam: score of the worst border as in `subjective.evaluation.pixels.compare_steps`: 1 is as unlike the
            mean step as the most unlike twentieth of the lines inside tiles.
        repetition: largest correlation of the plane with itself after a shift by whole tiles.
        torus_repetition: the same of the sheet, repeated to the size of the plane; it is 1, because the sheet occurs
            again as a whole.
        mean_repetition: mean correlation over all shifts by whole tiles.
    """

    seam_rows: float
    seam_columns: float
    worst_seam: float
    repetition: float
    torus_repetition: float
    mean_repetition: float

    def __str__(self) -> str:
        """Describe the measures in one line."""
        return (
            f"seams between tiles: {self.seam_rows:.2f} along rows, {self.seam_columns:.2f} along columns (1 is none; "
            f"the worst border scores {self.worst_seam:.2f}, and below 1 is as inside tiles); repetition "
            f"{self.repetition:.2f} ({self.torus_repetition:.2f} for the sheet repeated)"
        )


def measure_plane(plane: Pixels, sheet: Pixels, side: int) -> PlaneScores:
    """Measure a plane of tiles.

    Args:
        plane: ``(rows * side, columns * side, 3)``, with at least 2 tiles along either side.
        sheet: all tiles once, a square that wraps.
        side: side of a tile in pixels.
    """
    seams = [find_seams(plane, side, axis) for axis in (0, 1)]
    times = [-(-length // len(sheet)) for length in plane.shape[:2]]
    repeated = np.tile(sheet, (*times, 1))[: plane.shape[0], : plane.shape[1]]
    correlations, of_torus = correlate_tiles(plane, side), correlate_tiles(repeated, side)
    worst = max(score for _, scores in seams for score in scores)
    return PlaneScores(
        seams[0][0],
        seams[1][0],
        worst,
        float(correlations.max()),
        float(of_torus.max()),
        float(correlations.mean()),
    )


def find_seams(plane: Pixels, side: int, axis: int) -> tuple[float, list[float]]:
    """Compare the steps across the borders of tiles with the steps inside.

    Args:
        plane: as in `measure_plane`.
        side: as in `measure_plane`.
        axis: 0 for the borders between rows of tiles, 1 for those between columns.

    Returns:
        The mean step across all borders over the mean step inside tiles, and the score of each different border. A
        border is as long as a tile; a step is the mean absolute difference of the two lines of pixels beside it.
    """
    lines = np.moveaxis(np.asarray(plane, np.float32), axis, 0)
    steps = np.abs(lines[1:] - lines[:-1]).mean(axis=2)
    along = steps[:, : steps.shape[1] // side * side].reshape(len(steps), -1, side).mean(axis=2)
    at_border = np.arange(1, len(lines)) % side == 0
    borders, inside = along[at_border], along[~at_border]
    different = np.unique(np.round(borders, 6))
    scores = [compare_steps(float(step), inside.ravel().tolist())[2] for step in different]
    return float(borders.mean() / max(float(inside.mean()), 1e-9)), scores


def correlate_tiles(plane: Pixels, side: int) -> NDArray[np.float64]:
    """Correlate a plane's luminance with itself after shifts by whole tiles, up to half of the plane.

    Args:
        plane: as in `measure_plane`.
        side: as in `measure_plane`.

    Returns:
        The correlation for each shift but none: 1 for a plane that is the same after the shift.
    """
    gray = luminance(np.asarray(plane, np.float32))
    gray -= gray.mean()
    most = [length // (2 * side) for length in gray.shape]
    size = tuple(
        scipy.fft.next_fast_len(length + far * side, real=True) for length, far in zip(gray.shape, most, strict=True)
    )
    sums = scipy.fft.irfft2(np.abs(scipy.fft.rfft2(gray, size)) ** 2, size)
    energy = max(float(np.mean(gray**2)), 1e-12)
    found = [
        sums[down * side, right * side] / ((gray.shape[0] - down * side) * (gray.shape[1] - abs(right) * side))
        for down in range(most[0] + 1)
        for right in range(-most[1], most[1] + 1)
        if (down, right) > (0, 0)
    ]
    return np.asarray(found) / energy


def plane_size(side: int) -> tuple[int, int]:
    """Return the (height, width) of the plane that is measured: whole tiles, at least two along either side."""
    across = min(ACROSS, max(int(MOST_PIXELS**0.5) // side, 2))
    return across * side, across * side
