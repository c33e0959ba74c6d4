"""A synthesis on several devices, run by `test_devices.py` in processes of its own; prints its figures as JSON.

python sharded_program.py DEVICES [PROCESSES NUMBER PORT]
"""

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from subjective.devices import gather, share_out
from subjective.network.formats.layout import random_params
from subjective.optimize.protocol import value_and_gradient
from subjective.runs import checkpoints
from subjective.synthesis import loop, texture
from subjective.synthesis.coarse_to_fine import run
from subjective.synthesis.config import AnimationConfig, SynthesisConfig

count = int(sys.argv[1])
if len(sys.argv) > 2:
    processes, number, port = map(int, sys.argv[2:])
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, number)

FOLDER = Path(tempfile.mkdtemp())
PARAMS = random_params(0, blocks=3)
SOURCE = np.random.default_rng(0).uniform(size=(120, 100, 3)).astype(np.float32)
SETTINGS = {
    "output_width": 72,
    "output_height": 192,
    "octaves": 2,
    "layers": ("conv1_1", "pool1", "conv3_2"),
    "statistic": ("gram", "spectrum@rgb=0.1"),
    "max_iter": 4,
    "schedule": "plain",
    "block": 0.5,  # three blocks of rows, each on several devices, or not
    "noise": 0.1,  # from a fainter start rounding grows tenfold with each step
}


def told(value, gradient, losses, result):
    """What is compared."""
    return {
        "devices": len(gradient.sharding.device_set),
        "rows": gradient.addressable_shards[0].data.shape[0],
        "loss": float(value),
        "gradient": np.asarray(gather(gradient), np.float64).ravel()[::97].tolist(),
        "losses": losses,
        "mean": float(np.mean(np.asarray(gather(result.value)))),
    }


def evaluate(loss, arguments, shape, devices, axis=-3):
    """Loss and gradient at a picture of float64, in which the order of sums hardly matters."""
    with jax.enable_x64(True):
        picture = jnp.asarray(np.random.default_rng(1).uniform(size=shape))
        shared = picture if devices == 1 else share_out(picture, devices, axis)
        (value, _), gradient = value_and_gradient(loss)(shared, arguments)
    return value, gradient


def figures(devices, **changes):
    """Loss and gradient at a picture, and the losses of a synthesis."""
    # As `conftest.py` does; but many small tiles take longer to compute than to compile.
    jax.config.update("jax_disable_most_optimizations", "tile" not in changes)
    config = dataclasses.replace(SynthesisConfig(**SETTINGS), devices=devices, **changes)
    job = texture.prepare([SOURCE], config, PARAMS)
    loss, arguments = job.problem(job.stages[-1])
    value, gradient = evaluate(loss, arguments, (*config.size, 3), devices)
    losses, positions = [], []

    def on_step(_, step):
        losses.append(step.loss)
        if step.step == 2 and len(sys.argv) == 2:
            path = checkpoints.write(FOLDER, len(list(FOLDER.iterdir())) + 1, step.position, {})
            positions.append(checkpoints.read(path)[0])

    [result] = run(job, on_step)
    again = result
    if positions:
        [again] = run(job, resume=positions[0])
    return told(value, gradient, losses, result) | {
        "resumed": bool((np.asarray(gather(again.value)) == np.asarray(gather(result.value))).all()),
    }


def figures_of_a_loop(devices):
    """Loss, gradient and losses of a loop, whose frames are divided among the devices."""
    changes = {
        "output_width": 24,
        "output_height": 32,
        "layers": ("conv1_1", "pool1"),
        "count": 8,
        "optimizer": "lbfgs",
    }
    config = AnimationConfig(**SETTINGS | changes, devices=devices)
    job = loop.prepare([SOURCE], config, PARAMS)
    loss, arguments = job.problem(job.stages[-1])
    value, gradient = evaluate(loss, arguments, (8, *config.size, 3), devices, axis=-4)
    losses = []
    [result] = run(job, lambda _, step: losses.append(step.loss))
    return told(value, gradient, losses, result)


changes = [{"optimizer": "lbfgs"}]
if len(sys.argv) == 2:
    # The first picture alone has a layout of patches, which takes longer to make than all steps.
    changes += [
        {"optimizer": "adam", "padding_mode": "valid", "tile": 8, "layers": ("conv1_1", "pool1"), "init": "random"},
        {"optimizer": "lbfgsb", "octaves": 1, "layers": ("conv1_1", "pool1"), "init": "random"},
    ]
made = [figures(count, **change) for change in changes]
if len(sys.argv) == 2:
    made.append(figures_of_a_loop(count))
sys.stdout.write(json.dumps(made) + "\n")
