"""Join the statistics of several sources into one target, by one of four means.

Each mean takes arrays of one shape and weights that sum to one. The means are computed in float64 on the host, because
a run computes its targets only once. `log_euclidean` and `geodesic` treat Gram matrices as points of the cone of
positive matrices, where the shortest path between two points is not the straight line.

References:
    Arsigny, Fillard, Pennec and Ayache, "Geometric means in a novel vector space structure on symmetric
    positive-definite matrices", 2007 (log_euclidean). Bhatia and Holbrook, "Riemannian geometry and matrix geometric
    means", 2006, and Moakher, "A differential geometric approach to the geometric mean of symmetric positive-definite
    matrices", 2005 (geodesic, Karcher mean). Bini and Iannazzo, "Computing the Karcher mean of symmetric positive
    definite matrices", 2013 (the step).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective.arguments import check_list, check_numbers
from subjective.checks import FINITE, InputError, at_least, check_number, describe, normalize_weights, setting
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Statistics

EIGENVALUE_FLOOR = 1e-6
"""Smallest eigenvalue that is used, as a share of the matrix's largest eigenvalue; smaller ones are raised to it.

A logarithm or an inverse of a matrix needs eigenvalues above zero. A Gram matrix in float32 does not resolve smaller
eigenvalues, and the Gram matrix of a small feature map has eigenvalues of zero. Without the floor, the mean would lose
every feature that one source lacks.
"""

RIDGE = 1.0
"""Number that is added to each matrix's diagonal before a matrix mean, and subtracted from the mean's diagonal after.

The unit is the mean eigenvalue of the matrices' average.

A Gram matrix of n pixels has rank n at most, and at coarse octaves n is far below the number of channels. The geometric
mean of two such matrices is almost zero, so that the picture loses its contrast and becomes gray. With the ridge, the
mean keeps features that only one source has, but weakens them. A ridge of 0 gives the mean of the matrices themselves;
an infinite ridge gives their average (`experiments/LOG.md`, 2026-11-21).
"""

KARCHER_STEPS = 100
"""Largest number of steps of the iteration that computes the geodesic mean of three or more matrices."""

KARCHER_TOLERANCE = 1e-9
"""The iteration of `geodesic` stops when its residual is below this number.

The residual is ‖Σ wᵢ log(X^-½ Aᵢ X^-½)‖ / √channels.
"""

Matrix = NDArray[np.float64]


def average(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Return the weighted arithmetic mean. A picture composed of parts of each source has such statistics."""
    return np.sum([weight * array for weight, array in zip(weights, arrays, strict=True)], axis=0)


def maximum(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Return the elementwise maximum of the arrays, each multiplied by its weight divided by the mean weight."""
    return np.max([weight * len(arrays) * array for weight, array in zip(weights, arrays, strict=True)], axis=0)


def log_euclidean(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Return the log-Euclidean mean of symmetric positive matrices Aᵢ with weights wᵢ: exp(Σ wᵢ log Aᵢ)."""
    logs = [_map_eigenvalues(np.log, _make_positive(array)) for array in arrays]
    return _map_eigenvalues(np.exp, average(logs, weights))


def geodesic(arrays: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Return the affine-invariant (Riemannian) mean of symmetric positive matrices: the Karcher mean.

    For two matrices A and B the mean is A^½ (A^-½ B A^-½)^t A^½, where t is the weight of B. For more matrices Aᵢ with
    weights wᵢ, the mean is the matrix X for which Σ wᵢ log(X^-½ Aᵢ X^-½) is zero. An iteration computes X: it starts at
    the log-Euclidean mean, and each step goes in the direction of this sum. The larger the condition numbers of
    X^-½ Aᵢ X^-½, the shorter is the step (Bini and Iannazzo, 2013).

    Raises:
        InputError: the iteration has not converged. The message gives the residual.
    """
    if len(arrays) == 2:
        root, inverse = _square_roots(arrays[0])
        inner = inverse @ _make_positive(arrays[1]) @ inverse
        return _symmetrize(root @ _map_eigenvalues(lambda values: _raise_to_floor(values) ** weights[1], inner) @ root)
    matrices = [_make_positive(array) for array in arrays]
    mean, residual = log_euclidean(arrays, weights), np.inf
    for _ in range(KARCHER_STEPS):
        root, inverse = _square_roots(mean)
        tangent, curvature = np.zeros_like(mean), 0.0
        for matrix, weight in zip(matrices, weights, strict=True):
            values, vectors = np.linalg.eigh(_symmetrize(inverse @ matrix @ inverse))
            logs = np.log(values)
            tangent += weight * ((vectors * logs) @ vectors.T)
            half = max(logs[-1] - logs[0], 1e-12) / 2
            curvature += weight * half / math.tanh(half)
        residual = float(np.linalg.norm(tangent)) / math.sqrt(len(mean))
        if residual < KARCHER_TOLERANCE:
            return mean
        mean = _symmetrize(root @ _map_eigenvalues(np.exp, tangent / curvature) @ root)
    if residual > 1e-5:
        raise InputError(
            f"the geodesic mean has not converged (residual {residual:.1e}); use {setting('join_mode')} log_euclidean"
        )
    return mean


def _symmetrize(matrix: Matrix) -> Matrix:
    return (matrix + matrix.T) / 2


def _map_eigenvalues(function: Callable[[Matrix], Matrix], matrix: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(_symmetrize(matrix))
    return _symmetrize((vectors * function(values)[np.newaxis, :]) @ vectors.T)


def _raise_to_floor(values: Matrix) -> Matrix:
    """Raise eigenvalues below `EIGENVALUE_FLOOR` times the largest to that value; ``values`` are in ascending order."""
    return np.maximum(values, max(EIGENVALUE_FLOOR * values[-1], np.finfo(np.float64).tiny))


def _make_positive(matrix: Matrix) -> Matrix:
    return _map_eigenvalues(_raise_to_floor, matrix)


def _square_roots(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Return A^½ and A^-½ of a symmetric matrix A."""
    values, vectors = np.linalg.eigh(_symmetrize(matrix))
    roots = np.sqrt(_raise_to_floor(values))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


MEANS: dict[str, Callable[[Sequence[Matrix], Sequence[float]], Matrix]] = {
    "average": average,
    "max": maximum,
    "log_euclidean": log_euclidean,
    "geodesic": geodesic,
    "affine_invariant": geodesic,
    "riemann": geodesic,
}
"""Map from the name of a mode to its mean."""

MATRIX_MODES = frozenset(["log_euclidean", "geodesic", "affine_invariant", "riemann"])
"""Modes that are defined for positive matrices only."""


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
            ``riemann`` are other names of ``geodesic``.
        source_weights: how much each source counts. Weights must not be negative, and only their proportions matter.
            None gives all sources the same weight.
        ridge: see `RIDGE`; only the matrix means use it.

    Returns:
        A target of the same structure, shapes and dtypes. A single source is returned unchanged.

    Raises:
        InputError: there is no source, the sources are no statistics or differ in structure or shape, the mode is
            unknown, the weights do not fit the sources, a matrix mean gets a statistic that should be a square matrix
            and is not, or the geodesic mean does not converge.
    """
    sources = check_list("sources", sources, "the statistics of each source")
    if not sources:
        raise InputError("no statistics to join; give at least one source")
    if not isinstance(mode, str) or mode not in MEANS:
        raise InputError(f"unknown join mode {describe(mode)}; wanted one of {', '.join(MEANS)}")
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
