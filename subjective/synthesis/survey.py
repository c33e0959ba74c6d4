"""Find out what kind of texture a source is, so that the settings can follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from subjective.evaluation.arrangement import autocorrelation

REGULAR = 0.3
"""Smallest correlation at which a source counts as regular. Of 34 photographs, walls, tiles, planks, perforated metal
and solar cells have 0.24 to 0.76, all but three of them above 0.3; stones, soil, bark, rock and grass have at most
0.12, and ripples in sand 0.23."""

NEAREST = 6
"""Shortest period in pixels that is looked for."""

FARTHEST = 1 / 4
"""Longest period, as a share of the source's shorter side: a longer one occurs too seldom to be a rule."""


ALIKE = 0.8
"""Of all shifts with this share of the highest correlation, the shortest is the period."""


MOST_SIDE = 512
"""Largest side in pixels of the picture in which the period is looked for; larger sources are reduced."""


class Period(NamedTuple):
    """How a source repeats itself.

    Attributes:
        strength: correlation of the source's detail with itself after a shift by the period; at most 1.
        pixels: length of the shift.
    """

    strength: float
    pixels: float

    @property
    def is_regular(self) -> bool:
        """Whether the source counts as regular."""
        return self.strength >= REGULAR


def find_period(source: NDArray[np.floating]) -> Period:
    """Find the shortest shift, of those that are neither very short nor long, after which a source is like itself.

    Args:
        source: ``(height, width, 3)``.

    Returns:
        The period. A source that is too small to have one has strength 0.
    """
    times = -(-max(source.shape[:2]) // MOST_SIDE)
    shade = _reduce(np.asarray(source, np.float64).mean(axis=2), times)
    longest = FARTHEST * min(shade.shape)
    detail = shade - scipy.ndimage.gaussian_filter(shade, min(shade.shape) / 8, mode="reflect")
    found = autocorrelation(detail)
    down, right = np.ogrid[: found.shape[0], -(found.shape[1] // 2) : found.shape[1] - found.shape[1] // 2]
    shifts = np.hypot(down, right)
    # A shift counts if shorter and longer ones are less good: a smooth source is most like itself after no shift.
    peaks = (found == scipy.ndimage.maximum_filter(found, size=9)) & (shifts > NEAREST) & (shifts <= longest)
    if not peaks.any():
        return Period(0.0, 0.0)
    strength = float(found[peaks].max())
    alike = peaks & (found >= ALIKE * strength)  # multiples of the period are peaks as well
    return Period(max(strength, 0.0), times * float(shifts[alike].min()))


def _reduce(shade: NDArray[np.floating], times: int) -> NDArray[np.floating]:
    """Average a map over squares of so many pixels; what is left at the end of a side is cut off."""
    rows, columns = (side // times for side in shade.shape)
    return np.asarray(shade[: rows * times, : columns * times].reshape(rows, times, columns, times).mean(axis=(1, 3)))
