"""Distances between frames, and losses over them."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subjective.choices import PADDINGS
from subjective.pyramid import TAPS
from subjective.synthesis.config import AnimationConfig
from subjective.synthesis.frames import (
    SOFT,
    Distances,
    frame_distance,
    interframe_loss,
    mean_over_frames,
    octaves_of,
    shifted_distances,
    weigh_frames,
)

SIZE = (24, 17)
KINDS = ("l2", "lap1")


def noise(seed, count=None, size=SIZE):
    return np.random.default_rng(seed).uniform(size=(*(() if count is None else (count,)), *size, 3))


# An independent reference: Burt and Adelson's pyramids by loops over pixels, in float64.


def reduced(image):
    height, width, channels = image.shape
    result = np.zeros(((height + 1) // 2, (width + 1) // 2, channels))
    for row in range(result.shape[0]):
        for column in range(result.shape[1]):
            for i, one in enumerate(TAPS):
                for j, other in enumerate(TAPS):
                    result[row, column] += one * other * image[(2 * row + i - 2) % height, (2 * column + j - 2) % width]
    return result


def expanded(image, size):
    """Even rows have the outer and middle taps, odd rows the two between."""

    def along(image, length):
        count, result = image.shape[0], np.zeros((length, *image.shape[1:]))
        for row in range(length):
            for i, tap in enumerate(TAPS):
                if (row + i - 2) % 2 == 0:
                    result[row] += 2 * tap * image[(row + i - 2) // 2 % count]
        return result

    return along(along(image, size[0]).swapaxes(0, 1), size[1]).swapaxes(0, 1)


def by_loops(one, other, kind, octaves):
    difference = one - other
    pyramid = [difference]
    for _ in range(octaves - 1):
        pyramid.append(reduced(pyramid[-1]))
    if kind == "l2":
        return [np.sqrt(np.mean(octave**2) + SOFT**2) - SOFT for octave in pyramid]
    bands = [fine - expanded(coarse, fine.shape) for fine, coarse in pairwise(pyramid)]
    return [np.mean(np.abs(octave)) for octave in [*bands, pyramid[-1]]]


@pytest.mark.parametrize("octaves", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_those_of_the_reference(kind, octaves, in_float64):
    one, other = noise(0), noise(1)
    found = jax.jit(lambda: frame_distance(jnp.asarray(one - other), kind, octaves, "circular"))()
    np.testing.assert_allclose(found, by_loops(one, other, kind, octaves), rtol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_frames_are_at_no_distance_and_have_a_finite_gradient(kind, padding):
    def distance(difference):
        return jnp.sum(frame_distance(difference, kind, 3, padding))

    value, gradient = jax.jit(jax.value_and_grad(distance))(jnp.zeros((*SIZE, 3)))
    assert value == 0
    assert jnp.isfinite(gradient).all()


def test_a_frame_is_never_compared_with_itself():
    def steps_of(frames, order):
        return AnimationConfig(count=frames, if_order=order).frame_steps

    assert steps_of(2, 5) == (1,)
    assert steps_of(5, 9) == (1, 2)
    assert steps_of(24, 2) == (1, 2)
    for frames in range(2, 9):
        for order in range(1, 20):
            assert all(0 < step <= frames // 2 for step in steps_of(frames, order))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_zero_where_distances_are_those_wanted_and_wraps(kind, in_float64):
    frames = jnp.asarray(noise(0, 4))
    distances = Distances((1, 2), kind, 2, "circular")
    measure = jax.vmap(lambda difference: frame_distance(difference, kind, 2, "circular"))
    wanted = jnp.stack([measure(jnp.roll(frames, -step, 0) - frames) for step in (1, 2)], axis=1)
    loss = jax.jit(interframe_loss(distances))
    assert loss(frames, wanted, wanted)[0] < 1e-24
    scalar, parts = loss(frames, 1.1 * wanted[0], 1.1 * wanted[0])
    assert set(parts) == {"1", "2"}
    np.testing.assert_allclose(scalar, sum(parts.values()))
    # Begun at another frame, a loop is the same loop.
    np.testing.assert_allclose(loss(jnp.roll(frames, 1, 0), 1.1 * wanted[0], 1.1 * wanted[0])[0], scalar, rtol=1e-12)


def test_any_distance_between_the_least_and_the_most_will_do(in_float64):
    frames = jnp.asarray(noise(0, 4))
    loss = jax.jit(interframe_loss(Distances((1,), "l2", 1, "circular")))
    measure = jax.vmap(lambda difference: frame_distance(difference, "l2", 1, "circular"))
    found = measure(jnp.roll(frames, -1, 0) - frames)[:, None]
    assert loss(frames, 0.5 * found, 2 * found)[0] == 0
    np.testing.assert_allclose(loss(frames, 0.5 * found, 0.8 * found)[0], (0.2 / 0.5) ** 2)
    np.testing.assert_allclose(loss(frames, 1.25 * found, 2 * found)[0], (0.25 / 1.25) ** 2)


def test_the_gradient_of_the_loss_is_a_finite_difference(in_float64):
    frames, way = jnp.asarray(noise(0, 3)), jnp.asarray(noise(1, 3)) - 0.5
    loss = interframe_loss(Distances((1,), "lap1", 2, "circular"))
    wanted = jnp.full((1, 2), 0.2)

    @jax.jit
    def along(step):
        return loss(frames + step * way, wanted, wanted)[0]

    slope = jnp.vdot(jax.jit(jax.grad(lambda frames: loss(frames, wanted, wanted)[0]))(frames), way)
    np.testing.assert_allclose((along(1e-6) - along(-1e-6)) / 2e-6, slope, rtol=1e-5)


@pytest.mark.slow
def test_a_source_moved_further_is_further_away_and_between_pixels_it_is_interpolated():
    smooth = np.cumsum(noise(0, size=(80, 90)) - 0.5, axis=1) / 10
    found = shifted_distances(smooth, (1, 1.25, 2, 3), "l2", 0, 2)
    assert found.shape == (4, 2)
    assert (np.diff(found[[0, 2, 3]], axis=0) > 0).all()
    np.testing.assert_allclose(found[1], 0.75 * found[0] + 0.25 * found[2], rtol=1e-5)
    assert (shifted_distances(smooth, (0,), "lap1", 0, 2) == 0).all()


def test_distances_at_a_stage_are_those_of_the_octaves_from_there():
    source = noise(0, size=(96, 80))
    whole, half = (shifted_distances(source, (4,), "l2", octave, count) for octave, count in ((0, 3), (1, 2)))
    np.testing.assert_allclose(half[0], whole[0, 1:], rtol=1e-5)


def test_a_source_too_small_to_be_moved_is_refused():
    with pytest.raises(ValueError, match="17x24 pixels is too small to be moved by 12; enlarge"):
        shifted_distances(noise(0), (1, 12), "l2", 0, 3)


def test_octaves_are_counted_down_to_four_pixels():
    assert [octaves_of((side, 90)) for side in (2, 4, 7, 8, 64)] == [1, 1, 1, 2, 5]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_mean_over_frames_is_that_of_each_frame_alone(batch, own):
    frames = jnp.asarray(noise(0, 5), jnp.float32)
    targets = jnp.asarray(noise(1, 5 if own else None), jnp.float32)

    def loss(frame, target, scale):
        distance = scale * jnp.sum((frame - target) ** 4)
        return distance, {"part": distance}

    over = mean_over_frames(loss, batch, own)
    (scalar, parts), gradient = jax.jit(jax.value_and_grad(lambda f: over(f, targets, 2.0), has_aux=True))(frames)
    alone = [
        jax.value_and_grad(loss, has_aux=True)(frame, targets[number] if own else targets, 2.0)
        for number, frame in enumerate(frames)
    ]
    np.testing.assert_allclose(scalar, np.mean([one[0][0] for one in alone]), rtol=1e-6)
    np.testing.assert_allclose(parts["part"], scalar)
    np.testing.assert_allclose(gradient, np.stack([one[1] for one in alone]) / 5, rtol=1e-5)


def test_a_frame_of_some_weight_counts_so_many_times():
    def loss(frame, target):
        distance = jnp.sum((frame - target) ** 2)
        return distance, {"part": distance}

    frames, targets, weights = (jnp.asarray(noise(seed, 2), jnp.float32) for seed in (0, 1, 2))
    weights = weights[:, 0, 0, 0]
    scalar, parts = jax.jit(mean_over_frames(weigh_frames(loss), 1, True))(frames, (targets, weights))
    alone = [weight * loss(frame, target)[0] for frame, target, weight in zip(frames, targets, weights, strict=True)]
    np.testing.assert_allclose(scalar, np.mean(alone), rtol=1e-6)
    np.testing.assert_allclose(parts["part"], scalar)


def test_memory_for_feature_maps_does_not_grow_with_the_number_of_frames():
    def loss(frame, wide):
        return jnp.sum(jnp.sin(frame[:, :, :, None] * wide[None, None, None, :])), {}

    over = mean_over_frames(loss, 1, False)
    temporary = []
    for count in (4, 16):
        frames, wide = jnp.zeros((count, 32, 32, 3)), jnp.ones(256)
        compiled = jax.jit(jax.grad(lambda frames, wide: over(frames, wide)[0])).lower(frames, wide).compile()
        temporary.append(compiled.memory_analysis().temp_size_in_bytes)
    assert temporary[1] - temporary[0] < 32 * 32 * 3 * 256 * 4  # of one frame


def test_a_flat_source_asks_for_frames_that_stand_still():
    """Where it was asked for a distance of `LEAST`, coarse octaves, which move by less, jumped at random."""
    loss = jax.jit(jax.value_and_grad(interframe_loss(Distances((1,), "l2", 2, "circular")), has_aux=True))
    flat = jnp.full((3, *SIZE, 3), 0.5)
    (scalar, _), gradient = loss(flat, jnp.zeros((1, 2)), jnp.zeros((1, 2)))
    assert scalar == 0
    assert not gradient.any()
    (scalar, _), _ = loss(flat.at[1].add(0.01), jnp.zeros((1, 2)), jnp.zeros((1, 2)))
    assert 0.1 < scalar < 10
