"""Mean and covariance of the features, in two statistics: `COVARIANCE` and `GAUSSIAN`.

Both statistics measure the same matrix: the Gram matrix of the features together with an extra feature that is 1
everywhere. This matrix holds the mean and the second moments, and is a sum over tiles. The distances differ:
`COVARIANCE` compares means and covariances, and `GAUSSIAN` compares two Gaussian distributions.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.statistics.gram import multiply
from subjective.statistics.protocol import Scalar, Statistic, Sums, divide_by_count

ADDED_VARIANCE_SHARE = 1e-4
"""Share of the target's mean variance that is added to the diagonal of both covariances before matrix roots are taken.
Float32 cannot resolve smaller variances."""

ADDED_VARIANCE = 1e-12
"""Variance that is also added to the diagonal, because a flat source has no variance."""


def moments(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "rows rows"]:
    """Return [F 1]ᵀ[F 1] / (height · width · channels).

    F is the feature map as a matrix with a row for each pixel, and 1 is a column of ones. The result holds the Gram
    matrix; the mean / channels in the last row and column; and 1 / channels in the corner. ``wraps`` has no effect.

    Returns:
        ``(channels + 1, channels + 1)``.
    """
    return _multiply_with_ones(features, jnp.ones((features.shape[0], 1, 1), features.dtype), wraps) / float(
        features.size
    )


def _multiply_with_ones(around: Array, weights: Array, wraps: bool) -> Array:
    ones = jnp.broadcast_to(weights, (*around.shape[:2], 1))
    return multiply(jnp.concatenate([around * weights, ones], axis=2))


def mean_and_covariance(found: Array) -> tuple[Float[Array, "channels"], Float[Array, "channels channels"]]:
    """Compute the mean and the covariance from `moments`; the covariance is divided by the number of channels."""
    channels = found.shape[0] - 1
    # The corner is 1 / channels, unless a join of matrices has changed it.
    found = found / (channels * jnp.maximum(found[-1, -1], jnp.finfo(found.dtype).tiny))
    mean = found[:-1, -1] * channels
    return mean, found[:-1, :-1] - mean[:, None] * mean[None, :] / channels


def scale_moments(target: Array, factor: float) -> Array:
    """Return the moments of features that are √factor times as large.

    Raises:
        InputError: the factor is negative.
    """
    if factor < 0:
        raise InputError(f"a covariance cannot be multiplied by {factor:g}; wanted a factor of 0 or more")
    scales = jnp.ones(target.shape[0]).at[:-1].set(factor**0.5)
    return target * scales[:, None] * scales[None, :]


def covariance_distance(found: Array, target: Array) -> Scalar:
    """Return ‖Σ − Σ′‖² + s (s + tr Σ′), where s = ‖μ − μ′‖² / channels.

    μ is the mean; Σ is the covariance divided by the number of channels; μ′ and Σ′ belong to the target. Without the
    trace, the mean would only contribute s². That term is almost flat near the target, so the mean drifts: with s²
    alone, the texture `soil` had more than four times the color error (`experiments/LOG.md`, 2026-11-23).
    """
    (mean, covariance), (wanted_mean, wanted_covariance) = mean_and_covariance(found), mean_and_covariance(target)
    shift = jnp.sum((mean - wanted_mean) ** 2) / mean.shape[0]
    return jnp.sum((covariance - wanted_covariance) ** 2) + shift * (shift + jnp.trace(wanted_covariance))


def gaussian_distance(found: Array, target: Array) -> Scalar:
    """Return the squared Wasserstein-2 distance of two Gaussians, divided by the number of channels.

    Before the division it is ‖μ − μ′‖² + tr(Σ + Σ′ − 2 (Σ′^½ Σ Σ′^½)^½). μ and Σ are the mean and the covariance of the
    picture; μ′ and Σ′ belong to the target. `ADDED_VARIANCE_SHARE` and `ADDED_VARIANCE` enlarge the diagonals of Σ and
    Σ′.

    References:
        Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982. Used for texture by
        Vacher and others, "Texture interpolation for probing visual perception", 2020.
    """
    (mean, covariance), (wanted_mean, wanted) = mean_and_covariance(found), mean_and_covariance(target)
    ridge = (ADDED_VARIANCE_SHARE * jnp.trace(wanted) / wanted.shape[0] + ADDED_VARIANCE) * jnp.eye(wanted.shape[0])
    shift = jnp.sum((mean - wanted_mean) ** 2) / mean.shape[0]
    return shift + _bures_distance(covariance + ridge, wanted + ridge)


@jax.custom_batching.sequential_vmap
def _eigh(matrix: Array) -> tuple[Array, Array]:
    """Compute eigenvalues and eigenvectors. Under `jax.vmap`, the matrices are decomposed one after the other.

    Decomposing several matrices at once can deadlock on CPUs: XLA gives the matrices to threads that are all waiting
    for the result. With jaxlib 0.10, two pictures measured at four layers almost always hang.
    """
    return jnp.linalg.eigh(matrix)


@jax.custom_vjp
def _bures_distance(covariance: Array, wanted: Array) -> Array:
    """Return tr(Σ + Σ′ − 2 (Σ′^½ Σ Σ′^½)^½); differentiable only in Σ, ``covariance``."""
    return _bures_distance_fwd(covariance, wanted)[0]


def _bures_distance_fwd(covariance: Array, wanted: Array) -> tuple[Array, Array]:
    values, vectors = _eigh(wanted)
    root = (vectors * jnp.sqrt(jnp.maximum(values, 0))[None, :]) @ vectors.T
    values, vectors = _eigh(root @ covariance @ root)
    least = jnp.finfo(values.dtype).eps * jnp.abs(values[-1]) + jnp.finfo(values.dtype).tiny
    roots = jnp.sqrt(jnp.maximum(values, least))
    # Rounding errors could make the distance negative.
    distance = jnp.maximum(jnp.trace(covariance) + jnp.trace(wanted) - 2 * jnp.sum(roots), 0)
    # The derivative in Σ is the identity minus the optimal transport map. No eigenvector has to be differentiated.
    across = root @ vectors
    return distance, jnp.eye(root.shape[0], dtype=root.dtype) - (across / roots[None, :]) @ across.T


def _bures_distance_bwd(gradient: Array, cotangent: Array) -> tuple[Array, None]:
    return cotangent * gradient, None


_bures_distance.defvjp(_bures_distance_fwd, _bures_distance_bwd)

_SUMS = Sums(_multiply_with_ones, divide_by_count, weighs_twice=True)
COVARIANCE = Statistic("covariance", moments, covariance_distance, scale_moments, positive=True, sums=_SUMS)
GAUSSIAN = Statistic("gaussian", moments, gaussian_distance, scale_moments, positive=True, sums=_SUMS)
