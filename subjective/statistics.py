"""What is matched: numbers that say what a picture looks like, not where.

A statistic is a function from one feature map ``(height, width, channels)`` to one array
whose shape depends on the channels alone, so that pictures of any two sizes compare.
`analyze` applies it at every octave and layer. What comes out, and every target made
from it, is a pytree ``tuple[dict[layer, Array], ...]``, octave first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.pyramid import Padding, gaussian_pyramid
from subjective.vgg import Params, Pooling, extract_features

Statistic = Callable[[Array], Array]
Statistics = tuple[dict[str, Array], ...]


def gram(features: Float[Array, "height width channels"]) -> Float[Array, "channels channels"]:
    """Gram matrix: which features occur together, FᵀF / (height · width · channels).

    F is the feature map as a matrix of ``height * width`` rows. Dividing by all three makes the
    result independent of the picture's size, and its scale comparable between layers.

    References:
        Gatys, Ecker and Bethge, 2015, equation 1; they leave the division to the loss.
    """
    return _gram(features)


@jax.custom_vjp
def _gram(features: Array) -> Array:
    matrix = features.reshape(-1, features.shape[2])
    return jnp.matmul(matrix.T, matrix, precision="highest") / features.size


def _gram_fwd(features: Array) -> tuple[Array, Array]:
    return _gram(features), features


def _gram_bwd(features: Array, cotangent: Array) -> tuple[Array]:
    # F (C + Cᵀ): one product instead of the two that differentiating FᵀF by rule would make.
    symmetric = (cotangent + cotangent.T) / features.size
    matrix = features.reshape(-1, features.shape[2])
    return (jnp.matmul(matrix, symmetric, precision="highest").reshape(features.shape),)


_gram.defvjp(_gram_fwd, _gram_bwd)


@dataclass(frozen=True)
class Analysis:
    """How a picture is looked at. Hashable, so that it can key a compiled function.

    Attributes:
        octaves: indices of the octaves used, 0 being full size.
        layers: names of the layers used.
        padding: what lies outside the picture, for the network and the pyramid (which mirrors for ``same``).
        pooling: ``average`` or ``max``.
        statistic: from one feature map to one array.
    """

    octaves: tuple[int, ...] = (0, 1, 2, 3)
    layers: tuple[str, ...] = ("pool1", "conv3_2")
    padding: Padding = "circular"
    pooling: Pooling = "average"
    statistic: Statistic = gram


def analyze(params: Params, image: Float[Array, "height width 3"], analysis: Analysis) -> Statistics:
    """The statistics of a picture at every octave and layer.

    Args:
        params: the network.
        image: RGB in [0, 1].
        analysis: where to look.

    Returns:
        One dict ``{layer: array}`` for each octave in ``analysis.octaves``.

    Raises:
        ValueError: a layer the network lacks, or an image too small at some octave.
    """
    pyramid = gaussian_pyramid(image, max(analysis.octaves) + 1, analysis.padding)
    return tuple(
        {
            layer: analysis.statistic(features)
            for layer, features in extract_features(
                params, pyramid[octave], analysis.layers, padding=analysis.padding, pooling=analysis.pooling
            ).items()
        }
        for octave in analysis.octaves
    )
