"""The 3x3 convolution of VGG and its padding."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from subjective.pyramid import Padding


def pad(features: Array, amount: int, padding: Padding) -> Array:
    """Surround features ``(height, width, channels)`` by zeros (``same``) or their other side (``circular``)."""
    if padding == "valid":
        return features
    mode = "wrap" if padding == "circular" else "constant"
    return jnp.pad(features, ((amount, amount), (amount, amount), (0, 0)), mode=mode)


def conv3x3_relu(
    features: Float[Array, "height width inputs"],
    kernel: Float[Array, "3 3 inputs outputs"],
    bias: Float[Array, "outputs"],
    padding: Padding,
) -> Float[Array, "rows columns outputs"]:
    """max(0, features * kernel + bias)."""
    padded = pad(features, 1, padding)
    out = lax.conv_general_dilated(
        padded[None], kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )[0]
    return jax.nn.relu(out + bias[None, None, :])
