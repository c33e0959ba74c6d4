"""Mean and covariance of the features, compared part by part or as two Gaussians.

Both statistics measure the same matrix, the Gram matrix of the features with a constant one beside them, which holds
mean and second moments and adds up over tiles; they differ in the distance.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from subjective.checks import InputError
from subjective.statistics.gram import products
from subjective.statistics.protocol import Scalar, Statistic, Sums, per_number

RIDGE = 1e-4
"""Share of the target's mean variance added to every direction before roots are taken: float32 knows no smaller one."""


FAINTEST = 1e-12
"""Variance added besides: a black source has none."""


def moments(features: Float[Array, "height width channels"], wraps: bool = True) -> Float[Array, "rows rows"]:
    """[F 1]ᵀ[F 1] / (height · width · channels): Gram matrix, mean and 1 / channels; ``rows`` is channels + 1."""
    return _products(features, jnp.ones((features.shape[0], 1, 1), features.dtype), wraps) / float(features.size)


def _products(around: Array, own: Array, wraps: bool) -> Array:
    ones = jnp.broadcast_to(own, (*around.shape[:2], 1))
    return products(jnp.concatenate([around * own, ones], axis=2))


def mean_and_covariance(found: Array) -> tuple[Float[Array, "channels"], Float[Array, "channels channels"]]:
    """Mean, and covariance over the number of channels, out of `moments`."""
    channels = found.shape[0] - 1
    # The corner is 1 / channels, unless a join of matrices has changed it.
    found = found / (channels * jnp.maximum(found[-1, -1], jnp.finfo(found.dtype).tiny))
    mean = found[:-1, -1] * channels
    return mean, found[:-1, :-1] - mean[:, None] * mean[None, :] / channels


def scaled_moments(target: Array, factor: float) -> Array:
    """The moments if all features were √factor times as large.

    Raises:
        InputError: a negative factor.
    """
    if factor < 0:
        raise InputError(f"a covariance cannot be multiplied by {factor:g}; wanted a factor of 0 or more")
    scales = jnp.ones(target.shape[0]).at[:-1].set(factor**0.5)
    return target * scales[:, None] * scales[None, :]


def covariance_distance(found: Array, target: Array) -> Scalar:
    """‖Σ − Σ′‖² + s (s + tr Σ′), where s = ‖μ − μ′‖² / channels, and each Σ is over channels.

    Without the trace the mean's part would be s², a Gram matrix' distance if it were free of the rest, which hardly
    says where the mean is to be once it is near: colors of soil were off by four times as much (`experiments/LOG.md`,
    2026-11-23).
    """
    (mean, covariance), (wanted_mean, wanted_covariance) = mean_and_covariance(found), mean_and_covariance(target)
    shift = jnp.sum((mean - wanted_mean) ** 2) / mean.shape[0]
    return jnp.sum((covariance - wanted_covariance) ** 2) + shift * (shift + jnp.trace(wanted_covariance))


def gaussian_distance(found: Array, target: Array) -> Scalar:
    """Squared Wasserstein-2 distance of two Gaussians, over the number of channels.

    ‖μ − μ′‖² + tr(Σ + Σ′ − 2 (Σ′^½ Σ Σ′^½)^½), each covariance with a ridge (`RIDGE`).

    References:
        Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982. Used for texture by
        Vacher and others, "Texture interpolation for probing visual perception", 2020.
    """
    (mean, covariance), (wanted_mean, wanted) = mean_and_covariance(found), mean_and_covariance(target)
    ridge = (RIDGE * jnp.trace(wanted) / wanted.shape[0] + FAINTEST) * jnp.eye(wanted.shape[0])
    shift = jnp.sum((mean - wanted_mean) ** 2) / mean.shape[0]
    return shift + _bures(covariance + ridge, wanted + ridge)


@jax.custom_batching.sequential_vmap
def _eigh(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors; of several matrices one after the other.

    Together XLA shares them out among the threads that already wait for them, on CPUs, and may stand still for ever
    (jaxlib 0.10: two pictures, four layers, nearly always).
    """
    return jnp.linalg.eigh(matrix)


@jax.custom_vjp
def _bures(covariance: Array, wanted: Array) -> Array:
    return _bures_fwd(covariance, wanted)[0]


def _bures_fwd(covariance: Array, wanted: Array) -> tuple[Array, Array]:
    values, vectors = _eigh(wanted)
    root = (vectors * jnp.sqrt(jnp.maximum(values, 0))[None, :]) @ vectors.T
    values, vectors = _eigh(root @ covariance @ root)
    least = jnp.finfo(values.dtype).eps * jnp.abs(values[-1]) + jnp.finfo(values.dtype).tiny
    roots = jnp.sqrt(jnp.maximum(values, least))
    distance = jnp.maximum(jnp.trace(covariance) + jnp.trace(wanted) - 2 * jnp.sum(roots), 0)  # not below by rounding
    # The optimal transport map, which is what the derivative consists of: no eigenvector is differentiated.
    across = root @ vectors
    return distance, jnp.eye(root.shape[0], dtype=root.dtype) - (across / roots[None, :]) @ across.T


def _bures_bwd(gradient: Array, cotangent: Array) -> tuple[Array, None]:
    return cotangent * gradient, None


_bures.defvjp(_bures_fwd, _bures_bwd)

_SUMS = Sums(_products, per_number, twice=True)
COVARIANCE = Statistic("covariance", moments, covariance_distance, scaled_moments, positive=True, sums=_SUMS)
GAUSSIAN = Statistic("gaussian", moments, gaussian_distance, scaled_moments, positive=True, sums=_SUMS)
