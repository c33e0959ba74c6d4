"""Luminance, and the colors of one picture in another."""

import numpy as np
import pytest
from helpers.pictures import noise

from subjective.colors import LUMA, match_colors, replace_luminance, share_colors, to_grey


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


def moments(image):
    pixels = image.reshape(-1, 3).astype(np.float64)
    return pixels.mean(axis=0), np.cov(pixels.T)


def pictures():
    """Three pictures of colors that differ, and of which none is clipped when they are shared."""
    turn = np.linalg.qr(noise(3, 3, seed=5) - 0.5)[0]
    spread = ((0.1, 0.03, 0.02), (0.06, 0.05, 0.03), (0.08, 0.04, 0.02))
    return [
        (0.3 + 0.15 * number + (noise(30 + number, 40, 3, seed=number) - 0.5) * spread[number] @ turn).astype(
            np.float32
        )
        for number in range(3)
    ]


@pytest.mark.parametrize("weights", [None, (1, 1, 2), (0, 3, 1)])
def test_shared_colors_have_one_mean_and_one_covariance(weights):
    images = pictures()
    shared = share_colors(images, weights)
    shares = np.array(weights or (1, 1, 1)) / np.sum(weights or (1, 1, 1))
    (mean, covariance), *others = map(moments, shared)
    np.testing.assert_allclose(mean, shares @ [moments(one)[0] for one in images], atol=1e-4)
    for other in others:
        np.testing.assert_allclose(other[0], mean, atol=1e-4)
        np.testing.assert_allclose(other[1], covariance, atol=1e-6)


def test_covariances_with_the_same_axes_have_the_mean_of_the_deviations():
    deviations = np.array([[0.08, 0.002, 0.005], [0.05, 0.004, 0.003]])
    flat = noise(100, 100, 3) - 0.5
    flat = (flat - flat.mean((0, 1))).reshape(-1, 3) @ np.linalg.inv(np.linalg.cholesky(moments(flat)[1])).T
    images = [(0.5 + flat * one).reshape(100, 100, 3).astype(np.float32) for one in deviations]
    _, covariance = moments(share_colors(images, (3, 1))[0])
    np.testing.assert_allclose(covariance, np.diag((np.array([0.75, 0.25]) @ deviations) ** 2), rtol=0.02, atol=1e-8)


def test_the_noise_of_a_gray_picture_does_not_become_color():
    gray = np.repeat(0.3 + 0.3 * noise(60, 60, 1), 3, axis=2) + 0.002 * (noise(60, 60, 3, seed=1) - 0.5)
    colored = 0.3 + 0.3 * noise(60, 60, 3, seed=2)
    shared = share_colors([gray.astype(np.float32), colored.astype(np.float32)])[0]
    tint = (shared - shared.mean(axis=2, keepdims=True)).std() / (gray - gray.mean(axis=2, keepdims=True)).std()
    assert tint < 2.1


def test_one_picture_and_the_only_one_that_counts_keep_their_colors():
    first, second, _ = pictures()
    assert share_colors([first])[0] is first
    np.testing.assert_allclose(share_colors([first, second], (1, 0))[0], first, atol=1e-4)
    assert [one.shape for one in share_colors([first, second])] == [first.shape, second.shape]
