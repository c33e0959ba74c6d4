"""Where is a texture loss steep? Its curvature along waves of each length, in brightness and color.

    python experiments/13_curvature.py [SOURCE...]

At a picture of 128 pixels after 30 steps of the last stage: the mean of vᵀHv over random mixtures v of the waves of a
ring, of length one, in pixels and in the coordinates of `subjective.synthesis.preconditioner`. Then what these
coordinates are worth: loss and scores with and without, by steps. Some three minutes a source on two cores; prints the
tables of 13_curvature.md.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
from studio import HEAD, make, params_of, source

import subjective
from subjective.colors import OPPONENT
from subjective.optimize.protocol import value_and_gradient
from subjective.synthesis import coarse_to_fine, texture
from subjective.synthesis.preconditioner import apply_octave_gains

SIDE = 128
RINGS = (0.5, 1.5, 3, 6, 12, 20, 32, 45, 64, 91)
"""Waves across the picture."""

MIXTURES, APART = 8, 0.02
"""Random mixtures of a ring's waves; half the distance, in all pixels together, at which gradients are compared."""

DEFAULT = subjective.preset("default", output_width=SIDE)

Gradient = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    for name in sys.argv[1:] or ("gravel", "rock"):
        picture = subjective.resize(source(name), (256, 256))
        gradient_at, image = problem_of(picture)
        print(f"\n{name}\n\n| pixels a wave | brightness | red, green | yellow, blue | the same, preconditioned |")
        print("| --- | --- | --- | --- | --- |")
        for ring in pairwise(RINGS):
            plain, turned = (
                curvatures(gradient_at, image, ring, change) for change in (np.asarray, apply_octave_gains)
            )
            cells = (*(f"{number:.1e}" for number in plain), ", ".join(f"{number:.1e}" for number in turned))
            print(f"| {SIDE / ring[1]:.1f}-{SIDE / ring[0]:.0f} | {' | '.join(cells)} |", flush=True)
        print(f"\n{HEAD}", flush=True)
        for steps in (15, 30, 60):
            for kind in ("none", "octaves"):
                config = dataclasses.replace(DEFAULT, preconditioner=kind, max_iter=steps, coarse_iter=100)
                made = make(f"{name}, {kind}, {steps} steps", [picture], config)
                print(f"loss {made.loss:.4f}")


def problem_of(picture: np.ndarray) -> tuple[Gradient, np.ndarray]:
    """The gradient of the last stage's loss, and the picture at which it is looked at."""
    config = dataclasses.replace(DEFAULT, max_iter=30)
    job = texture.prepare([picture], config, params_of())
    loss, arguments = job.problem(job.stages[-1])
    [made] = coarse_to_fine.run(job)

    def gradient_at(image: np.ndarray) -> np.ndarray:
        return np.asarray(value_and_gradient(loss)(jnp.asarray(image, jnp.float32), arguments)[1], np.float64)

    return gradient_at, np.asarray(made.value, np.float64)


def curvatures(
    gradient_at: Gradient, image: np.ndarray, ring: tuple[float, float], change: Callable[..., Any]
) -> list[float]:
    """Along each axis of `OPPONENT`, the mean over mixtures."""
    waves = SIDE * np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    taken, random = (waves >= ring[0]) & (waves < ring[1]), np.random.default_rng(0)
    found = []
    for axis in OPPONENT:
        along = []
        for _ in range(MIXTURES):
            mixture = np.fft.ifft2(np.where(taken, np.fft.fft2(random.standard_normal((SIDE, SIDE))), 0)).real
            wave = mixture[..., None] * axis / np.linalg.norm(mixture)
            moved = APART * np.asarray(change(jnp.asarray(wave, jnp.float32)), np.float64)
            up, down = (gradient_at(image + sign * moved) for sign in (1, -1))
            along.append(np.sum((up - down) * moved) / (2 * APART**2))
        found.append(float(np.mean(along)))
    return found


if __name__ == "__main__":
    main()
