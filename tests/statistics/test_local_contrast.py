"""The layer of local contrast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subjective.colors import to_opponent
from subjective.pyramid import contrast
from subjective.statistics import local_contrast as module
from subjective.statistics.local_contrast import COLOR_FACTORS, local_contrast


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "same", "valid"])
@pytest.mark.parametrize("rows", [52, 64, 75])
def test_strips_give_the_contrast_of_the_whole_picture_and_its_derivative(padding, rows, rng, monkeypatch, in_float64):
    picture = jnp.asarray(rng.uniform(size=(rows, 40, 3)))

    def with_gradient(image):
        found, pull = jax.vjp(lambda image: local_contrast(image, padding), image)
        return found, pull(3 * found**2)[0]

    whole, pulled = jax.jit(with_gradient)(picture)
    plain = jax.jit(lambda image: contrast(to_opponent(image) * COLOR_FACTORS, padding))
    np.testing.assert_allclose(whole, plain(picture), rtol=1e-13)  # another program: other roundings
    monkeypatch.setattr(module, "STRIP_ROWS", 12)
    tolerance = {"rtol": 1e-9, "atol": 1e-12}
    inside = slice(None) if padding != "same" else slice(10, -10)  # mirrored once or twice: other blurs at the border
    in_strips, gradient = jax.jit(lambda image: with_gradient(image))(picture)
    np.testing.assert_allclose(in_strips[inside, inside], whole[inside, inside], **tolerance)
    if padding != "same":
        np.testing.assert_allclose(gradient, pulled, **tolerance)


def test_gray_has_no_contrast_of_colors(rng):
    gray = jnp.asarray(np.repeat(rng.uniform(size=(40, 40, 1)), 3, axis=2), jnp.float32)
    found = np.asarray(local_contrast(gray, "circular")).reshape(-1, 2, 3)
    assert found[:, :, 0].mean() > 20 * found[:, :, 1:].mean()
