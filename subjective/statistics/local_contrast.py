"""The layer ``contrast``: how strong the fine detail of a picture is at each place.

Statistics of the network and the spectrum say how much fine detail a picture has, and hardly where. With these alone,
an optimizer spreads the detail evenly: a weave of 2 to 4 pixels lies in places that should be smooth. The moments of
the local contrast say how many places are smooth and how many are rough.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from subjective.choices import Padding
from subjective.colors import to_opponent
from subjective.pyramid import CONTRAST_MARGIN, contrast

COLOR_FACTORS = np.array([[[1.0, 3.0, 3.0]]], np.float32)
"""Factors of the opponent colors. In photographs, the contrast of colors is about a third of that of brightness."""

STRIP_ROWS = 256
"""Rows of a picture whose contrast is computed at one time; only pictures of more than twice as many rows are cut."""


def local_contrast(
    image: Float[Array, "height width 3"], padding: Padding, *, is_color: bool = True
) -> Float[Array, "rows columns 6"]:
    """Measure the local contrast of the opponent colors, as `subjective.pyramid.contrast`.

    A tall picture is cut into strips, and the derivative of a strip is computed again from the picture: what lies
    between the picture and its contrast would take several times the memory of the result.

    Args:
        image: RGB.
        padding: as in `subjective.pyramid.contrast`.
        is_color: whether the channels are colors; if not, each channel is measured by itself.
    """
    colors = to_opponent(image) * COLOR_FACTORS.astype(image.dtype) if is_color else image
    rows = image.shape[0] - (2 * CONTRAST_MARGIN if padding == "valid" else 0)
    if rows <= 2 * STRIP_ROWS:
        return contrast(colors, padding)
    margin = ((CONTRAST_MARGIN, CONTRAST_MARGIN), (0, 0), (0, 0))
    if padding != "valid":
        colors = jnp.pad(colors, margin, mode="wrap" if padding == "circular" else "reflect")
    count = -(-rows // STRIP_ROWS)
    colors = jnp.pad(colors, ((0, count * STRIP_ROWS - rows), (0, 0), (0, 0)))
    ends = [(start * STRIP_ROWS, (start + 1) * STRIP_ROWS + 2 * CONTRAST_MARGIN) for start in range(count)]
    strips = jnp.stack([colors[first:last] for first, last in ends])
    measured = lax.map(jax.checkpoint(partial(_measure_strip, padding=padding)), strips)
    return measured.reshape(count * STRIP_ROWS, *measured.shape[2:])[:rows]


def _measure_strip(strip: Array, padding: Padding) -> Array:
    """Measure a strip with its margin of rows; only its columns wrap or are mirrored."""
    if padding != "valid":
        sides = ((0, 0), (CONTRAST_MARGIN, CONTRAST_MARGIN), (0, 0))
        strip = jnp.pad(strip, sides, mode="wrap" if padding == "circular" else "reflect")
    return contrast(strip, "valid")
