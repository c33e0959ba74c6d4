"""Weights of the sources at each frame, and distances between frames whose textures change."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise

from subjective.synthesis.frames import frame_distance
from subjective.synthesis.morph import DISSOLVE, add_changes, around, frame_importance, measure_contrast


@pytest.mark.parametrize("ease", ["smooth", "linear"])
@pytest.mark.parametrize(("frames", "keyframes"), [(24, 3), (10, 4), (7, 2), (5, 1)])
def test_every_row_adds_up_to_one_and_no_step_is_a_jump(frames, keyframes, ease):
    weights = around(frames, keyframes, ease)
    assert weights.shape == (frames, keyframes)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    np.testing.assert_array_equal(weights[0], np.eye(keyframes)[0])
    # Around the end as within; half a cosine is steepest in the middle, by π / 2.
    steps = np.abs(np.roll(weights, -1, axis=0) - weights).max(axis=1)
    assert steps.max() <= np.pi / 2 * keyframes / frames + 1e-12


def test_each_keyframe_is_passed_in_turn():
    np.testing.assert_array_equal(around(12, 3)[[0, 4, 8]], np.eye(3))
    np.testing.assert_allclose(around(4, 1, "linear"), np.ones((4, 1)))
    np.testing.assert_allclose(around(8, 2, "linear")[:, 1], [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25])


def test_frames_of_one_source_count_more():
    weights = frame_importance(around(12, 3))
    np.testing.assert_allclose(weights.mean(), 1)
    np.testing.assert_allclose(weights[[0, 4, 8]], weights.max())
    np.testing.assert_allclose(weights[2] / weights[0], 1 / 4)
    np.testing.assert_array_equal(frame_importance(np.ones((5, 1))), 1)


def test_smooth_rests_at_a_keyframe():
    smooth, linear = (around(24, 2, ease)[1, 1] for ease in ("smooth", "linear"))
    assert smooth < linear / 4


COLORS = np.asarray([[0.1, 0.2, 0.3], [0.5, 0.3, 0.3]])


def two_textures(kind, size=(96, 96)):
    """Pictures without color, and their contrasts."""
    one, other = (picture - picture.mean(axis=(0, 1)) for picture in noise(2, *size, 3))
    return (
        one,
        2 * other,
        np.stack([measure_contrast(jnp.asarray(picture), kind, 0, 3) for picture in (one, 2 * other)]),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "exact"), [("l2", 0.05), ("lap1", 0.25)])
def test_a_cross_fade_goes_the_least_way(kind, exact, in_float64):
    """Frames that drift, and fade from one texture and color towards another, are the least apart that is wanted."""
    one, other, contrasts = two_textures(kind)
    drift = (noise(96, 96, 3, seed=1) - 0.5) / 9
    shares = np.asarray([[1.0, 0.0], [0.6, 0.4]])
    frames = [a * (one + COLORS[0]) + b * (other + COLORS[1]) for a, b in shares]
    drifted, found = (
        np.asarray(frame_distance(jnp.asarray(change), kind, 3, "circular"))
        for change in (drift, frames[1] - frames[0] + drift)
    )
    apart = np.tile(drifted, (2, 1, 1))
    least, most = add_changes(apart, shares, COLORS, contrasts, (1,), kind)
    np.testing.assert_allclose(least[0, 0], found, rtol=exact)
    np.testing.assert_allclose(least[1, 0], least[0, 0])
    assert (most >= least).all()
    for bound in add_changes(apart, shares[:1].repeat(2, 0), COLORS, contrasts, (1,), kind):
        np.testing.assert_array_equal(bound[0, 0], drifted)


@pytest.mark.parametrize("kind", ["l2", "lap1"])
def test_patches_that_change_hands_go_the_farthest_way(kind, in_float64):
    """At full size, that is, where the patches' own outlines do not count."""
    one, other, contrasts = two_textures(kind)
    shares = np.repeat([[0.7, 0.3], [0.55, 0.45]], DISSOLVE, axis=0)
    places = noise(96, 96, 3, seed=2)[:, :, :1]
    colors = COLORS if kind == "l2" else COLORS[:1].repeat(2, 0)
    frames = [np.where(places < share, one + colors[0], other + colors[1]) for share in (0.7, 0.55)]
    found = np.asarray(frame_distance(jnp.asarray(frames[1] - frames[0]), kind, 1, "circular"))
    steps, none = (1, DISSOLVE), np.zeros((2 * DISSOLVE, 2, 1))
    least, most = (bound[DISSOLVE - 1] for bound in add_changes(none, shares, colors, contrasts[:, :1], steps, kind))
    np.testing.assert_allclose(most[1], found, rtol=0.05 if kind == "l2" else 0.25)
    if kind == "lap1":
        np.testing.assert_array_equal(most, least)
        return
    assert least[1] < 0.5 * found
    # In one frame, of those in which they dissolve, less far: by as many steps of equal length at right angles.
    np.testing.assert_allclose(most[0], most[1] / DISSOLVE**0.5)
    assert (most[0] > 1.2 * least[0]).all()


def test_contrast_is_the_distance_from_the_mean_color(in_float64):
    image = noise(32, 48, 3, seed=3)
    np.testing.assert_allclose(
        measure_contrast(jnp.asarray(image), "l2", 0, 1)[0], image.std(axis=(0, 1)).mean(), rtol=0.02
    )
    flat = measure_contrast(jnp.full((32, 32, 3), 0.4), "l2", 1, 2)
    np.testing.assert_allclose(flat, 0, atol=1e-6)
