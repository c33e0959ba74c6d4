"""Steps of tint at seams, against equations that are solved pixel by pixel."""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from helpers.pictures import noise, smooth_noise

from subjective.synthesis.leveling import REACH, level_seams
from subjective.synthesis.patch_search import SIDE, collect_patches
from subjective.synthesis.patches import _average

SIZE = (40, 48)


def patches_of(source):
    return collect_patches([source], (1.0,), np.random.default_rng(0))


def two_halves(row, column, stride=2):
    """Places of patches that continue each other but for one seam in the middle, and one where the picture wraps."""
    rows, columns = np.meshgrid(np.arange(0, SIZE[0], stride), np.arange(0, SIZE[1], stride), indexing="ij")
    right = 2 * columns >= SIZE[1]
    at = np.stack([np.zeros_like(rows), rows + row * right, columns + column * right])
    return at.astype(np.intp)


def test_a_step_between_two_tints_is_spread_and_far_away_nothing_changes():
    """The right half comes from a darker part of the source: of the step at the seam a slope is left."""
    source = np.full((128, 200, 3), 0.5, np.float32) + 0.02 * (noise(128, 200, 3) - 0.5)
    source[64:] -= 0.1
    at = two_halves(70, 0)
    patches = patches_of(source)
    picture = _average(patches, at, SIZE, 2)
    leveled = level_seams(patches, at, picture, 2)
    means = [one.mean(axis=(0, 2)) for one in (picture, leveled)]
    steps = [np.abs(np.diff(mean))[12:-12].max() for mean in means]
    assert steps[0] > 0.025
    assert steps[1] < 0.01
    np.testing.assert_allclose(means[1].mean(), means[0].mean(), atol=1e-4)
    assert means[1][12] - means[1][36] > 0.01  # the tints themselves stay


def test_pieces_that_fit_stay_as_they_are():
    source = smooth_noise(0, (80, 90))
    rows, columns = np.meshgrid(np.arange(0, 80, 2), np.arange(0, 90, 2), indexing="ij")
    at = np.stack([np.zeros_like(rows), np.minimum(rows, 80 - SIDE), np.minimum(columns, 90 - SIDE)]).astype(np.intp)
    patches = patches_of(source)
    picture = _average(patches, at, (80, 90), 2)
    leveled = level_seams(patches, at, picture, 2)
    inside = np.s_[20:60, 20:70]
    np.testing.assert_allclose(
        np.diff(leveled[inside], axis=0), np.diff(picture[inside], axis=0), atol=np.ptp(picture) / REACH
    )
    assert np.abs(leveled - picture)[inside].max() < 0.1


def test_the_picture_is_that_of_the_equations():
    """The same sum of squares, minimized by a sparse solver for all pixels at once."""
    source = smooth_noise(1, (90, 100))
    at, patches = two_halves(20, 30), patches_of(smooth_noise(1, (90, 100)))
    picture = _average(patches, at, SIZE, 2)
    leveled = level_seams(patches, at, picture, 2)
    height, width = SIZE
    # The place of each pixel is that of the nearest patch's middle.
    nearest = [np.round((np.arange(side) - SIDE // 2) / 2).astype(int) % (side // 2) for side in SIZE]
    beyond = [
        (np.arange(side) - SIDE // 2 - 2 * patch + side // 2) % side - side // 2
        for side, patch in zip(SIZE, nearest, strict=True)
    ]
    place = [at[1 + axis][np.ix_(*nearest)] + SIDE // 2 for axis in (0, 1)]
    place = [place[0] + beyond[0][:, None], place[1] + beyond[1]]
    padded = np.pad(source, ((1, 1), (1, 1), (0, 0)), mode="edge")
    equations, values = [scipy.sparse.eye(height * width) / REACH], [picture / REACH]
    numbers = np.arange(height * width).reshape(SIZE)
    for axis, (down, right) in enumerate(((1, 0), (0, 1))):
        here = padded[place[0] + 1, place[1] + 1]
        on = padded[place[0] + 1 + down, place[1] + 1 + right]
        after = [np.roll(one, -1, axis) for one in place]
        there = padded[after[0] + 1, after[1] + 1]
        back = padded[after[0] + 1 - down, after[1] + 1 - right]
        seam = (after[0] != place[0] + down) | (after[1] != place[1] + right)
        near = seam.copy()
        for _ in range(SIDE // 2 + 1):
            near |= np.logical_or.reduce([np.roll(near, shift, side) for side in (0, 1) for shift in (-1, 1)])
        change = np.where(near[:, :, None], (on - here + there - back) / 2, np.roll(picture, -1, axis) - picture)
        step = scipy.sparse.csr_matrix(
            (np.ones(height * width), (numbers.ravel(), np.roll(numbers, -1, axis).ravel())), (height * width,) * 2
        )
        equations.append(step - scipy.sparse.eye(height * width))
        values.append(change)
    system = scipy.sparse.vstack(equations).tocsc()
    solve = scipy.sparse.linalg.factorized((system.T @ system).tocsc())
    for channel in range(3):
        right_side = np.concatenate([value[:, :, channel].ravel() for value in values])
        np.testing.assert_allclose(leveled[:, :, channel].ravel(), solve(system.T @ right_side), atol=1e-4)
