"""Turn linear light of any strength into numbers as a screen takes them, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
"""Numbers of any shape."""


def to_screen(light: Values, peak: float) -> Values:
    """Turn linear light into numbers in [0, 1] as a screen takes them; `to_light` turns them back.

    If no light is above 1, this is the transfer function of sRGB. Otherwise light is first compressed, from
    [0, ``peak``] to [0, 1], by x (1 + x / peak²) / (1 + x).

    Args:
        light: 0 or more; negative light is taken as 0.
        peak: the strongest light, 1 or more.

    References:
        IEC 61966-2-1 for sRGB. Reinhard, Stark, Shirley and Ferwerda, "Photographic tone reproduction for digital
        images", 2002, equation 4.
    """
    x = np.clip(light, 0, peak, dtype=np.float64)
    if peak > 1:
        x = x * (1 + x / peak**2) / (1 + x)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055).astype(np.float32)


def to_light(screen: Values, peak: float) -> Values:
    """Turn numbers in [0, 1] as a screen takes them into linear light in [0, ``peak``], as `to_screen` backwards."""
    y = np.clip(screen, 0, 1, dtype=np.float64)
    x = np.where(y <= 0.04045, y / 12.92, ((y + 0.055) / 1.055) ** 2.4)
    if peak > 1:
        x = peak**2 / 2 * (x - 1 + np.sqrt((1 - x) ** 2 + 4 * x / peak**2))
    return x.astype(np.float32)
