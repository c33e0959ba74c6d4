"""Means of several arrays of one shape, by which the statistics of several sources become one target.

Each mean takes arrays and weights that sum to one, and is computed in float64. `log_euclidean` and `geodesic` treat
Gram matrices as points of the cone of positive matrices, where the shortest path between two points is not the straight
line.

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

import numpy as np
from numpy.typing import NDArray

from subjective.checks import InputError, setting

EIGENVALUE_FLOOR = 1e-6
"""Smallest eigenvalue that is used, as a share of the matrix's largest eigenvalue; smaller ones are raised to it.

A logarithm or an inverse of a matrix needs eigenvalues above zero. A Gram matrix in float32 does not resolve smaller
eigenvalues, and the Gram matrix of a small feature map has eigenvalues of zero. Without the floor, the mean would lose
every feature that one source lacks.
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
    "fuse": average,
    "max": maximum,
    "log_euclidean": log_euclidean,
    "geodesic": geodesic,
    "affine_invariant": geodesic,
    "riemann": geodesic,
}
"""Map from the name of a mode to its mean. For ``fuse``, the sources get common colors before they are measured
(`subjective.colors.share_colors`)."""

MIXTURES = (None, "average", "fuse")
"""Modes, None for the default, whose targets are those of a picture that consists of parts of each source."""

MATRIX_MODES = frozenset(["log_euclidean", "geodesic", "affine_invariant", "riemann"])
"""Modes that are defined for positive matrices only."""
