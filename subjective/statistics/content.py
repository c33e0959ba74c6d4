"""Content: where what is, as another picture has it. Not a statistic of one picture, but matched like one."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.statistics.protocol import Scalar, Statistic, per_number, widened


def squared_difference(features: Float[Array, "height width channels"], content: Array) -> Scalar:
    """Sum of squared differences of a map and the content's."""
    return jnp.sum((widened(features) - widened(content)) ** 2)


def _unavailable(features: Array, wraps: bool) -> Array:
    raise ValueError("content is measured against a picture, and none was given")


def _itself(found: Array, target: Array) -> Scalar:
    """What was measured is the distance; the target says only how large it can be."""
    return found


CONTENT = Statistic(
    "content",
    _unavailable,
    _itself,
    against=per_number,
    of_all=True,
)
"""Mean squared difference of features (Gatys, Ecker and Bethge, 2016, equation 1, as a mean)."""

CONTENT_SUM = Statistic("content_sum", _unavailable, _itself, against=lambda total, shape: total, of_all=True)
"""The same as a sum, which grows with the picture, as some programs have it."""

CONTENTS = {statistic.name: statistic for statistic in (CONTENT, CONTENT_SUM)}
