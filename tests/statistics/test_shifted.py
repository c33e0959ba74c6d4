"""Gram matrices of pairs of pixels."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.features import numbers

from subjective.statistics.shifted import SHIFTS, shifted_grams


@pytest.mark.parametrize("wraps", [True, False])
def test_shifted_grams_are_mean_outer_products_of_pairs(wraps, in_float64):
    features = numbers(0, (16, 19), 3)
    expected = []
    for shift in SHIFTS:
        for down, right in ((shift, 0), (0, shift)):
            products = [
                np.outer(features[y, x], features[(y + down) % 16, (x + right) % 19])
                for y in range(16)
                for x in range(19)
                if wraps or (y + down < 16 and x + right < 19)
            ]
            expected.append(np.mean(products, axis=0) / 3)
    np.testing.assert_allclose(shifted_grams(jnp.asarray(features), wraps), expected, rtol=1e-10, atol=1e-12)
