"""One target out of several sources: four means of their statistics.

Each mean takes arrays of one shape and weights that sum to one, and works in float64 on
the host: targets are made once a run. `log_euclidean` and `geodesic` treat Gram matrices as
what they are, points of the cone of positive matrices, where the straight line between
two of them is not the shortest.

References:
    Arsigny, Fillard, Pennec and Ayache, "Geometric means in a novel vector space structure on
    symmetric positive-definite matrices", 2007 (log_euclidean). Bhatia and Holbrook, "Riemannian geometry and
    matrix geometric means", 2006, and Moakher, "A differential geometric approach to the
    geometric mean of symmetric positive-definite matrices", 2005 (geodesic, Karcher mean). Bini and Iannazzo,
    "Computing the Karcher mean of symmetric positive definite matrices", 2013 (the step).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective.checks import InputError, normalize_weights, setting
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Statistics

JoinMode = Literal["average", "max", "log_euclidean", "geodesic", "affine_invariant", "riemann"]
JOIN_MODES: tuple[str, ...] = get_args(JoinMode)

FLOOR = 1e-6
"""Eigenvalues below this share of the largest are raised to it before a logarithm is taken.

A Gram matrix computed in float32 knows its small eigenvalues no better, and those of a small
feature map are zero: without a floor, what one source lacks entirely would be lost from the mean.
"""

RIDGE = 1.0
"""Share of the mean eigenvalue that is added to each source before a matrix mean of Gram matrices, and taken off after.

A Gram matrix of n pixels has rank n at most, and at coarse octaves n is far below the number of channels: a geometric
mean of two such matrices all but vanishes, and the picture with it (grey, without contrast). With the ridge, features
that only one source has are weakened and not lost; at 0 it is the plain mean, at infinity the average
(`experiments/LOG.md`, 2026-11-21).
"""

KARCHER_STEPS = 100
KARCHER_TOLERANCE = 1e-9

Matrix = NDArray[np.float64]


def average(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Weighted arithmetic mean; the statistics of a picture made of parts of each source."""
    return np.sum([weight * array for weight, array in zip(weights, arrays, strict=True)], axis=0)


def maximum(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Elementwise maximum, each array first scaled by its weight over the mean weight."""
    return np.max([weight * len(arrays) * array for weight, array in zip(weights, arrays, strict=True)], axis=0)


def log_euclidean(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """exp(Σ wᵢ log Aᵢ) of symmetric positive matrices."""
    logs = [_on_eigenvalues(np.log, _positive(array)) for array in arrays]
    return _on_eigenvalues(np.exp, average(logs, weights))


def geodesic(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Affine-invariant (Riemannian) mean of symmetric positive matrices: the Karcher mean.

    For two matrices the closed form A^½ (A^-½ B A^-½)^t A^½, t being B's weight. For more, the point X
    at which Σ wᵢ log(X^-½ Aᵢ X^-½) is zero, found by following that sum from the log-Euclidean mean, in steps as
    long as the matrices' condition numbers, seen from X, allow (Bini and Iannazzo, 2013).

    Raises:
        ValueError: the iteration has not settled (its residual is then named).
    """
    if len(arrays) == 2:
        root, inverse = _roots(arrays[0])
        inner = inverse @ _positive(arrays[1]) @ inverse
        return _symmetric(root @ _on_eigenvalues(lambda values: _floored(values) ** weights[1], inner) @ root)
    matrices = [_positive(array) for array in arrays]
    mean, residual = log_euclidean(arrays, weights), np.inf
    for _ in range(KARCHER_STEPS):
        root, inverse = _roots(mean)
        tangent, curvature = np.zeros_like(mean), 0.0
        for matrix, weight in zip(matrices, weights, strict=True):
            values, vectors = np.linalg.eigh(_symmetric(inverse @ matrix @ inverse))
            logs = np.log(values)
            tangent += weight * ((vectors * logs) @ vectors.T)
            half = max(logs[-1] - logs[0], 1e-12) / 2
            curvature += weight * half / math.tanh(half)
        residual = float(np.linalg.norm(tangent)) / math.sqrt(len(mean))
        if residual < KARCHER_TOLERANCE:
            return mean
        mean = _symmetric(root @ _on_eigenvalues(np.exp, tangent / curvature) @ root)
    if residual > 1e-5:
        raise InputError(
            f"the geodesic mean has not settled (residual {residual:.1e}); use {setting('join_mode')} log_euclidean"
        )
    return mean


def _symmetric(matrix: Matrix) -> Matrix:
    return (matrix + matrix.T) / 2


def _on_eigenvalues(function: Callable[[Matrix], Matrix], matrix: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(_symmetric(matrix))
    return _symmetric((vectors * function(values)[np.newaxis, :]) @ vectors.T)


def _floored(values: Matrix) -> Matrix:
    """Eigenvalues, in ascending order, none below `FLOOR`."""
    return np.maximum(values, max(FLOOR * values[-1], np.finfo(np.float64).tiny))


def _positive(matrix: Matrix) -> Matrix:
    return _on_eigenvalues(_floored, matrix)


def _roots(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """A^½ and A^-½."""
    values, vectors = np.linalg.eigh(_symmetric(matrix))
    roots = np.sqrt(_floored(values))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


_MEANS: dict[str, Callable[[Sequence[Matrix], Sequence[float]], Matrix]] = {
    "average": average,
    "max": maximum,
    "log_euclidean": log_euclidean,
    "geodesic": geodesic,
    "affine_invariant": geodesic,
    "riemann": geodesic,
}


def join(
    sources: Sequence[Statistics],
    mode: JoinMode = "average",
    source_weights: Sequence[float] | None = None,
    *,
    ridge: float = RIDGE,
) -> Statistics:
    """Join the statistics of several sources into one target, octave by octave and layer by layer.

    The matrix means take those statistics that are positive matrices (Gram, covariance); others are averaged.

    Args:
        sources: statistics of one structure and shape.
        mode: ``average``, ``max``, ``log_euclidean`` or ``geodesic``; ``affine_invariant`` and ``riemann`` are
            other names of the last.
        source_weights: how much each source counts, not negative; only their proportions count. Equal if None.
        ridge: for the matrix means, see `RIDGE`; 0 for the plain means.

    Returns:
        A target of the same structure, shape and dtype. A single source is returned as it is.

    Raises:
        ValueError: no source, an unknown mode, unfit weights, sources that differ in shape, or matrix
            means of statistics that are not square matrices.
    """
    if not sources:
        raise InputError("no statistics to join; give at least one source")
    if mode not in _MEANS:
        raise InputError(f"unknown join mode {mode!r}; wanted one of {', '.join(JOIN_MODES)}")
    shares = normalize_weights("source_weights", source_weights, len(sources), "source")
    if len(sources) == 1:
        return sources[0]

    def join_arrays(path: tuple[Any, ...], *arrays: jax.Array) -> jax.Array:
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ValueError(f"cannot join statistics of different shapes {sorted(shapes)}")
        shape = arrays[0].shape
        statistic = STATISTICS.get(getattr(path[-1], "key", ""))
        how = "average" if statistic and not statistic.positive and mode != "max" else mode
        if how not in ("average", "max") and (len(shape) != 2 or shape[0] != shape[1]):
            raise InputError(f"join mode {mode!r} needs square matrices, not {shape}; use average or max")
        matrices = [np.asarray(array, dtype=np.float64) for array in arrays]
        if how in ("average", "max"):
            return jnp.asarray(_MEANS[how](matrices, shares), dtype=arrays[0].dtype)
        # Raised and lowered again: equal sources still join to themselves, and the result stays positive.
        level = ridge * np.trace(average(matrices, shares)) / shape[0] * np.eye(shape[0])
        joined = _MEANS[mode]([matrix + level for matrix in matrices], shares) - level
        return jnp.asarray(joined, dtype=arrays[0].dtype)

    return jax.tree_util.tree_map_with_path(join_arrays, *sources)
