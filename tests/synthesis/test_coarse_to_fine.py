"""The loop over the stages of a picture, whichever verb prepared the job."""

import copy
import json

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise, smooth_noise

from subjective.optimize.protocol import State
from subjective.runs import checkpoints
from subjective.statistics.terms import Analysis
from subjective.synthesis import texture
from subjective.synthesis.coarse_to_fine import Position, run
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage, enlarge

SMALL = {
    "output_width": 32,
    "output_height": 24,
    "octaves": 2,
    "max_iter": 3,
    "enough": 0.0,  # every stage has all of its steps
    "statistic": ("gram",),
    "layers": ("pool1", "conv3_2"),
    "first_stage": 1,
}


def synthesize(params, **settings):
    """The results, and every step that was told, of a small texture."""
    told = []
    results = texture.synthesize(
        [smooth_noise()],
        SynthesisConfig(**SMALL | settings),
        params=params,
        on_step=lambda picture, step: told.append((picture, step)),
    )
    return results, told


@pytest.mark.slow
def test_stages_count_on_and_end_with_the_picture_asked_for(small_params):
    [result], told = synthesize(small_params, coarse_iter=2)
    coarse, full = (12, 16), (24, 32)
    assert [(step.step, step.value.shape[:2]) for _, step in told] == [
        (0, coarse), (1, coarse), (2, coarse), (3, full), (4, full), (5, full),
    ]  # fmt: skip
    assert result.steps == 5
    assert result.value.shape[:2] == full


def test_evaluations_and_seconds_are_counted_over_all_stages(small_params):
    [result], told = synthesize(small_params, coarse_iter=2)
    evaluations, seconds = ([getattr(step, name) for _, step in told] for name in ("evaluations", "seconds"))
    assert evaluations == sorted(set(evaluations))
    assert seconds == sorted(seconds)
    assert result.evaluations == evaluations[-1]
    assert result.seconds >= seconds[-1]


def test_each_picture_is_told_under_its_number(small_params):
    results, told = synthesize(small_params, count=2, coarse_iter=2)
    assert [picture for picture, _ in told] == [0] * 6 + [1] * 6
    assert [step.step for _, step in told] == [*range(6)] * 2
    for number, result in enumerate(results):
        np.testing.assert_array_equal(told[6 * number + 5][1].value, result.value)


def test_a_position_says_where_a_step_belongs(small_params):
    _, told = synthesize(small_params, count=2, starts=2, coarse_iter=1, max_iter=1)
    places = [step.position for _, step in told]
    assert [(at.picture, at.stage, at.steps, len(at.attempts), len(at.finished)) for at in places] == [
        (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, 1, 1, 0), (0, 1, 2, 2, 0),
        (1, 0, 0, 0, 1), (1, 0, 0, 0, 1), (1, 0, 1, 1, 1), (1, 1, 2, 2, 1),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["plain", "coarse-to-fine"])
def test_of_several_starts_the_one_of_the_lowest_loss_goes_on(small_params, schedule):
    [one], _ = synthesize(small_params, schedule=schedule, seed=4)
    [result], told = synthesize(small_params, schedule=schedule, seed=4, starts=4)
    told = [step for _, step in told]
    first = [step for step in told if step.value.shape == told[0].value.shape]
    steps = 3 if schedule == "plain" else 5
    ends = [first[steps * (attempt + 1)].loss for attempt in range(4)]
    assert len(set(ends)) == 4
    assert [step.step for step in first[: 4 * steps + 1]] == list(range(4 * steps + 1))
    assert result.steps == told[-1].step == one.steps + 3 * steps
    assert result.evaluations == told[-1].evaluations > one.evaluations
    # what is told last is the result, so that it is what a run keeps
    np.testing.assert_array_equal(told[-1].value, result.value)
    assert told[-1].loss == result.loss
    if schedule == "plain":
        assert result.loss == min(ends) < max(ends)
    else:
        assert {step.position.attempt for step in told if step.position.stage == 1} == {ends.index(min(ends))}
    assert ends.index(min(ends)) != 3  # else the last one would do


# A job without a network: a square loss, so that what each stage is given can be seen


def square_loss(value, center):
    """Least where all values are ``center``."""
    loss = jnp.mean((value - center) ** 2)
    return loss, {"square": loss}


def job_of(sizes, start, steps=30, **how):
    """A job whose stages have these sizes, each drawn to a grey."""
    analysis = Analysis((0,), ())
    stages = tuple(Stage(len(sizes) - 1 - n, size, analysis, 0, steps) for n, size in enumerate(sizes))
    config = SynthesisConfig(output_height=sizes[-1][0], output_width=sizes[-1][1], octaves=1)
    return Job(config, stages, lambda *place: (square_loss, jnp.float32(0.5)), start, **how)


def black(picture, attempt, stage):
    return jnp.zeros((*stage.size, 3))


@pytest.mark.slow
def test_a_stage_begins_with_the_one_before_enlarged_and_the_detail_of_a_fresh_start():
    def start(picture, attempt, stage):
        return jnp.asarray(noise(*stage.size, 3, seed=stage.octave))

    job = job_of([(8, 8), (16, 16)], start, steps=0)
    [result] = run(job)
    expected = enlarge(start(0, 0, job.stages[0]), *job.stages, start(0, 0, job.stages[1]), job.config.padding_mode)
    np.testing.assert_array_equal(result.value, expected)


def test_a_fresh_start_is_that_of_the_best_attempt():
    asked = []

    def start(picture, attempt, stage):
        asked.append((picture, attempt, stage.octave))
        return jnp.full((*stage.size, 3), [0.9, 0.6, 0.0][attempt])

    results = run(job_of([(8, 8), (16, 16)], start, steps=0, starts=3, pictures=2))
    assert asked == [(number, *at) for number in (0, 1) for at in [(0, 1), (1, 1), (2, 1), (1, 0)]]
    for result in results:
        np.testing.assert_allclose(result.value, np.full((16, 16, 3), 0.6), atol=1e-6)


def test_a_picture_is_what_the_job_renders_of_the_value():
    seen = []
    job = job_of([(8, 8)], black, render=lambda value, stage: value[2:-2, 2:-2])
    [result] = run(job, lambda _, step: seen.append(step.value.shape))
    assert result.value.shape == (4, 4, 3)
    assert set(seen) == {(4, 4, 3)}


# Resuming

# Two stages, two starts of the first, two pictures: every place at which a run can be stopped.
EVERYWHERE = {
    "output_width": 24,
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "max_iter": 4,
    "enough": 0.0,
    "coarse_iter": 4,
    "first_stage": 1,
    "starts": 2,
    "count": 2,
    "init": "random",  # patches would take longer than all the rest
}


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "regions"), [("lbfgsb", 1), ("lbfgs", 1), ("adam", 1), ("lbfgs", 2)])
def test_a_synthesis_resumes_from_any_checkpoint_bit_for_bit(small_params, tmp_path, optimizer, regions):
    sources = list(noise(regions, 48, 40, 3))
    masks = None if regions == 1 else np.random.default_rng(1).dirichlet([1, 1], (24, 24)).astype(np.float32)
    config, steps = SynthesisConfig(**EVERYWHERE, optimizer=optimizer), []

    def keep(number, step):
        if step.position is not None:
            folder = tmp_path / f"{len(steps):03d}"
            folder.mkdir()
            checkpoints.write(folder, len(steps), step.position, {})
        steps.append((number, step.step, step.loss, step.evaluations, json.dumps(step.parts)))

    whole = texture.synthesize(sources, config, params=small_params, masks=masks, on_step=keep)
    folders = sorted(tmp_path.iterdir())
    places = [checkpoints.read(checkpoints.find(folder)[0])[0] for folder in folders]
    assert {(p.picture, p.stage, p.attempt > 0 or p.stage > 0) for p in places} >= {
        (picture, stage, True) for picture in (0, 1) for stage in (0, 1)
    }
    for folder in folders[2::6]:
        taken, _ = checkpoints.read(checkpoints.find(folder)[0])
        again = []
        rest = texture.synthesize(
            sources,
            config,
            params=small_params,
            masks=masks,
            resume=taken,
            on_step=lambda number, step, again=again: again.append(
                (number, step.step, step.loss, step.evaluations, json.dumps(step.parts))
            ),
        )
        assert again == steps[int(folder.name) + 1 :]
        for one, other in zip(rest, whole, strict=True):
            assert np.asarray(one.value).tobytes() == np.asarray(other.value).tobytes()
            assert (one.loss, one.steps, one.evaluations, one.message) == (
                other.loss,
                other.steps,
                other.evaluations,
                other.message,
            )


def test_a_position_is_used_up_by_the_run_that_resumes_from_it():
    job, taken = job_of([(8, 8), (16, 16)], black), []
    [whole] = run(job, lambda _, step: taken.append(copy.deepcopy(step.position)) if step.step == 1 else None)
    [position] = taken
    assert isinstance(position, Position)
    assert isinstance(position.point.state, State)
    [rest] = run(job, resume=position)
    np.testing.assert_array_equal(rest.value, whole.value)
    assert position.point.state.arrays == {}, "a picture's worth of memory is free"
