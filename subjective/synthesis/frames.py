"""The losses of a loop's frames: each frame's own texture loss, and a loss of the distances between frames.

The distance between two frames is measured at each octave. The wanted distance is the distance between a source and the
same source moved by a few pixels. The last frame is also compared with the first, so that the loop closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from subjective.checks import InputError, setting
from subjective.choices import DistanceType, Padding
from subjective.compilation import jit
from subjective.devices import SHARES, mesh_of
from subjective.losses import Loss, Scalar
from subjective.pyramid import gaussian_pyramid, laplacian_pyramid

SOFT = 1e-3
"""The root mean square is smoothed below this number, a quarter of a grey level, because the slope of a square root at
zero is infinite."""

LEAST = 1 / 255
"""Smallest number by which an error is divided. The wanted distance of a flat source is 0, and at coarse octaves the
wanted distance of any source is small."""


def frame_distance(
    difference: Float[Array, "height width 3"], kind: DistanceType, octaves: int, padding: Padding
) -> Float[Array, "octaves"]:
    """Measure the distance of two frames at each octave, from full size up.

    ``l2`` is the root mean square of each octave of the Gaussian pyramid, smoothed at zero (`SOFT`). ``lap1`` is the
    mean absolute value of each octave of the Laplacian pyramid, whose last octave is a Gaussian octave. Both pyramids
    are linear, so the pyramid of the frames' difference is enough.

    Args:
        difference: difference of two frames with values in [0, 1].
        kind: ``l2`` or ``lap1``.
        octaves: number of octaves.
        padding: padding of the pyramid; ``valid`` means ``same``, because a Laplacian pyramid has no valid form.

    Returns:
        Distances in the units of the frames, one for each octave.

    References:
        The 2017 program's inter-frame loss. Departures: octaves are compared one by one; that program took the mean
        over all octaves. Its Laplacian was off by two pixels, and its square root had an infinite slope at zero; both
        are corrected. Lap1: Bojanowski, Joulin, Lopez-Paz and Szlam, "Optimizing the latent space of generative
        networks", 2018; here the mean of each octave is taken.
    """
    around: Padding = "same" if padding == "valid" else padding
    if kind == "l2":
        squares = jnp.stack([jnp.mean(octave**2) for octave in gaussian_pyramid(difference, octaves, around)])
        return jnp.sqrt(squares + SOFT**2) - SOFT
    return jnp.stack([jnp.mean(jnp.abs(octave)) for octave in laplacian_pyramid(difference, octaves, around)])


@dataclass(frozen=True)
class Distances:
    """Which frames are compared, and how their distance is measured.

    Attributes:
        steps: distances in frames between the frames that are compared (`AnimationConfig.frame_steps`).
        kind: see `frame_distance`.
        octaves: see `frame_distance`.
        padding: see `frame_distance`.
    """

    steps: tuple[int, ...]
    kind: DistanceType
    octaves: int
    padding: Padding


@lru_cache(maxsize=32)
def interframe_loss(distances: Distances) -> Loss:
    """Return the loss of the distances between frames, as ``loss(frames, least, most)``.

    The loss is the mean of ((d − d′) / max(least, `LEAST`))² over frames, steps and octaves. d is the distance between
    frame n and frame n + step, counted around the loop. d′ is d, clipped to the range from ``least`` to ``most``.

    Args:
        distances: which frames are compared, and how.

    Returns:
        ``loss(frames, least, most) -> (scalar, parts)``. ``frames`` is ``(count, height, width, 3)``. ``least`` and
        ``most``, the smallest and largest wanted distances, are ``(steps, octaves)``, or ``(count, steps, octaves)`` if
        every frame has its own. ``parts`` is ``{step: scalar}``.
    """

    steps, kind, octaves, padding = distances.steps, distances.kind, distances.octaves, distances.padding

    def loss(
        frames: Float[Array, "count height width 3"],
        least: Float[Array, "*count steps octaves"],
        most: Float[Array, "*count steps octaves"],
    ) -> tuple[Scalar, Any]:
        least, most = (jnp.broadcast_to(bound, (frames.shape[0], len(steps), octaves)) for bound in (least, most))
        unit = jnp.maximum(least, LEAST)
        measure = jax.vmap(partial(frame_distance, kind=kind, octaves=octaves, padding=padding))
        parts = {}
        for place, step in enumerate(steps):
            found = measure(jnp.roll(frames, -step, axis=0) - frames)
            wanted = jnp.clip(found, least[:, place], most[:, place])
            parts[str(step)] = jnp.mean(((found - wanted) / unit[:, place]) ** 2) / len(steps)
        return jnp.sum(jnp.stack(list(parts.values()))), parts

    return loss


def octaves_of(size: tuple[int, int], less: float = 0) -> int:
    """Count the octaves with at least 4 pixels a side, after ``less`` pixels are cut off ``size`` (height, width)."""
    return max(int(min(size) - less).bit_length() - 2, 1)


@partial(jit, static_argnums=(1, 2, 3, 4))
def _moved(source: Array, shift: int, kind: DistanceType, octave: int, octaves: int) -> Array:
    """Measure the distance between a source and itself moved by ``shift`` pixels: the mean for moves down and right."""
    found = []
    for image in (source, source.swapaxes(0, 1)):
        difference = gaussian_pyramid(image[shift:] - image[: image.shape[0] - shift], octave + 1, "same")[-1]
        found.append(frame_distance(difference, kind, octaves, "same"))
    return (found[0] + found[1]) / 2


def shifted_distances(
    source: np.ndarray, shifts: Sequence[float], kind: DistanceType, octave: int, octaves: int
) -> Float[np.ndarray, "shifts octaves"]:
    """Measure the distance between a source and itself moved by some pixels: the distance wanted between frames.

    Args:
        source: image ``(height, width, 3)``.
        shifts: lengths of the moves in pixels of octave 0; for a fraction, two whole moves are interpolated.
        kind: see `frame_distance`.
        octave: octave at which the frames are made; it is also the first octave that is measured.
        octaves: number of octaves that are measured.

    Returns:
        Distances ``(shifts, octaves)``.

    Raises:
        InputError: the source is too small for the moves.
    """
    check_moves([source], shifts, octave + octaves)
    image = jnp.asarray(source, jnp.float32)

    def distance(shift: float) -> Any:
        whole, part = int(shift), shift - int(shift)
        here = _moved(image, whole, kind, octave, octaves)
        return here if part == 0 else (1 - part) * here + part * _moved(image, whole + 1, kind, octave, octaves)

    return np.stack([np.asarray(distance(shift)) for shift in shifts])


def check_moves(sources: Sequence[np.ndarray], shifts: Sequence[float], octaves: int) -> None:
    """Refuse sources that, without the pixels of the longest move, are too small for the octaves.

    Raises:
        InputError: a source is too small. The message names the source's size and the move.
    """
    for source in sources:
        if min(source.shape[:2]) - max(shifts) - 1 < 2**octaves:
            raise InputError(
                f"a source of {source.shape[1]}x{source.shape[0]} pixels is too small to be moved by {max(shifts):g}; "
                f"enlarge it, or lower {setting('if_shift')} or {setting('if_order')}"
            )


# The loss of each frame by itself


@lru_cache(maxsize=32)
def weigh_frames(loss: Loss) -> Loss:
    """Turn ``loss(image, first, *others)`` into ``loss(image, (first, weight), *others)``, multiplied by the weight."""

    def weighted(image: Float[Array, "height width 3"], given: tuple[Any, Scalar], *others: Any) -> tuple[Scalar, Any]:
        first, weight = given
        scalar, parts = loss(image, first, *others)
        return weight * scalar, jax.tree.map(lambda part: weight * part, parts)

    return weighted


@lru_cache(maxsize=32)
def mean_over_frames(loss: Loss, batch: int, own: bool, devices: int = 1) -> Loss:
    """Turn the loss of one picture into the mean loss of several frames, which is computed batch by batch.

    The loss and the gradient of a batch are computed together, and the batch's feature maps are freed. So the feature
    maps of a long animation take no more memory than the feature maps of a short one.

    Args:
        loss: ``loss(image, first, *others)``.
        batch: number of frames whose feature maps are in memory at one time.
        own: whether each frame has its own ``first``; ``first`` then has a leading axis for the frames.
        devices: number of devices among which the frames are divided equally.

    Returns:
        ``loss(frames, first, *others) -> (scalar, parts)``, differentiable in the frames.
    """
    work = _Work(loss, batch, own, devices)

    def mean(frames: Float[Array, "count height width 3"], *arguments: Any) -> tuple[Scalar, Any]:
        return _mean(work, frames, arguments)

    return mean


class _Work:
    """Computes the loss and gradient of each frame. Objects are hashable, as `jax.custom_vjp` needs."""

    def __init__(self, loss: Loss, batch: int, own: bool, devices: int):
        self.loss, self.batch, self.own, self.devices = loss, batch, own, devices

    def __call__(self, frames: Array, arguments: tuple[Any, ...]) -> tuple[tuple[Array, Any], Array]:
        """Compute the mean loss and parts, and the gradient of the mean."""
        if self.devices == 1:
            found, gradients = self.of_share(frames, *arguments)
        else:
            by_frame, everywhere = PartitionSpec(SHARES), PartitionSpec()
            places = (by_frame, by_frame if self.own else everywhere, *(everywhere for _ in arguments[1:]))
            found, gradients = jax.shard_map(
                self.of_share,
                mesh=mesh_of(self.devices),
                in_specs=places,
                out_specs=(by_frame, by_frame),
                check_vma=False,
            )(frames, *arguments)
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), found), gradients / frames.shape[0]

    def of_share(self, frames: Array, first: Any, *others: Any) -> tuple[tuple[Array, Any], Array]:
        """Compute loss, parts and gradient of each of the frames that one device holds."""

        def of_frame(given: tuple[Array, Any]) -> Any:
            frame, its = given
            return jax.value_and_grad(self.loss, has_aux=True)(frame, its if self.own else first, *others)

        given = (frames, first if self.own else None)
        return lax.map(of_frame, given, batch_size=None if self.batch == 1 else self.batch)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _mean(work: _Work, frames: Array, arguments: tuple[Any, ...]) -> tuple[Array, Any]:
    return work(frames, arguments)[0]


def _mean_fwd(work: _Work, frames: Array, arguments: tuple[Any, ...]) -> tuple[tuple[Array, Any], Array]:
    return work(frames, arguments)


def _mean_bwd(work: _Work, gradient: Array, cotangent: tuple[Array, Any]) -> tuple[Array, None]:
    return cotangent[0] * gradient, None


_mean.defvjp(_mean_fwd, _mean_bwd)
