"""Enlarge: finer detail is made, and the picture itself is kept."""

import numpy as np
import pytest
from helpers.pictures import noise, smooth_noise

from subjective.checks import InputError
from subjective.optimize.protocol import value_and_gradient
from subjective.synthesis.detail import add_detail, average_squares, double
from subjective.synthesis.edit_config import EnlargeConfig
from subjective.synthesis.enlarge import enlarge, fit_config, prepare
from subjective.synthesis.result import Stop
from subjective.synthesis.starts import key_of

SMALL = {"max_iter": 3, "statistic": ("gram",), "layers": ("pool1",)}


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 4])
def test_the_result_reduced_by_the_scale_is_the_picture(small_params, scale):
    picture, losses = 0.1 + 0.8 * smooth_noise(size=(40, 36)), []
    [result] = enlarge(
        picture,
        EnlargeConfig(**SMALL, scale=scale),
        params=small_params,
        on_step=lambda _, step: losses.append((step.value.shape, step.loss)),
    )
    assert result.picture.shape == (scale * 40, scale * 36, 3)
    np.testing.assert_allclose(average_squares(np.asarray(result.value), scale), picture, atol=1e-6)
    assert losses[-1][1] < losses[-3][1]
    assert {shape for shape, _ in losses} == {(side * 40, side * 36, 3) for side in (2, 4) if side <= scale}


def test_detail_comes_from_the_place_that_looks_the_same():
    """The source is the truth itself, so that each pixel's nearest place is its own and nothing is left to chance."""
    truth = noise(48, 56, 3)
    picture = average_squares(truth, 2)
    made = add_detail(picture, [truth], [1.0], key_of(0, 0), (False, False))
    left = np.sqrt(np.mean((made - truth)[4:-4, 4:-4] ** 2))
    assert left < 0.25 * np.sqrt(np.mean((double(picture) - truth)[4:-4, 4:-4] ** 2))
    np.testing.assert_allclose(average_squares(made, 2), picture, atol=1e-6)


def test_detail_of_a_picture_that_tiles_goes_on_at_the_other_side():
    picture, source = smooth_noise(size=(24, 28)), noise(60, 60, 3)
    turned = np.roll(picture, (5, 9), (0, 1))
    made, other = (add_detail(one, [source], [1.0], key_of(0, 0), (True, True)) for one in (picture, turned))
    np.testing.assert_allclose(np.roll(made, (10, 18), (0, 1)), other, atol=1e-5)


@pytest.mark.slow
def test_the_loss_does_not_see_the_means_of_squares(small_params):
    picture = smooth_noise(size=(32, 32))
    config = fit_config(picture, EnlargeConfig(**SMALL))
    job = prepare(picture, config, small_params)
    loss, arguments = job.problem(job.stages[-1])
    gradient = np.asarray(value_and_gradient(loss)(job.start(0, 0, job.stages[-1]), arguments)[1])
    largest = np.abs(gradient).max()
    assert largest > 0
    assert np.abs(average_squares(gradient, 2)).max() < 1e-3 * largest


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_position_ends_with_the_same_bits(small_params):
    picture, config = smooth_noise(size=(32, 32)), EnlargeConfig(**SMALL, count=2)
    whole, positions = enlarge(picture, config, params=small_params), []

    def stop(number, step):
        positions.append(step.position)
        if number == 1 and step.step == 2:
            raise Stop

    enlarge(picture, config, params=small_params, on_step=stop)
    again = enlarge(picture, config, params=small_params, resume=positions[-1])
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one.value, other.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"octaves": 2}, "octaves is 2; a result of 2 times the size lacks 1"),
        ({"init": "phases"}, "init is phases; wanted patches, random or a picture file"),
    ],
    ids=str,
)
def test_a_setting_without_meaning_is_refused(settings, says):
    with pytest.raises(InputError, match=says):
        EnlargeConfig(**settings)


def test_a_picture_without_places_to_compare_is_refused(small_params):
    with pytest.raises(InputError, match="the picture is of 9x9 pixels; wanted 10 or more a side"):
        enlarge(noise(9, 9, 3), EnlargeConfig(**SMALL), params=small_params)
