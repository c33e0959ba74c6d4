"""Opponent colors: axes along which the colors of photographs vary almost independently."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / np.sqrt([[3.0], [2.0], [1.5]])
"""Rows, each of length one and at right angles: light against dark, red against green, yellow against blue."""


def opponent(image: Float[Array, "height width 3"]) -> Float[Array, "height width 3"]:
    """RGB turned to the axes of `OPPONENT`.

    References:
        Ruderman, Cronin and Chiao, "Statistics of cone responses to natural images", 1998, whose axes (of logarithms of
        cone responses) these are in spirit.
    """
    return jnp.matmul(image, OPPONENT.T.astype(image.dtype), precision="highest")
