"""Settings under one name."""

import dataclasses

import pytest
from helpers.pictures import smooth_noise

from subjective.network.formats.layout import random_params
from subjective.synthesis import plan, texture
from subjective.synthesis.config import SynthesisConfig, TransferConfig
from subjective.synthesis.presets import PRESETS, PUBLISHED_SETTINGS, changes_of, preset


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_setting_of_a_preset_takes_effect(name):
    made = plan.make_plan(preset(name, output_width=256), random_params(0, blocks=4), [(512, 512)])
    assert made.notes == ()


@pytest.mark.slow
def test_best_makes_several_attempts_and_keeps_the_nearest(small_params):
    seen = []
    steps = {"max_iter": 3, "coarse_iter": 3, "enough": 0.0}
    config = preset("best", output_width=64, octaves=2, first_stage=32, starts=2, **steps)
    [result] = texture.synthesize(
        [smooth_noise()],
        config,
        params=small_params,
        on_step=lambda _, step: seen.append((step.value.shape[0], step.loss)),
    )
    assert [size for size, _ in seen] == [32] * (1 + 2 * 3) + [64] * 3, (
        "the first noise, three steps of each, then the rest"
    )
    assert result.loss < seen[7][1]


def test_a_preset_may_be_changed():
    assert preset("best", starts=3) == dataclasses.replace(preset("best"), starts=3)
    assert preset("best", starts=3).statistic == PRESETS["best"].statistic


@pytest.mark.parametrize(
    ("kind", "table", "plain"),
    [(SynthesisConfig, PRESETS, "default"), (TransferConfig, PUBLISHED_SETTINGS, "multiscale")],
)
def test_what_a_preset_changes_makes_the_preset(kind, table, plain):
    assert changes_of(table[plain]) == {}
    for config in table.values():
        assert kind(**changes_of(config)) == config
