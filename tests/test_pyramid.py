import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective import pyramid

# Compiled whole: one program is sooner compiled than one for each of its operations.
reduce = jax.jit(pyramid.reduce, static_argnums=1)
expand = jax.jit(pyramid.expand, static_argnums=(1, 2))
contrast = jax.jit(pyramid.contrast, static_argnums=1)

SCIPY_MODE = {"circular": "wrap", "same": "mirror"}


def blurred_by_scipy(image, mode):
    for axis in (0, 1):
        image = scipy.ndimage.correlate1d(image, np.array(pyramid.TAPS), axis=axis, mode=mode)
    return image


@pytest.mark.slow
@pytest.mark.parametrize("size", [(16, 12), (17, 9), (5, 6)])
@pytest.mark.parametrize("padding", ["circular", "same"])
def test_reduce_is_scipys_correlation_at_every_second_pixel(size, padding, rng, in_float64):
    image = rng.standard_normal((*size, 3))
    expected = blurred_by_scipy(image, SCIPY_MODE[padding])[::2, ::2]
    np.testing.assert_allclose(reduce(jnp.asarray(image), padding), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [(16, 12), (17, 9), (5, 6)])
def test_valid_reduce_is_scipys_correlation_away_from_the_border(size, rng, in_float64):
    image = rng.standard_normal((*size, 3))
    expected = blurred_by_scipy(image, "wrap")[2:-2:2, 2:-2:2]
    np.testing.assert_allclose(reduce(jnp.asarray(image), "valid"), expected, rtol=0, atol=1e-14)


@pytest.mark.slow
def test_expand_is_four_times_the_adjoint_of_reduce(rng, in_float64):
    fine, coarse = rng.standard_normal((16, 20, 2)), rng.standard_normal((8, 10, 2))
    left = np.vdot(reduce(jnp.asarray(fine)), coarse)
    right = np.vdot(fine, expand(jnp.asarray(coarse), (16, 20))) / 4
    assert left == pytest.approx(right, rel=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("padding", pyramid.PADDINGS)
def test_the_gradient_of_reduce_is_its_adjoint(padding, rng, in_float64):
    fine = jnp.asarray(rng.standard_normal((13, 16, 2)))
    reduced, pull = jax.vjp(lambda x: reduce(x, padding), fine)
    coarse = jnp.asarray(rng.standard_normal(reduced.shape))
    assert np.vdot(reduced, coarse) == pytest.approx(np.vdot(fine, pull(coarse)[0]), rel=1e-13)


@pytest.mark.parametrize("padding", pyramid.PADDINGS)
def test_reduce_keeps_a_constant(padding):
    np.testing.assert_allclose(reduce(jnp.full((12, 12, 1), 0.7), padding), 0.7, rtol=1e-6)


def test_expand_keeps_a_constant():
    np.testing.assert_allclose(expand(jnp.full((6, 6, 1), 0.7), (12, 12)), 0.7, rtol=1e-6)


def test_expand_wraps_without_a_seam(rng, in_float64):
    coarse = jnp.asarray(rng.standard_normal((8, 8, 1)))
    rolled = expand(jnp.roll(coarse, 3, axis=0), (16, 16))
    np.testing.assert_allclose(rolled, jnp.roll(expand(coarse, (16, 16)), 6, axis=0), atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "same"])
@settings(max_examples=5, deadline=None)
@given(height=st.integers(8, 40), width=st.integers(8, 40), octaves=st.integers(1, 3))
def test_the_laplacian_pyramid_adds_up_to_the_image(padding, height, width, octaves):
    image = jnp.asarray(np.random.default_rng(height).standard_normal((height, width, 1)), jnp.float32)

    @jax.jit
    def there_and_back(image):
        *bands, total = pyramid.laplacian_pyramid(image, octaves, padding)
        for band in reversed(bands):
            total = band + pyramid.expand(total, band.shape[:2], padding)
        return total

    np.testing.assert_allclose(there_and_back(image), image, atol=1e-5)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 500), octave=st.integers(0, 4))
def test_octave_size_is_the_size_that_comes_out(size, octave):
    for padding in pyramid.PADDINGS:
        expected = pyramid.octave_size(size, octave, padding)
        if expected < 1 or (padding == "same" and size < 40):
            continue
        shape = jax.eval_shape(
            lambda x, padding=padding: pyramid.gaussian_pyramid(x, octave + 1, padding)[-1],
            jax.ShapeDtypeStruct((size, size, 3), jnp.float32),
        ).shape
        assert shape == (expected, expected, 3)


def test_expand_refuses_valid_padding_and_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="no 'valid' form"):
        pyramid.expand(jnp.zeros((4, 4, 1)), (8, 8), "valid")
    with pytest.raises(ValueError, match="cannot expand"):
        pyramid.expand(jnp.zeros((4, 4, 1)), (9, 8))


def contrasts_by_scipy(gray):
    def blurred(image, times=1):
        for _ in range(times):
            image = blurred_by_scipy(image, "wrap")
        return image

    bands = (gray - blurred(gray), blurred(gray) - blurred(gray, 3))
    return np.stack([np.sqrt(blurred(one**2, 2) + pyramid.LEAST_CONTRAST**2) for one in bands], axis=2)


@pytest.mark.parametrize("size", [(32, 24), (33, 29)])
def test_contrast_is_that_of_scipy(size, rng, in_float64):
    gray = rng.standard_normal(size)
    expected = contrasts_by_scipy(gray)
    found = contrast(jnp.asarray(gray)[:, :, None])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    margin = pyramid.CONTRAST_MARGIN
    inside = contrast(jnp.asarray(gray)[:, :, None], "valid")
    np.testing.assert_allclose(inside, expected[margin:-margin, margin:-margin], rtol=1e-12)


def test_contrast_has_a_gradient_where_a_picture_is_flat(in_float64):
    flat = jnp.full((24, 24, 1), 0.5)
    np.testing.assert_allclose(contrast(flat), pyramid.LEAST_CONTRAST, rtol=1e-6)
    assert jnp.isfinite(jax.grad(lambda image: contrast(image).sum())(flat)).all()


def test_contrast_tells_a_picture_from_one_of_the_same_spectrum_whose_detail_is_spread_evenly(rng):
    detail = rng.standard_normal((64, 64))
    detail[:, :32] *= 0.1  # one half is smooth
    turned = np.exp(1j * np.angle(np.fft.fft2(rng.standard_normal((64, 64)))))
    even = np.fft.ifft2(np.abs(np.fft.fft2(detail)) * turned).real
    spreads = [np.std(contrast(jnp.asarray(gray, jnp.float32)[:, :, None])[:, :, 0]) for gray in (detail, even)]
    assert spreads[0] > 2 * spreads[1]
