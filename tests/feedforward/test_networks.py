"""Both networks: their formulas, sizes and seams."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import networks as plain
from helpers.feedforward import random_network

from subjective.feedforward import network_file
from subjective.feedforward.networks import noise_for, noise_sizes
from subjective.feedforward.step import build_network
from subjective.feedforward.train import draw, paint


@pytest.mark.slow
def test_transform_net_is_what_its_formulas_say(rng):
    architecture, params = random_network()
    image = rng.uniform(size=(36, 44, 3)).astype(np.float32)
    blend = np.array([0.3, 0.7], np.float32)
    flat = {name: np.asarray(leaf, np.float64) for name, leaf in network_file.flatten(params).items()}

    def block(x, place, stride=1, relu=plain.relu):
        kernel = flat[f"blocks.{place}.convolution.kernel"]
        gain, shift = (blend.astype(np.float64) @ flat[f"blocks.{place}.norm.{part}"] for part in ("gain", "shift"))
        y = plain.convolved(plain.padded(x, len(kernel) // 2, "reflect"), kernel, stride=stride)
        return relu(plain.instance_normalized(y, gain, shift))

    x = image.astype(np.float64) * 2 - 1
    for place, stride in enumerate((1, 2, 2)):
        x = block(x, place, stride)
    for place in (3, 5):
        x = x + block(block(x, place), place + 1, relu=lambda y: y)
    for place in (7, 8):
        x = block(plain.doubled(x), place)
    wanted = (np.tanh(plain.convolved(plain.padded(x, 4, "reflect"), flat["last.kernel"])) + 1) / 2
    np.testing.assert_allclose(paint(architecture, params, image, blend), wanted, atol=1e-5)


@pytest.mark.slow
def test_a_repainted_picture_keeps_any_size(rng):
    architecture, params = random_network(depth=1, width=2)
    for size in ((16, 16), (17, 30)):
        image = rng.uniform(size=(*size, 3)).astype(np.float32)
        painted = paint(architecture, params, image, (0.5, 0.5))
        assert painted.shape == image.shape
        assert 0 <= painted.min() < painted.max() <= 1


def test_a_circular_network_moves_with_its_picture(rng):
    architecture, params = random_network(border="circular")
    image = rng.uniform(size=(32, 48, 3)).astype(np.float32)
    painted = paint(architecture, params, image, (1.0, 0.0))
    moved = paint(architecture, params, np.roll(image, (4, 8), (0, 1)), (1.0, 0.0))
    np.testing.assert_allclose(moved, np.roll(painted, (4, 8), (0, 1)), atol=1e-5)


@pytest.mark.slow
def test_a_texture_tiles():
    """Noise that is moved around the border moves the texture with it: there is no seam."""
    architecture, params = random_network("texture", "circular", depth=2)
    noise = noise_for(jax.random.key(0), (32, 48), 2)
    net = build_network(architecture, params)
    moved = [jnp.roll(z, (2**k, 2**k), (0, 1)) for k, z in enumerate(noise)]
    blend = jnp.array([0.5, 0.5])
    np.testing.assert_allclose(net(moved, blend), jnp.roll(net(noise, blend), (2, 2), (0, 1)), atol=1e-5)


@pytest.mark.slow
def test_a_texture_has_any_size():
    architecture, params = random_network("texture", "circular", depth=2, width=2)
    for size in ((32, 48), (13, 6)):
        assert draw(architecture, params, size, (0.5, 0.5), 0).shape == (*size, 3)


def test_noise_comes_in_halves_rounded_up():
    assert noise_sizes((45, 70), 3) == [(12, 18), (23, 35), (45, 70)]


@pytest.mark.slow
def test_noise_is_uniform_and_a_larger_texture_continues_a_smaller_one():
    key = jax.random.key(7)
    small, large = noise_for(key, (20, 30), 3), noise_for(key, (64, 96), 3)
    for one, other in zip(small, large, strict=True):
        np.testing.assert_array_equal(one, other[: one.shape[0], : one.shape[1]])
    finest = np.asarray(large[-1], np.float64)
    assert -1 <= finest.min() < -0.999
    assert 0.999 < finest.max() < 1
    # Of 18 432 independent numbers, the mean and any correlation are below 0.03 but once in 10 000 times.
    assert abs(finest.mean()) < 0.03
    assert abs(finest.var() - 1 / 3) < 0.01
    others = [np.roll(finest, 1, axis) for axis in range(3)] + [
        np.asarray(noise_for(jax.random.key(8), (64, 96), 1)[0])
    ]
    coarser = np.asarray(large[-2])
    others_of_coarser = np.asarray(large[-1])[: coarser.shape[0], : coarser.shape[1]]
    pairs = [*((finest, other) for other in others), (coarser, others_of_coarser)]
    assert all(abs(np.mean(one * other)) < 0.03 for one, other in pairs)


def test_seeds_and_blends_make_other_textures():
    architecture, params = random_network("texture", "circular")
    first = draw(architecture, params, (32, 32), (1.0, 0.0), 0)
    np.testing.assert_array_equal(first, draw(architecture, params, (32, 32), (1.0, 0.0), 0))
    assert np.abs(first - draw(architecture, params, (32, 32), (1.0, 0.0), 1)).mean() > 0.01
    assert np.abs(first - draw(architecture, params, (32, 32), (0.0, 1.0), 0)).mean() > 0.01
