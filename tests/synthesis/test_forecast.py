"""Forecasts of time: all phases are counted, and steps that are measured correct the rest."""

import dataclasses

import pytest
from helpers.pictures import noise

from subjective.checks import InputError
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.enough import ends_when_near
from subjective.synthesis.forecast import (
    EXPECTED_SHARE,
    LIKELY_STEPS,
    STEP_EVALUATIONS,
    Forecast,
    Phase,
    StageForecast,
    fit_to_time,
    forecast,
    forecast_plan,
)
from subjective.synthesis.texture import prepare

BEFORE, AFTER = (Phase("reading", 1.0), Phase("compiling", 9.0)), (Phase("measuring", 5.0),)
FOUND = Forecast(
    (StageForecast("64x64", 0.5, 60, 40, attempts=2), StageForecast("128x128", 2.0, 10, 10)), 3, BEFORE, AFTER
)


def test_the_whole_run_is_the_sum_of_its_phases():
    assert [phase.name for phase in FOUND.phases] == ["reading", "compiling", "64x64", "128x128", "measuring"]
    assert FOUND.total_seconds == 10 + 3 * (40 * 0.5 + 10 * 2) + 5
    assert FOUND.most_seconds == 10 + 3 * (60 * 0.5 + 10 * 2) + 5


def test_a_forecast_in_words_has_the_whole_and_each_phase():
    assert str(FOUND) == (
        "about 2 min 15 s in all, 2 min 45 s if all steps are made: reading 1 s, compiling 9 s, 64x64 1 min, "
        "128x128 1 min, measuring 5 s (2 s a step at full size)"
    )


def test_a_forecast_of_a_very_short_run_names_no_phase():
    assert str(Forecast((StageForecast("4x4", 0.001, 10, 10),))) == "about 0 s in all (0.001 s a step at full size)"


def test_what_is_left_shrinks_from_step_to_step_to_the_end():
    left = [FOUND.seconds_left(0, 0, attempt, made, None) for attempt in range(2) for made in range(20)]
    left += [FOUND.seconds_left(0, 1, 0, made, None) for made in range(11)]
    assert left == sorted(left, reverse=True)
    assert left[0] == FOUND.total_seconds - 10
    assert FOUND.seconds_left(2, 1, 0, 10, None) == 5


def test_a_stage_that_goes_on_longer_than_usual_is_expected_to_go_on_for_a_while():
    single = Forecast((StageForecast("64x64", 1.0, 60, 40),))
    assert single.seconds_left(0, 0, 0, 39, None) == 1
    assert single.seconds_left(0, 0, 0, 48, None) == 12
    assert single.seconds_left(0, 0, 0, 55, None) == 5


def test_the_share_that_is_done_grows_also_where_a_stage_goes_on_for_long():
    shares = [FOUND.share_done(0, 0, attempt, made) for attempt in range(2) for made in range(20)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    near = Forecast((StageForecast("64x64", 1.0, 60, 5),), after=(Phase("measuring", 5.0),))
    shares = [near.share_done(0, 0, 0, made) for made in range(61)]
    assert shares == sorted(shares)
    assert near.seconds_left(0, 0, 0, 8, None) == 2 + 5
    assert near.seconds_left(0, 0, 0, 60, None) == 5


def test_measured_steps_correct_the_steps_to_come_but_not_the_measuring():
    asked = FOUND.seconds_left(0, 1, 0, 0, 4.0) - FOUND.seconds_after
    assert asked == 2 * (FOUND.seconds_left(0, 1, 0, 0, 2.0) - FOUND.seconds_after)


def test_with_little_time_all_stages_make_fewer_steps_by_the_same_factor():
    found = Forecast((StageForecast("64x64", 1.0, 100, 85), StageForecast("128x128", 2.0, 50, 42)), 1, BEFORE, AFTER)
    assert found.most_seconds == 10 + 100 + 100 + 5
    asked = SynthesisConfig(max_iter=50, coarse_iter=100)
    assert fit_to_time(asked, found, 215) is asked
    short = fit_to_time(asked, found, 115.1)
    assert (short.max_iter, short.coarse_iter) == (25, 50)
    assert fit_to_time(SynthesisConfig(max_iter=50), found, 115.1).coarse_iter is None
    with pytest.raises(InputError, match=r"minutes is 0.5; 10 steps at 512x512 pixels need 55 s: give more time"):
        fit_to_time(asked, found, 30)


@pytest.mark.parametrize(("tol", "share"), [(0.03, EXPECTED_SHARE), (1e-9, 1.0)])
def test_a_forecast_is_of_the_stages_and_starts_of_the_job(small_params, tol, share):
    asked = SynthesisConfig(
        output_width=64,
        octaves=2,
        layers=("pool1",),
        statistic=("gram",),
        first_stage=1,
        max_iter=10,
        starts=3,
        count=2,
        tol=tol,
        enough=0.0,
    )
    job = prepare([noise(100, 100, 3)], asked, small_params)
    first, last = forecast(job, (0.1, 0.4)).stages
    assert (first.name, last.name) == ("32x32", "64x64")
    assert (first.most_steps, last.most_steps) == (3 * 16, 10)
    assert last.expected_steps == 10 * share
    assert last.step_seconds == pytest.approx(0.4 * STEP_EVALUATIONS)
    assert forecast(job, (0.1, 0.4)).pictures == 2


def test_a_picture_that_may_end_near_its_source_is_expected_to_take_few_steps(small_params):
    asked = SynthesisConfig(output_width=64, octaves=2, layers=("pool1",), statistic=("gram",), max_iter=60)
    without = ({"enough": 0.0}, {"mul": 2})
    for sources, changes, wanted in (
        (1, {}, LIKELY_STEPS),
        (2, {}, LIKELY_STEPS),
        *((1, each, 51) for each in without),
    ):
        config = dataclasses.replace(asked, **changes)
        job = prepare([noise(100, 100, 3)] * sources, config, small_params)
        near = ends_when_near(config, sources)
        found = (forecast(job, (0.4,)), forecast_plan(job.config, job.stages, (0.4,), ends_near=near))
        assert [one.stages[0].expected_steps for one in found] == [wanted, wanted]
        assert found[0].stages[0].most_steps == 60
