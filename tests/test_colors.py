"""Luminance, and the colors of one picture in another."""

import numpy as np
from helpers.pictures import noise

from subjective.colors import LUMA, match_colors, replace_luminance, to_grey


def test_matched_colors_have_the_mean_and_covariance_wanted():
    image, like = 0.3 + 0.2 * noise(50, 60, 3), 0.3 + 0.3 * noise(40, 40, 3, seed=1) ** 2
    found = match_colors(image, like).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(axis=0), like.reshape(-1, 3).mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(np.cov(found.T), np.cov(like.reshape(-1, 3).T), atol=2e-4)
    np.testing.assert_allclose(match_colors(image, image), image, atol=1e-5)


def test_luminance_is_exchanged_and_colors_stay():
    image, grey = noise(9, 8, 3), noise(9, 8, 3, seed=1)
    found = replace_luminance(image, grey)
    np.testing.assert_allclose(found @ LUMA, grey @ LUMA, atol=1e-6)
    np.testing.assert_allclose(found - to_grey(found), image - to_grey(image), atol=1e-6)
