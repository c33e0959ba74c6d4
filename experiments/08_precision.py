"""What do feature maps in bfloat16 cost, and what do they save? Along a run, and at its end.

    python experiments/08_precision.py [SOURCE...]      (gravel tiles; some 10 minutes on two cores)

A run of the defaults at 256 px in float32; at its start, middle and end, the gradient in bfloat16 is compared with that
in float32 (‖g′ − g‖ / ‖g‖), with targets taken in bfloat16 as well, as runs do, and in float32. Then the same run with
``--precision bfloat16``, the last quarter of its steps in float32 and not: the loss in float32 where each ends,
over that of the float32 run at equal steps. And the compiled programs' temporary memory and seconds an evaluation at
512 px, in turn. The current figures are in 08_precision.md.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from subjective.images import read_image
from subjective.network.normalization import load_params
from subjective.optimize.protocol import value_and_gradient
from subjective.synthesis import stages, texture
from subjective.synthesis.config import SynthesisConfig

HERE = Path(__file__).parent


def evaluated(sources, config, params, value):
    """Loss and gradient at full size."""
    job = texture.prepare(sources, config, params)
    loss, argument = job.problem(job.stages[0 if config.schedule == "plain" else -1])
    (scalar, _), gradient = value_and_gradient(loss)(value, argument)
    return float(scalar), np.asarray(gradient, np.float64)


def errors(sources, params, value) -> tuple[float, float]:
    """Of the gradient at full size: with targets in bfloat16, and with targets in float32."""
    wide = texture.prepare(sources, SynthesisConfig(output_width=256, schedule="plain"), params)
    narrow = texture.prepare(sources, SynthesisConfig(output_width=256, schedule="plain", precision="bfloat16"), params)
    loss, argument = wide.problem(wide.stages[0])
    rough, of_rough = narrow.problem(narrow.stages[0])
    gradients = [
        np.asarray(value_and_gradient(fn)(value, targets)[1], np.float64)
        for fn, targets in ((loss, argument), (rough, of_rough), (rough, argument))
    ]
    exact = gradients[0]
    first, second = (np.linalg.norm(other - exact) / np.linalg.norm(exact) for other in gradients[1:])
    return float(first), float(second)


def along(name: str, params) -> None:
    """The table of a source."""
    sources = [read_image(HERE / "sources" / f"{name}.jpg", width=512)]
    config = SynthesisConfig(output_width=256)
    kept: dict[int, jax.Array] = {}

    def keep(_, step):
        if step.value.shape[0] == 256:
            kept[step.step] = step.value

    (result,) = texture.synthesize(sources, config, params=params, on_step=keep)
    for text, step in zip(("first step at full size", "middle", "end"), np.linspace(0, len(kept) - 1, 3), strict=True):
        both = errors(sources, params, kept[sorted(kept)[round(step)]])
        print(f"{name:8} {text:24} gradient off by {both[0]:.3f}, with float32 targets {both[1]:.3f}")
    for share in (stages.POLISH, 0.0):
        stages.POLISH = share
        rough = dataclasses.replace(config, precision="bfloat16")
        (ended,) = texture.synthesize(sources, rough, params=params)
        loss, _ = evaluated(sources, config, params, ended.value)
        print(f"{name:8} {share:.0%} of the last steps in float32: loss {loss / result.loss:.3f} of the float32 run's")
    stages.POLISH = 0.25


def cost(params) -> None:
    """Temporary memory, and seconds an evaluation, at 512 px."""
    sources = [read_image(HERE / "sources" / "gravel.jpg", width=640)]
    functions = {}
    for precision in ("float32", "bfloat16"):
        config = SynthesisConfig(output_width=512, schedule="plain", precision=precision)
        job = texture.prepare(sources, config, params)
        loss, argument = job.problem(job.stages[0])
        function, value = value_and_gradient(loss), jnp.full((512, 512, 3), 0.5)
        memory = function.lower(value, argument).compile().memory_analysis().temp_size_in_bytes
        jax.block_until_ready(function(value, argument))
        functions[precision] = (function, value, argument, memory, [])
    for _ in range(5):
        for function, value, argument, _, seconds in functions.values():
            began = time.perf_counter()
            jax.block_until_ready(function(value, argument))
            seconds.append(time.perf_counter() - began)
    for precision, (*_, memory, seconds) in functions.items():
        print(f"512 px {precision:8} {memory / 1e6:6.0f} MB of temporaries, {min(seconds):.2f} s an evaluation")


if __name__ == "__main__":
    parameters = load_params()
    cost(parameters)
    for source in sys.argv[1:] or ("gravel", "tiles"):
        along(source, parameters)
