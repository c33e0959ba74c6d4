"""A statistic that sees how strong the edges of each feature are, for `--plugin`."""

import jax.numpy as jnp

import subjective


@subjective.register
class Edges:
    """Mean squared difference between neighbors, down and across."""

    name = "edges"
    smallest_sides = (2, 2)

    def measure(self, features, wraps):
        """Measure a map (height, width, channels); the result has the shape (2, channels)."""
        steps = [jnp.diff(features, axis=axis) for axis in (0, 1)]
        return jnp.stack([jnp.mean(step**2, axis=(0, 1)) for step in steps])
