"""All sources of a picture on one sheet, so that each pixel of the picture has one place there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from subjective.synthesis.patch_search import SIDE, Indices, Numbers, Patches

MIDDLE = SIDE // 2
"""From the first pixel of a patch to the middle one, in rows and in columns."""


@dataclass(frozen=True)
class Sheet:
    """All sources below each other, each with a rim of one pixel, so that a place is one number.

    Attributes:
        pixels: the sheet's pixels row by row, ``(pixels, channels)``, in multiples of the sources' standard deviation.
        width: of the sheet, in pixels.
        begins: row of the sheet with the first pixel of each source, ``(sources,)``.
        allowed: 1 for the pixels where patches may have their middle, ``(height, width)``.
        phases: where in the period a patch is whose middle is at each pixel, ``(height, width, components)``; None
            unless the source is regular.
        variance: the unit of squared differences: of a color, as if there were three channels alone.
    """

    pixels: Numbers
    width: int
    begins: Indices
    allowed: Numbers
    phases: Numbers | None
    variance: float

    def number(self, at: Indices) -> Indices:
        """Return the places of patches' middles, from those of their first pixels ``(3, ...)``."""
        return np.asarray((self.begins[at[0]] + at[1] + MIDDLE) * self.width + at[2] + 1 + MIDDLE)

    def find(self, places: Indices) -> Indices:
        """Return the places of patches' first pixels ``(3, ...)`` from those of their middles."""
        rows, columns = np.divmod(places, self.width)
        source = np.searchsorted(self.begins, rows, side="right") - 1
        return np.stack([source, rows - self.begins[source] - MIDDLE, columns - 1 - MIDDLE])

    def offsets(self, side: int) -> Indices:
        """Return what is added to a window's first place to get all of them, ``(side, side)``."""
        return np.asarray(np.arange(side)[:, None] * self.width + np.arange(side))

    def correlate(self, waves: NDArray[np.complex64], kernel: Numbers) -> Numbers:
        """Return the sum of a kernel's products with the pixels of each window, by the window's first pixel."""
        products = waves * np.conj(scipy.fft.rfft2(kernel, self.padded))
        rows, columns = (most - side + 1 for most, side in zip(self.allowed.shape, kernel.shape, strict=True))
        return np.asarray(scipy.fft.irfft2(products, self.padded)[:rows, :columns])

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Size of the sheet for Fourier transforms."""
        height, width = (scipy.fft.next_fast_len(side, real=True) for side in self.allowed.shape)
        return height, width

    @cached_property
    def waves(self) -> tuple[NDArray[np.complex64], ...]:
        """Transforms of the channels, and of the sum of their squares."""
        sheet = self.pixels.reshape(*self.allowed.shape, -1)
        planes = [*np.moveaxis(sheet, 2, 0), np.einsum("...c,...c", sheet, sheet)]
        return tuple(scipy.fft.rfft2(plane, self.padded) for plane in planes)

    @cached_property
    def room(self) -> NDArray[np.complex64]:
        """Transform of ``allowed``."""
        return np.asarray(scipy.fft.rfft2(self.allowed, self.padded))


def make_sheet(patches: Patches) -> Sheet:
    """Lay all sources below each other."""
    width, height = int(patches.shapes[:, 2].max()) + 2, int(np.sum(patches.shapes[:, 1] + 2))
    sheet = np.zeros((height, width, patches.pixels.shape[1]), np.float32)
    allowed = np.zeros((height, width), np.float32)
    begins, top, phases = [], 0, None
    variance = float(np.var(patches.pixels, axis=0).sum()) / 3 + 1e-12
    for begin, rows, columns in patches.shapes:
        source = patches.pixels[begin : begin + rows * columns].reshape(rows, columns, -1) / np.sqrt(variance)
        sheet[top : top + rows + 2, : columns + 2] = np.pad(source, ((1, 1), (1, 1), (0, 0)), mode="edge")
        begins.append(top + 1)
        allowed[top + 1 + MIDDLE : top + 1 + rows - MIDDLE, 1 + MIDDLE : 1 + columns - MIDDLE] = 1
        top += rows + 2
    if patches.phases is not None:
        down, right = np.indices((height, width))
        phases = patches.phases(down - begins[0] - MIDDLE, right - 1 - MIDDLE)
    return Sheet(sheet.reshape(-1, sheet.shape[2]), width, np.array(begins, np.intp), allowed, phases, variance)


def spread_places(middles: Indices, size: tuple[int, int], stride: int, width: int) -> Indices:
    """Return the place of each pixel of a picture, ``(height, width)``, from those of its patches' middles.

    Args:
        middles: places in a sheet, ``(rows, columns)``.
        size: (height, width) of the picture, which wraps.
        stride: rows and columns of pixels from one patch to the next.
        width: of the sheet.
    """
    nearest, beyond = [], []
    for side, count in zip(size, middles.shape, strict=True):
        pixels = np.arange(side)
        patch = np.round((pixels - MIDDLE) / stride).astype(np.intp) % count
        nearest.append(patch)
        # Around the picture, the last patch may be nearer to the first one than the stride.
        beyond.append((pixels - MIDDLE - patch * stride + side // 2) % side - side // 2)
    return np.asarray(middles[np.ix_(*nearest)] + beyond[0][:, None] * width + beyond[1])


def gather_places(places: Indices, count: tuple[int, ...], stride: int, width: int) -> Indices:
    """Return the places of the middles of patches, ``(rows, columns)``, from those of all pixels of a picture."""
    rows, columns = (
        (np.arange(number) * stride + MIDDLE) % side for number, side in zip(count, places.shape, strict=True)
    )
    return np.asarray(places[np.ix_(rows, columns)])
