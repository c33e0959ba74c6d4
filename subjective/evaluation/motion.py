"""How a loop moves: how far each frame is from the next, whether the loop closes, and whether it flickers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from subjective.compilation import jit
from subjective.network.vgg import Params, extract_features

LAYER = "pool2"
"""Layer at which features are compared; its features are details of some ten pixels."""

_features = jit(lambda params, image: extract_features(params, image, (LAYER,), padding="same")[LAYER])

Frames = Float[np.ndarray, "count height width 3"]


@dataclass(frozen=True)
class FrameDistances:
    """Distances between each frame of a loop and the next; the last one is between the last frame and the first.

    Attributes:
        values: one distance for each frame.
        flicker: root mean square of the second differences over that of the first differences: 0 for a steady motion,
            √3 for frames that are independent of each other.
        across: root mean square distance of frames half a loop apart, over that of neighbors.
    """

    values: tuple[float, ...]
    flicker: float
    across: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with mean and spread of the inner steps and whether the step around the end is alike."""
        within, around = np.asarray(self.values[:-1]), self.values[-1]
        figures = {
            "mean": within.mean(),
            "spread": within.std(),
            "least": within.min(),
            "most": within.max(),
            "around_the_end": around,
            "flicker": self.flicker,
            "across": self.across,
        }
        return {name: float(f"{value:.4g}") for name, value in figures.items()} | {
            "closes": bool(within.min() <= around <= within.max()),
            "values": [float(f"{value:.4g}") for value in self.values],
        }


def measure_distances(states: Float[np.ndarray, "count *rest"]) -> FrameDistances:
    """Measure how far each state of a loop is from the next.

    Args:
        states: pictures or feature maps, any unit; two or more.

    Returns:
        Root mean square distances in that unit.
    """
    first = np.roll(states, -1, axis=0) - states
    second = np.roll(first, -1, axis=0) - first
    values = np.sqrt(np.mean(first.reshape(len(states), -1) ** 2, axis=1, dtype=np.float64))
    step = max(float(np.sqrt(np.mean(values**2))), 1e-12)
    half = np.roll(states, -(len(states) // 2), axis=0) - states
    flicker, across = (float(np.sqrt(np.mean(change**2, dtype=np.float64))) / step for change in (second, half))
    return FrameDistances(tuple(map(float, values)), flicker, across)


def measure_motion(frames: Frames, params: Params) -> dict[str, FrameDistances]:
    """Measure the distances between the frames of a loop.

    Args:
        frames: RGB in [0, 1], two or more.
        params: the network, down to `LAYER` at least.

    Returns:
        ``pixels``: distances of the frames, in units of the distance from black to white. ``features``: distances of
        their features, divided by the features' root mean square.
    """
    clipped = np.clip(frames, 0, 1)
    maps = np.stack([np.asarray(_features(params, jnp.asarray(frame, jnp.float32))) for frame in clipped])
    size = max(float(np.sqrt(np.mean(maps**2, dtype=np.float64))), 1e-12)
    return {"pixels": measure_distances(clipped), "features": measure_distances(maps / size)}
