"""Morphs: how much each source counts at each frame, and the wanted distances of frames whose texture changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.choices import DistanceType, Ease
from subjective.compilation import jit
from subjective.pyramid import gaussian_pyramid
from subjective.synthesis.frames import frame_distance

Weights = Float[np.ndarray, "frames sources"]

DISSOLVE = 3
"""Number of frames in which a patch of one texture turns into a patch of another. A patch that turns in one frame
flickers; a patch that turns slowly keeps the old texture in frames where it should be gone
(`experiments/09_loops.md`)."""

TURN_BY = "geodesic"
"""Default join for the targets of mixed frames: one texture then turns into the other stone by stone. With average,
patches of both textures lie side by side, and the last patches of the old texture have too much contrast
(`experiments/09_loops.md`)."""

TINY = 1e-12


def around(frames: int, keyframes: int, ease: Ease = "smooth") -> Weights:
    """Make the weights of a loop that goes from each keyframe to the next, and from the last back to the first.

    Args:
        frames: number of frames in the loop; the first frame is the first keyframe.
        keyframes: number of keyframes, one or more.
        ease: ``smooth`` rests at each keyframe (weights follow half a cosine); ``linear`` keeps one speed.

    Returns:
        ``(frames, keyframes)``; each row adds up to 1.
    """
    weights = np.zeros((frames, keyframes))
    for frame in range(frames):
        place = frame * keyframes / frames
        key, part = int(place), place - int(place)
        share = part if ease == "linear" else (1 - math.cos(math.pi * part)) / 2
        weights[frame, key] += 1 - share
        weights[frame, (key + 1) % keyframes] += share
    return weights


def frame_importance(shares: Weights) -> Float[np.ndarray, " frames"]:
    """Return the weight of each frame's texture loss. A frame of one source gets 4 times the weight of an even mixture.

    A mixed frame cannot reach its target, because the target lies between the statistics of two textures. With equal
    weights a mixed frame would pull its neighbors away from targets that the neighbors can reach.

    Args:
        shares: share of each source in each frame.

    Returns:
        One weight for each frame; the mean is 1.
    """
    pure = np.sum(shares**2, axis=1) ** 2
    return pure / pure.mean()


@partial(jit, static_argnums=(1, 2, 3))
def measure_contrast(
    source: Float[Array, "height width 3"], kind: DistanceType, octave: int, octaves: int
) -> Float[Array, " octaves"]:
    """Measure the `frame_distance` between a source and a flat picture of the source's mean color.

    Args:
        source: image.
        kind: see `frame_distance`.
        octave: the first octave that is measured.
        octaves: number of octaves that are measured.
    """
    image = gaussian_pyramid(source, octave + 1, "same")[-1]
    return frame_distance(image - jnp.mean(image, axis=(0, 1), keepdims=True), kind, octaves, "same")


def add_changes(
    apart: Float[np.ndarray, "count steps octaves"],
    shares: Float[np.ndarray, "count sources"],
    colors: Float[np.ndarray, "sources 3"],
    contrasts: Float[np.ndarray, "sources octaves"],
    steps: Sequence[int],
    kind: DistanceType,
) -> tuple[Float[np.ndarray, "count steps octaves"], Float[np.ndarray, "count steps octaves"]]:
    """Add the distance that a change of texture causes to the wanted distances between frames.

    Motion and change of texture count as perpendicular: their squares are added. The smallest distance allows a
    cross-fade from a picture of one source to an unrelated picture of another. The largest allows patches of the
    picture to turn from one source to another, each within `DISSOLVE` frames. The cross-fade's distance is the smaller
    one. If it were also the largest allowed, a rest of the old texture would stay. With ``lap1``, which is a mean and
    not a root mean square, both distances are equal.

    Args:
        apart: wanted distances of frames that all have the same texture.
        shares: share of each source in each frame.
        colors: mean color of each source.
        contrasts: contrasts of each source, from `measure_contrast`.
        steps: steps between frames that are compared.
        kind: see `frame_distance`. A change of the mean color shows in every Gaussian octave, but only in the last
            Laplacian octave.

    Returns:
        The smallest and the largest wanted distances, each ``(frames, steps, octaves)``.
    """
    least, most = apart.copy(), apart.copy()
    touched = slice(None) if kind == "l2" else slice(-1, None)
    for place, step in enumerate(steps):
        change = np.roll(shares, -step, axis=0) - shares
        color = change @ colors
        color = np.sqrt(np.mean(color**2, axis=1)) if kind == "l2" else np.mean(np.abs(color), axis=1)
        area = np.maximum(
            np.abs(change).sum(axis=1, keepdims=True) / 2, TINY
        )  # share of the picture that changes its source
        done = min(step / DISSOLVE, 1.0)
        faded = change**2 @ contrasts**2
        faded[:, touched] += color[:, None] ** 2
        patched = np.abs(change) @ contrasts**2 + color[:, None] ** 2 / area if kind == "l2" else faded
        least[:, place] = np.hypot(least[:, place], np.sqrt(faded))
        most[:, place] = np.hypot(most[:, place], np.sqrt(np.maximum(done * patched, faded)))
    return least, most
