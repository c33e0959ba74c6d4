"""The Gram matrix: which features occur together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.statistics.protocol import Statistic, Sums, mean_squared_distance, per_number


def gram(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "channels channels"]:
    """Gram matrix: which features occur together, FᵀF / (height · width · channels).

    F is the feature map as a matrix of ``height * width`` rows. Dividing by all three makes the
    result independent of the picture's size, and its scale comparable between layers. What lies beyond the
    sides (``wraps``) makes no difference.

    References:
        Gatys, Ecker and Bethge, 2015, equation 1; they leave the division to the loss.
    """
    return products(features) / float(features.size)


@jax.custom_vjp
def products(features: Float[Array, "height width channels"]) -> Float[Array, "channels channels"]:
    """FᵀF, the Gram matrix before it is divided; float32 if the map is bfloat16, whose products are exact in it."""
    return _matmul(features.reshape(-1, features.shape[2]).T, features.reshape(-1, features.shape[2]))


def _matmul(one: Array, other: Array) -> Array:
    wide = jnp.promote_types(one.dtype, jnp.float32)
    return jnp.matmul(one, other, precision="highest", preferred_element_type=wide)


def _products_fwd(features: Array) -> tuple[Array, Array]:
    return products(features), features


def _products_bwd(features: Array, cotangent: Array) -> tuple[Array]:
    # F (C + Cᵀ): one product instead of the two that differentiating FᵀF by rule would make.
    symmetric = (cotangent + cotangent.T).astype(features.dtype)
    matrix = features.reshape(-1, features.shape[2])
    return (_matmul(matrix, symmetric).reshape(features.shape).astype(features.dtype),)


products.defvjp(_products_fwd, _products_bwd)


_SUMS = Sums(lambda around, own, wraps: products(around * own), per_number, twice=True)
GRAM = Statistic("gram", gram, positive=True, sums=_SUMS)

_WHOLE_SUMS = Sums(lambda around, own, wraps: products(around * own), lambda total, shape, wraps: total, twice=True)
GRAM_SUM = Statistic(
    "gram_sum", lambda features, wraps: products(features), mean_squared_distance, positive=True, sums=_WHOLE_SUMS
)
"""FᵀF as it is, which grows with the picture, so that source and picture should be of one size; as the first TensorFlow
programs have it."""
