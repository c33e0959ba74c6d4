"""Windows of feature maps: what is broken in one part of a picture shows there."""

import numpy as np
import pytest
from helpers.pictures import noise

from subjective.evaluation.windows import (
    CELLS,
    COVERAGE,
    FIDELITY,
    STRIDE,
    WindowDistances,
    cut_windows,
    find_distances,
    pool_windows,
)

SIDE = 32
SCALES = (1.0, 0.5)


def maps(seed, side=SIDE, level=1.0):
    """A random map of six features."""
    return (level + 0.3 * np.random.default_rng(seed).standard_normal((side, side, 6))).astype(np.float32)


def windows(values, scale=1.0):
    return cut_windows(values, (0, 0), scale, 4 * len(values) + 16)


def by_scale(values):
    return {scale: windows(values, scale) for scale in SCALES}


def test_windows_hold_mean_and_deviation_of_their_square():
    values, count = maps(0), (SIDE - CELLS) // STRIDE + 1
    found = windows(values)
    assert found.features.shape == (count**2, 12)
    row, column = 3, 5
    square = values[row * STRIDE : row * STRIDE + CELLS, column * STRIDE : column * STRIDE + CELLS].reshape(-1, 6)
    wanted = np.concatenate([square.mean(axis=0), square.std(axis=0)])
    np.testing.assert_allclose(found.features[row * count + column], wanted, atol=1e-5)
    shifted = values[1:, 1:][row * STRIDE : row * STRIDE + CELLS, column * STRIDE : column * STRIDE + CELLS]
    np.testing.assert_allclose(
        found.between[row * (count - 1) + column][:6], shifted.reshape(-1, 6).mean(axis=0), atol=1e-5
    )


def test_places_are_the_middles_of_windows_in_the_full_picture():
    found = cut_windows(maps(0, 8), (20, 40), 0.5, 48)
    np.testing.assert_allclose(found.places, [[2 * (20 + 24), 2 * (40 + 24)]])
    wider = cut_windows(maps(0, 10), (0, 0), 1.0, 56)
    np.testing.assert_allclose(wider.places[:, 0], [24, 24, 32, 32])


def test_a_map_smaller_than_a_window_has_none():
    assert len(windows(maps(0, CELLS - 1)).features) == 0


def test_distances_are_those_of_a_plain_search():
    ours, theirs = noise(20, 12), noise(30, 12, seed=1)
    apart = np.square(ours[:, None] - theirs[None]).sum(axis=2).min(axis=1)
    np.testing.assert_allclose(find_distances(ours, theirs), apart, atol=1e-5)


@pytest.fixture(scope="module")
def judge():
    return WindowDistances([[by_scale(maps(seed)) for seed in range(4)]], SCALES)


@pytest.mark.parametrize("pairs", [1, 20, 10**6])
def test_distances_are_the_same_however_many_pairs_are_compared_at_once(monkeypatch, rng, pairs):
    ours, theirs = rng.random((7, 5), np.float32), rng.random((9, 5), np.float32)
    monkeypatch.setattr("subjective.evaluation.windows.MOST_PAIRS", pairs)
    apart = np.sum((ours[:, None] - theirs) ** 2, axis=2).min(axis=1)
    np.testing.assert_allclose(find_distances(ours, theirs), apart, atol=1e-5)
    assert find_distances(ours[:0], theirs).shape == (0,)


def test_more_of_the_source_scores_about_one_and_a_broken_half_more(judge):
    good = maps(9)
    broken = good.copy()
    broken[:, : SIDE // 2] = maps(10, level=1.4)[:, : SIDE // 2]
    (fine, covered), (worse, _) = judge.score([by_scale(good)]), judge.score([by_scale(broken)])
    assert (fine.measure, covered.measure) == (FIDELITY, COVERAGE)
    assert 0.8 < fine.score < 1.2
    assert 0.8 < covered.score < 1.2
    assert fine.value < 0.15
    assert worse.score > 1.5
    assert 0.3 < worse.value < 0.7


def test_a_picture_that_lacks_half_of_its_source_covers_less():
    crops = [by_scale(np.concatenate([maps(seed), maps(seed + 4, level=2.0)])[::2]) for seed in range(4)]
    fidelity, coverage = WindowDistances([crops], SCALES).score([by_scale(maps(9))])
    assert fidelity.score < 1.2
    assert coverage.score > 2
    assert coverage.value > 0.4


def test_the_map_is_high_where_the_picture_is_broken(judge):
    broken = maps(9)
    broken[: SIDE // 2] = maps(10, level=1.5)[: SIDE // 2]
    size = 4 * SIDE + 16
    found = judge.locate([{scale: cut_windows(broken, (0, 0), 1.0, size) for scale in SCALES}], (size, size))
    assert found.shape == (size, size)
    assert found[: size // 3].mean() > 2 > 1.2 > found[-size // 3 :].mean()


def test_crops_too_small_for_windows_give_no_score():
    crops = [by_scale(maps(seed, 12)) for seed in range(4)]
    assert WindowDistances([crops], SCALES).score(crops[:1]) == []


def test_pooled_windows_are_all_windows():
    one, other = windows(maps(0)), windows(maps(1))
    assert len(pool_windows([one, other]).places) == len(one.places) + len(other.places)
