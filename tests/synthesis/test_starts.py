"""Starting pictures."""

import numpy as np
import pytest

from subjective.synthesis import starts, texture
from subjective.synthesis.config import SynthesisConfig


def test_the_random_start_is_faint_noise_around_the_mean():
    mean = np.array([0.2, 0.5, 0.7])
    image = starts.initial_image("random", (64, 64), mean, starts.key_of(0, 0))
    np.testing.assert_allclose(image.mean((0, 1)), mean, atol=1e-3)
    np.testing.assert_allclose(image.std((0, 1)), starts.NOISE, rtol=0.1)


def test_the_symmetric_start_mirrors_wraps_and_differs_between_pictures():
    mean = np.full(3, 0.5)
    first, second = (starts.initial_image("symmetric", (64, 48), mean, starts.key_of(0, number)) for number in (0, 1))
    noise = 6 * starts.NOISE
    np.testing.assert_allclose(first, first[::-1], atol=2 * noise)
    np.testing.assert_allclose(first, first[:, ::-1], atol=2 * noise)
    assert np.abs(first - second).mean() > 0.03
    # the step over the edge is no larger than those within
    assert np.abs(first[0] - first[-1]).mean() < 3 * np.abs(np.diff(first, axis=0)).mean()


def waves(size, period):
    """Stripes of brightness down a picture, in unlike amounts of red, green and blue."""
    wave = np.cos(2 * np.pi * np.arange(size[0]) / period)[:, None, None] * np.array([0.1, 0.2, 0.05])
    return np.broadcast_to(0.5 + wave, (*size, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [(64, 64), (96, 40), (48, 128)])
def test_random_phases_have_the_spectrum_of_the_source_and_its_colors(size):
    stripes = waves((64, 64), 8)
    found = starts.random_phases([stripes], (1.0,), size, starts.key_of(0, 0))
    assert found.shape == (*size, 3)
    np.testing.assert_allclose(found.mean((0, 1)), 0, atol=1e-3)
    assert found.std() == pytest.approx(starts.PHASES_CONTRAST * (stripes - 0.5).std(), rel=1e-2)
    power = np.abs(np.fft.fft2(found[:, :, 1])) ** 2
    row, column = np.unravel_index(np.argmax(power[: size[0] // 2]), power[: size[0] // 2].shape)
    assert row == pytest.approx(size[0] / 8, abs=1.5)
    assert min(column, size[1] - column) <= 1.5 * size[1] / 64 + 1
    np.testing.assert_allclose(found[:, :, 0], found[:, :, 1] / 2, atol=1e-4)


def test_random_phases_differ_between_pictures_and_attempts_and_mix_their_sources():
    sources = [waves((64, 64), 8), waves((64, 64), 16)]
    keys = [starts.key_of(0, 0), starts.key_of(0, 1), starts.key_of(0, 0, 1), starts.key_of(0, 1, 1)]
    found = [starts.random_phases(sources, (1.0, 3.0), (64, 64), key) for key in keys]
    for i in range(4):
        for j in range(i):
            assert np.abs(found[i] - found[j]).max() > 0.01
    power = sum(np.abs(np.fft.fft2(image[:, :, 1])) ** 2 for image in found)
    # stripes of each keep to their own rows of the spectrum, in the ratio of the weights
    assert power[3:6].sum() / power[7:10].sum() == pytest.approx(3, rel=0.5)


@pytest.mark.slow
def test_the_first_stage_starts_from_random_phases(small_params):
    config = SynthesisConfig(
        output_width=32,
        output_height=24,
        octaves=2,
        statistic=("gram",),
        layers=("pool1", "conv3_2"),
        max_iter=0,
        init="phases",
    )
    told = []
    texture.synthesize(
        [waves((80, 72), 8)], config, params=small_params, on_step=lambda _, step: told.append(step.value)
    )
    coarse = np.asarray(told[0])
    assert coarse.shape == (12, 16, 3)
    assert coarse.std(axis=(0, 1)).max() > 5 * starts.NOISE


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="unknown start 'white'"):
        starts.initial_image("white", (8, 8), np.zeros(3), starts.key_of(0, 0))
