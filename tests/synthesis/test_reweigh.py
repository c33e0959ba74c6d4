"""Weights that change in the middle of a run."""

import copy

import numpy as np
import pytest
from helpers.pictures import smooth_noise

from subjective.checks import InputError
from subjective.optimize.minimizer import minimize
from subjective.synthesis import texture
from subjective.synthesis.coarse_to_fine import run
from subjective.synthesis.config import SynthesisConfig, TransferConfig
from subjective.synthesis.plan import choose_optimizer
from subjective.synthesis.reweigh import apply_changes, list_weights, read_change, read_changes
from subjective.synthesis.schedule import Schedule

SETTINGS = {
    "output_width": 32,
    "output_height": 24,
    "octaves": 2,
    "max_iter": 4,
    "coarse_iter": 3,
    "statistic": ("gram", "covariance=0.5"),
    "layers": ("pool1",),
    "first_stage": 1,
    "tol": 0.0,
    "enough": 0.0,
}
STEP = 4  # of seven: the first at full size


def prepare(params, **settings):
    return texture.prepare([smooth_noise(), smooth_noise(1)], SynthesisConfig(**SETTINGS | settings), params)


@pytest.mark.slow
def test_a_run_changed_by_hand_is_made_again_by_its_settings_and_resumed_to_the_bit(small_params):
    job, taken, changed = prepare(small_params), {}, {"source_weights": [0.9, 0.1], "statistic": [1, 2.5]}
    schedule = Schedule(job)

    def on_step(picture, step):
        if step.step == STEP:
            schedule.add(picture, step.step, changed)
        taken[step.step] = copy.deepcopy(step)

    [made] = run(job, on_step, schedule=schedule)
    texts = tuple(map(str, schedule.changes))
    again = prepare(small_params, reweigh=texts)
    [same] = run(again)
    np.testing.assert_array_equal(made.value, same.value)
    for step in (STEP - 1, STEP, STEP + 1):
        [rest] = run(again, resume=copy.deepcopy(taken[step].position))
        np.testing.assert_array_equal(made.value, rest.value)
    [other] = run(job)
    assert np.abs(np.asarray(made.value) - np.asarray(other.value)).max() > 1e-3

    # What is made after the change is what a new minimization of the other loss makes from the picture so far.
    fresh = prepare(small_params, source_weights=(0.9, 0.1), statistic=("gram=1", "covariance=2.5"))
    loss, arguments = fresh.problem(fresh.stages[-1])
    steps = taken[7].step - STEP
    alone = minimize(
        loss,
        taken[STEP].value,
        (arguments,),
        choose_optimizer(fresh.config),
        max_steps=steps,
        tolerance=0.0,
        first_step=fresh.config.first_step,
    )
    np.testing.assert_array_equal(made.value, alone.value)
    assert made.loss == alone.loss


def test_a_change_counts_for_later_stages_and_pictures(small_params):
    job = prepare(small_params, reweigh=("1:layout_weight=2", "1:3:source_weights=1,0"), count=2)
    schedule = Schedule(job)
    assert schedule.before(0, 1) is job
    assert schedule.after(0, 1).config.layout_weight == 2
    assert schedule.before(1, 3).config.source_weights is None
    last = schedule.before(1, 4).config
    assert (last.layout_weight, last.source_weights) == (2, (1, 0))
    assert schedule.after(0, 2) is None


def test_weights_that_do_not_fit_change_nothing(small_params):
    schedule = Schedule(prepare(small_params))
    for wrong in ({"source_weights": [1, 2, 3]}, {"statistic": [1]}, {"max_iter": [3]}, {"if_weight": [1]}):
        with pytest.raises(InputError):
            schedule.add(0, 2, wrong)
    assert schedule.changes == []


def test_the_text_of_a_change_makes_it_again_to_the_bit():
    text = str(read_change(f"2:40:source-weights={1 / 3},0"))
    assert text == f"2:40:source_weights={1 / 3:.17g},0"
    assert read_change(text).weights == (1 / 3, 0)
    later = read_changes(["9:if_weight=1", "3:if_weight=2", "9:if_weight=3"])
    assert [(change.step, change.weights) for change in later] == [(3, (2,)), (9, (3,))]


@pytest.mark.parametrize(
    "text", ["", "40", "40:", "40:x", "40:source_weights", "40:source_weights=", "x:source_weights=1", "40:octaves=3",
             "40:source_weights=nan,1", "40:source_weights=-1,1", "1:2:3:layout_weight=1", "40:layout_weight=1,2",
             "40:statistic=1", "²:layout_weight=1"]
)  # fmt: skip
def test_a_text_that_is_no_change_is_refused(text):
    with pytest.raises(InputError, match="reweigh"):
        SynthesisConfig(**SETTINGS, reweigh=(text,))


def test_the_weights_that_can_be_changed_are_listed_with_their_names():
    config = SynthesisConfig(**SETTINGS)
    found = list_weights(config, ["a.png", "a.png"])
    assert found == {
        "statistic": [("gram", 1.0), ("covariance", 0.5)],
        "source_weights": [("a.png", 1.0), ("a.png", 1.0)],
        "layer_weights": [("pool1", 1.0)],
        "octave_weights": [("octave 0", 1.0), ("octave 1", 1.0)],
        "layout_weight": [("layout_weight", 0.1)],
    }
    for name, weights in found.items():  # each of them is taken
        apply_changes(config, read_changes([f"1:{name}={','.join(str(weight) for _, weight in weights)}"]))
    assert {"content_weight", "tv_weight"} <= list_weights(TransferConfig(octaves=2), ["style"]).keys()
