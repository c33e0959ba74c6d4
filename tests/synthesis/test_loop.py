"""Loops from the library."""

import numpy as np
import pytest
from helpers.pictures import photograph

from subjective.checks import InputError
from subjective.evaluation.motion import measure_distances
from subjective.runs import checkpoints
from subjective.synthesis.config import AnimationConfig
from subjective.synthesis.loop import animate, prepare
from subjective.synthesis.morph import around

SMALL = {
    "output_width": 32,
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "max_iter": 8,
    "count": 6,
    "if_order": 3,  # in every test that it means nothing to: they share their programs
}


@pytest.fixture(scope="module")
def loop(small_params):
    [result] = animate([photograph()], AnimationConfig(**SMALL), params=small_params)
    return result


@pytest.mark.slow
def test_a_loop_closes_and_its_frames_are_as_far_apart_as_asked(loop):
    assert loop.value.shape == (6, 32, 32, 3)
    found = measure_distances(np.asarray(loop.value))
    assert np.ptp(found.values) < 0.25 * np.mean(found.values)
    assert loop.parts["interframe"].keys() == {"1", "2", "3"}
    assert float(sum(loop.parts["interframe"].values())) < 0.05  # a fifth off
    assert loop.loss < loop.begun / 5


@pytest.mark.slow
def test_the_weight_of_the_distances_counts(small_params, loop):
    [alone], [far] = (
        animate([photograph()], AnimationConfig(**SMALL, **changes), params=small_params)
        for changes in ({"if_weight": 0}, {"if_shift": 3})
    )
    steps = [np.mean(measure_distances(np.asarray(result.value)).values) for result in (loop, far, alone)]
    assert steps[1] > 1.3 * steps[0]
    assert steps[2] > 1.3 * steps[0]


@pytest.mark.slow
def test_frames_made_together_are_those_made_one_by_one(small_params):
    """Also where they are no multiple of how many are made together."""
    few = SMALL | {"max_iter": 2, "schedule": "plain"}
    alone, *together = (
        animate([photograph()], AnimationConfig(**few, batch=batch), params=small_params)[0].value
        for batch in (1, 2, 4)
    )
    for frames in together:
        np.testing.assert_allclose(frames, alone, atol=1e-3)


@pytest.mark.parametrize("init", ["symmetric", "phases"])
def test_every_start_differs_from_frame_to_frame(small_params, init):
    """The 2017 program blurred its symmetric start across frames, which so began alike."""
    config = AnimationConfig(**SMALL | {"max_iter": 0, "schedule": "plain"}, init=init)
    frames = np.asarray(animate([photograph()], config, params=small_params)[0].value)
    found = measure_distances(frames)
    assert np.ptp(found.values) < 0.2 * np.mean(found.values)
    assert min(found.values) > 0.3 * frames.std(axis=(1, 2)).mean()


def test_every_stage_of_a_loop_starts_with_detail_that_turns(small_params):
    config = AnimationConfig(**SMALL | {"max_iter": 0})
    frames = np.asarray(animate([photograph()], config, params=small_params)[0].value)
    detail = frames - (np.roll(frames, 1, axis=1) + np.roll(frames, 1, axis=2)) / 2
    grain = photograph() - (np.roll(photograph(), 1, axis=0) + np.roll(photograph(), 1, axis=1)) / 2
    assert detail.std() == pytest.approx(grain[8:-8, 8:-8].std(), rel=0.4)
    assert measure_distances(detail).flicker == pytest.approx(2 * np.sin(np.pi / 6), rel=1e-3)


def test_a_picture_may_be_every_frames_start(small_params):
    start = photograph()[:32, :32]
    config = AnimationConfig(**SMALL | {"max_iter": 0, "schedule": "plain"})
    frames = np.asarray(animate([photograph()], config, params=small_params, init=start)[0].value)
    assert 0 < np.abs(frames - start).max() < 10 * config.noise


@pytest.mark.slow
def test_a_morph_goes_from_keyframe_to_keyframe_and_back(small_params):
    dark, light = photograph() * 0.4, 0.6 + photograph("gravel") * 0.4
    weights = around(6, 2)
    [result] = animate([dark, light], AnimationConfig(**SMALL), params=small_params, frame_weights=weights)
    means = np.asarray(result.value).mean(axis=(1, 2, 3))
    wanted = weights @ [dark.mean(), light.mean()]
    np.testing.assert_allclose(means, wanted, atol=0.06)


def test_frames_of_different_mixtures_are_not_fused(small_params):
    shares = np.array([[1.0, 0.0], [0.0, 1.0]])
    config = AnimationConfig(output_width=64, count=2, octaves=1, layers=("pool1",), join_mode="fuse")
    with pytest.raises(InputError, match=r"is fuse, which gives all frames the same colors; .* take geodesic"):
        prepare([photograph("rock"), photograph("grass")], config, small_params, shares)


@pytest.mark.slow
def test_textures_turn_into_one_another_by_geodesic_mean_unless_said(small_params):
    pair = [photograph("rock"), photograph("grass")]
    shares = np.array([[1, 0], [0.5, 0.5], [0, 1], [0.5, 0.5]])
    settings = {"output_width": 64, "count": 4, "octaves": 1, "layers": ("pool1",), "statistic": ("gram",)}

    def grams(mode):
        job = prepare(pair, AnimationConfig(**settings, join_mode=mode), small_params, shares)
        (targets, _), _ = job.problem(job.stages[-1])[1]["texture"]
        return targets[0]["pool1"]["gram"]

    unsaid, geodesic, average = (np.asarray(grams(mode)) for mode in (None, "geodesic", "average"))
    np.testing.assert_array_equal(unsaid, geodesic)
    np.testing.assert_array_equal(unsaid[::2], average[::2])
    np.testing.assert_allclose(average[1], (average[0] + average[2]) / 2, rtol=1e-5)
    assert not np.allclose(unsaid[1], average[1], rtol=1e-2)


def test_weights_of_another_shape_are_refused(small_params):
    with pytest.raises(ValueError, match=r"frame weights are of shape \(5, 1\); wanted \(6, 1\)"):
        animate([photograph()], AnimationConfig(**SMALL), params=small_params, frame_weights=np.ones((5, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lbfgsb", "lbfgs"])
def test_a_loop_resumes_bit_for_bit(small_params, tmp_path, optimizer):
    config = AnimationConfig(**SMALL | {"max_iter": 3}, optimizer=optimizer)

    def keep(_, step):
        if step.position.stage == 1 and not checkpoints.find(tmp_path):
            checkpoints.write(tmp_path, 1, step.position, {})

    [whole] = animate([photograph()], config, params=small_params, on_step=keep)
    position, _ = checkpoints.read(checkpoints.find(tmp_path)[0])
    [again] = animate([photograph()], config, params=small_params, resume=position)
    np.testing.assert_array_equal(again.value, whole.value)


def test_frame_weights_beside_masks_are_refused(small_params):
    with pytest.raises(ValueError, match="frame weights and masks were both given; give one of them"):
        animate(
            [photograph()],
            AnimationConfig(**SMALL),
            params=small_params,
            frame_weights=np.ones((6, 1)),
            masks=np.ones((32, 32, 1)),
        )
