"""Colors: axes along which those of photographs vary almost independently, luminance, and one picture's for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ColorMode = Literal["style", "luminance", "match"]

OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / np.sqrt([[3.0], [2.0], [1.5]])
"""Rows, each of length one and at right angles: light against dark, red against green, yellow against blue."""


def opponent(image: Float[Array, "height width 3"]) -> Float[Array, "height width 3"]:
    """RGB turned to the axes of `OPPONENT`.

    References:
        Ruderman, Cronin and Chiao, "Statistics of cone responses to natural images", 1998, whose axes (of logarithms of
        cone responses) these are in spirit.
    """
    return jnp.matmul(image, OPPONENT.T.astype(image.dtype), precision="highest")


LUMA = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in luminance (Rec. 601)."""

Picture = Float[np.ndarray, "height width 3"]


def to_grey(image: Picture) -> Picture:
    """The picture in grey: three equal channels."""
    return np.repeat(image @ LUMA.astype(image.dtype)[:, None], 3, axis=2)


def replace_luminance(image: Picture, grey: Picture) -> Picture:
    """A picture's colors in the light and dark of another, grey or not.

    References:
        Gatys, Bethge, Hertzmann and Shechtman, "Preserving color in neural artistic style transfer", 2016, section 4.
    """
    return image + (to_grey(grey) - to_grey(image))


def match_colors(image: Picture, like: Float[np.ndarray, "rows columns 3"]) -> Picture:
    """A picture with the mean and covariance that another's colors have; values stay within [0, 1].

    Σ′^½ Σ^-½ (x − μ) + μ′, with the symmetric roots.

    References:
        Gatys et al. 2016 as above, section 3.
    """
    pixels, wanted = (picture.reshape(-1, 3).astype(np.float64) for picture in (image, like))
    root, inverse = _root(np.cov(wanted.T), 0.5), _root(np.cov(pixels.T), -0.5)
    turned = (pixels - pixels.mean(axis=0)) @ (root @ inverse).T + wanted.mean(axis=0)
    return np.clip(turned, 0, 1).reshape(image.shape).astype(image.dtype)


def choose_colors(
    content: np.ndarray, styles: Sequence[np.ndarray], colors: ColorMode
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Content and styles as they are measured, so that a transfer gets the colors asked for.

    Args:
        content: ``(height, width, 3)``; its colors are kept, unless ``colors`` is ``style``.
        styles: pictures of any sizes.
        colors: ``luminance`` for all in grey; ``match`` for styles in the content's colors.
    """
    if colors == "luminance":
        return to_grey(content), [to_grey(style) for style in styles]
    return content, [match_colors(style, content) if colors == "match" else style for style in styles]


def _root(covariance: np.ndarray, power: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, 1e-8) ** power) @ vectors.T
