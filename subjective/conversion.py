"""Convert arrays of any number type to images, and images to 8-bit integers.

Everywhere else in this package, an image is float32 RGB in [0, 1] of shape ``(height, width, 3)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from subjective.checks import InputError

Image = Float[np.ndarray, "height width 3"]
"""RGB in [0, 1], float32."""

SLACK = 1e-3
"""Floats may lie this far outside [0, 1], because filters and number formats round; they are clipped."""

MOST = {"bool": 1, "uint8": 255, "uint16": 65535}
"""The number that means white, for each type that is not a float type."""


def image_of(array: Any, name: str = "the picture") -> Image:
    """Convert an array to an image.

    Args:
        array: ``(height, width)`` or ``(height, width, channels)``, with 1 channel for gray, 3 for RGB, and one more
            for opacity. Numbers are uint8, uint16, bool, or floats in [0, 1]. Transparent pixels are laid over white.
        name: what messages call the picture.

    Returns:
        float32 RGB in [0, 1]. An array that is an image already is returned as it is.

    Raises:
        InputError: the array has another shape or number type, is empty, or has floats that are not finite or lie more
            than `SLACK` outside [0, 1].
    """
    colors, opacity = image_and_opacity_of(array, name)
    return colors if opacity is None else colors * opacity[:, :, None] + (1 - opacity[:, :, None])


def image_and_opacity_of(array: Any, name: str = "the picture") -> tuple[Image, Float[np.ndarray, "h w"] | None]:
    """Convert an array to an image and its opacity, without laying the image over white.

    Args:
        array: as in `image_of`.
        name: as in `image_of`.

    Returns:
        float32 RGB in [0, 1], and the opacity of each pixel in [0, 1]; None for an array without opacity.

    Raises:
        InputError: as in `image_of`.
    """
    found = _read_numbers(array, name)
    if found.ndim not in (2, 3) or (found.ndim == 3 and found.shape[2] not in (1, 2, 3, 4)):
        shapes = "(height, width) for gray, (height, width, 3) for RGB or (height, width, 4) for RGBA"
        raise InputError(f"{name} has shape {found.shape}; wanted {shapes}")
    if 0 in found.shape:
        raise InputError(f"{name} has shape {found.shape}, without any pixel; wanted at least one")
    values = _to_unit_range(found, name)
    planes = values[:, :, None] if values.ndim == 2 else values
    opacity = None
    if planes.shape[2] in (2, 4):
        planes, opacity = planes[:, :, :-1], planes[:, :, -1]
    return planes if planes.shape[2] == 3 else np.repeat(planes, 3, axis=2), opacity


def _read_numbers(array: Any, name: str) -> np.ndarray:
    """Return the array in NumPy; refuse what is no array of numbers."""
    try:
        found = np.asarray(array)
    except Exception as error:  # what ``__array__`` of the caller's object raises; ragged lists
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} cannot be read as an array ({reason[:200]}); wanted pixels") from None
    if found.dtype.kind not in "biuf" and found.dtype.name != "bfloat16":
        given = type(array).__name__ if found.ndim == 0 else f"an array of {found.dtype}"
        raise InputError(f"{name} is {given}; wanted a path, a PIL image, or an array of uint8, uint16 or floats")
    return found


def _to_unit_range(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array of numbers as float32 in [0, 1]."""
    kind = array.dtype.name
    if kind in MOST:
        return np.asarray(array, np.float32) / np.float32(MOST[kind])
    if array.dtype.kind in "iu":
        raise InputError(
            f"{name} is of dtype {kind}; wanted uint8, uint16 or floats: convert it with .astype(np.uint8)"
        )
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{name} holds NaN or infinite values; wanted floats in [0, 1]")
    if low < -SLACK or high > 1 + SLACK:
        remedy = "divide by 255" if 2 < high <= 255 and low >= 0 else "scale or clip them first"
        raise InputError(f"{name} holds floats from {low:.4g} to {high:.4g}; wanted floats in [0, 1]: {remedy}")
    values = np.asarray(array, np.float32)
    return np.clip(values, 0, 1) if low < 0 or high > 1 else values


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Round an image in [0, 1] to 8-bit integers. Values outside [0, 1] are clipped."""
    return np.rint(np.clip(np.asarray(image, dtype=np.float64), 0, 1) * 255).astype(np.uint8)
