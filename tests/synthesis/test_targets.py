"""What is measured of the sources, and how several sources make one target."""

import numpy as np
import pytest
from helpers.pictures import smooth_noise

from subjective.synthesis import plan, targets
from subjective.synthesis.config import SynthesisConfig

SMALL = {
    "output_width": 32,
    "output_height": 24,
    "octaves": 2,
    "statistic": ("gram",),
    "layers": ("pool1", "conv3_2"),
}


def targets_of(sources, config, params):
    return targets.targets_of(sources, plan.analysis_of(config, params), config, params)


@pytest.mark.slow
def test_sources_of_different_sizes_join_and_weights_choose_between_them(small_params):
    config = SynthesisConfig(**SMALL, source_weights=(1.0, 0.0))
    pair = targets_of([smooth_noise(0), smooth_noise(1, (90, 100))], config, small_params)
    alone = targets_of([smooth_noise(0)], SynthesisConfig(**SMALL), small_params)
    for octave, expected in zip(pair, alone, strict=True):
        for layer in expected:
            np.testing.assert_allclose(octave[layer]["gram"], expected[layer]["gram"], rtol=1e-6)


def test_mul_multiplies_the_target(small_params):
    once = targets_of([smooth_noise()], SynthesisConfig(**SMALL), small_params)
    twice = targets_of([smooth_noise()], SynthesisConfig(**SMALL, mul=2.0), small_params)
    np.testing.assert_allclose(twice[1]["pool1"]["gram"], 2 * once[1]["pool1"]["gram"], rtol=1e-6)


@pytest.mark.slow
def test_octave_step_uses_every_second_octave(small_params):
    settings = {"octaves": 3, "output_width": 48, "statistic": ("gram",)}
    picture = smooth_noise(0, (140, 140))
    every = targets_of([picture], SynthesisConfig(**settings), small_params)
    found = targets_of([picture], SynthesisConfig(**settings, octave_step=2), small_params)
    assert len(found) == 2
    np.testing.assert_allclose(found[1]["pool1"]["gram"], every[2]["pool1"]["gram"], rtol=1e-5)


def test_geodesic_joins_average_what_is_no_positive_matrix(small_params):
    settings = {"output_width": 64, "octaves": 1, "layers": ("pool1",), "statistic": ("gram", "spectrum@rgb")}
    pair = [smooth_noise(0, (96, 80)), smooth_noise(1, (96, 80)) * np.float32([0.9, 0.1, 0.5])]
    average = targets_of(pair, SynthesisConfig(**settings), small_params)
    geodesic = targets_of(pair, SynthesisConfig(**settings, join_mode="geodesic"), small_params)
    np.testing.assert_array_equal(geodesic[0]["rgb"]["spectrum"], average[0]["rgb"]["spectrum"])
    assert not np.allclose(geodesic[0]["pool1"]["gram"], average[0]["pool1"]["gram"], rtol=1e-3)
