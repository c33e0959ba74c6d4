"""Measure how a loop moves: how much each frame differs from the next, whether the loop closes, whether it flickers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from subjective.compilation import jit
from subjective.evaluation.pixels import compare_steps
from subjective.evaluation.scores import Measure, Score, Scores
from subjective.network.vgg import Params, extract_features

LAYER = "pool2"
"""Layer whose features are compared. Each feature depends on 16 x 16 pixels of a frame."""

_features = jit(lambda params, image: extract_features(params, image, (LAYER,), padding="same")[LAYER])

Frames = Float[np.ndarray, "count height width 3"]


MEANING = "A score of 1 is as in a steady motion; smaller is better."
"""What the scores of a motion mean."""

STEADY_FLICKER = 0.6
"""Largest flicker of a steady motion. Motion around a circle in 12 frames has 0.52; frames without relation have √3."""

END = Measure(
    key="end",
    name="step from last frame to first",
    unit="ratio of steps",
    figures="{value:.2f} times a step inside",
    verdicts=("as even as the others", "nearly as even", "uneven", "very uneven"),
    remarks=("closes evenly", "closes evenly", "is uneven at its end", "is very uneven at its end"),
)

FLICKER = Measure(
    key="flicker",
    name="flicker",
    unit="ratio of second to first differences",
    figures="{value:.2f}; frames without relation: 1.73",
    verdicts=("steady", "shimmers", "flickers", "flickers"),
    remarks=("moves steadily", "shimmers", "flickers", "flickers"),
)


@dataclass(frozen=True)
class FrameDistances:
    """Distances between the frames of a loop.

    Attributes:
        values: distance of each frame to the next frame; the last value is the distance of the last frame to the first.
        flicker: root mean square of the second differences, divided by that of the first differences; 0 for a steady
            motion, √3 for frames that are independent of each other.
        across: root mean square distance between frames that are half a loop apart, divided by that between neighboring
            frames.
    """

    values: tuple[float, ...]
    flicker: float
    across: float

    @property
    def scores(self) -> Scores:
        """The scores of the loop's end and of its flicker, which stand for themselves without a source."""
        ratio, usual, score = compare_steps(self.values[-1], self.values[:-1])
        return Scores(
            [
                Score(END, ratio, usual, score),
                Score(FLICKER, self.flicker, STEADY_FLICKER, self.flicker / STEADY_FLICKER),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """Return a dict of plain values for JSON: the scores, and the distances.

        ``mean``, ``spread``, ``least`` and ``most`` describe all distances but the last, which is ``around_the_end``.
        ``closes`` tells whether the last distance lies between ``least`` and ``most``.
        """
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
        return (
            self.scores.to_json()
            | {name: float(f"{value:.4g}") for name, value in figures.items()}
            | {
                "closes": bool(within.min() <= around <= within.max()),
                "values": [float(f"{value:.4g}") for value in self.values],
            }
        )


def measure_distances(states: Float[np.ndarray, "count *rest"]) -> FrameDistances:
    """Measure the distances between the states of a loop.

    Args:
        states: two or more pictures or feature maps, in any unit.

    Returns:
        The distances; ``values`` are root mean squares in the unit of the states.
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
        frames: two or more frames, RGB in [0, 1].
        params: the network, which must reach at least `LAYER`.

    Returns:
        A dict. ``pixels`` has the distances of the frames, where 1 is the distance from black to white. ``features``
        has the distances of the frames' features at `LAYER`, divided by the root mean square of all features.
    """
    clipped = np.clip(frames, 0, 1)
    maps = np.stack([np.asarray(_features(params, jnp.asarray(frame, jnp.float32))) for frame in clipped])
    size = max(float(np.sqrt(np.mean(maps**2, dtype=np.float64))), 1e-12)
    return {"pixels": measure_distances(clipped), "features": measure_distances(maps / size)}
