"""A run ends in time, with pictures of the size that was asked for."""

import time

import pytest
from helpers.pictures import smooth_noise

from subjective.runs.deadline import Deadline
from subjective.synthesis.coarse_to_fine import run
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.texture import prepare

ENDLESS = {"layers": ("pool1",), "statistic": ("gram",), "max_iter": 100_000, "coarse_iter": 3, "tol": 0.0}
ENDLESS |= {"enough": 0.0}
ENDLESS |= {"optimizer": "adam", "first_step": 1e-7}  # so slow that no stage settles
ENDLESS |= {"first_stage": 1}  # with a coarse stage, which a small picture of patches does not need


def make(params, seconds, **settings):
    """Make pictures until the time is over. Return the results, and the seconds that they took."""
    job = prepare([smooth_noise()], SynthesisConfig(output_width=32, octaves=2, **ENDLESS, **settings), params)
    deadline, began = Deadline(job, seconds), time.monotonic()
    return run(job, deadline.update), time.monotonic() - began


@pytest.mark.slow
def test_each_picture_gets_a_share_of_the_time(small_params):
    make(small_params, 1.0)  # compile
    results, seconds = make(small_params, 2.0, count=2)
    assert [result.value.shape for result in results] == [(32, 32, 3)] * 2
    assert all(result.message.startswith("the time that was given is over") for result in results)
    assert all(3 < result.steps < 100_000 for result in results)
    assert seconds >= 2.0


@pytest.mark.slow
def test_a_run_that_is_late_still_makes_all_coarse_steps_and_one_at_full_size(small_params):
    [result], _ = make(small_params, -10.0)
    assert (result.value.shape, result.steps) == ((32, 32, 3), 4)
    assert result.message.startswith("the time that was given is over, 1")
