"""What a network needs is known without compiling it."""

import jax
import jax.numpy as jnp
import pytest
from helpers.feedforward import random_network

from subjective.feedforward.memory import PICTURE_BYTES, network_bytes
from subjective.feedforward.networks import NOISE_CHANNELS
from subjective.feedforward.step import build_network


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "width", "depth"), [("style", 4, 1), ("style", 32, 1), ("texture", 8, 3)])
def test_the_estimate_is_what_the_compiler_says(kind, width, depth, with_all_passes):
    border, side = "circular" if kind == "texture" else "reflect", 128
    architecture, params = random_network(kind, border, 1, width, depth)
    picture = jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    sides = [side >> scale for scale in reversed(range(depth))]
    noise = [jax.ShapeDtypeStruct((each, each, NOISE_CHANNELS), jnp.float32) for each in sides]

    def run(params, given, blend):
        return build_network(architecture, params)(given, blend)

    compiled = jax.jit(run).lower(params, picture if kind == "style" else noise, jnp.ones(1)).compile()
    needed = network_bytes(architecture, (side, side)) - PICTURE_BYTES * side**2
    assert needed == pytest.approx(compiled.memory_analysis().temp_size_in_bytes, rel=0.15)


def test_strips_need_less_and_no_more_rows_than_there_are():
    architecture, _ = random_network(width=32)
    whole, strips = network_bytes(architecture, (4096, 4096)), network_bytes(architecture, (4096, 4096), 128)
    assert strips < whole / 2
    assert network_bytes(architecture, (64, 64), 128) == network_bytes(architecture, (64, 64), 64)
