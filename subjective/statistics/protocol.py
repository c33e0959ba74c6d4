"""What a statistic is: a measure of one feature map, and a distance between two of its results."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Measure = Callable[[Array, bool], Array]
Distance = Callable[[Array, Array], Scalar]
Scaling = Callable[[Array, float], Array]


def squared_distance(found: Array, target: Array) -> Scalar:
    """‖found − target‖², the squared Frobenius distance; shapes must be equal."""
    if found.shape != target.shape:
        raise ValueError(f"cannot compare a statistic of shape {found.shape} with a target of shape {target.shape}")
    return jnp.sum((found - target) ** 2)


@dataclass(frozen=True)
class Statistic:
    """One way of saying what a feature map looks like, not where. Hashable, so that it can key a compiled function.

    A new one is a file of this package with one of these in it, and its line in `STATISTICS`.

    Attributes:
        name: as the command line and the log call it.
        measure: ``measure(features, wraps)`` from ``(height, width, channels)`` to an array whose shape depends on the
            channels alone, so that pictures of any two sizes compare. ``wraps`` says that what lies beyond
            a side is the other side.
        distance: of what was found to the target, in units that `size` measures too.
        scaled: ``scaled(target, factor)``: the target if the features had the power of ``factor`` times theirs.
        least: smallest side of a feature map that wraps, and of one that does not, that it can measure.
        positive: whether the measure is a symmetric positive matrix, for which geodesic joins mean something.
        additive: whether the measure of a picture is the mean of those of its tiles, weighted by their pixels
            (with a halo around each), so that it can be taken tile by tile.
        relative_to: what stands for the target's size where distances have no unit already.
    """

    name: str
    measure: Measure
    distance: Distance = squared_distance
    scaled: Scaling = operator.mul
    least: tuple[int, int] = (1, 1)
    positive: bool = False
    additive: bool = False
    relative_to: float | None = None

    def size(self, target: Array) -> Scalar:
        """How large the target is: its distance from that of a flat, black feature map.

        A distance divided by it has no unit, and does not depend on layer, octave or source.
        """
        if self.relative_to is not None:
            return jnp.asarray(self.relative_to, target.dtype)
        return self.distance(jnp.zeros_like(target), target)
