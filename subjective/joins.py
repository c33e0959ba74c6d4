"""Join the statistics of several sources into one target, by one of the means of `subjective.means`.

The means are computed in float64 on the host, because a run computes its targets only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective.arguments import check_list, check_numbers
from subjective.checks import FINITE, InputError, at_least, check_number, describe, normalize_weights
from subjective.choices import list_words
from subjective.means import MATRIX_MODES, MEANS, average
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Statistics

RIDGE = 1.0
"""Number that is added to each matrix's diagonal before a matrix mean, and subtracted from the mean's diagonal after.

The unit is the mean eigenvalue of the matrices' average.

A Gram matrix of n pixels has rank n at most, and at coarse octaves n is far below the number of channels. The geometric
mean of two such matrices is almost zero, so that the picture loses its contrast and becomes gray. With the ridge, the
mean keeps features that only one source has, but weakens them. A ridge of 0 gives the mean of the matrices themselves;
an infinite ridge gives their average (`experiments/LOG.md`, 2026-11-21).
"""


def join(
    sources: Sequence[Statistics],
    mode: str = "average",
    source_weights: Sequence[float] | None = None,
    *,
    ridge: float = RIDGE,
) -> Statistics:
    """Join the statistics of several sources into one target, octave by octave and layer by layer.

    The matrix means (``log_euclidean``, ``geodesic``) are defined for positive matrices, such as Gram matrices and
    covariances. In these modes, statistics that are not positive matrices are averaged.

    Args:
        sources: the statistics of each source. All must have the same structure and shapes.
        mode: one of `MEANS`: ``average``, ``max``, ``log_euclidean`` or ``geodesic``; ``affine_invariant`` and
            ``riemann`` are other names of ``geodesic``, and ``fuse`` is the average of statistics of sources that
            got common colors before.
        source_weights: how much each source counts. Weights must not be negative, and only their proportions matter.
            None gives all sources the same weight.
        ridge: see `RIDGE`; only the matrix means use it.

    Returns:
        A target of the same structure, shapes and dtypes. A single source is returned unchanged.

    Raises:
        InputError: there is no source, the sources are no statistics or differ in structure or shape, the mode is
            unknown, the weights do not fit the sources, a matrix mean gets a statistic that should be a square matrix
            and is not, or the geodesic mean does not converge.

    Examples:
        >>> def statistics(value):
        ...     return ({"pool1": {"gram": jnp.full((1, 1), value)}},)
        >>> for mode in ("average", "geodesic"):  # of numbers, the arithmetic and the geometric mean
        ...     (octave,) = subjective.join([statistics(1.0), statistics(9.0)], mode, ridge=0.0)
        ...     print(mode, round(float(octave["pool1"]["gram"][0, 0]), 3))
        average 5.0
        geodesic 3.0
    """
    sources = check_list("sources", sources, "the statistics of each source")
    if not sources:
        raise InputError("no statistics to join; give at least one source")
    if not isinstance(mode, str) or mode not in MEANS:
        raise InputError(f"unknown join mode {describe(mode)}; wanted {list_words(MEANS, mode)}")
    check_number("ridge", ridge, at_least(0))
    if source_weights is not None:
        source_weights = check_numbers("source_weights", source_weights, FINITE, "a number for each source")
    shares = normalize_weights("source_weights", source_weights, len(sources), "source")
    structure = str(jax.tree.structure(sources[0]))
    for source in sources:
        arrays = jax.tree.leaves(source) if isinstance(source, (tuple, list)) else []
        if not arrays or not all(isinstance(array, (jax.Array, np.ndarray)) for array in arrays):
            raise InputError(f"sources holds {describe(source)}; wanted the statistics of a picture, from analyze")
        if str(jax.tree.structure(source)) != structure:
            raise InputError("sources differ in structure; wanted statistics of the same octaves, layers and terms")
    if len(sources) == 1:
        return sources[0]

    def join_arrays(path: tuple[Any, ...], *arrays: jax.Array) -> jax.Array:
        """Join one statistic of one layer and octave. The last entry of ``path`` is the statistic's name."""
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise InputError(f"cannot join statistics of different shapes {sorted(shapes)}")
        shape = arrays[0].shape
        statistic = STATISTICS.get(getattr(path[-1], "key", ""))
        array_mode = "average" if statistic and not statistic.positive and mode in MATRIX_MODES else mode
        if array_mode in MATRIX_MODES and (len(shape) != 2 or shape[0] != shape[1]):
            raise InputError(f"join mode {mode!r} needs square matrices, not {shape}; use average or max")
        matrices = [np.asarray(array, dtype=np.float64) for array in arrays]
        if array_mode not in MATRIX_MODES:
            mean = np.asarray(MEANS[array_mode](matrices, shares))
            if mean.shape != shape:
                raise InputError(f"join mode {mode!r} returned the shape {mean.shape}; wanted {shape}, as it got")
            return jnp.asarray(mean, dtype=arrays[0].dtype)
        # After the ridge is subtracted, the mean is still positive; if all sources are equal, it equals them.
        level = ridge * np.trace(average(matrices, shares)) / shape[0] * np.eye(shape[0])
        joined = MEANS[mode]([matrix + level for matrix in matrices], shares) - level
        return jnp.asarray(joined, dtype=arrays[0].dtype)

    return jax.tree_util.tree_map_with_path(join_arrays, *sources)
