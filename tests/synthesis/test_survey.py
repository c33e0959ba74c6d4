"""What kind of texture a source is."""

import numpy as np
import pytest
from helpers.pictures import noise, photograph, smooth_noise

from subjective.synthesis.survey import find_period


def tiles(period, side=128):
    rows, columns = np.mgrid[:side, :side]
    joints = (rows % period < 3) | (columns % period < 3)
    picture = np.where(joints, 0.2, 0.6)[:, :, None] + 0.1 * (noise(side, side, 3) - 0.5)
    return picture.astype(np.float32)


@pytest.mark.parametrize("period", [12, 16, 25])
def test_tiles_have_their_period(period):
    found = find_period(tiles(period))
    assert found.is_regular
    assert found.pixels == pytest.approx(period, abs=0.5)


def test_a_large_source_is_reduced_and_its_period_is_that_of_the_whole():
    found = find_period(np.repeat(np.repeat(tiles(16, 256), 5, axis=0), 5, axis=1))
    assert found.is_regular
    assert found.pixels == pytest.approx(80, abs=3)


def test_noise_has_none():
    for seed in range(5):
        assert not find_period(smooth_noise(seed, (128, 128))).is_regular
        assert not find_period(noise(128, 128, 3, seed=seed)).is_regular


@pytest.mark.slow
def test_photographs_are_told_apart():
    regular = {
        name
        for name in ("tiles", "metal", "planks", "rock", "gravel", "grass", "soil", "sand", "slate", "paving")
        if find_period(photograph(name, 512)).is_regular
    }
    assert regular == {"tiles", "metal", "planks"}


@pytest.mark.parametrize("size", [(4, 4), (16, 200), (1, 1)])
def test_small_and_flat_sources_have_none(size):
    assert find_period(np.full((*size, 3), 0.4, np.float32)).strength == 0
