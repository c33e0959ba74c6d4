"""The losses and gradients that the 2017 program returned (see `reference/README.md`)."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import REFERENCE

from subjective.images import read_image
from subjective.optimize.protocol import value_and_gradient
from subjective.synthesis.presets import preset
from subjective.synthesis.texture import prepare

ROCK, GRAVEL = "rock_320x256.png", "gravel_256x320.png"
CASES = {
    "one_o1": ([ROCK], {"octaves": 1}, None),
    "one_o3": ([ROCK], {"octaves": 3}, None),
    "two_avg_o2": ([ROCK, GRAVEL], {"octaves": 2}, None),
    "two_max_o2": ([ROCK, GRAVEL], {"octaves": 2, "join_mode": "max"}, None),
    "mul_o2": ([ROCK], {"octaves": 2, "mul": 0.5}, None),
    "scale_o1": ([ROCK], {"octaves": 1}, 0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_the_2017_program(case, vgg16):
    names, flags, scale = CASES[case]
    with np.load(REFERENCE / "original_losses.npz") as file:
        expected = {key.removeprefix(f"{case}_"): file[key] for key in file if key.startswith(case)}
        picture = file["x0"]
    config = preset("paper", output_width=192, output_height=160, layers=("2", "7"), **flags)
    job = prepare([read_image(REFERENCE / name, scale=scale) for name in names], config, vgg16)
    [stage] = job.stages
    loss, arguments = job.problem(stage)
    image = (picture + vgg16["input"]["mean"][None, None])[:, :, ::-1] / 255

    (found, _), gradient = value_and_gradient(loss)(jnp.asarray(image), arguments)
    # Back to the original's units: BGR, 0 to 255.
    gradient = np.asarray(gradient, dtype=np.float64)[:, :, ::-1] / 255

    assert float(found) == pytest.approx(float(expected["loss"]), rel=1e-6)
    assert np.linalg.norm(gradient) == pytest.approx(float(expected["grad_norm"]), rel=1e-4)
    sampled = expected["grad_every_90th"]
    assert np.linalg.norm(gradient.ravel()[::90] - sampled) <= 2e-3 * np.linalg.norm(sampled)
    if "grad" in expected:
        assert np.linalg.norm(gradient - expected["grad"]) <= 2e-3 * np.linalg.norm(expected["grad"])
