"""Which settings? A table for each question: terms, schedule, optimizer, color, structure.

    python experiments/04_settings.py [terms] [schedule] [optimizer] [color] [structure]

Each row changes one thing of the defaults, which make all their steps here so that rows differ in nothing else, on
gravel and rock reduced to 256 pixels, at 128 pixels, three pictures each (structure: one of `best`, of tiles at 256).
Some fifty seconds a row on two cores, four minutes of `structure`. Prints the tables of 04_settings.md.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from studio import AVERAGES, HEAD, MEANS, averages, keep, make, make_several, means, params_of, source

import subjective
from subjective.evaluation.yardstick import Yardstick
from subjective.optimize.adam import Adam
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.preconditioned import Preconditioned
from subjective.synthesis import texture
from subjective.synthesis.preconditioner import apply_octave_gains
from subjective.synthesis.settings import NO_TOLERANCE

SHIPPED = subjective.preset("default", output_width=128)
DEFAULT = dataclasses.replace(SHIPPED, tol=NO_TOLERANCE)

SEEDS = 3
"""Pictures of each row; one alone scatters by a tenth."""


def small(name: str) -> np.ndarray:
    return subjective.resize(source(name), (256, 256))


def rows(changes: dict[str, dict[str, Any]]) -> None:
    changes = {"default": {}, "default, ended by --tol": {"tol": SHIPPED.tol}, **changes}
    lines = []
    for name in ("gravel", "rock"):
        print(f"\n{name}\n\n{HEAD}", flush=True)
        lines.append(f"\n{name}, means of {SEEDS}\n\n{MEANS}")
        for label, change in changes.items():
            made = make_several(label, [small(name)], dataclasses.replace(DEFAULT, **change), SEEDS)
            lines.append(f"| {label} | {means(made)} |")
    print("\n".join(lines), flush=True)


def terms() -> None:
    """What each term is good for."""
    gram, s, g = DEFAULT.statistic
    rows(
        {
            "without grid": {"statistic": (gram, s)},
            "grid ten times": {"statistic": (gram, s, "grid@rgb=0.01")},
            "without spectrum": {"statistic": (gram, g)},
            "spectrum ten times": {"statistic": (gram, "spectrum@rgb=1", g)},
            "spectrum a tenth": {"statistic": (gram, "spectrum@rgb=0.01", g)},
            "without conv1_1": {"layers": DEFAULT.layers[1:]},
            "without conv1_1, grid and spectrum": {"layers": DEFAULT.layers[1:], "statistic": (gram,)},
            "Gram alone": {"statistic": (gram,)},
            "Gram alone, pool1 conv3_2": {"statistic": (gram,), "layers": ("pool1", "conv3_2")},
            "covariance instead": {"statistic": ("covariance", s, g)},
            "Gaussian instead": {"statistic": ("gaussian", s, g)},
            "sliced instead": {"statistic": ("sliced", s, g)},
            "shifted besides": {"statistic": (gram, s, g, "shifted@pool1=1")},
            "autocorrelation besides": {"statistic": (gram, s, g, "autocorrelation@rgb,conv1_1,pool1=0.1")},
            "Gram of the finest band": {"statistic": (gram, s, g, "gram@band=1")},
            "not relative": {"relative": False},
            "raw parameters": {"raw_weights": True},
            "max pooling": {"pooling": "max"},
        }
    )


def schedule() -> None:
    """How evaluations are shared out between stages; at about equal cost, plain against coarse to fine."""
    rows(
        {
            "plain, 50 steps": {"schedule": "plain", "max_iter": 50},
            "plain, 100 steps": {"schedule": "plain", "max_iter": 100},
            "plain, 400 steps": {"schedule": "plain", "max_iter": 400},
            "from the coarsest": {"first_stage": 1},
            "20 coarse, 20 full": {"max_iter": 20, "coarse_iter": 20},
            "60 coarse, 20 full": {"max_iter": 20, "coarse_iter": 60},
            "200 coarse, 20 full": {"max_iter": 20, "coarse_iter": 200},
            "20 coarse, 60 full": {"max_iter": 60, "coarse_iter": 20},
            "200 coarse, 60 full": {"max_iter": 60, "coarse_iter": 200},
            "200 coarse, 200 full": {"max_iter": 200, "coarse_iter": 200},
        }
    )


def optimizer() -> None:
    """Preconditioner, bounds, noise, first step, history; the optimizers against each other on the last stage."""
    rows(
        {
            "preconditioner none": {"preconditioner": "none"},
            "preconditioner none, 90 steps": {"preconditioner": "none", "max_iter": 90},
            "preconditioner none, bounds": {"preconditioner": "none", "bounds": True},
            "noise 0": {"noise": 0.0},
            "noise 4/255": {"noise": 4 / 255},
            "noise 16/255": {"noise": 16 / 255},
            "noise 48/255": {"noise": 48 / 255},
            "first step 0.001": {"first_step": 0.001},
            "first step 0.1": {"first_step": 0.1},
            "history 3": {"history": 3},
            "history 5": {"history": 5},
            "history 20": {"history": 20},
            "history 40": {"history": 40},
        }
    )
    against_each_other()


def color() -> None:
    """What keeps colors where the source has them; means over pictures."""
    gram, s, g = DEFAULT.statistic
    changes: dict[str, dict[str, Any]] = {
        "default": {},
        "preconditioner none": {"preconditioner": "none"},
        "preconditioner none, bounds": {"preconditioner": "none", "bounds": True},
        "without spectrum": {"statistic": (gram, g)},
        "Gram alone, pool1 conv3_2": {"statistic": (gram,), "layers": ("pool1", "conv3_2")},
        "covariance instead": {"statistic": ("covariance", s, g)},
        **{
            f"{term} besides": {"statistic": (gram, s, g, term)}
            for term in (
                "covariance@rgb=0.1",
                "covariance@rgb=1",
                "sliced@rgb=0.1",
                "sliced@rgb=1",
                "sliced@opponent=1",
            )
        },
    }
    for name in ("gravel", "grass", "paving"):
        picture = small(name)
        yardstick = Yardstick([picture], (128, 128), params_of(), portilla_simoncelli=False)
        print(f"\n{name}\n\n| | {AVERAGES} |\n| --- |" + " --- |" * (1 + AVERAGES.count("|")), flush=True)
        for label, change in changes.items():
            config = dataclasses.replace(DEFAULT, count=SEEDS, **change)
            values = [one.value for one in subjective.synthesize([picture], config, params=params_of())]
            print(f"| {label} | {averages(values, picture, yardstick)} |", flush=True)


def structure() -> None:
    """What keeps tiles in a lattice: `best` with one thing changed each, at 256 pixels, some four minutes a row."""
    best, pictures = subjective.preset("best", output_width=256), [source("tiles")]
    *without, near, far = best.statistic
    changes: dict[str, dict[str, Any]] = {
        "best": {},
        "faint noise": {"init": "random"},
        "one start": {"starts": 1},
        "16 lags alone": {"statistic": (*without, near)},
        "32 lags alone": {"statistic": (*without, far)},
        "no autocorrelation": {"statistic": tuple(without)},
    }
    print(HEAD, flush=True)
    made = [make(label, pictures, dataclasses.replace(best, **change)) for label, change in changes.items()]
    keep("structure", [(["source"], pictures[0]), *((one.lines(), one.image) for one in made)], 4)


def against_each_other(steps: int = 60) -> None:
    """Loss by evaluations of programs that minimize the same function, the last stage's, from the same faint noise."""
    params = params_of()
    print("\n| | loss after 20, 40, 60 steps | evaluations | seconds |\n| --- | --- | --- | --- |", flush=True)
    for name in ("gravel", "rock", "tiles"):
        config = dataclasses.replace(DEFAULT, octaves=3, schedule="plain", max_iter=steps)
        job = texture.prepare([small(name)], config, params)
        loss, arguments = job.problem(job.stages[-1])
        mean = small(name).mean((0, 1))
        start = jnp.asarray(np.random.default_rng(0).normal(mean, 1 / 255, (128, 128, 3)), jnp.float32)
        for label, optimizer in OPTIMIZERS.items():
            trace: list[subjective.Step] = []
            subjective.minimize(
                loss, start, (arguments,), optimizer, max_steps=steps, first_step=0.01, on_step=trace.append
            )
            spent = trace[-1].seconds - trace[1].seconds
            reached = ", ".join(f"{trace[min(at, len(trace) - 1)].loss:.4g}" for at in (20, 40, 60))
            print(f"| {name}, {label} | {reached} | {trace[-1].evaluations} | {spent:.0f} |", flush=True)
        began = time.perf_counter()
        reached, evaluations = by_optax(loss, start, arguments, steps)
        print(f"| {name}, optax.lbfgs | {reached} | {evaluations} | {time.perf_counter() - began:.0f} |", flush=True)


OPTIMIZERS: dict[str, Any] = {
    "lbfgsb": LBFGSB(),
    "lbfgsb, preconditioned": Preconditioned(LBFGSB(), apply_octave_gains),
    "lbfgs": LBFGS(),
    "lbfgs, preconditioned": Preconditioned(LBFGS(), apply_octave_gains),
    "lbfgs, bfloat16 history": LBFGS(history_type="bfloat16"),
    "lbfgs, bfloat16 history of 4": LBFGS(history=4, history_type="bfloat16"),
    "adam": Adam(),
}


def by_optax(loss: Any, start: jax.Array, arguments: Any, steps: int) -> tuple[str, int]:
    """The same by `optax.lbfgs`, whose line search is a loop on the device; seconds include compilation."""
    import optax

    solver = optax.lbfgs(memory_size=10)
    value_and_grad = optax.value_and_grad_from_state(lambda image: loss(image, arguments)[0])

    @jax.jit
    def step(image: jax.Array, state: Any) -> tuple[jax.Array, Any, jax.Array, jax.Array]:
        value, gradient = value_and_grad(image, state=state)
        updates, state = solver.update(
            gradient, state, image, value=value, grad=gradient, value_fn=lambda x: loss(x, arguments)[0]
        )
        return optax.apply_updates(image, updates), state, state[-1].info.num_linesearch_steps, value

    image, state, evaluations, values = start, solver.init(start), 0, []
    for _ in range(steps + 1):
        image, state, searched, value = step(image, state)
        evaluations += int(searched)
        values.append(float(value))
    return ", ".join(f"{values[at]:.4g}" for at in (20, 40, 60)), evaluations


QUESTIONS = {"terms": terms, "schedule": schedule, "optimizer": optimizer, "color": color, "structure": structure}

if __name__ == "__main__":
    for question in sys.argv[1:] or QUESTIONS:
        print(f"\n## {question}", flush=True)
        QUESTIONS[question]()
