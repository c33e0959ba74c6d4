"""Gram matrices, as the papers define them."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective.statistics.gram import gram


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(rows=st.integers(-9, 9), columns=st.integers(-9, 9))
def test_the_gram_matrix_does_not_change_when_features_roll(rows, columns):
    features = jnp.asarray(np.random.default_rng(1).standard_normal((7, 9, 4)), jnp.float32)
    rolled = jnp.roll(features, (rows, columns), (0, 1))
    np.testing.assert_allclose(gram(rolled), gram(features), rtol=1e-5, atol=1e-6)


def test_the_gram_matrix_is_the_mean_outer_product_over_channels(rng, in_float64):
    features = rng.standard_normal((5, 6, 3))
    expected = sum(np.outer(f, f) for f in features.reshape(-1, 3)) / (5 * 6 * 3)
    np.testing.assert_allclose(gram(jnp.asarray(features)), expected, rtol=1e-12)


def test_the_gram_matrix_does_not_depend_on_the_size_of_a_tiled_picture(rng):
    features = jnp.asarray(rng.standard_normal((4, 5, 3)), jnp.float32)
    np.testing.assert_allclose(gram(jnp.tile(features, (2, 3, 1))), gram(features), rtol=1e-5, atol=1e-6)
