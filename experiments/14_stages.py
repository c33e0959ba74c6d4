"""What should a stage take over from the one before: the optimizer's pairs, fresh noise, detail of the source's own?

    python experiments/14_stages.py [SEEDS]

Gravel and rock reduced to 256 pixels, at 128 pixels by `lbfgs`; each row is a mean over pictures, four if not said.
Some ten seconds a picture, fifteen minutes in all on two cores; prints the tables of 14_stages.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from studio import AVERAGES, averages, params_of, source

import subjective
from subjective.colors import OPPONENT
from subjective.evaluation.yardstick import Yardstick
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.minimizer import Point
from subjective.optimize.preconditioned import Preconditioned
from subjective.pyramid import expand
from subjective.synthesis import texture
from subjective.synthesis.plan import SOURCE_PADDING
from subjective.synthesis.preconditioner import BRIGHTNESS, COLOR, apply_octave_gains
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage, enlarge, reduce_to_stage
from subjective.synthesis.starts import NOISE, initial_image, key_of, random_phases

SIDE = 128


@dataclass(frozen=True)
class Way:
    """How a stage begins.

    Attributes:
        preconditioned: as the defaults are.
        pairs: whether those of the stage before are taken over, enlarged.
        noise: standard deviation of the white noise added to what is enlarged.
        phases: contrast of noise with the source's spectrum, added likewise.
    """

    preconditioned: bool = True
    pairs: bool = False
    noise: float = NOISE
    phases: float = 0.0


WAYS = {
    "default": Way(),
    "pairs taken over": Way(pairs=True),
    "preconditioner none": Way(preconditioned=False),
    "preconditioner none, pairs taken over": Way(preconditioned=False, pairs=True),
    "no noise after the first stage": Way(noise=0.0),
    "noise 4/255": Way(noise=4 / 255),
    "noise 16/255": Way(noise=16 / 255),
    "noise 48/255": Way(noise=48 / 255),
    "random phases, contrast 0.3": Way(phases=0.3),
    "random phases, contrast 1": Way(phases=1.0),
}


def main(seeds: int = 4) -> None:
    config = subjective.preset("default", output_width=SIDE)
    for name in ("gravel", "rock"):
        picture = subjective.resize(source(name), (2 * SIDE, 2 * SIDE))
        job = texture.prepare([picture], config, params_of())
        yardstick = Yardstick([picture], (SIDE, SIDE), params_of(), portilla_simoncelli=False)
        print(f"\n{name}\n\n| | loss after 15, 30, 60 steps | {AVERAGES} |")
        print("| --- |" + " --- |" * (2 + AVERAGES.count("|")), flush=True)
        for label, way in WAYS.items():
            values, losses = [], []
            for seed in range(seeds):
                value, trace = made(job, picture, seed, way)
                values.append(value)
                losses.append([trace[min(at, len(trace) - 1)] for at in (15, 30, 60)])
            reached = ", ".join(f"{loss:.3f}" for loss in np.mean(losses, axis=0))
            print(f"| {label} | {reached} | {averages(values, picture, yardstick)} |", flush=True)


def made(job: Job, picture: np.ndarray, seed: int, way: Way) -> tuple[jax.Array, Sequence[float]]:
    """A picture, and the loss at each step of its last stage."""
    value, before, point, trace = jnp.zeros(0), None, None, []
    for stage in job.stages:
        start = begun(picture, stage, seed, Way() if before is None else way)
        if before is not None:
            start = enlarge(value, before, stage, start, job.config.padding_mode)
        loss, argument = job.problem(stage)
        trace, last = [], []

        def on_step(step: subjective.Step, trace: list[float] = trace, last: list[Point] = last) -> None:
            trace.append(step.loss)
            last[:] = [step.position]

        options: dict[str, Any] = {
            "optimizer": Preconditioned(LBFGS(), apply_octave_gains) if way.preconditioned else LBFGS(),
            "first_step": job.config.first_step,
            "on_step": on_step,
        }
        if way.pairs and point is not None:
            subjective.minimize(loss, start, (argument,), max_steps=0, **options)
            take_over(point.state.arrays, last[0].state.arrays, way.preconditioned)
            options["resume"] = last[0]
        value = subjective.minimize(loss, start, (argument,), max_steps=stage.steps, **options).value
        before, point = stage, last[0]
    return value, trace


def begun(picture: np.ndarray, stage: Stage, seed: int, way: Way) -> jax.Array:
    """The noise with which a stage begins, around the source's color."""
    key = key_of(seed, 0)
    image = initial_image("random", stage.size, picture.mean(axis=(0, 1)), key, noise=way.noise)
    if way.phases:
        image = image + random_phases(
            [reduce_to_stage(picture, stage, SOURCE_PADDING)], (1.0,), stage.size, key, way.phases
        )
    return jnp.asarray(image)


def take_over(found: dict[str, Any], arrays: dict[str, Any], preconditioned: bool) -> None:
    """Give a stage the pairs of the one before, oldest first.

    A step s goes as `expand` enlarges it and a change of gradient y as the adjoint of `reduce` does, which is a quarter
    of that: the coarse octaves' share of the new loss is the old loss of the reduced picture, so that s'ᵀy' is about
    sᵀy. With a preconditioner both are of its coordinates, where an octave further down has smaller gains.
    """
    gains = np.array([BRIGHTNESS, COLOR, COLOR] if preconditioned else [1.0, 1.0, 1.0])
    up, down = (jnp.asarray(OPPONENT.T @ np.diag(by) @ OPPONENT, jnp.float32) for by in (1 / gains, gains))
    size, history, count = arrays["value"].shape[:2], found["steps"].shape[0], int(found["count"])
    kept = 0
    for number in range(max(count - history, 0), count):
        step = expand(found["steps"][number % history] @ up, size)
        change = expand(found["changes"][number % history] @ down, size) / 4
        curvature = jnp.sum(step * change)
        if curvature <= 1e-6 * jnp.linalg.norm(step) * jnp.linalg.norm(change):
            continue  # of what `reduce` does not pass on
        for name, row in (("steps", step), ("changes", change), ("curvatures", curvature)):
            arrays[name] = arrays[name].at[kept].set(row)
        kept += 1
    arrays["count"] = np.asarray(kept, np.int32)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
