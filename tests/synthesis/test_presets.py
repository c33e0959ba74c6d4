"""Settings under one name."""

import dataclasses

import pytest
from test_synthesis import source

from subjective.synthesis import plan, texture
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.presets import PRESETS, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_setting_of_a_preset_takes_effect(small_params, name):
    sizes = [(512, 512)]
    config = plan.with_octaves(preset(name, output_width=256), small_params, sizes)
    config.check()
    analysis = plan.analysis_of(config, small_params, sizes)
    assert plan.left_out(config, small_params, analysis) == plan.without_effect(config) == ()
    usual = dataclasses.asdict(SynthesisConfig())
    assert all(usual[setting] != value for setting, value in PRESETS[name].items())


def test_best_makes_a_picture_of_random_phases_and_several_starts(small_params):
    seen = []
    config = preset("best", output_width=64, octaves=2, max_iter=3, coarse_iter=3, starts=2)
    [result] = texture.synthesize(
        [source()], config, params=small_params, on_step=lambda _, step: seen.append((step.value.shape[0], step.loss))
    )
    assert [size for size, _ in seen] == [32] * (1 + 2 * 3) + [64] * 3, (
        "the first noise, three steps of each, then the rest"
    )
    assert result.loss < seen[7][1]


def test_a_preset_may_be_changed():
    assert preset("best", starts=3) == dataclasses.replace(preset("best"), starts=3)
