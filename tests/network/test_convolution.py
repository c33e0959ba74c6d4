import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from subjective.network.convolution import average_pool, conv3x3_relu

NUMPY_MODE = {"same": "constant", "circular": "wrap"}


def paddings(padding):
    """Of rows, and of columns."""
    return (padding, padding) if isinstance(padding, str) else padding


def padded(x, padding):
    for axis, along in enumerate(paddings(padding)):
        if along != "valid":
            x = np.pad(x, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode=NUMPY_MODE[along])
    return x


def by_scipy(x, kernel, bias, padding, pool):
    """The same in float64, channel by channel."""
    x = padded(x, padding)
    outputs = [
        sum(scipy.signal.correlate2d(x[:, :, i], kernel[:, :, i, o], "valid") for i in range(x.shape[2])) + bias[o]
        for o in range(kernel.shape[3])
    ]
    y = np.maximum(np.stack(outputs, axis=2), 0)
    if pool:
        y = y[: y.shape[0] // 2 * 2, : y.shape[1] // 2 * 2]
        y = y.reshape(y.shape[0] // 2, 2, y.shape[1] // 2, 2, -1).mean(axis=(1, 3))
    return y


def correlation_of_jax(x, kernel, bias, padding, pool):
    """The same by JAX, which differentiates it by itself."""
    for axis, along in enumerate(paddings(padding)):
        if along != "valid":
            width = [(1, 1) if axis == other else (0, 0) for other in range(3)]
            x = jnp.pad(x, width, mode=NUMPY_MODE[along])
    names = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x[None], kernel, (1, 1), "VALID", dimension_numbers=names)[0]
    y = jax.nn.relu(y + bias[None, None, :])
    if pool:
        y = y[: y.shape[0] // 2 * 2, : y.shape[1] // 2 * 2]
        y = y.reshape(y.shape[0] // 2, 2, y.shape[1] // 2, 2, -1).mean(axis=(1, 3))
    return y


@contextlib.contextmanager
def as_on_gpus():
    """What is traced within takes the form of platforms that are no CPU; it runs here all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lax, "platform_dependent", lambda *given, cpu, default: default(*given))
        yield


def with_gradients(form, *arguments):
    """A function's result, and the gradients of a fixed sum over the result."""
    y, pull = jax.vjp(form, *arguments)
    return y, pull(jnp.cos(jnp.arange(y.size)).reshape(y.shape).astype(y.dtype))


def arguments(size, channels, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((*size, channels[0]), (3, 3, *channels), (channels[1],))
    return [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


# (height, width), (inputs, outputs), padding, pool: maps smaller than a tile, not a multiple of one, of several strips,
# and of more columns than a strip has tiles; few inputs, and few outputs, which take the direct form.
CASES = [
    ((4, 4), (6, 16), "valid", False),
    ((9, 7), (3, 6), "circular", False),
    ((13, 10), (6, 16), "same", True),
    ((13, 10), (6, 16), "same", False),
    ((37, 53), (6, 16), "circular", True),
    ((131, 70), (6, 16), "valid", True),
    ((70, 131), (6, 16), "circular", False),
    ((71, 130), (3, 16), "same", True),
    ((71, 130), (17, 16), "circular", False),
    ((6, 1100), (6, 16), "circular", True),
    ((1, 2), (6, 5), "circular", False),
    ((39, 53), (6, 16), ("valid", "circular"), True),
    ((39, 53), (3, 16), ("valid", "same"), False),
    ((39, 53), (6, 16), ("valid", "circular"), False),
    ((131, 70), (6, 5), "valid", True),
]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "channels", "padding", "pool"), CASES)
def test_both_forms_are_scipys_correlation_and_their_gradients_jaxs_own(size, channels, padding, pool, in_float64):
    """Both forms run here, whichever the device and the map's size would choose."""

    def form(x, kernel, bias):
        return conv3x3_relu(x, kernel, bias, padding, pool, in_loop=True)

    @jax.jit
    def evaluated(*args):
        by_strips = with_gradients(form, *args)
        with as_on_gpus():
            directly = with_gradients(form, *args)
        by_jax = with_gradients(lambda *args: correlation_of_jax(*args, padding, pool), *args)
        asked = conv3x3_relu(*args, padding, pool, direct=True)
        return conv3x3_relu(*args, padding, pool), asked, by_strips, directly, by_jax

    args = arguments(size, channels, np.float64)
    chosen, asked, (by_strips, found), (directly, found_directly), (by_jax, wanted) = evaluated(*args)
    expected = by_scipy(*map(np.asarray, args), padding, pool)
    for value in (chosen, asked, by_strips, directly, by_jax):
        np.testing.assert_allclose(value, expected, atol=1e-12)
    for gradients in (found, found_directly):
        for one, other in zip(gradients, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-11 * max(1, float(jnp.abs(other).max())))


@pytest.mark.slow
def test_float32_errs_by_less_than_a_hundred_thousandth():
    x, kernel, bias = arguments((40, 44), (64, 64))
    expected = by_scipy(*(np.asarray(a, np.float64) for a in (x, kernel, bias)), "circular", False)
    error = np.linalg.norm(conv3x3_relu(x, kernel, bias, "circular") - expected) / np.linalg.norm(expected)
    assert error < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("size", [(9, 7), (37, 53)])
@pytest.mark.parametrize("pool", [False, True])
def test_bfloat16_maps_err_by_their_own_rounding(size, pool):
    """On one side float32 arithmetic on rounded maps, in the form for CPUs; on the other the form for GPUs."""
    x, kernel, bias = arguments(size, (64, 32))
    rounded = x.astype(jnp.bfloat16)

    def evaluated(x, in_loop=False):
        def form(x):
            return conv3x3_relu(x, kernel, bias, "circular", pool, "float32", in_loop)

        found, (gradient,) = jax.jit(lambda x: with_gradients(form, x))(x)
        return found, gradient

    wanted, slope = evaluated(rounded.astype(jnp.float32))
    strips = evaluated(rounded)
    with as_on_gpus():
        direct = evaluated(rounded, in_loop=True)
    # A rounding errs by 2^-9 at most; here are two or three, of maps and kernel. Where it changes the sign of
    # what ReLU sees, which only the direct form's can, the whole derivative there is gone.
    for (found, gradient), most in ((strips, 2**-8), (direct, 0.05)):
        assert found.dtype == gradient.dtype == jnp.bfloat16
        assert jnp.linalg.norm(found - wanted) < 2**-8 * jnp.linalg.norm(wanted)
        assert jnp.linalg.norm(gradient - slope) < most * jnp.linalg.norm(slope)


@pytest.mark.slow
def test_what_is_kept_may_be_narrower_than_what_came():
    x, kernel, bias = arguments((37, 53), (3, 16))
    found, pull = jax.vjp(lambda x: conv3x3_relu(x, kernel, bias, "circular", False, "bfloat16"), x)
    np.testing.assert_array_equal(found, conv3x3_relu(x, kernel, bias, "circular").astype(jnp.bfloat16))
    assert pull(found)[0].dtype == jnp.float32


@settings(max_examples=4, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), rows=st.integers(-20, 20))
def test_circular_convolution_rolls_with_its_input(height, width, rows):
    with jax.enable_x64(True):
        x, kernel, bias = arguments((height, width), (5, 16), np.float64)
        convolve = jax.jit(lambda x: conv3x3_relu(x, kernel, bias, "circular"))
        np.testing.assert_allclose(convolve(jnp.roll(x, rows, 0)), jnp.roll(convolve(x), rows, 0), atol=1e-11)


def test_several_maps_go_through_vmap():
    _, kernel, bias = arguments((1, 1), (5, 16))
    maps = jnp.asarray(np.random.default_rng(0).standard_normal((3, 21, 18, 5)), jnp.float32)

    def loss(x):
        return jnp.sum(conv3x3_relu(x, kernel, bias, "circular", True) ** 2)

    together = jax.jit(jax.vmap(jax.value_and_grad(loss)))(maps)
    alone = jax.jit(jax.value_and_grad(loss))
    for i, one in enumerate(maps):
        value, gradient = alone(one)
        np.testing.assert_allclose(together[0][i], value, rtol=1e-5)
        np.testing.assert_allclose(together[1][i], gradient, atol=1e-4 * float(jnp.abs(gradient).max()))


def test_average_pooling_drops_an_odd_last_row_and_column():
    x = jnp.arange(15.0).reshape(3, 5, 1)
    np.testing.assert_array_equal(average_pool(x)[:, :, 0], [[3, 5]])


def test_a_map_too_small_is_refused():
    _, kernel, bias = arguments((1, 1), (5, 6))
    with pytest.raises(ValueError, match="too small"):
        conv3x3_relu(jnp.zeros((2, 9, 5)), kernel, bias, "valid")
