"""The Gram matrix: which features occur together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic


def gram(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "channels channels"]:
    """Gram matrix: which features occur together, FᵀF / (height · width · channels).

    F is the feature map as a matrix of ``height * width`` rows. Dividing by all three makes the
    result independent of the picture's size, and its scale comparable between layers. What lies beyond the
    sides (``wraps``) makes no difference.

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

GRAM = Statistic("gram", gram, positive=True, additive=True)
