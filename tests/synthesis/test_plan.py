"""What a config means for pictures of given sizes."""

import pytest
from helpers.pictures import smooth_noise

from subjective.checks import InputError
from subjective.cli.arguments import render_error
from subjective.optimize.adam import Adam
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.preconditioned import Preconditioned
from subjective.synthesis import plan, texture
from subjective.synthesis.config import SynthesisConfig, TransferConfig
from subjective.synthesis.preconditioner import apply_octave_gains

SMALL = {
    "output_width": 32,
    "output_height": 24,
    "octaves": 2,
    "statistic": ("gram",),
    "layers": ("pool1", "conv3_2"),
}
SOURCES = [(80, 72)]


def notes(config, params, sources=SOURCES, **how):
    """The notes of a plan, as a Python user reads them."""
    return [str(InputError(note)) for note in plan.make_plan(config, params, sources, **how).notes]


@pytest.mark.slow
def test_octaves_that_are_not_given_are_as_many_as_all_pictures_have_room_for(small_params):
    def chosen(width, source, **settings):
        config = SynthesisConfig(output_width=width, **settings)
        return plan.choose_octaves(config, small_params, [(source, source + 9)]).octaves

    assert chosen(256, 512) == 4
    assert chosen(512, 557) == 5
    assert chosen(4096, 5000) == 5
    assert chosen(512, 276) == 3, "the source is too small for a fourth"
    assert chosen(512, 512, padding_mode="valid") == 4
    assert chosen(512, 4000, octaves=2) == 2
    assert chosen(40, 4000) == 1


@pytest.mark.slow
def test_the_plan_has_the_octaves_that_were_chosen_and_ends_with_the_full_picture(small_params):
    made = plan.make_plan(SynthesisConfig(output_width=256), small_params, [(512, 521)])
    assert made.config.octaves == 4
    assert made.analysis.octaves == (0, 1, 2, 3)
    assert [stage.size for stage in made.stages] == [(128, 128), (256, 256)]
    assert made.stages[-1].analysis == made.analysis


@pytest.mark.parametrize(
    ("changes", "source", "message"),
    [
        (
            {"output_width": 256, "output_height": 256, "octaves": 4, "padding_mode": "valid"},
            (80, 72),
            r"the picture of 256x256 pixels is too small for 4 octaves.*wanted at least 277.*use octaves 3",
        ),
        ({}, (40, 72), r"source 1 of 72x40 pixels is too small for 2 octaves.*67.*use octaves 1"),
        ({}, (12, 12), "use shallower layers"),
    ],
)
def test_pictures_too_small_are_refused_with_what_would_fit(small_params, changes, source, message):
    config = SynthesisConfig(**SMALL | changes)
    with pytest.raises(InputError, match=message):
        plan.make_plan(config, small_params, [source])
    with pytest.raises(InputError, match=message):
        texture.synthesize([smooth_noise(0, source)], config, params=small_params)


@pytest.mark.slow
def test_pictures_too_small_are_refused_under_the_names_that_were_given(small_params):
    config = SynthesisConfig(**SMALL)
    with pytest.raises(InputError, match=r"^'rock\.png' of 72x40 pixels") as refused:
        plan.make_plan(config, small_params, [(80, 72), (40, 72)], names=["'sand.png'", "'rock.png'"])
    assert "use --octaves 1" in render_error(refused.value)
    small = TransferConfig(**SMALL | {"output_width": 20, "octaves": 3, "content_layers": ("pool1",)}, margin=2)
    with pytest.raises(InputError, match=r"^the content with its margin of 24x28 pixels is too small"):
        plan.make_plan(small, small_params, [(800, 800)], picture="the content")


def test_a_layer_that_the_network_lacks_is_refused(small_params):
    with pytest.raises(InputError, match="no layer 'conv9_1'"):
        plan.make_plan(SynthesisConfig(**SMALL | {"layers": ("conv9_1",)}), small_params, SOURCES)


def test_a_statistic_is_left_out_where_a_picture_is_too_small_for_it(small_params):
    config = SynthesisConfig(output_width=64, octaves=3, statistic=("gram", "spectrum@rgb"))
    analysis = plan.analysis_of(config, small_params, [(400, 400)])
    assert [octave for octave in range(3) if "rgb" in analysis.layers_at(octave)] == [0, 1]
    assert plan.dropped_statistics(config, small_params, analysis) == ()


def test_a_statistic_that_has_room_nowhere_is_left_out_and_named(small_params):
    config = SynthesisConfig(output_width=24, octaves=1, statistic=("gram@pool1", "spectrum@rgb=2", "grid@rgb"))
    made = plan.make_plan(config, small_params, [(80, 80)])
    assert [term.statistic.name for term in made.analysis.terms] == ["gram", "grid"]
    assert plan.dropped_statistics(config, small_params, made.analysis) == ("spectrum@rgb=2",)
    assert notes(config, small_params) == ["no octave has room for spectrum@rgb=2; it is left out"]
    larger = SynthesisConfig(output_width=64, octaves=1, statistic=config.statistic)
    assert notes(larger, small_params) == []


def test_statistics_none_of_which_has_room_are_refused(small_params):
    config = SynthesisConfig(output_width=24, octaves=1, statistic=("spectrum@rgb",))
    with pytest.raises(InputError, match=r"of a 24 pixel picture has room.*spectrum maps of 32.*such as gram"):
        plan.analysis_of(config, small_params, [(80, 80)])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"statistic": ("gram@pool1",), "layer_weights": (1.0, 2.0)},
            [
                f"{name} has no effect, because every statistic names its own layers"
                for name in ("layers", "layer_weights")
            ],
        ),
        (
            {"schedule": "plain", "coarse_iter": 3, "first_stage": 8},
            [
                f"{name} has no effect, because a plain schedule has no coarse stages"
                for name in ("coarse_iter", "first_stage")
            ],
        ),
        ({"schedule": "plain"}, []),
    ],
)  # fmt: skip
def test_settings_that_have_no_effect_are_named(small_params, changes, expected):
    assert notes(SynthesisConfig(**SMALL | changes), small_params) == expected


def test_a_statistic_that_has_no_meaning_for_a_region_is_refused(small_params):
    config = SynthesisConfig(**SMALL | {"statistic": ("sliced",)})
    plan.make_plan(config, small_params, SOURCES)
    with pytest.raises(InputError, match="sliced cannot be taken of a part of a picture; leave out the masks"):
        plan.make_plan(config, small_params, SOURCES, by_regions=True)


@pytest.mark.parametrize(
    ("config", "optimizer"),
    [
        (SynthesisConfig(history=7), Preconditioned(LBFGSB(history=7), apply_octave_gains)),
        (SynthesisConfig(bounds=True), LBFGSB(bounds=(0.0, 1.0))),
        (SynthesisConfig(output_width=2048), Preconditioned(LBFGS(), apply_octave_gains)),
        (
            SynthesisConfig(optimizer="lbfgs", preconditioner="none", history_type="bfloat16"),
            LBFGS(history_type="bfloat16"),
        ),
        (SynthesisConfig(optimizer="adam", bounds=True), Adam(bounds=(0.0, 1.0))),
    ],
)
def test_a_config_says_which_optimizer_it_takes(config, optimizer):
    assert plan.choose_optimizer(config) == optimizer
