"""Change the colors of pictures: convert to opponent axes or luminance, or give one picture the colors of another.

The colors of photographs vary almost independently along the opponent axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.choices import ColorMode
from subjective.conversion import Image

OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / np.sqrt([[3.0], [2.0], [1.5]])
"""The rows are the axes: light against dark, red against green, yellow against blue. They are orthonormal."""


def to_opponent(image: Float[Array, "height width 3"]) -> Float[Array, "height width 3"]:
    """Rotate RGB to the axes of `OPPONENT`.

    Args:
        image: ``(height, width, 3)``.

    Returns:
        ``(height, width, 3)``.

    References:
        Ruderman, Cronin and Chiao, "Statistics of cone responses to natural images", 1998. The axes of
        that paper are for logarithms of cone responses; `OPPONENT` uses similar axes for RGB.
    """
    return jnp.matmul(image, OPPONENT.T.astype(image.dtype), precision="highest")


LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the luminance (Rec. 601)."""


def to_grey(image: Image) -> Image:
    """Replace each of the three channels by the luminance."""
    return np.repeat(image @ LUMA.astype(image.dtype)[:, None], 3, axis=2)


def replace_luminance(image: Image, grey: Image) -> Image:
    """Give an image the luminance of another image, and keep the image's colors.

    Args:
        image: the image that gives the colors.
        grey: the image that gives the luminance; grey or colored, of the same size as ``image``.

    Returns:
        An image of the same size. Values may lie outside [0, 1].

    References:
        Gatys, Bethge, Hertzmann and Shechtman, "Preserving color in neural artistic style transfer", 2016, section 4.
    """
    return image + (to_grey(grey) - to_grey(image))


def match_colors(image: Image, like: Float[np.ndarray, "rows columns 3"]) -> Image:
    """Give the colors of an image the mean and covariance of another image's colors.

    A pixel x becomes Σ′^½ Σ^-½ (x − μ) + μ′, with symmetric square roots. μ and Σ are the mean and covariance of the
    pixels of ``image``; μ′ and Σ′ are the mean and covariance of the pixels of ``like``.

    Args:
        image: ``(height, width, 3)``.
        like: the other image, of any size.

    Returns:
        ``(height, width, 3)``, clipped to [0, 1].

    References:
        Gatys et al. 2016 (see `replace_luminance`), section 3.
    """
    pixels, wanted = (picture.reshape(-1, 3).astype(np.float64) for picture in (image, like))
    root, inverse = _root(np.cov(wanted.T), 0.5), _root(np.cov(pixels.T), -0.5)
    matched = (pixels - pixels.mean(axis=0)) @ (root @ inverse).T + wanted.mean(axis=0)
    return np.clip(matched, 0, 1).reshape(image.shape).astype(image.dtype)


def choose_colors(
    content: np.ndarray, styles: Sequence[np.ndarray], colors: ColorMode
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Change the colors of content and styles before they are measured, as the color mode of a transfer requires.

    Args:
        content: ``(height, width, 3)``.
        styles: pictures of any sizes.
        colors: ``style`` changes nothing, so that the transfer takes the colors of the styles. ``luminance`` turns
            all pictures grey, and ``match`` gives the styles the colors of the content; in both modes the transfer
            keeps the colors of the content.

    Returns:
        The content and the styles.
    """
    if colors == "luminance":
        return to_grey(content), [to_grey(style) for style in styles]
    return content, [match_colors(style, content) if colors == "match" else style for style in styles]


def share_colors(images: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> list[np.ndarray]:
    """Give several images the colors between all of them: one mean and one covariance.

    The mean is the weighted mean of the images' means, and the covariance is the Wasserstein barycenter of their
    covariances: Σ = Σᵢ wᵢ (Σ^½ Σᵢ Σ^½)^½. Each image gets there by the linear map that moves its colors least; but no
    color gets further from the mean than `MOST_GAIN` times as far as it was.

    Args:
        images: ``(height, width, 3)``, of any sizes.
        weights: how much each image counts; equal if None. At least one is above 0.

    Returns:
        Images of the same sizes, clipped to [0, 1]. One image is returned as it is.

    References:
        Agueh and Carlier, "Barycenters in the Wasserstein space", 2011. Álvarez-Esteban, del Barrio, Cuesta-Albertos
        and Matrán, "A fixed-point approach to barycenters in Wasserstein space", 2016. Pitié and Kokaram, "The linear
        Monge-Kantorovitch colour mapping for example-based colour transfer", 2007, for the map.
    """
    if len(images) == 1:
        return list(images)
    shares = np.asarray(weights or [1.0] * len(images), np.float64)
    shares = shares / shares.sum()
    pixels = [image.reshape(-1, 3).astype(np.float64) for image in images]
    means, covariances = [one.mean(axis=0) for one in pixels], [np.cov(one.T) for one in pixels]
    shared = np.tensordot(shares, np.array(covariances), 1)
    for _ in range(BARYCENTER_STEPS):
        root, inverse = _root(shared, 0.5), _root(shared, -0.5)
        between = sum(
            share * _root(root @ one @ root, 0.5, 0.0) for share, one in zip(shares, covariances, strict=True)
        )
        shared = inverse @ between @ between @ inverse
    moved = []
    for image, one, mean, covariance in zip(images, pixels, means, covariances, strict=True):
        root, inverse = _root(covariance, 0.5), _root(covariance, -0.5)
        gains, axes = np.linalg.eigh(inverse @ _root(root @ shared @ root, 0.5, 0.0) @ inverse)
        onto = (axes * np.minimum(gains, MOST_GAIN)) @ axes.T
        colors = (one - mean) @ onto + shares @ np.array(means)
        moved.append(np.clip(colors, 0, 1).reshape(image.shape).astype(image.dtype))
    return moved


MOST_GAIN = 2.0
"""Largest factor of `share_colors`: the faint tints of a gray stone are noise, and are not made strong."""

BARYCENTER_STEPS = 30
"""Steps of the iteration of `share_colors`. For matrices of three rows, ten are as good."""


def _root(covariance: np.ndarray, power: float, least: float = 1e-8) -> np.ndarray:
    """Raise a symmetric matrix to a power. Eigenvalues below ``least`` count as ``least``."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, least) ** power) @ vectors.T
