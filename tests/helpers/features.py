"""Feature maps of noise, and every statistic of them, compiled once."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from subjective.statistics.registry import STATISTICS

SIZE, OTHER_SIZE = (36, 33), (34, 41)  # large enough for the statistics of lags


def size_of(name):
    """The size of a map that is also measured in float64, where XLA convolves in slow loops: fewer patches will do."""
    return (18, 16) if name == "patches" else SIZE


# What lies beyond the sides makes a difference to these alone.
PLACED = ("patches", "shifted", "spectrum", "autocorrelation", "autocorrelation32")


EACH = [(name, wraps) for name in STATISTICS for wraps in ((True, False) if name in PLACED else (True,))]


# Distances that are the fourth power of the features; the Gaussian and the sliced one are the second.
RATIOS = ("spectrum", "grid")  # these compare powers with powers


def numbers(seed, size=SIZE, channels=5):
    """Features that are correlated, off center, and unlike those of another seed."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((channels, channels)) + 3 * np.eye(channels)  # well conditioned
    mixed = random.standard_normal((*size, channels)) @ mixing / 3
    return mixed + random.standard_normal(channels)


@lru_cache
def measure(name):
    """Compiled: the measure of features that wrap or do not."""
    return jax.jit(STATISTICS[name].measure, static_argnums=1)


def single(array):
    return jnp.asarray(array, jnp.float32)


@lru_cache
def compare(name, wraps):
    """Compiled: (distance of x to y, measure of x), gradient of the distance with respect to x."""
    statistic = STATISTICS[name]

    def distance(x, y):
        found = statistic.measure(x, wraps)
        return statistic.distance(found, statistic.measure(y, wraps)), found

    return jax.jit(jax.value_and_grad(distance, has_aux=True))


def distance_of(name, wraps, x, y):
    return float(compare(name, wraps)(x, y)[0][0])
