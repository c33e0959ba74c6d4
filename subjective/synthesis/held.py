"""Pictures of which some pixels are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

LEAST_SHARE = 0.5
"""A pixel of a reduced picture is known if at least this share of it comes from known pixels."""

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.floating]
Integers = NDArray[np.intp]


@dataclass(frozen=True)
class Held:
    """A picture of which some pixels are known, and stay.

    Attributes:
        picture: ``(height, width, 3)``; the colors of unknown pixels do not count.
        known: which pixels are known, ``(height, width)``.
        wraps: whether the picture continues with its other side: from the last row, and from the last column.
    """

    picture: Image
    known: Mask
    wraps: tuple[bool, bool] = (False, False)

    def reduce(self, octaves: int) -> Held:
        """Return the picture at 1/2^octaves of its size. Unknown pixels do not mix with known ones."""
        if octaves == 0:
            return self
        share = _average_blocks(self.known[:, :, None].astype(np.float32), 2**octaves)
        picture = _average_blocks(self.picture * self.known[:, :, None], 2**octaves) / np.maximum(share, LEAST_SHARE)
        known = share[:, :, 0] >= LEAST_SHARE
        return Held(fill_nearest(np.asarray(picture, np.float32), known), known, self.wraps)


def _average_blocks(values: Numbers, side: int) -> Numbers:
    """Average ``(height, width, channels)`` over squares. Squares at the end that are not whole are filled up."""
    rest = [(0, -length % side) for length in values.shape[:2]]
    whole = np.pad(values, (*rest, (0, 0)), mode="edge")
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    return np.asarray(whole.reshape(rows, side, columns, side, -1).mean(axis=(1, 3)))


def fill_nearest(picture: Image, known: Mask) -> Image:
    """Give each unknown pixel of a picture the color of the nearest known one."""
    if known.all() or not known.any():
        return picture
    nearest = scipy.ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(picture[tuple(nearest)], np.float32)
