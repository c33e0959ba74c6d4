"""Which source counts how much at each frame, around a closed path of keyframes or as a table says; and how far apart
frames are whose textures change."""

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
"""Frames in which a patch of one texture may become another's. In one frame it would flicker; the slower, the more is
left of it where it should be gone (`experiments/LOG.md`)."""

TURN_BY: JoinMode = "geodesic"
"""How targets between textures are joined if nothing is said: one then turns into another stone by stone. By average,
patches of both lie side by side, and what is left of one has more than its contrast (`experiments/LOG.md`)."""

TINY = 1e-12


def around(frames: int, keyframes: int, ease: Ease = "smooth") -> Weights:
    """Weights on the way from each keyframe to the next and from the last back to the first.

    Args:
        frames: of the loop; the first frame is the first keyframe.
        keyframes: how many, one or more.
        ease: ``smooth`` rests at each keyframe (half a cosine), ``linear`` goes on at one speed.

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
    """How much each frame's texture counts: those of one source more, up to four times those of two in equal parts.

    A mixed frame cannot have what it is asked for, statistics half way between two textures, and is not to win against
    its neighbors what they can have.

    Args:
        shares: of each source in each frame.

    Returns:
        One weight a frame, 1 on average.
    """
    pure = np.sum(shares**2, axis=1) ** 2
    return pure / pure.mean()


@partial(jit, static_argnums=(1, 2, 3))
def measure_contrast(
    source: Float[Array, "height width 3"], kind: DistanceType, octave: int, octaves: int
) -> Float[Array, " octaves"]:
    """How far a source is from its own mean color, at so many octaves from one on; in the units of `frame_distance`."""
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
    """The distances wanted of frames whose textures change as well: what changes comes on top, at right angles.

    At least as far as a cross-fade would go, from a picture of one source into one of another that knows nothing of
    it; at most as if patches of so much of the picture went from one source to another, each within `DISSOLVE` frames.
    A cross-fade goes less far than textures that lie beside each other in changing shares: with no more than that,
    what a frame should no longer have would have to stay. By ``lap1``, a mean and no root mean square, both go as far.

    Args:
        apart: distances wanted of frames that are of one texture.
        shares: of each source in each frame.
        colors: mean color of each source.
        contrasts: of each source, from `contrast`.
        steps: between frames.
        kind: a change of mean color is in every Gaussian octave, and in the last Laplacian one.

    Returns:
        The least and the most.
    """
    least, most = apart.copy(), apart.copy()
    touched = slice(None) if kind == "l2" else slice(-1, None)
    for place, step in enumerate(steps):
        change = np.roll(shares, -step, axis=0) - shares
        color = change @ colors
        color = np.sqrt(np.mean(color**2, axis=1)) if kind == "l2" else np.mean(np.abs(color), axis=1)
        area = np.maximum(np.abs(change).sum(axis=1, keepdims=True) / 2, TINY)  # of the picture, that changes hands
        done = min(step / DISSOLVE, 1.0)
        faded = change**2 @ contrasts**2
        faded[:, touched] += color[:, None] ** 2
        patched = np.abs(change) @ contrasts**2 + color[:, None] ** 2 / area if kind == "l2" else faded
        least[:, place] = np.hypot(least[:, place], np.sqrt(faded))
        most[:, place] = np.hypot(most[:, place], np.sqrt(np.maximum(done * patched, faded)))
    return least, most
