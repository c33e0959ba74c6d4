"""Morphs: how much each source counts at each frame, and how far apart frames are whose texture changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.compilation import jit
from subjective.joins import JoinMode
from subjective.pyramid import gaussian_pyramid
from subjective.synthesis.frames import DistanceType, frame_distance

Ease = Literal["smooth", "linear"]

Weights = Float[np.ndarray, "frames sources"]

DISSOLVE = 3
"""Number of frames in which a patch of one texture turns into a patch of another. A patch that turns in one frame
flickers; the slower it turns, the more of the old texture is left where the old texture should be gone
(`experiments/09_loops.md`)."""

TURN_BY: JoinMode = "geodesic"
"""Default join of the targets between two textures: one texture then turns into the other stone by stone. With average,
patches of both textures lie side by side, and the rest of the old texture has more than its own contrast
(`experiments/09_loops.md`)."""

TINY = 1e-12


def around(frames: int, keyframes: int, ease: Ease = "smooth") -> Weights:
    """Make the weights of frames that go from each keyframe to the next, and from the last back to the first.

    Args:
        frames: number of frames in the loop; the first frame is the first keyframe.
        keyframes: number of keyframes, one or more.
        ease: ``smooth`` rests at each keyframe (half a cosine), ``linear`` moves at one speed.

    Returns:
        ``(frames, keyframes)``, each row adding up to 1.
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
    """Return the weight of each frame's texture loss: a frame of one source counts four times an even mixture of two.

    A mixed frame cannot reach its target, statistics half way between two textures. With equal weights it would pull
    its neighbors away from targets that they can reach.

    Args:
        shares: share of each source in each frame.

    Returns:
        One weight a frame, 1 on average.
    """
    pure = np.sum(shares**2, axis=1) ** 2
    return pure / pure.mean()


@partial(jit, static_argnums=(1, 2, 3))
def measure_contrast(
    source: Float[Array, "height width 3"], kind: DistanceType, octave: int, octaves: int
) -> Float[Array, " octaves"]:
    """Measure how far a source is from its own mean color, in the units of `frame_distance`.

    Args:
        source: image.
        kind: see `frame_distance`.
        octave: the first octave.
        octaves: number of octaves from the first.
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
    """Add the change of texture to the wanted distances between frames, at right angles to the motion.

    The least distance is that of a cross-fade from a picture of one source into an unrelated picture of another. The
    most is the distance if patches of the picture turned from one source into another, each within `DISSOLVE` frames.
    A cross-fade is the smaller distance: if frames could be no further apart, the rest of the old texture would have to
    stay. With ``lap1``, a mean and not a root mean square, both distances are equal.

    Args:
        apart: wanted distances of frames that have one texture.
        shares: share of each source in each frame.
        colors: mean color of each source.
        contrasts: of each source, from `measure_contrast`.
        steps: steps between frames that are compared.
        kind: see `frame_distance`. A change of mean color shows in every Gaussian octave, and in the last Laplacian
            octave alone.

    Returns:
        The least and the most distances, each ``(frames, steps, octaves)``.
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
