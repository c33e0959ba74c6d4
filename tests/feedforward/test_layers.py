import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subjective.feedforward.layers import convolve, double, pad


@pytest.mark.parametrize("side", [1, 3, 9])
def test_convolutions_are_sums_over_a_window(rng, side):
    x = jnp.asarray(rng.normal(size=(11, 12, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 5, 3)), jnp.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(x), (side, side), axis=(0, 1))
    wanted = np.einsum("hwcij,ijco->hwo", windows, np.asarray(kernel))
    np.testing.assert_allclose(jax.jit(convolve)(x, kernel), wanted, atol=1e-4)


@pytest.mark.parametrize(("border", "mode"), [("reflect", "reflect"), ("circular", "wrap"), ("same", "constant")])
def test_borders_are_those_of_numpy(rng, border, mode):
    x = jnp.asarray(rng.normal(size=(6, 7, 2)), jnp.float32)
    np.testing.assert_array_equal(pad(x, 2, 3, border), np.pad(x, ((2, 2), (3, 3), (0, 0)), mode=mode))


def test_each_pixel_becomes_four_of_its_own(rng):
    x = jnp.asarray(rng.normal(size=(6, 7, 2)), jnp.float32)
    np.testing.assert_array_equal(double(x), np.kron(x, np.ones((2, 2, 1), np.float32)))
