"""Spread the steps of tint that are left at the seams of a picture.

Two pieces may fit in all that is seen close by, and still one is a little darker. Then there is a step along their
seam, which the eye finds at once. Here a picture is made that changes from pixel to pixel as the sources do, also
across seams, and that keeps the colors of the pieces further away.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from scipy.ndimage import binary_dilation

from subjective.synthesis.patch_search import SIDE, Indices, Numbers, Patches
from subjective.synthesis.sheet import make_sheet, spread_places

REACH = 16.0
"""Distance from a seam, in pixels, at which a step of tint has been taken up: 1/e of it is left."""


def level_seams(patches: Patches, at: Indices, picture: Numbers, stride: int) -> Numbers:
    """Spread the steps of tint at the seams of a picture over the pixels around them.

    The picture ``u`` is found that minimizes, over all pixels, ``|grad u - g|^2 + |u - p|^2 / REACH^2``: ``p`` is the
    picture with its steps, and ``g`` is ``p``'s change from pixel to pixel, or near seams the mean change of the two
    sources' places there. On a torus, Fourier transforms solve this exactly.

    Args:
        patches: the patches of the sources.
        at: where the picture's patches are, ``(3, rows, columns)`` as `Patches.at`.
        picture: ``(height, width, channels)``, which wraps.
        stride: rows and columns of pixels from one patch of the picture to the next.

    Returns:
        Like ``picture``.

    References:
        Pérez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003. Bhat, Curless, Cohen and Zitnick, "Fourier
        analysis of the 2D screened Poisson equation for gradient domain problems", ECCV 2008.
    """
    sheet, size = make_sheet(patches), (picture.shape[0], picture.shape[1])
    places = spread_places(sheet.number(at), size, stride, sheet.width)
    pixels = sheet.pixels * np.float32(np.sqrt(sheet.variance))
    wanted = scipy.fft.rfft2(picture, axes=(0, 1)) / REACH**2
    divisor = np.full(wanted.shape[:2], 1 / REACH**2)
    for axis, step in enumerate((sheet.width, 1)):
        after = np.roll(places, -1, axis)
        # Around seams pixels are means of both pieces, which have no step but a slope of their own.
        is_near = binary_dilation(np.pad(after != places + step, SIDE, mode="wrap"), iterations=SIDE // 2 + 1)
        is_near = is_near[SIDE:-SIDE, SIDE:-SIDE, None]
        own = (pixels[places + step] - pixels[places] + pixels[after] - pixels[after - step]) / 2
        change = np.where(is_near, own, np.roll(picture, -1, axis) - picture)
        cycles = scipy.fft.fftfreq(size[0])[:, None] if axis == 0 else scipy.fft.rfftfreq(size[1])[None]
        slope = np.exp(2j * np.pi * cycles) - 1  # what the step to the next pixel does to each wave
        wanted = wanted + np.conj(slope)[:, :, None] * scipy.fft.rfft2(change, axes=(0, 1))
        divisor = divisor + np.abs(slope) ** 2
    return np.asarray(scipy.fft.irfft2(wanted / divisor[:, :, None], size, axes=(0, 1)), np.float32)
