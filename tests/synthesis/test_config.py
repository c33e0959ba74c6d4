"""Settings: each by itself, and the rules between them, in Python's words."""

import dataclasses

import pytest

from subjective.checks import InputError
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig

VERBS = [SynthesisConfig, AnimationConfig, TransferConfig, NoveltyConfig]


@pytest.mark.parametrize("kind", VERBS)
def test_the_defaults_of_every_verb_can_be_meant(kind):
    assert kind().octaves is None


@pytest.mark.parametrize(
    "unfit",
    [
        {"output_width": 0}, {"octaves": 0}, {"octaves": 99}, {"octave_step": 0}, {"max_iter": -1},
        {"tol": float("nan")}, {"history": 0}, {"count": 0}, {"seed": -1}, {"seed": 2**32},
        {"mul": float("inf")},
        {"layer_weights": (1.0,)}, {"octave_weights": (1.0, -1.0, 0.0, 0.0), "octaves": 4},
        {"octave_weights": (1.0,)}, {"statistic": ("grams",)}, {"statistic": ("content",)},
        {"statistic": ()},
        {"statistic": ("gram=-1",)}, {"layers": ()}, {"coarse_iter": -1}, {"first_stage": 0}, {"starts": 0},
        {"source_weights": (0.0,)},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_refused_by_its_name(unfit):
    name = next(iter(unfit))
    with pytest.raises(InputError, match=rf"^{name}\b"):
        SynthesisConfig(**unfit)


def test_a_config_that_is_changed_is_checked_again():
    with pytest.raises(InputError, match="max_iter is -1; wanted 0 or more"):
        dataclasses.replace(SynthesisConfig(), max_iter=-1)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (SynthesisConfig, {"output_width": 10**6}, "a picture of 1000000x1000000 is larger than"),
        (TransferConfig, {"margin": 9999}, "a picture of 512x512 with its margin is larger than"),
        (
            SynthesisConfig,
            {"bounds": True, "optimizer": "lbfgs"},
            "bounds cannot be kept by optimizer lbfgs; use lbfgsb or adam",
        ),
        (
            SynthesisConfig,
            {"preconditioner": "octaves", "bounds": True},
            "preconditioner octaves does not go with bounds",
        ),
        (
            SynthesisConfig,
            {"preconditioner": "octaves", "optimizer": "adam"},
            "preconditioner octaves does not go with optimizer adam",
        ),
        (
            SynthesisConfig,
            {"history_type": "bfloat16"},
            "history_type bfloat16 needs optimizer lbfgs; give that as well",
        ),
        (
            SynthesisConfig,
            {"history_type": "bfloat16", "optimizer": "adam"},
            "history_type bfloat16 needs optimizer lbfgs; give that as well",
        ),
        (SynthesisConfig, {"octave_weights": (1.0, 2.0)}, "octave_weights were given without octaves"),
        (SynthesisConfig, {"octave_weights": (1.0, 2.0), "octaves": 3}, "octave_weights got 2 numbers for 3 octaves"),
        (SynthesisConfig, {"init": "content"}, "init content is for a transfer"),
        (AnimationConfig, {"count": 1}, "count is 1; wanted 2 frames or more"),
        (AnimationConfig, {"count": 24, "devices": 5}, "count is 24; wanted a multiple of devices 5"),
        (TransferConfig, {"count": 4}, "count is 4; a transfer makes one picture"),
        (TransferConfig, {"content_layers": ()}, "content_layers got no layer"),
        (NoveltyConfig, {"count": 1}, "count is 1; wanted 2 or more pictures to be unlike each other, or internal"),
        (NoveltyConfig, {"init": "phases"}, "init phases needs sources"),
        (NoveltyConfig, {"internal": True, "octaves": 1}, "internal compares octaves"),
        (
            NoveltyConfig,
            {"internal": True, "octaves": 2, "octave_weights": (1.0, 1.0)},
            "octave_weights have no meaning",
        ),
        (NoveltyConfig, {"mul": 0.0}, "mul is 0; wanted a number above 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(kind, settings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        kind(**settings)


def test_octaves_that_are_still_open_cannot_be_counted():
    with pytest.raises(InputError, match="octaves is open; choose the number of octaves first"):
        SynthesisConfig().octave_indices  # noqa: B018


@pytest.mark.parametrize(
    ("config", "used"),
    [
        (SynthesisConfig(), True),
        (SynthesisConfig(padding_mode="valid"), False),
        (SynthesisConfig(padding_mode="same", preconditioner="octaves"), True),
        (SynthesisConfig(preconditioner="none"), False),
        (SynthesisConfig(bounds=True), False),
        (SynthesisConfig(optimizer="adam"), False),
        (AnimationConfig(), True),
        (TransferConfig(), False),
        (TransferConfig(preconditioner="octaves"), True),
        (NoveltyConfig(), False),
    ],
)
def test_textures_that_wrap_are_preconditioned(config, used):
    assert config.preconditioned == used


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (SynthesisConfig(), "lbfgsb"),
        (SynthesisConfig(output_width=2048), "lbfgs"),
        (SynthesisConfig(output_width=2048, bounds=True), "lbfgsb"),
        (SynthesisConfig(devices=2), "lbfgs"),
        (AnimationConfig(output_width=512), "lbfgs"),
        (AnimationConfig(output_width=128), "lbfgsb"),
        (SynthesisConfig(optimizer="adam"), "adam"),
    ],
)
def test_large_pictures_are_made_by_the_optimizer_that_takes_less_memory(config, name):
    assert config.optimizer_name == config.preferred_optimizer == name


def test_without_the_lbfgsb_of_scipy_lbfgs_takes_its_place_and_bounds_are_refused(monkeypatch):
    monkeypatch.delattr("scipy.optimize._lbfgsb.setulb")
    config = SynthesisConfig()
    assert (config.optimizer_name, config.preferred_optimizer) == ("lbfgs", "lbfgsb")
    assert config.preconditioned
    assert SynthesisConfig(optimizer="adam", bounds=True).optimizer_name == "adam"
    with pytest.raises(
        InputError, match=r"^bounds cannot be kept: lbfgsb needs .*; use optimizer adam, leave out bounds"
    ):
        SynthesisConfig(bounds=True)
    with pytest.raises(InputError, match=r"^optimizer lbfgsb cannot run: lbfgsb needs .*; use optimizer lbfgs or adam"):
        SynthesisConfig(optimizer="lbfgsb")


def test_coarse_stages_have_five_steps_for_three_of_the_last():
    config = SynthesisConfig(max_iter=60)
    assert [config.steps(size) for size in ((512, 512), (256, 256))] == [60, 100]
    assert SynthesisConfig(max_iter=60, coarse_iter=7).steps((256, 256)) == 7


def test_frames_are_compared_up_to_half_a_loop():
    config = AnimationConfig(count=5, if_order=9, if_shift=0.5)
    assert config.frame_steps == (1, 2)
    assert config.frame_shifts == (0.5, 1.0)


def test_the_margin_grows_with_the_octaves_and_divides_among_devices():
    margins = [TransferConfig(octaves=octaves).margin_pixels for octaves in (1, 2, 3, 4, 5)]
    assert margins == [8, 16, 32, 32, 32]
    assert TransferConfig(octaves=2, output_width=512, devices=8).size == (576, 576), "multiples of eight rows on each"
    assert TransferConfig(octaves=2, padding_mode="circular", output_width=64).size == (64, 64)
    assert TransferConfig(octaves=2, margin=3, output_width=64).size == (70, 70)
