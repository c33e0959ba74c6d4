"""Distributions of patches of pixels."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.features import numbers

from subjective.statistics.patches import DIRECTIONS, PATCHES, SIDE, filters, patch_quantiles
from subjective.statistics.sliced import BINS


@pytest.mark.parametrize("wraps", [True, False])
def test_quantiles_are_those_of_every_patch_along_each_direction(wraps, in_float64):
    picture = numbers(0, (12, 10), 3)
    around = np.pad(picture, ((0, SIDE - 1), (0, SIDE - 1), (0, 0)), mode="wrap") if wraps else picture
    patches = np.lib.stride_tricks.sliding_window_view(around, (SIDE, SIDE), axis=(0, 1))  # channels before the side
    patches = np.moveaxis(patches, 2, 4).reshape(-1, SIDE * SIDE * 3)
    assert len(patches) == (120 if wraps else 24)
    ordered = np.sort(patches @ filters(3).reshape(-1, DIRECTIONS).astype(np.float64), axis=0)
    expected = np.repeat(ordered, BINS, axis=0).reshape(BINS, len(ordered), -1).mean(axis=1)
    np.testing.assert_allclose(patch_quantiles(jnp.asarray(picture), wraps), expected, atol=1e-9)


def test_patches_tell_apart_what_colors_do_not(in_float64):
    """Shuffled pixels have the colors of the picture, but other patches; a rolled picture has the same patches."""
    rows = np.repeat(np.sin(np.arange(24))[:, None, None], 20, axis=1) * np.ones(3)
    shuffled = np.random.default_rng(0).permutation(rows.reshape(-1, 3)).reshape(rows.shape)
    target = patch_quantiles(jnp.asarray(rows))
    far, near = (patch_quantiles(jnp.asarray(other)) for other in (shuffled, np.roll(rows, 5, 0)))
    assert float(PATCHES.distance(far, target)) > 0.1
    assert float(PATCHES.distance(near, target)) < 1e-20
