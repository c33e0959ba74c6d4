"""How strongly a picture is repainted, chosen when a network is applied and not when it is trained.

The difference between the painted picture and the original has two parts: its details, which are the strokes, and its
smooth part, which is the palette. Between 0 and 1, the strokes come in proportion to the strength and the palette with
its square, so that a weakly painted picture keeps its colors and contrast under the strokes. Both in proportion would
lay a gray veil over the picture. Above 1 the strokes go on growing; the palette stays the style's, because colors that
are moved beyond it turn into their opposites.
"""

from __future__ import annotations

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.compilation import jit
from subjective.feedforward.config import STRENGTHS
from subjective.feedforward.layers import Border, Map, pad

Strength = Annotated[float, STRENGTHS]
"""0 for the picture as it is, 1 for the picture as the network paints it, more for stronger strokes."""

REACH = 15
"""Number of pixels to each side over which the smooth part is averaged; the smallest pictures can be mirrored so far.
"""

_BELL = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / (REACH / 3)) ** 2)

TAPS = (_BELL / _BELL.sum()).astype(np.float32)
"""Weights of the average: a Gaussian with a standard deviation of five pixels. A stroke is shorter than that."""


def mix(picture: Map, painted: Map, strength: Float[Array, ""], border: Border) -> Map:
    """Return a picture that is painted as strongly as ``strength`` says.

    Args:
        picture: RGB in [0, 1], `subjective.feedforward.networks.SMALLEST` pixels a side or more.
        painted: what the network makes of it, of the same shape.
        strength: see `Strength`.
        border: border of the network; the average wraps if the network does, and mirrors otherwise.
    """
    difference = painted - picture
    smooth = blur(difference, border)
    return jnp.clip(picture + strength * (difference - smooth) + jnp.minimum(strength, 1) ** 2 * smooth, 0, 1)


def blur(x: Map, border: Border) -> Map:
    """Average a map with the weights `TAPS` down the columns, then along the rows."""
    height, width, _ = x.shape
    around: Border = "circular" if border == "circular" else "reflect"
    x = pad(x, REACH, 0, around)
    rows = [weight * x[place : place + height] for place, weight in enumerate(TAPS)]
    x = pad(sum(rows[1:], rows[0]), 0, REACH, around)
    columns = [weight * x[:, place : place + width] for place, weight in enumerate(TAPS)]
    return sum(columns[1:], columns[0])


mix_compiled = jit(mix, static_argnums=3)
"""`mix`, compiled."""
