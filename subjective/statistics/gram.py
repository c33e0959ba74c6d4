"""The Gram matrix: which features occur together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.arguments import check_map
from subjective.statistics.protocol import Statistic, Sums, divide_by_count, mean_squared_distance


def gram(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "channels channels"]:
    """Return the Gram matrix FᵀF / (height · width · channels), which says which features occur together.

    F is the feature map as a matrix of ``height * width`` rows. The division makes the Gram matrix independent of the
    picture's size, and gives the Gram matrices of all layers a similar scale. ``wraps`` has no effect.

    References:
        Gatys, Ecker and Bethge, 2015, equation 1. They divide in the loss, not in the Gram matrix.

    Raises:
        InputError: the features are no array of floats of such a shape.

    Examples:
        >>> subjective.gram(jnp.array([[[1.0, 0.0], [1.0, 2.0]]])).tolist()  # two pixels, two channels
        [[0.5, 0.5], [0.5, 1.0]]
    """
    check_map("features", features)
    return multiply(features) / float(features.size)


@jax.custom_vjp
def multiply(features: Float[Array, "height width channels"]) -> Float[Array, "channels channels"]:
    """Return FᵀF, the Gram matrix before the division.

    The result of a bfloat16 map is float32, because a product of two bfloat16 numbers is exact in float32.
    """
    return _matmul(features.reshape(-1, features.shape[2]).T, features.reshape(-1, features.shape[2]))


def _matmul(one: Array, other: Array) -> Array:
    wide = jnp.promote_types(one.dtype, jnp.float32)
    return jnp.matmul(one, other, precision="highest", preferred_element_type=wide)


def _multiply_fwd(features: Array) -> tuple[Array, Array]:
    return multiply(features), features


def _multiply_bwd(features: Array, cotangent: Array) -> tuple[Array]:
    # The derivative is F (C + Cᵀ), where C is the cotangent: one matrix product. Automatic differentiation needs two.
    symmetric = (cotangent + cotangent.T).astype(features.dtype)
    matrix = features.reshape(-1, features.shape[2])
    return (_matmul(matrix, symmetric).reshape(features.shape).astype(features.dtype),)


multiply.defvjp(_multiply_fwd, _multiply_bwd)


_SUMS = Sums(lambda around, weights, wraps: multiply(around * weights), divide_by_count, weighs_twice=True)
GRAM = Statistic("gram", gram, positive=True, sums=_SUMS)

_UNDIVIDED_SUMS = Sums(
    lambda around, weights, wraps: multiply(around * weights), lambda total, shape, wraps: total, weighs_twice=True
)
GRAM_SUM = Statistic(
    "gram_sum",
    lambda features, wraps: multiply(features),
    mean_squared_distance,
    positive=True,
    sums=_UNDIVIDED_SUMS,
)
"""FᵀF without the division, as in the program whose settings `--like tensorflow` uses.

The entries grow with the number of pixels, so the source and the picture should have the same size.
"""
